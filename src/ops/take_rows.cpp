// take_rows.cpp — some rows of a tensor: the published MAP head keeps its query, key and value weights in one.
//
// shapes    x, dx : (R, ...)   y, dy : (end - begin, ...)
// forward   y_r = x_{begin + r}
// backward  dx_{begin + r} += dy_r; the other rows get nothing here
// saves     nothing           cost  one copy
#include "check/rows.h"
#include "kernels.h"
#include "siglip/error.h"
#include "siglip/ops.h"
#include "siglip/tape.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
struct TakeRows final : Op {
  Tensor x, y;
  Dim first;  // element
  TakeRows(Tensor x_, Tensor y_, Dim first_) : x(std::move(x_)), y(std::move(y_)), first(first_) {}
  const char* name() const override { return "take_rows"; }
  Saved saved() const override { return {}; }
  void backward() override {
    if (x.requires_grad()) LAUNCH(y.device(), accumulate, x.grad() + first, y.grad(), y.size());
  }
};
}  // namespace

Tensor take_rows(const Tensor& x, Dim begin, Dim end) {
  require(x.rank() >= 1, "take_rows", "x has at least one axis, got shape ", x.shape());
  require(0 <= begin && begin <= end && end <= x.dim(0), "take_rows", "rows within 0 to ", x.dim(0), ", got ", begin, " to ", end);
  Shape shape = x.shape();
  shape[0] = end - begin;
  Tensor y(shape, x.device());
  const Dim first = x.dim(0) ? begin * (x.size() / x.dim(0)) : 0;
  LAUNCH(x.device(), copy, y.data(), x.data() + first, y.size());
  return recorded(y, {x}, TakeRows(x, y, first));
}

OpRow take_rows_row() {
  return {.name = "take_rows",
          .shapes = "x (R, ...), begin, end -> (end - begin, ...)",
          .cost = "1 copy",
          .call = [](const Tensors& in, const OpCase& c) { return take_rows(in[0], c.sizes[0], c.sizes[1]); },
          .reference =
              [](const Tensors& in, const OpCase& c) {
                const Dim row = in[0].size() / in[0].dim(0);
                Shape shape = in[0].shape();
                shape[0] = c.sizes[1] - c.sizes[0];
                return plain::gather(in[0], shape, [=](Dim i) { return c.sizes[0] * row + i; });
              },
          .cases = {{.about = "the middle", .shapes = {{7, 5}}, .sizes = {2, 5}},
                    {.about = "all", .shapes = {{3, 2, 2}}, .sizes = {0, 3}},
                    {.about = "the last of a vector", .shapes = {{5}}, .sizes = {4, 5}}},
          .rejects = {{.about = "beyond the end", .shapes = {{3, 2}}, .sizes = {1, 4}, .message = "take_rows: rows within 0 to 3, got 1 to 4"},
                      {.about = "backwards", .shapes = {{3, 2}}, .sizes = {2, 1}, .message = "take_rows: rows within 0 to 3, got 2 to 1"},
                      {.about = "before the first", .shapes = {{3, 2}}, .sizes = {-1, 1}, .message = "take_rows: rows within 0 to 3, got -1 to 1"},
                      {.about = "a scalar", .shapes = {{}}, .sizes = {0, 1}, .message = "take_rows: x has at least one axis, got shape ()"}}};
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
