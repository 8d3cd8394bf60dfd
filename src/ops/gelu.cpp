// gelu.cpp — y = x/2 (1 + tanh p(x)),  p(x) = √(2/π) (x + 0.044715 x³): the published models' activation.
//
// shapes    x, dx, y, dy : N elements
// forward   h = tanh p(x),  y = x/2 (1 + h)
// backward  dy/dx = (1 + h)/2 + x/2 (1 - h²) p'(x),   p'(x) = √(2/π) (1 + 3 · 0.044715 x²)
// saves     x                 cost  one tanh an element, again in backward: cheaper than keeping h
// numerics  tanh is Eigen's: a rational approximation, off by at most 5.2 units in the last place (measured by tests/accuracy_test.cpp); blocks
//           start at aligned addresses, so which elements take the scalar path depends on N alone
// source    Hendrycks and Gimpel 2016, section 2
#include "check/rows.h"
#include "core/eigen.h"
#include "core/parallel.h"
#include "kernels.h"
#include "siglip/ops.h"
#include "siglip/tape.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
constexpr Real sqrt_2_over_pi = Real(0.79788456080286535588), cubic = Real(0.044715);
constexpr Dim block = 2048;  // its temporaries stay in the first-level cache
}  // namespace

void cpu::gelu_forward(Real* y, const Real* x, Dim N) {
  parallel_blocks(N, 8 * block, [=](Dim first, Dim last) {
    for (Dim i = first; i < last; i += block) {
      const Dim size = std::min(block, last - i);
      const ConstArrayMap xs(x + i, size);
      ArrayMap(y + i, size) = Real(0.5) * xs * (1 + (sqrt_2_over_pi * xs * (1 + cubic * xs.square())).tanh());
    }
  });
}

void cpu::gelu_backward(Real* dx, const Real* dy, const Real* x, Dim N) {
  if (!dx) return;
  parallel_blocks(N, 8 * block, [=](Dim first, Dim last) {
    Eigen::Array<Real, block, 1> h;
    for (Dim i = first; i < last; i += block) {
      const Dim size = std::min(block, last - i);
      const ConstArrayMap xs(x + i, size), dys(dy + i, size);
      auto hs = h.head(size);
      hs = (sqrt_2_over_pi * xs * (1 + cubic * xs.square())).tanh();
      ArrayMap(dx + i, size) += dys * Real(0.5) * (1 + hs + xs * (1 - hs.square()) * sqrt_2_over_pi * (1 + 3 * cubic * xs.square()));
    }
  });
}

namespace {
struct Gelu final : Op {
  Tensor x, y;
  Gelu(Tensor x_, Tensor y_) : x(std::move(x_)), y(std::move(y_)) {}
  const char* name() const override { return "gelu"; }
  Saved saved() const override { return {{"x", x}}; }
  void backward() override { LAUNCH(y.device(), gelu_backward, x.grad(), y.grad(), x.data(), y.size()); }
};
}  // namespace

Tensor gelu(const Tensor& x) {
  Tensor y = Tensor::like(x);
  LAUNCH(x.device(), gelu_forward, y.data(), x.data(), x.size());
  return recorded(y, {x}, Gelu(x, y));
}

OpRow gelu_row() {
  const auto tanh_form = [](double x) { return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x))); };
  const auto derivative = [](double x) {
    const double h = std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x));
    return 0.5 * (1 + h) + 0.5 * x * (1 - h * h) * std::sqrt(2 / M_PI) * (1 + 3 * 0.044715 * x * x);
  };
  return {.name = "gelu",
          .shapes = "x (...) -> (...)",
          .cost = "N tanh",
          .call = [](const Tensors& in, const OpCase&) { return gelu(in[0]); },
          .reference = [=](const Tensors& in, const OpCase&) { return plain::map(in[0], tanh_form, derivative); },
          .cases = {{.about = "primes", .shapes = {{5, 13}}},
                    {.about = "wide", .shapes = {{7, 11}}, .draws = {{0, 4}}},
                    {.about = "block size + 1", .shapes = {{block + 1}}},
                    {.about = "a thread's blocks - 1", .shapes = {{8 * block - 1}}},
                    {.about = "a thread's blocks + 1", .shapes = {{8 * block + 1}}},
                    {.about = "mean 1000: the identity", .shapes = {{3, 5}}, .draws = {{1e3, 1}}},
                    {.about = "mean -80: nothing passes", .shapes = {{3, 5}}, .draws = {{-80, 1}}}}};
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
