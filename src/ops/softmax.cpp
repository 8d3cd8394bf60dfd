// softmax.cpp — y = softmax(x) along the last axis.
//
// shapes    x, y, dx, dy : (N, C)
// forward   m_n  = max_c x_nc                            for range only: softmax(x - m) = softmax(x)
//           y_nc = exp(x_nc - m_n) / Σ_k exp(x_nk - m_n)
// backward  dy_k/dx_c = y_k (δ_kc - y_c)   =>   dx_nc += y_nc (dy_nc - Σ_k dy_nk y_nk)
// saves     y                 cost  NC exponentials
// numerics  no overflow for any finite x; a row of equal x gives 1/C up to rounding; exp is Eigen's, off by at most 4.4 units in the last place
//           (measured by tests/accuracy_test.cpp)
// source    Bridle 1990; used by attention, Vaswani et al. 2017, eq. 1
#include "check/rows.h"
#include "core/eigen.h"
#include "core/parallel.h"
#include "kernels.h"
#include "siglip/error.h"
#include "siglip/ops.h"
#include "siglip/tape.h"

namespace siglip::inline SIGLIP_FLAVOUR {
void cpu::softmax_forward(Real* y, const Real* x, Dim N, Dim C) {
  parallel_for(N, [=](Dim n) {
    const ConstArrayMap xn(x + n * C, C);
    ArrayMap yn(y + n * C, C);
    yn = (xn - xn.maxCoeff()).exp();
    yn /= yn.sum();
  });
}

void cpu::softmax_backward(Real* dx, const Real* dy, const Real* y, Dim N, Dim C) {
  if (!dx) return;
  parallel_for(N, [=](Dim n) {
    const ConstArrayMap yn(y + n * C, C), dyn(dy + n * C, C);
    const Real dot = (dyn * yn).sum();
    ArrayMap(dx + n * C, C) += yn * (dyn - dot);
  });
}

namespace {
struct Softmax final : Op {
  Tensor x, y;
  Softmax(Tensor x_, Tensor y_) : x(std::move(x_)), y(std::move(y_)) {}
  const char* name() const override { return "softmax"; }
  Saved saved() const override { return {{"y", y}}; }
  void backward() override { LAUNCH(y.device(), softmax_backward, x.grad(), y.grad(), y.data(), y.rows(), y.columns()); }
};
}  // namespace

Tensor softmax(const Tensor& x) {
  require(x.rank() >= 1 && x.columns() >= 1, "softmax", "x has a last axis of at least one column, got shape ", x.shape());
  Tensor y = Tensor::like(x);
  LAUNCH(x.device(), softmax_forward, y.data(), x.data(), x.rows(), x.columns());
  return recorded(y, {x}, Softmax(x, y));
}

OpRow softmax_row() {
  return {.name = "softmax",
          .shapes = "x (..., C) -> (..., C)",
          .cost = "NC exp",
          .call = [](const Tensors& in, const OpCase&) { return softmax(in[0]); },
          .reference =
              [](const Tensors& in, const OpCase& c) {
                const double shift = c.draws.empty() ? 0 : c.draws[0].mean;  // any constant; for range only
                const auto shifted = [shift](double x) { return std::exp(x - shift); };
                const Tensor e = plain::map(in[0].reshape({in[0].rows(), in[0].columns()}), shifted, shifted);
                const Tensor reciprocal = plain::map(
                    plain::sum_columns(e), [](double s) { return 1 / s; }, [](double s) { return -1 / (s * s); });
                return plain::multiply(e, plain::spread_columns(reciprocal, e.columns())).reshape(in[0].shape());
              },
          .cases = {{.about = "primes", .shapes = {{5, 13}}},
                    {.about = "one column: constant", .shapes = {{7, 1}}},
                    {.about = "rank 3", .shapes = {{2, 3, 4}}},
                    {.about = "spread 8", .shapes = {{3, 17}}, .draws = {{0, 8}}},
                    {.about = "logits to 80 and -80", .shapes = {{16, 17}}, .draws = {{0, 40}}},
                    {.about = "mean 1000", .shapes = {{3, 33}}, .draws = {{1e3, 1}}}},
          .rejects = {{.about = "a scalar", .shapes = {{}}, .message = "softmax: x has a last axis of at least one column, got shape ()"},
                      {.about = "no column", .shapes = {{3, 0}}, .message = "softmax: x has a last axis of at least one column, got shape (3, 0)"}}};
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
