// optim.h — AdamW, gradient clipping, the learning-rate schedule.
#pragma once
#include <string>
#include <vector>
#include "siglip/tensor.h"

namespace siglip::inline SIGLIP_FLAVOUR {
struct AdamWOptions {
  double beta1 = 0.9, beta2 = 0.95, eps = 1e-8;
  double weight_decay = 0.1;  // as in PyTorch: lr · weight_decay of a parameter each step, for those that decay. 0.1 is the authors' 1e-4 at lr 1e-3
};

/// m ← β1 m + (1-β1) g,  v ← β2 v + (1-β2) g²,  p ← p - lr (m̂ / (√v̂ + eps) + weight_decay p)
/// source    Kingma and Ba 2015, algorithm 1; Loshchilov and Hutter 2019, algorithm 2
class AdamW {
 public:
  /// Switches on the gradients of all parameters, which stay on the device that they are on now.
  AdamW(Parameters parameters, const AdamWOptions& options);
  /// One update; gradients are read times grad_scale. Throws Error if it is not finite, or if parameters have moved. steps() grows by one.
  void step(double lr, double grad_scale = 1);
  void zero_grad();
  Dim steps() const { return steps_; }
  const Parameters& parameters() const { return parameters_; }
  /// m and v under "m.NAME" and "v.NAME": what a checkpoint keeps beside steps().
  Parameters state() const;
  void set_steps(Dim steps) { steps_ = steps; }

 private:
  Parameters parameters_;
  Tensors m_, v_;
  AdamWOptions options_;
  Dim steps_ = 0;
};

/// √Σ g² over all gradients; sums are double. `worst` gets the name of the first tensor whose gradient is not finite, if any. Waits for the
/// device once. Throws Error if the parameters lie on more than one device.
double global_grad_norm(const Parameters& parameters, std::string* worst = nullptr);

/// min(1, largest / norm); 1 where clipping is off (largest = 0).
double clip_factor(double norm, double largest);

/// Linear warm-up, then cosine to 0: step 0 has rate 0 if there is a warm-up, step `total` would have 0.
/// rate = ½ (1 + cos π p) · min(1, step / warmup),  p = (step - warmup) / (total - warmup) within [0, 1]
double cosine_rate(Dim step, Dim warmup, Dim total);
}  // namespace siglip::inline SIGLIP_FLAVOUR
