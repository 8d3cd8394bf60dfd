// l2_normalize.cpp — each row divided by its length: what makes a dot product a cosine.
//
// shapes    x, y, dx, dy : (N, C)   norm : (N)
// forward   norm_n = max(√Σ_c x_nc², 1e-12),  y_nc = x_nc / norm_n
// backward  moving along y changes only the length, which is divided away:  dx_n += (dy_n - y_n <y_n, dy_n>) / norm_n
//           (below 1e-12 the length is constant: dx_n += dy_n / 1e-12)
// saves     y, norm           cost  4 NC operations
// numerics  squares are summed in double, so none of floats over- or underflows; every row of length 1e-12 or more, up to the largest Real, comes out
//           at length 1, shorter ones shorter, zeros as zeros
// source    Zhai et al. 2023, algorithm 1; the floor as in PyTorch's normalize
#include <cmath>
#include "check/rows.h"
#include "core/parallel.h"
#include "core/sums.h"
#include "kernels.h"
#include "siglip/error.h"
#include "siglip/ops.h"
#include "siglip/tape.h"

namespace siglip::inline SIGLIP_FLAVOUR {
constexpr Real smallest_norm = Real(1e-12);

void cpu::l2_normalize_forward(Real* y, Real* norm, const Real* x, Dim N, Dim C) {
  parallel_blocks(N, 16, [=](Dim begin, Dim end) {
    for (Dim n = begin; n < end; ++n) {
      norm[n] = std::max(static_cast<Real>(std::sqrt(dot_in_double(x + n * C, x + n * C, C))), smallest_norm);
      for (Dim c = 0; c < C; ++c) y[n * C + c] = x[n * C + c] / norm[n];
    }
  });
}

void cpu::l2_normalize_backward(Real* dx, const Real* dy, const Real* y, const Real* norm, Dim N, Dim C) {
  if (!dx) return;
  parallel_blocks(N, 16, [=](Dim begin, Dim end) {
    for (Dim n = begin; n < end; ++n) {
      const Real *yn = y + n * C, *dyn = dy + n * C;
      const double dot = norm[n] > smallest_norm ? dot_in_double(yn, dyn, C) : 0;
      for (Dim c = 0; c < C; ++c) dx[n * C + c] += (dyn[c] - yn[c] * static_cast<Real>(dot)) / norm[n];
    }
  });
}

namespace {
struct L2Normalize final : Op {
  Tensor x, y, norm;
  L2Normalize(Tensor x_, Tensor y_, Tensor norm_) : x(std::move(x_)), y(std::move(y_)), norm(std::move(norm_)) {}
  const char* name() const override { return "l2_normalize"; }
  Saved saved() const override { return {{"y", y}, {"norm", norm}}; }
  void backward() override { LAUNCH(y.device(), l2_normalize_backward, x.grad(), y.grad(), y.data(), norm.data(), y.rows(), y.columns()); }
};
}  // namespace

Tensor l2_normalize(const Tensor& x) {
  require(x.rank() >= 1 && x.columns() >= 1, "l2_normalize", "x has a last axis of at least one column, got shape ", x.shape());
  Tensor y = Tensor::like(x), norm({x.rows()}, x.device());
  LAUNCH(x.device(), l2_normalize_forward, y.data(), norm.data(), x.data(), x.rows(), x.columns());
  return recorded(y, {x}, L2Normalize(x, y, norm));
}

OpRow l2_normalize_row() {
  const auto composition = [](const Tensors& in, const OpCase&) {
    const Tensor x = in[0].reshape({in[0].rows(), in[0].columns()});
    const Tensor reciprocal = plain::map(
        plain::sum_columns(plain::multiply(x, x)), [](double s) { return 1 / std::max(std::sqrt(s), 1e-12); },
        [](double s) { return std::sqrt(s) > 1e-12 ? -0.5 / (s * std::sqrt(s)) : 0; });
    return plain::multiply(x, plain::spread_columns(reciprocal, x.columns())).reshape(in[0].shape());
  };
  return {
      .name = "l2_normalize",
      .shapes = "x (..., C) -> (..., C)",
      .cost = "4 NC",
      .call = [](const Tensors& in, const OpCase&) { return l2_normalize(in[0]); },
      .reference = composition,
      .cases = {{.about = "primes", .shapes = {{5, 13}}},
                {.about = "rank 3", .shapes = {{2, 3, 4}}},
                {.about = "block - 1", .shapes = {{15, 3}}},
                {.about = "block + 1", .shapes = {{17, 3}}},
                {.about = "one column: the sign", .shapes = {{7, 1}}},
                {.about = "rows of zeros", .shapes = {{3, 4}}, .draws = {{0, 0}}, .step = 0x1p-50},
                {.about = "shorter than the floor", .shapes = {{3, 4}}, .draws = {{0, 1e-14}}, .step = 0x1p-60},
                {.about = "length 1e-11", .shapes = {{3, 4}}, .draws = {{0, 1e-11}}, .step = 0x1p-50},
                {.about = "length 1e30", .shapes = {{3, 4}}, .draws = {{0, 1e30}}, .step = 0x1p86},
                {.about = "mean 1000", .shapes = {{3, 33}}, .draws = {{1e3, 1}}, .step = 0x1p-4}},
      .rejects = {{.about = "a scalar", .shapes = {{}}, .message = "l2_normalize: x has a last axis of at least one column, got shape ()"},
                  {.about = "no column", .shapes = {{3, 0}}, .message = "l2_normalize: x has a last axis of at least one column, got shape (3, 0)"}}};
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
