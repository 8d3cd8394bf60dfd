// loss.h — the sigmoid loss of SigLIP and the softmax loss of CLIP, both in memory that grows linearly with the batch.
#pragma once
#include <vector>
#include "siglip/tensor.h"

namespace siglip::inline SIGLIP_FLAVOUR {
enum class Reduction {
  per_image,  // (1/B) Σ_ij: for each image the sum over all texts, then the mean over images (the paper)
  mean        // (1/B²) Σ_ij
};

/// Which pairs match. Default: image i with text i. With ids: wherever image_ids[i] == text_ids[j], so one image may have several
/// positives; both have shape (B).
struct Labels {
  Ids image_ids = {}, text_ids = {};
};

/// L = (1/B) Σ_ij softplus(-z_ij l_ij),  l_ij = t <u_i, v_j> + b,  t = exp(log_t),  z_ij = +1 for a match, else -1.
/// shapes    u, v (B, E), usually unit rows (they need not be); log_t, b (1); the result (1)
/// memory    inputs, gradients and one tile for each thread, 1 MiB in float, 16 at most; on a CUDA device one tile at a time, at most 256 MiB
///           with what cuBLAS and bf16 factors take; nothing of size B x B exists
/// numerics  no overflow for any finite logit; the sums over pairs are double; the same bits for any number of threads
/// source    Zhai et al. 2023, algorithm 1
Tensor sigmoid_loss(const Tensor& u, const Tensor& v, const Tensor& log_t, const Tensor& b, const Labels& labels = {},
                    Reduction reduction = Reduction::per_image);

/// The sigmoid loss of B pairs whose logits are all b, as with cosines of 0: softplus(b) (B - p) + softplus(-b) p, p positives an image.
double initial_sigmoid_loss(Dim B, double b, double positives_per_image = 1);

/// The bias whose sigmoid is 1/B, the share of positives: -ln(B - 1). B >= 2.
double auto_bias(Dim B);

/// L = (1/2B) Σ_i [ -ln softmax_j(l_ij)_i - ln softmax_j(l_ji)_i ],  l_ij = t <u_i, v_j>: image i matches text i.
/// shapes    u, v (B, E), log_t (1), the result (1)
/// memory    linear in B: backward makes the tiles again
/// source    Radford et al. 2021, figure 3
Tensor softmax_loss(const Tensor& u, const Tensor& v, const Tensor& log_t);
}  // namespace siglip::inline SIGLIP_FLAVOUR
