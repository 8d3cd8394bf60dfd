// adamw.cpp — Adam with decoupled weight decay, and the norm that clipping needs.
//
// for each parameter p with gradient g (times grad_scale), at step k = 1, 2, …
//     m ← β1 m + (1 - β1) g          a running mean of the gradient
//     v ← β2 v + (1 - β2) g²         and of its square
//     p ← p - lr ( m / (1 - β1ᵏ) / (√(v / (1 - β2ᵏ)) + eps) + decay p )
// The divisions by 1 - βᵏ undo the start from zero. decay applies to kernels of products only.
//
// numerics  elementwise, so the bits do not depend on the threads; the norm sums blocks in double, added in order
// source    Kingma and Ba 2015, algorithm 1; Loshchilov and Hutter 2019, algorithm 2
#include <algorithm>
#include <cmath>
#include <vector>
#include "core/one_device.h"
#include "core/parallel.h"
#include "core/pool.h"
#include "core/sums.h"
#include "kernels.h"
#include "siglip/error.h"
#include "siglip/optim.h"

namespace siglip::inline SIGLIP_FLAVOUR {
constexpr Dim block = 1 << 14;

void cpu::adamw_update(Real* p, Real* m, Real* v, const Real* g, Dim N, double lr, double beta1, double beta2, double eps, double decay,
                       double correction1, double correction2, double grad_scale) {
  const Real b1 = static_cast<Real>(beta1), b2 = static_cast<Real>(beta2), scale = static_cast<Real>(grad_scale);
  const Real rate = static_cast<Real>(lr / correction1), root = static_cast<Real>(1 / std::sqrt(correction2)), floor = static_cast<Real>(eps);
  const Real keep = static_cast<Real>(1 - lr * decay), one_b1 = static_cast<Real>(1 - beta1), one_b2 = static_cast<Real>(1 - beta2);
  parallel_blocks(N, block, [=](Dim begin, Dim end) {
    for (Dim i = begin; i < end; ++i) {
      const Real gi = scale * g[i];
      m[i] = b1 * m[i] + one_b1 * gi;
      v[i] = b2 * v[i] + one_b2 * gi * gi;
      p[i] = keep * p[i] - rate * m[i] / (std::sqrt(v[i]) * root + floor);
    }
  });
}

void cpu::sum_of_squares(double* sum, const Real* x, Dim N) {
  std::vector<double> shares(static_cast<std::size_t>(blocks(N, block)), 0.0);
  parallel_for(blocks(N, block), [&](Dim k) {
    const Dim begin = k * block, count = std::min(N - begin, block);
    shares[static_cast<std::size_t>(k)] = dot_in_double(x + begin, x + begin, count);
  });
  *sum = 0;
  for (double share : shares) *sum += share;
}

AdamW::AdamW(Parameters parameters, const AdamWOptions& options) : parameters_(std::move(parameters)), options_(options) {
  for (const Parameter& p : parameters_) {
    p.value.require_grad().grad();  // its memory is taken now: a first step without it would leave the second one short
    m_.push_back(Tensor::full(p.value.shape(), 0, p.value.device()));
    v_.push_back(Tensor::full(p.value.shape(), 0, p.value.device()));
  }
}

void AdamW::step(double lr, double grad_scale) {
  require(std::isfinite(grad_scale) && std::isfinite(lr), "AdamW", "a finite rate and gradient scale, got ", lr, " and ", grad_scale);
  for (std::size_t i = 0; i < parameters_.size(); ++i) require_one_device("AdamW", parameters_[i].value, m_[i]);
  ++steps_;
  const double k = static_cast<double>(steps_);
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const Parameter& p = parameters_[i];
    if (!p.value.requires_grad()) continue;
    LAUNCH(p.value.device(), adamw_update, p.value.data(), m_[i].data(), v_[i].data(), p.value.grad(), p.value.size(), lr, options_.beta1,
           options_.beta2, options_.eps, p.decays ? options_.weight_decay : 0.0, 1 - std::pow(options_.beta1, k), 1 - std::pow(options_.beta2, k),
           grad_scale);
  }
}

void AdamW::zero_grad() {
  for (const Parameter& p : parameters_) p.value.zero_grad();
}

Parameters AdamW::state() const {
  Parameters all;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    all.push_back({"m." + parameters_[i].name, m_[i]});
    all.push_back({"v." + parameters_[i].name, v_[i]});
  }
  return all;
}

double global_grad_norm(const Parameters& parameters, std::string* worst) {
  Parameters trained;
  for (const Parameter& p : parameters)
    if (p.value.requires_grad()) trained.push_back(p);
  if (trained.empty()) return 0;
  const Device device = trained[0].value.device();
  for (const Parameter& p : trained) require(p.value.device() == device, "global_grad_norm", "parameters on one device, got ", p.name, " on another");

  // One sum for each parameter, all read at once: a device is waited for a single time.
  std::vector<double> sums(trained.size());
  const std::size_t bytes = sums.size() * sizeof(double);
  const Buffer on_device(bytes, device);
  for (std::size_t i = 0; i < trained.size(); ++i)
    LAUNCH(device, sum_of_squares, static_cast<double*>(on_device.data()) + i, trained[i].value.grad(), trained[i].value.size());
  LAUNCH(device, copy_out, sums.data(), on_device.data(), bytes);

  double total = 0;
  for (std::size_t i = 0; i < trained.size(); ++i) {
    if (!std::isfinite(sums[i]) && worst && worst->empty()) *worst = trained[i].name;
    total += sums[i];
  }
  return std::sqrt(total);
}

double clip_factor(double norm, double largest) { return largest > 0 && norm > largest ? largest / norm : 1; }
}  // namespace siglip::inline SIGLIP_FLAVOUR
