// softmax_loss.cpp — the loss of CLIP, the baseline: each image chooses among all texts, each text among all images.
//
// shapes    u, du, v, dv : (B, E)   log_t, loss : (1)   log_sums : (2, B)
// forward   l_ij = t <u_i, v_j>,  t = exp(log_t)
//           r_i = ln Σ_j exp(l_ij)   (rows),   c_j = ln Σ_i exp(l_ij)   (columns)
//           L = (1/2B) [ Σ_i (r_i - l_ii) + Σ_j (c_j - l_jj) ]
// backward  ∂r_i/∂l_ij = exp(l_ij - r_i), ∂c_j/∂l_ij = exp(l_ij - c_j), so
//           g_ij = (exp(l_ij - r_i) + exp(l_ij - c_j) - 2 δ_ij) / 2B
//           dU += t G V,  dV += t Gᵀ U,  dlog_t += Σ_ij g_ij l_ij
// A gradient needs the sums of its whole row and column first: that is what the sigmoid loss is spared. So the tiles are made twice, once for
// the sums and once for the gradient, in the ring order of tiles.h; nothing of size B x B is kept.
// saves     log_sums, u, v, log_t    cost  2 B²E operations forward, 6 B²E backward; 2 B² exponentials each
// memory    inputs, gradients, one tile for each thread (16 at most), 5 B doubles: (largest, sum) of rows and of columns, the diagonal. Backward
//           keeps its sums in the same place
// numerics  running maximum and scaled sum, as in a blockwise softmax: at most 512 exponentials of a tile in Real, tiles joined in double; exp is
//           Eigen's, off by at most 4.4 units in the last place (measured by tests/accuracy_test.cpp)
// source    Radford et al. 2021, figure 3; van den Oord et al. 2018
#include <algorithm>
#include <cmath>
#include <limits>
#include "check/rows.h"
#include "core/eigen.h"
#include "core/one_device.h"
#include "core/product.h"
#include "core/sums.h"
#include "kernels.h"
#include "loss/ring_order.h"
#include "siglip/error.h"
#include "siglip/loss.h"
#include "siglip/ops.h"
#include "siglip/tape.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
using RowArray = Eigen::Array<Real, 1, Eigen::Dynamic, Eigen::RowMajor, 1, largest_tile_edge>;  // a row of a tile, on the stack

// ln Σ exp(l) of a growing set: the largest so far, and Σ exp(l - largest).
struct LogSum {
  double largest = -std::numeric_limits<double>::infinity(), sum = 0;
  void add(double other_largest, double other_sum) {
    const double m = std::max(largest, other_largest);
    sum = sum * std::exp(largest - m) + other_sum * std::exp(other_largest - m);
    largest = m;
  }
  double value() const { return largest + std::log(sum); }
};

// The logits of a tile, into a workspace.
MatrixMap logits(Real* workspace, const Tile& tile, const Real* u, const Real* v, Real t, Dim edge, Dim E) {
  product(workspace, edge, {u + tile.i * E, E}, transposed({v + tile.j * E, E}), tile.rows, tile.columns, E);
  MatrixMap l = matrix(workspace, tile.rows, tile.columns, edge);
  l *= t;
  return l;
}
}  // namespace

// 5 B doubles, then the tiles, 64 bytes aligned.
static Dim sums_size(Dim B) { return blocks(5 * B, 8) * 64 / static_cast<Dim>(sizeof(Real)); }

void cpu::softmax_loss_workspace(Dim* reals, Dim B, Dim) { *reals = sums_size(B) + tile_slots(B) * tile_edge(B) * tile_edge(B); }

