// attention.cpp — every token looks at every other: multi-head attention without a mask.
//
// shapes    q, y : (B, T, C)   k, v : (B, S, C)   log_sum : (B, H, T)   C = H D; head h owns columns hD … hD + D-1
//           S = T within a tower; T = 1 in the MAP head, where one learned query looks at all patches
// forward   for each (b, h):   l = q kᵀ / √D   (T, S)
//                              p = softmax(l) by rows = exp(l - log_sum),   log_sum_i = ln Σ_j exp(l_ij)
//                              y = p v         (T, D)
// backward  dv += pᵀ dy
//           dp  = dy (v - v_0)ᵀ                  less the first value: what all have in common drops out of dl, as Σ_j p_ij = 1
//           dl  = p (dp - Σ_j dp_ij p_ij)        the softmax rule, row by row
//           dq += dl k / √D,   dk += dlᵀ q / √D
// saves     q, k, v, log_sum: p is made again in backward, so no (T, S) matrix is kept
// cost      4 BTSC operations forward, 10 BTSC backward, BHTS exponentials each
// numerics  the largest logit of a row is subtracted before exp; one (b, h) belongs to one thread. In deep layers the values of all tokens are
//           alike: made of whole values, dp - Σ dp p would keep the rounding of Σ p times what they have in common.
//           A first value much larger than all others costs what such a mean cost. exp is Eigen's: softmax.cpp
// source    Vaswani et al. 2017, eq. 1 and section 3.2.2; making p again: Dao et al. 2022, section 3.1
#include <algorithm>
#include <cmath>
#include "check/rows.h"
#include "core/eigen.h"
#include "core/one_device.h"
#include "core/panels.h"
#include "core/parallel.h"
#include "kernels.h"
#include "siglip/error.h"
#include "siglip/ops.h"
#include "siglip/tape.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
Dim padded(Dim n) { return blocks(n, 16) * 16; }  // rows of the workspace start at aligned addresses

// What a thread holds for one head: two (T, S) matrices and the right factor of a product, in panels.
struct Workspace {
  Real *p, *dp, *panels;
  Dim row;
  static Dim reals(Dim T, Dim S, Dim D) { return 2 * T * padded(S) + std::max({panels_size(D, S), panels_size(S, D), panels_size(T, D)}); }
  Workspace(Real* base, Dim slot, Dim T, Dim S, Dim D)
      : p(base + slot * reals(T, S, D)), dp(p + T * padded(S)), panels(dp + T * padded(S)), row(padded(S)) {}

  // c = or += a b for b (K, J)
  template <bool add>
  void multiply(Real* c, Dim c_row, Steps a, Steps b, Dim I, Dim J, Dim K) const {
    pack_panels(panels, b, K, J);
    panel_product(c, c_row, a, panels, {.result = add}, I, J, K);
  }
};

Dim slots(Dim B, Dim H) { return std::min<Dim>(threads(), B * H); }

// l = q kᵀ / √D of one head, into the workspace.
void logits(const Workspace& w, const Real* q, const Real* k, Dim T, Dim S, Dim C, Dim D) {
  w.multiply<false>(w.p, w.row, {q, C, 1}, {k, 1, C}, T, S, D);
  const Real factor = 1 / std::sqrt(static_cast<Real>(D));
  for (Dim i = 0; i < T; ++i) ArrayMap(w.p + i * w.row, S) *= factor;
}

// v_j - v_0 in the panels of v_j; what fills up the last panel becomes -v_0, which nobody reads.
void from_the_first(Real* panels, const Real* first, Dim S, Dim D) {
  for (Dim row = 0; row < blocks(S, panel) * D; ++row) ArrayMap(panels + row * panel, panel) -= first[row % D];
}
}  // namespace

void cpu::attention_workspace(Dim* reals, Dim B, Dim T, Dim S, Dim H, Dim D) { *reals = slots(B, H) * Workspace::reals(T, S, D); }

void cpu::attention_forward(Real* y, Real* log_sum, Real* workspace, const Real* q, const Real* k, const Real* v, Dim B, Dim T, Dim S, Dim H, Dim D) {
  const Dim C = H * D;
  parallel_for(B * H, slots(B, H), [=](Dim head, Dim slot) {
    const Dim query = head / H * T * C + head % H * D, key = head / H * S * C + head % H * D;
    const Workspace w(workspace, slot, T, S, D);
    logits(w, q + query, k + key, T, S, C, D);
    for (Dim i = 0; i < T; ++i) {
      ArrayMap p(w.p + i * w.row, S);
      const Real m = p.maxCoeff();
      p = (p - m).exp();
      const Real sum = p.sum();
      p /= sum;
      log_sum[head * T + i] = m + std::log(sum);
    }
    w.multiply<false>(y + query, C, {w.p, w.row, 1}, {v + key, C, 1}, T, D, S);
  });
}

