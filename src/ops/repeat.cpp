// repeat.cpp — one tensor for every sample of a batch: the learned query (probe) of the MAP head.
//
// shapes    x, dx : N elements   y, dy : (B, N)
// forward   y_bi = x_i
// backward  dx_i += Σ_b dy_bi
// saves     nothing           cost  BN copies
// numerics  the sum over b runs in order, each block of columns by one thread
#include "check/rows.h"
#include "core/parallel.h"
#include "kernels.h"
#include "siglip/error.h"
#include "siglip/ops.h"
#include "siglip/tape.h"

namespace siglip::inline SIGLIP_FLAVOUR {
void cpu::repeat_forward(Real* y, const Real* x, Dim B, Dim N) {
  parallel_for(B, [=](Dim b) {
    for (Dim i = 0; i < N; ++i) y[b * N + i] = x[i];
  });
}

void cpu::repeat_backward(Real* dx, const Real* dy, Dim B, Dim N) {
  if (!dx) return;
  parallel_blocks(N, 64, [=](Dim begin, Dim end) {
    for (Dim b = 0; b < B; ++b)
      for (Dim i = begin; i < end; ++i) dx[i] += dy[b * N + i];
  });
}

namespace {
struct Repeat final : Op {
  Tensor x, y;
  Repeat(Tensor x_, Tensor y_) : x(std::move(x_)), y(std::move(y_)) {}
  const char* name() const override { return "repeat"; }
  Saved saved() const override { return {}; }
  void backward() override { LAUNCH(y.device(), repeat_backward, x.grad(), y.grad(), y.dim(0), x.size()); }
};
}  // namespace

Tensor repeat(const Tensor& x, Dim B) {
  require(B >= 0, "repeat", "a count of at least 0, got ", B);
  Shape shape = x.shape();
  shape.insert(shape.begin(), B);
  Tensor y(shape, x.device());
  LAUNCH(x.device(), repeat_forward, y.data(), x.data(), B, x.size());
  return recorded(y, {x}, Repeat(x, y));
}

OpRow repeat_row() {
  return {.name = "repeat",
          .shapes = "x (...), B -> (B, ...)",
          .cost = "BN",
          .call = [](const Tensors& in, const OpCase& c) { return repeat(in[0], c.sizes[0]); },
          .reference =
              [](const Tensors& in, const OpCase& c) {
                const Dim N = in[0].size();
                Shape shape = in[0].shape();
                shape.insert(shape.begin(), c.sizes[0]);
                return plain::gather(in[0], shape, [N](Dim i) { return i % N; });
              },
          .cases = {{.about = "primes", .shapes = {{3, 5}}, .sizes = {7}},
                    {.about = "once", .shapes = {{4}}, .sizes = {1}},
                    {.about = "column block - 1", .shapes = {{63}}, .sizes = {3}},
                    {.about = "column block + 1", .shapes = {{65}}, .sizes = {3}}},
          .rejects = {{.about = "a negative count", .shapes = {{3}}, .sizes = {-1}, .message = "repeat: a count of at least 0, got -1"}}};
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