void cpu::softmax_loss_forward(Real* loss, Real* log_sums, Real* workspace, const Real* u, const Real* v, const Real* log_t, Dim B, Dim E) {
  const Dim edge = tile_edge(B);
  const Real t = std::exp(*log_t);
  LogSum *rows = reinterpret_cast<LogSum*>(workspace), *columns = rows + B;
  double* diagonal = reinterpret_cast<double*>(columns + B);
  Real* tiles = workspace + sums_size(B);
  std::fill_n(rows, 2 * B, LogSum());
  ring_order(B, tile_slots(B), [&](const Tile& tile, Dim slot) {
    const auto l = logits(tiles + slot * edge * edge, tile, u, v, t, edge, E).array();
    const RowArray column_largest = l.colwise().maxCoeff();
    RowArray column_sum = RowArray::Zero(tile.columns);
    for (Dim r = 0; r < tile.rows; ++r) {
      const Real largest = l.row(r).maxCoeff();
      rows[tile.i + r].add(double(largest), double((l.row(r) - largest).exp().sum()));
      column_sum += (l.row(r) - column_largest).exp();
      if (tile.row_block == tile.column_block) diagonal[tile.i + r] = double(l(r, r));
    }
    for (Dim c = 0; c < tile.columns; ++c) columns[tile.j + c].add(double(column_largest[c]), double(column_sum[c]));
  });
  double total = 0;
  for (Dim i = 0; i < B; ++i) {
    const double row = rows[i].value(), column = columns[i].value();
    total += row + column - 2 * diagonal[i];
    log_sums[i] = static_cast<Real>(row);
    log_sums[B + i] = static_cast<Real>(column);
  }
  *loss = static_cast<Real>(total / (2 * double(B)));
}

void cpu::softmax_loss_backward(Real* du, Real* dv, Real* dlog_t, Real* workspace, const Real* dloss, const Real* log_sums, const Real* u,
                                const Real* v, const Real* log_t, Dim B, Dim E) {
  const Dim edge = tile_edge(B);
  const Real t = std::exp(*log_t), factor = *dloss / static_cast<Real>(2 * B);
  double* dlog_t_sums = reinterpret_cast<double*>(workspace);  // of each block of rows
  Real* tiles = workspace + sums_size(B);
  const Dim count = blocks(B, edge);
  std::fill_n(dlog_t_sums, count, 0.0);
  ring_order(B, tile_slots(B), [&](const Tile& tile, Dim slot) {
    MatrixMap g = logits(tiles + slot * edge * edge, tile, u, v, t, edge, E);
    const Eigen::Map<const RowArray> column_log_sums(log_sums + B + tile.j, tile.columns);
    for (Dim r = 0; r < tile.rows; ++r) {
      const RowArray l = g.row(r).array();
      RowArray g_row = (l - log_sums[tile.i + r]).exp() + (l - column_log_sums).exp();
      if (tile.row_block == tile.column_block) g_row[r] -= 2;
      g_row *= factor;
      dlog_t_sums[tile.row_block] += dot_in_double(g_row.data(), l.data(), tile.columns);
      g.row(r) = t * g_row;
    }
    const Factor gs{g.data(), edge};
    if (du) add_product(du + tile.i * E, E, gs, {v + tile.j * E, E}, tile.rows, E, tile.columns);
    if (dv) add_product(dv + tile.j * E, E, transposed(gs), {u + tile.i * E, E}, tile.columns, E, tile.rows);
  });
  if (!dlog_t) return;
  double total = 0;
  for (Dim block = 0; block < count; ++block) total += dlog_t_sums[block];
  *dlog_t += static_cast<Real>(total);
}

namespace {
struct SoftmaxLoss final : Op {
  Tensor u, v, log_t, log_sums, loss;
  const char* name() const override { return "softmax_loss"; }
  Saved saved() const override { return {{"u", u}, {"v", v}, {"log_t", log_t}, {"log_sums", log_sums}}; }
  void backward() override {
    Dim reals = 0;
    LAUNCH(u.device(), softmax_loss_workspace, &reals, u.dim(0), u.dim(1));
    const Tensor workspace({reals}, u.device());
    LAUNCH(u.device(), softmax_loss_backward, u.grad(), v.grad(), log_t.grad(), workspace.data(), loss.grad(), log_sums.data(), u.data(), v.data(),
           log_t.data(), u.dim(0), u.dim(1));
  }
};
}  // namespace