void cpu::attention_backward(Real* dq, Real* dk, Real* dv, Real* workspace, const Real* dy, const Real* log_sum, const Real* q, const Real* k,
                             const Real* v, Dim B, Dim T, Dim S, Dim H, Dim D) {
  const Dim C = H * D;
  const Real factor = 1 / std::sqrt(static_cast<Real>(D));
  parallel_for(B * H, slots(B, H), [=](Dim head, Dim slot) {
    const Dim query = head / H * T * C + head % H * D, key = head / H * S * C + head % H * D;
    const Workspace w(workspace, slot, T, S, D);
    logits(w, q + query, k + key, T, S, C, D);
    for (Dim i = 0; i < T; ++i) {
      ArrayMap p(w.p + i * w.row, S);
      p = (p - log_sum[head * T + i]).exp();
    }
    if (dv) w.multiply<true>(dv + key, C, {w.p, 1, w.row}, {dy + query, C, 1}, S, D, T);
    pack_panels(w.panels, {v + key, 1, C}, D, S);
    from_the_first(w.panels, v + key, S, D);
    panel_product(w.dp, w.row, {dy + query, C, 1}, w.panels, {}, T, S, D);
    for (Dim i = 0; i < T; ++i) {  // dp becomes dl / √D
      const ArrayMap p(w.p + i * w.row, S);
      ArrayMap dp(w.dp + i * w.row, S);
      const Real dot = (p * dp).sum();
      dp = p * (dp - dot) * factor;
    }
    if (dq) w.multiply<true>(dq + query, C, {w.dp, w.row, 1}, {k + key, C, 1}, T, D, S);
    if (dk) w.multiply<true>(dk + key, C, {w.dp, 1, w.row}, {q + query, C, 1}, S, D, T);
  });
}

namespace {
struct Attention final : Op {
  Tensor q, k, v, log_sum, y;
  Dim heads = 1;
  const char* name() const override { return "attention"; }
  Saved saved() const override { return {{"q", q}, {"k", k}, {"v", v}, {"log_sum", log_sum}}; }
  void backward() override {
    const Dim B = q.dim(0), T = q.dim(1), S = k.dim(1), D = q.dim(2) / heads;
    Dim reals = 0;
    LAUNCH(y.device(), attention_workspace, &reals, B, T, S, heads, D);
    const Tensor workspace({reals}, y.device());
    LAUNCH(y.device(), attention_backward, q.grad(), k.grad(), v.grad(), workspace.data(), y.grad(), log_sum.data(), q.data(), k.data(), v.data(), B,
           T, S, heads, D);
  }
};
}  // namespace

Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v, Dim heads) {
  require_one_device("attention", q, k, v);
  require(q.rank() == 3 && k.rank() == 3 && v.shape() == k.shape(), "attention", "q (B, T, C), k and v (B, S, C), got ", q.shape(), ", ", k.shape(),
          ", ", v.shape());
  require(q.dim(0) == k.dim(0) && q.dim(2) == k.dim(2), "attention", "q, k and v of one batch and width, got ", q.shape(), " and ", k.shape());
  require(heads >= 1 && q.dim(2) >= 1 && q.dim(2) % heads == 0, "attention", "heads divide the width ", q.dim(2), ", got ", heads);
  require(k.dim(1) >= 1, "attention", "at least one key, got k of shape ", k.shape());
  const Dim B = q.dim(0), T = q.dim(1), S = k.dim(1), D = q.dim(2) / heads;
  Attention op;
  op.q = q, op.k = k, op.v = v, op.heads = heads;
  op.y = Tensor::like(q), op.log_sum = Tensor({B, heads, T}, q.device());
  Dim reals = 0;
  LAUNCH(q.device(), attention_workspace, &reals, B, T, S, heads, D);
  const Tensor workspace({reals}, q.device());
  LAUNCH(q.device(), attention_forward, op.y.data(), op.log_sum.data(), workspace.data(), q.data(), k.data(), v.data(), B, T, S, heads, D);
  const Tensor y = op.y;
  return recorded(y, {q, k, v}, std::move(op));
}

