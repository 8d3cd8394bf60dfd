// take_token.cpp — one token of each sequence. The text tower pools the last one, which is why every text is padded to full length.
//
// shapes    x, dx : (B, T, C)   y, dy : (B, C)
// forward   y_bc = x_btc for one given t
// backward  dx_btc += dy_bc; the other tokens get nothing here
// saves     nothing           cost  BC copies
#include "check/rows.h"
#include "core/parallel.h"
#include "kernels.h"
#include "siglip/error.h"
#include "siglip/ops.h"
#include "siglip/tape.h"

namespace siglip::inline SIGLIP_FLAVOUR {
void cpu::take_token_forward(Real* y, const Real* x, Dim B, Dim T, Dim C, Dim t) {
  parallel_for(B, [=](Dim b) {
    for (Dim c = 0; c < C; ++c) y[b * C + c] = x[(b * T + t) * C + c];
  });
}

void cpu::take_token_backward(Real* dx, const Real* dy, Dim B, Dim T, Dim C, Dim t) {
  if (!dx) return;
  parallel_for(B, [=](Dim b) {
    for (Dim c = 0; c < C; ++c) dx[(b * T + t) * C + c] += dy[b * C + c];
  });
}

namespace {
struct TakeToken final : Op {
  Tensor x, y;
  Dim t;
  TakeToken(Tensor x_, Tensor y_, Dim t_) : x(std::move(x_)), y(std::move(y_)), t(t_) {}
  const char* name() const override { return "take_token"; }
  Saved saved() const override { return {}; }
  void backward() override { LAUNCH(y.device(), take_token_backward, x.grad(), y.grad(), x.dim(0), x.dim(1), x.dim(2), t); }
};
}  // namespace

Tensor take_token(const Tensor& x, Dim t) {
  require(x.rank() == 3, "take_token", "x (B, T, C), got ", x.shape());
  require(t >= 0 && t < x.dim(1), "take_token", "a token from 0 to ", x.dim(1) - 1, ", got ", t);
  Tensor y({x.dim(0), x.dim(2)}, x.device());
  LAUNCH(x.device(), take_token_forward, y.data(), x.data(), x.dim(0), x.dim(1), x.dim(2), t);
  return recorded(y, {x}, TakeToken(x, y, t));
}

Tensor take_last_token(const Tensor& x) { return take_token(x, x.rank() == 3 ? x.dim(1) - 1 : 0); }

OpRow take_token_row() {
  return {.name = "take_token",
          .shapes = "x (B, T, C), t -> (B, C)",
          .cost = "BC",
          .call = [](const Tensors& in, const OpCase& c) { return c.sizes.empty() ? take_last_token(in[0]) : take_token(in[0], c.sizes[0]); },
          .reference =
              [](const Tensors& in, const OpCase& c) {
                const Dim T = in[0].dim(1), C = in[0].dim(2), t = c.sizes.empty() ? T - 1 : c.sizes[0];
                return plain::gather(in[0], {in[0].dim(0), C}, [=](Dim i) { return (i / C * T + t) * C + i % C; });
              },
          .cases = {{.about = "the last", .shapes = {{3, 5, 7}}},
                    {.about = "the first", .shapes = {{3, 5, 7}}, .sizes = {0}},
                    {.about = "the only one", .shapes = {{2, 1, 3}}}},
          .rejects = {{.about = "beyond the end", .shapes = {{2, 3, 4}}, .sizes = {3}, .message = "take_token: a token from 0 to 2, got 3"},
                      {.about = "before the first", .shapes = {{2, 3, 4}}, .sizes = {-1}, .message = "take_token: a token from 0 to 2, got -1"},
                      {.about = "no sequence", .shapes = {{2, 3}}, .message = "take_token: x (B, T, C), got (2, 3)"}}};
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
