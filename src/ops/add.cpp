// add.cpp — z = x + y: the residual connection.
//
// shapes    x, y, z and their gradients : one shape, N elements
// forward   z_i = x_i + y_i
// backward  dx_i += dz_i,  dy_i += dz_i
// saves     nothing           cost  N additions
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

void cpu::add_forward(Real* z, const Real* x, const Real* y, Dim N) {
  parallel_blocks(N, block, [=](Dim begin, Dim end) {
    for (Dim i = begin; i < end; ++i) z[i] = x[i] + y[i];
  });
}

namespace {
struct Add final : Op {
  Tensor x, y, z;
  Add(Tensor x_, Tensor y_, Tensor z_) : x(std::move(x_)), y(std::move(y_)), z(std::move(z_)) {}
  const char* name() const override { return "add"; }
  Saved saved() const override { return {}; }
  void backward() override {
    if (x.requires_grad()) LAUNCH(z.device(), accumulate, x.grad(), z.grad(), z.size());
    if (y.requires_grad()) LAUNCH(z.device(), accumulate, y.grad(), z.grad(), z.size());
  }
};
}  // namespace

Tensor add(const Tensor& x, const Tensor& y) {
  require_one_device("add", x, y);
  require(x.shape() == y.shape(), "add", "x and y have one shape, got ", x.shape(), " and ", y.shape());
  Tensor z = Tensor::like(x);
  LAUNCH(x.device(), add_forward, z.data(), x.data(), y.data(), z.size());
  return recorded(z, {x, y}, Add(x, y, z));
}

OpRow add_row() {
  return {.name = "add",
          .shapes = "x, y (...) -> (...)",
          .cost = "N",
          .call = [](const Tensors& in, const OpCase&) { return add(in[0], in[1]); },
          .cases = {{.about = "primes", .shapes = {{5, 13}, {5, 13}}},
                    {.about = "a scalar", .shapes = {{}, {}}},
                    {.about = "rank 3, mean 1000", .shapes = {{2, 3, 5}, {2, 3, 5}}, .draws = {{1e3, 1}}},
                    {.about = "block - 1", .shapes = {{block - 1}, {block - 1}}},
                    {.about = "block + 1", .shapes = {{block + 1}, {block + 1}}}},
          .rejects = {{.about = "shapes differ", .shapes = {{2, 3}, {3, 2}}, .message = "add: x and y have one shape, got (2, 3) and (3, 2)"}}};
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
