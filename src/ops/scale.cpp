// scale.cpp — y = s x for one learned number s.
//
// shapes    x, dx, y, dy : N elements   s, ds : (1)
// forward   y_i = s x_i
// backward  dx_i += s dy_i,  ds += Σ_i dy_i x_i
// saves     x, s              cost  N products
// numerics  the sum of ds is double, in index order
#include "check/rows.h"
#include "core/one_device.h"
#include "core/parallel.h"
#include "kernels.h"
#include "siglip/error.h"
#include "siglip/ops.h"
#include "siglip/tape.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
constexpr Dim block = 1 << 14;
}

void cpu::scale_forward(Real* y, const Real* x, const Real* s, Dim N) {
  const Real factor = *s;
  parallel_blocks(N, block, [=](Dim begin, Dim end) {
    for (Dim i = begin; i < end; ++i) y[i] = factor * x[i];
  });
}

void cpu::scale_backward(Real* dx, Real* ds, const Real* dy, const Real* x, const Real* s, Dim N) {
  const Real factor = *s;
  if (dx)
    parallel_blocks(N, block, [=](Dim begin, Dim end) {
      for (Dim i = begin; i < end; ++i) dx[i] += factor * dy[i];
    });
  if (!ds) return;
  double sum = 0;
  for (Dim i = 0; i < N; ++i) sum += double(dy[i]) * double(x[i]);
  *ds += static_cast<Real>(sum);
}

namespace {
struct Scale final : Op {
  Tensor x, s, y;
  Scale(Tensor x_, Tensor s_, Tensor y_) : x(std::move(x_)), s(std::move(s_)), y(std::move(y_)) {}
  const char* name() const override { return "scale"; }
  Saved saved() const override { return {{"x", x}, {"s", s}}; }
  void backward() override { LAUNCH(y.device(), scale_backward, x.grad(), s.grad(), y.grad(), x.data(), s.data(), y.size()); }
};
}  // namespace

Tensor scale(const Tensor& x, const Tensor& s) {
  require_one_device("scale", x, s);
  require(s.size() == 1, "scale", "s is one number, got shape ", s.shape());
  Tensor y = Tensor::like(x);
  LAUNCH(x.device(), scale_forward, y.data(), x.data(), s.data(), x.size());
  return recorded(y, {x, s}, Scale(x, s, y));
}

OpRow scale_row() {
  return {.name = "scale",
          .shapes = "x (...), s (1) -> (...)",
          .cost = "N",
          .call = [](const Tensors& in, const OpCase&) { return scale(in[0], in[1]); },
          .cases = {{.about = "primes", .shapes = {{5, 13}, {1}}},
                    {.about = "mean 1000", .shapes = {{2, 3, 5}, {1}}, .draws = {{1e3, 1}, {0, 1}}},
                    {.about = "block - 1", .shapes = {{block - 1}, {1}}},
                    {.about = "block + 1", .shapes = {{block + 1}, {1}}}},
          .rejects = {{.about = "s is a row", .shapes = {{2, 3}, {3}}, .message = "scale: s is one number, got shape (3)"}}};
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