Tensor softmax_loss(const Tensor& u, const Tensor& v, const Tensor& log_t) {
  const char* name = "softmax_loss";
  require_one_device(name, u, v, log_t);
  require(u.rank() == 2 && u.shape() == v.shape(), name, "u and v of one shape (B, E), got ", u.shape(), " and ", v.shape());
  require(u.dim(0) >= 1 && u.dim(1) >= 1, name, "at least one pair and one column, got ", u.shape());
  require(log_t.size() == 1, name, "log_t is one number, got ", log_t.shape());
  const Dim B = u.dim(0), E = u.dim(1);
  SoftmaxLoss op;
  op.u = u, op.v = v, op.log_t = log_t, op.log_sums = Tensor({2, B}, u.device()), op.loss = Tensor({1}, u.device());
  Dim reals = 0;
  LAUNCH(u.device(), softmax_loss_workspace, &reals, B, E);
  const Tensor workspace({reals}, u.device());
  LAUNCH(u.device(), softmax_loss_forward, op.loss.data(), op.log_sums.data(), workspace.data(), u.data(), v.data(), log_t.data(), B, E);
  const Tensor loss = op.loss;
  return recorded(loss, {u, v, log_t}, std::move(op));
}

OpRow softmax_loss_row() {
  // -ln softmax of the diagonal, by rows and by columns of the whole matrix.
  const auto composition = [](const Tensors& in, const OpCase&) {
    const Dim B = in[0].dim(0);
    const auto one_side = [&](const Tensor& x, const Tensor& y) {
      const Tensor p = softmax(scale(matmul(x, y), plain::exp(in[2])));
      const Tensor right = plain::gather(p, {B}, [B](Dim i) { return i * B + i; });
      const Tensor minus_log = plain::map(
          right, [](double a) { return -std::log(a); }, [](double a) { return -1 / a; });
      return plain::weighted_sum(minus_log, [B](Dim) { return 0.5 / double(B); });
    };
    return add(one_side(in[0], in[1]), one_side(in[1], in[0]));
  };
  const std::vector<Draw> gentle{{0, 0.5}, {0, 0.5}, {0, 0.5}};
  return {
      .name = "softmax_loss",
      .shapes = "u, v (B, E), log_t (1) -> (1)",
      .cost = "2 B^2 E forward, 6 B^2 E backward",
      .call = [](const Tensors& in, const OpCase&) { return softmax_loss(in[0], in[1], in[2]); },
      .reference = composition,
      .cases = {{.about = "primes", .shapes = {{7, 5}, {7, 5}, {1}}, .draws = gentle},
                {.about = "tile - 1", .shapes = {{15, 3}, {15, 3}, {1}}, .draws = gentle},
                {.about = "tile", .shapes = {{16, 3}, {16, 3}, {1}}, .draws = gentle},
                {.about = "tile + 1", .shapes = {{17, 3}, {17, 3}, {1}}, .draws = gentle},
                {.about = "ring of three, last tile ragged", .shapes = {{67, 2}, {67, 2}, {1}}, .draws = gentle},
                {.about = "ring of four, last tile ragged", .shapes = {{63, 2}, {63, 2}, {1}}, .draws = gentle},
                {.about = "one pair: constant", .shapes = {{1, 3}, {1, 3}, {1}}, .draws = gentle},
                {.about = "logits about 20", .shapes = {{9, 4}, {9, 4}, {1}}, .draws = {{0, 1}, {0, 1}, {2, 0.1}}},
                {.about = "logits about 80", .shapes = {{9, 4}, {9, 4}, {1}}, .draws = {{0, 2}, {0, 2}, {3, 0.1}}}},
      .rejects = {
          {.about = "batches differ", .shapes = {{3, 2}, {4, 2}, {1}}, .message = "softmax_loss: u and v of one shape (B, E), got (3, 2) and (4, 2)"},
          {.about = "no pair", .shapes = {{0, 2}, {0, 2}, {1}}, .message = "softmax_loss: at least one pair and one column, got (0, 2)"},
          {.about = "no column", .shapes = {{3, 0}, {3, 0}, {1}}, .message = "softmax_loss: at least one pair and one column, got (3, 0)"},
          {.about = "two temperatures", .shapes = {{3, 2}, {3, 2}, {2}}, .message = "softmax_loss: log_t is one number, got (2)"}}};
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
