// add_rows.cpp — y = x + b along the leading axes: biases, and the position table on every sequence.
//
// shapes    x, dx, y, dy : (N, C)   b, db : (C)      C = size of b: (T, C) positions count as one row
// forward   y_nc = x_nc + b_c
// backward  dx_nc += dy_nc,  db_c += Σ_n dy_nc
// saves     nothing           cost  NC additions
// numerics  db sums its rows in order, each column block by one thread
#include <algorithm>
#include "check/rows.h"
#include "core/one_device.h"
#include "core/parallel.h"
#include "kernels.h"
#include "siglip/error.h"
#include "siglip/ops.h"
#include "siglip/tape.h"

namespace siglip::inline SIGLIP_FLAVOUR {
void cpu::add_rows_forward(Real* y, const Real* x, const Real* b, Dim N, Dim C) {
  parallel_for(N, [=](Dim n) {
    for (Dim c = 0; c < C; ++c) y[n * C + c] = x[n * C + c] + b[c];
  });
}

void cpu::add_rows_backward(Real* db, const Real* dy, Dim N, Dim C) {
  if (!db) return;
  parallel_blocks(C, 64, [=](Dim begin, Dim end) {
    for (Dim n = 0; n < N; ++n)
      for (Dim c = begin; c < end; ++c) db[c] += dy[n * C + c];
  });
}

namespace {
struct AddRows final : Op {
  Tensor x, b, y;
  AddRows(Tensor x_, Tensor b_, Tensor y_) : x(std::move(x_)), b(std::move(b_)), y(std::move(y_)) {}
  const char* name() const override { return "add_rows"; }
  Saved saved() const override { return {}; }
  void backward() override {
    if (x.requires_grad()) LAUNCH(y.device(), accumulate, x.grad(), y.grad(), y.size());
    LAUNCH(y.device(), add_rows_backward, b.grad(), y.grad(), y.size() / b.size(), b.size());
  }
};
}  // namespace

Tensor add_rows(const Tensor& x, const Tensor& b) {
  require_one_device("add_rows", x, b);
  const bool fits = b.rank() >= 1 && b.size() >= 1 && b.rank() <= x.rank() && std::equal(b.shape().rbegin(), b.shape().rend(), x.shape().rbegin());
  require(fits, "add_rows", "b has the trailing axes of x, got x ", x.shape(), " and b ", b.shape());
  Tensor y = Tensor::like(x);
  LAUNCH(x.device(), add_rows_forward, y.data(), x.data(), b.data(), x.size() / b.size(), b.size());
  return recorded(y, {x, b}, AddRows(x, b, y));
}

OpRow add_rows_row() {
  return {.name = "add_rows",
          .shapes = "x (..., C), b (C) or (T, C) -> (..., C)",
          .cost = "NC",
          .call = [](const Tensors& in, const OpCase&) { return add_rows(in[0], in[1]); },
          .cases = {{.about = "a bias", .shapes = {{5, 13}, {13}}},
                    {.about = "positions", .shapes = {{3, 4, 5}, {4, 5}}},
                    {.about = "one row", .shapes = {{1, 7}, {7}}},
                    {.about = "column block - 1", .shapes = {{3, 63}, {63}}},
                    {.about = "column block + 1", .shapes = {{3, 65}, {65}}},
                    {.about = "mean 1000", .shapes = {{2, 3}, {3}}, .draws = {{1e3, 1}}}},
          .rejects = {{.about = "other axes", .shapes = {{2, 3}, {2}}, .message = "add_rows: b has the trailing axes of x, got x (2, 3) and b (2)"},
                      {.about = "b is larger", .shapes = {{3}, {2, 3}}, .message = "add_rows: b has the trailing axes of x, got x (3) and b (2, 3)"},
                      {.about = "no column", .shapes = {{2, 0}, {0}}, .message = "add_rows: b has the trailing axes of x, got x (2, 0) and b (0)"}}};
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
