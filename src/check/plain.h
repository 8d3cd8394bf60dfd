// plain.h — slow and obvious ops, from which the reference compositions of fused ops are built. On the CPU, one loop each; they are
// differentiated on the tape like any op.
#pragma once
#include <functional>
#include "siglip/tensor.h"

namespace siglip::inline SIGLIP_FLAVOUR::plain {
/// z_i = f(x_i), with the derivative df given.
Tensor map(const Tensor& x, const std::function<double(double)>& f, const std::function<double(double)>& df);
/// z_i = x_{from(i)}: any rearrangement, choice or repetition of elements.
Tensor gather(const Tensor& x, const Shape& shape, const std::function<Dim(Dim)>& from);
/// z_i = x_i y_i.
Tensor multiply(const Tensor& x, const Tensor& y);
Tensor subtract(const Tensor& x, const Tensor& y);
/// z = Σ_i w_i x_i with constant weights; shape (1).
Tensor weighted_sum(const Tensor& x, const std::function<double(Dim)>& weight);
/// z_n = Σ_c x_nc; (N, C) → (N, 1).
Tensor sum_columns(const Tensor& x);

Tensor transpose(const Tensor& x);                                          // (R, C) → (C, R)
Tensor spread_columns(const Tensor& x, Dim C);                              // (N, 1) → (N, C)
Tensor slice(const Tensor& x, Dim row, Dim rows, Dim column, Dim columns);  // of (N, C)
Tensor place(const Tensor& x, Dim N, Dim C, Dim row, Dim column);           // (r, c) → (N, C), zeros around
Tensor spread_scalar(const Tensor& x, const Shape& shape);                  // (1) → shape
Tensor softplus(const Tensor& x);
Tensor exp(const Tensor& x);
}  // namespace siglip::inline SIGLIP_FLAVOUR::plain