OpRow attention_row() {
  // Head by head: cut it out, multiply, softmax, multiply, put it back.
  const auto composition = [](const Tensors& in, const OpCase& c) {
    const Tensor &q = in[0], &k = in[1], &v = in[2];
    const Dim B = q.dim(0), T = q.dim(1), S = k.dim(1), C = q.dim(2), D = C / c.sizes[0];
    const auto flat = [C](const Tensor& x) { return x.reshape({x.size() / C, C}); };
    const Tensor factor = Tensor::full({1}, static_cast<Real>(1 / std::sqrt(double(D))));
    Tensor y = Tensor::full({B * T, C}, 0);
    for (Dim b = 0; b < B; ++b)
      for (Dim h = 0; h < c.sizes[0]; ++h) {
        const Tensor qh = plain::slice(flat(q), b * T, T, h * D, D), kh = plain::slice(flat(k), b * S, S, h * D, D);
        const Tensor vh = plain::slice(flat(v), b * S, S, h * D, D);
        const Tensor p = softmax(scale(matmul(qh, kh), factor));
        y = add(y, plain::place(matmul(p, plain::transpose(vh)), B * T, C, b * T, h * D));
      }
    return y.reshape({B, T, C});
  };
  return {
      .name = "attention",
      .shapes = "q (B, T, C), k, v (B, S, C), heads H -> (B, T, C)",
      .cost = "4 BTSC + BHTS exp",
      .call = [](const Tensors& in, const OpCase& c) { return attention(in[0], in[1], in[2], c.sizes[0]); },
      .reference = composition,
      .cases = {{.about = "primes", .shapes = {{2, 5, 6}, {2, 5, 6}, {2, 5, 6}}, .sizes = {2}},
                {.about = "one token", .shapes = {{3, 1, 4}, {3, 1, 4}, {3, 1, 4}}, .sizes = {2}},
                {.about = "one query, as in the MAP head", .shapes = {{2, 1, 6}, {2, 7, 6}, {2, 7, 6}}, .sizes = {3}},
                {.about = "heads of 5", .shapes = {{1, 3, 15}, {1, 4, 15}, {1, 4, 15}}, .sizes = {3}},
                {.about = "16 keys + 1", .shapes = {{1, 5, 4}, {1, 17, 4}, {1, 17, 4}}, .sizes = {1}},
                {.about = "heads of 17", .shapes = {{1, 6, 17}, {1, 3, 17}, {1, 3, 17}}, .sizes = {1}},
                {.about = "65 queries, 67 keys: two tiles of a GPU", .shapes = {{1, 65, 3}, {1, 67, 3}, {1, 67, 3}}, .sizes = {1}},
                {.about = "a head of 130", .shapes = {{1, 2, 130}, {1, 3, 130}, {1, 3, 130}}, .sizes = {1}},
                {.about = "a head of 130, 66 keys", .shapes = {{1, 1, 130}, {1, 66, 130}, {1, 66, 130}}, .sizes = {1}},
                {.about = "values of mean 200", .shapes = {{1, 4, 6}, {1, 5, 6}, {1, 5, 6}}, .sizes = {2}, .draws = {{0, 1}, {0, 1}, {200, 1}}},
                {.about = "sharp: logits about 80",
                 .shapes = {{1, 4, 8}, {1, 5, 8}, {1, 5, 8}},
                 .sizes = {1},
                 .draws = {{0, 5}, {0, 5}, {0, 1}},
                 .float_tolerance = 1e-4}},  // measured 3e-6
      .rejects = {
          {.about = "heads do not divide",
           .shapes = {{1, 2, 5}, {1, 2, 5}, {1, 2, 5}},
           .sizes = {2},
           .message = "attention: heads divide the width 5, got 2"},
          {.about = "no head", .shapes = {{1, 2, 4}, {1, 2, 4}, {1, 2, 4}}, .sizes = {0}, .message = "attention: heads divide the width 4, got 0"},
          {.about = "no width", .shapes = {{1, 2, 0}, {1, 2, 0}, {1, 2, 0}}, .sizes = {1}, .message = "attention: heads divide the width 0, got 1"},
          {.about = "k and v differ",
           .shapes = {{1, 2, 4}, {1, 3, 4}, {1, 2, 4}},
           .sizes = {2},
           .message = "attention: q (B, T, C), k and v (B, S, C), got (1, 2, 4), (1, 3, 4), (1, 2, 4)"},
          {.about = "batches differ",
           .shapes = {{1, 2, 4}, {2, 2, 4}, {2, 2, 4}},
           .sizes = {2},
           .message = "attention: q, k and v of one batch and width, got (1, 2, 4) and (2, 2, 4)"},
          {.about = "widths differ",
           .shapes = {{1, 2, 4}, {1, 2, 6}, {1, 2, 6}},
           .sizes = {2},
           .message = "attention: q, k and v of one batch and width, got (1, 2, 4) and (1, 2, 6)"},
          {.about = "no key",
           .shapes = {{1, 2, 4}, {1, 0, 4}, {1, 0, 4}},
           .sizes = {2},
           .message = "attention: at least one key, got k of shape (1, 0, 4)"}}};
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
