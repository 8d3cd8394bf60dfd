// ops.h — every op, with its contract. An op is recorded on the Tape that lives (tape.h) and throws Error if shapes do not fit.
// (..., C) stands for any number of leading axes, N for their product. What is computed and how its gradient comes about stands on the
// page of the same name in src/ops.
#pragma once
#include "siglip/tensor.h"

namespace siglip::inline SIGLIP_FLAVOUR {
/// y = x wᵀ + bias. A weight row belongs to one output, as in published checkpoints.
/// shapes    x (..., K), w (M, K), bias (M) or none, packed_w packed(w) or none, y (..., M)
Tensor matmul(const Tensor& x, const Tensor& w, const Tensor& bias = {}, const Tensor& packed_w = {});

/// A copy of w in the order in which products on its device read it, as large as w: for a weight that many batches are multiplied by and that no
/// longer changes. Given to matmul() with w, it saves packing w anew; the result has the same bits. Undefined where products read w as it lies.
/// shapes    w (M, K)
Tensor packed(const Tensor& w);

/// How matrix products on `device` treat their factors from now on, forward and backward: as they are (f32, where every program starts), or
/// rounded, which tensor cores are faster with. A double build always takes them as they are.
/// throws    Error on the CPU for anything but f32; NoBackend where there is no such device
void set_matmul_precision(Device device, MatmulPrecision precision);

/// z = x + y; x, y and z have one shape.
Tensor add(const Tensor& x, const Tensor& y);

/// y = x with b added along the leading axes; b has the trailing axes of x.
/// shapes    x, y (..., shape of b): a bias (C) on (N, C), a position table (T, C) on (B, T, C)
Tensor add_rows(const Tensor& x, const Tensor& b);

/// y = s x for one learned number s, shape (1).
Tensor scale(const Tensor& x, const Tensor& s);

/// y = x/2 (1 + tanh(√(2/π) (x + 0.044715 x³))), elementwise.
/// source    Hendrycks and Gimpel 2016, section 2; the tanh form
Tensor gelu(const Tensor& x);

/// y = gamma (x - mean) / √(variance + eps) + beta over the last axis; the variance is divided by C.
/// shapes    x, y (..., C), gamma and beta (C)
/// source    Ba, Kiros, Hinton 2016, eq. 4
Tensor layernorm(const Tensor& x, const Tensor& gamma, const Tensor& beta, double eps = 1e-6);

/// y = exp(x - max x) / Σ exp(x - max x) along the last axis.
/// shapes    x, y (..., C), C >= 1
/// ensures   rows of y sum to 1 up to rounding; finite x never overflows
Tensor softmax(const Tensor& x);

/// For each head, y = softmax(q kᵀ / √D) v, with no mask. Head h owns columns h D … (h+1) D - 1.
/// shapes    q, y (B, T, C), k and v (B, S, C), C = heads D
/// memory    no (T, S) matrix is kept
/// source    Vaswani et al. 2017, eq. 1
Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v, Dim heads);

/// Cuts pictures into P x P patches and maps each by one matrix: a convolution of kernel and stride P without padding.
/// shapes    images (B, 3, S, S), weight (C, 3, P, P), bias (C), y (B, T, C), T = ⌊S/P⌋², rows first; leftover pixels are unused
/// source    Dosovitskiy et al. 2020, eq. 1
Tensor patch_embedding(const Tensor& images, const Tensor& weight, const Tensor& bias);
Tensor patchify(const Tensor& images, Dim patch);  // (B, 3, S, S) → (B, T, 3 P P), channel, row, column

/// y_n = table[ids_n].
/// shapes    ids (...), table (V, C), y (..., C); 0 <= ids < V
Tensor token_embedding(const Ids& ids, const Tensor& table);

/// y_b = x_b[t]: one token of each sequence. shapes  x (B, T, C), y (B, C)
Tensor take_token(const Tensor& x, Dim t);
Tensor take_last_token(const Tensor& x);

/// y = x[begin … end-1] of the first axis: queries, keys or values out of one published weight. shapes  x (R, ...), y (end - begin, ...)
Tensor take_rows(const Tensor& x, Dim begin, Dim end);

/// y_b = x for b = 0 … B-1: the learned query of the MAP head, once for each picture. shapes  x (any), y (B, shape of x)
Tensor repeat(const Tensor& x, Dim B);

/// y = x / max(‖x‖₂, 1e-12) along the last axis. shapes  x, y (..., C)
Tensor l2_normalize(const Tensor& x);
}  // namespace siglip::inline SIGLIP_FLAVOUR
