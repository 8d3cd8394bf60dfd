// sigmoid_loss.cpp — the loss of SigLIP: every image-text pair of a batch is a yes/no question of its own.
//
// THE PAPER (Zhai et al. 2023, algorithm 1), with its letters
//     t = exp(t_prime)                              here log_t
//     logits = dot(zimg, ztxt.T) * t + b            here l_ij = t s_ij + b,  s_ij = <u_i, v_j>
//     labels = 2 * eye(n) - ones(n)                 here z_ij = +1 for a match, else -1
//     loss = -sum(log_sigmoid(labels * logits)) / n
// Since -log σ(x) = ln(1 + e^-x) = softplus(-x), this is
//     L = (1/B) Σ_i Σ_j softplus(-z_ij l_ij).
//
// THE DERIVATION, in five lines
//     1. d softplus(x)/dx = σ(x), so with g_ij = ∂L/∂l_ij:   g_ij = -z_ij σ(-z_ij l_ij) / B  =  (σ(l_ij) - [z_ij = +1]) / B
//     2. l_ij = t s_ij + b:             db      = Σ_ij g_ij
//     3. ∂l_ij/∂log_t = t s_ij:         dlog_t  = Σ_ij g_ij t s_ij
//     4. s_ij = <u_i, v_j>:             du_i    = t Σ_j g_ij v_j         (dU = t G V)
//     5. and likewise                   dv_j    = t Σ_i g_ij u_i         (dV = t Gᵀ U)
// An upstream gradient dL multiplies all of it.
//
// WHY IT NEEDS NO B x B MATRIX. g_ij depends on l_ij alone: no row sum, no column sum, no view of the whole batch. So one visit of a tile of
// pairs makes its logits, adds its part of L, db and dlog_t, turns the logits into t g in place, and adds two products to dU and dV. Then the
// tile is forgotten. Three products in all, as many as with the full matrix, and no recomputation: the gradient is ready when the loss is.
// THE TILES, and their ring order (tiles.h draws it): the batch is cut into n blocks of at most 512 pairs; at step s, image block i meets text block
// (i + s) mod n. In one step no two tiles share images or texts, so all of a step may run at once, each adding to its own rows of dU and dV.
//
// TWO PAIRS BY HAND (a test asserts these numbers). u_1 = v_1 = (1, 0), u_2 = (0, 1), v_2 = (0.6, 0.8), t = 10, b = -10:
//     s = [1  0.6]    l = [ 0   -4]     softplus(-z l) = [ln 2 = 0.693147   0.018150]     L = (0.693147 + 0.018150 + 0.000045 + 2.126928)/2
//         [0  0.8]        [-10  -2]                      [0.000045          2.126928]       = 1.419135
//     g = 1/2 [σ(0) - 1   σ(-4)    ] = [-0.250000   0.008993]     db = -0.681383
//             [σ(-10)     σ(-2) - 1]   [ 0.000023  -0.440399]     dlog_t = 10 (-0.25 + 0.6·0.008993 - 0.8·0.440399) = -5.969230
//
// shapes    u, du, v, dv : (B, E)   log_t, b, loss : (1)   image_ids, text_ids : (B)
// saves     du, dv, dlog_t, db, made in forward     cost  6 B²E operations with gradient, 2 B²E without; B² (exp, log1p)
// memory    inputs, gradients, one tile for each thread (16 at most), 3 doubles for each block of rows
// numerics  softplus(x) = max(x, 0) + log1p(exp(-|x|)) and σ by the sign of x never overflow; the sums over pairs are double: B² terms of
//           size 4.5e-5 each at the start would drown in a float sum. exp and log1p are Eigen's, off by at most 4.4 and 1.8 units in the last place
//           (measured by tests/accuracy_test.cpp). Few log1p are taken: Σ ln(1 + e_j) = ln Π (1 + e_j), for at most 32 factors at a time
// source    Zhai et al. 2023, arXiv 2303.15343, algorithm 1 and section 3.3
#include "siglip/loss.h"
#include <cmath>
#include "check/rows.h"
#include "core/eigen.h"
#include "core/one_device.h"
#include "core/product.h"
#include "core/sums.h"
#include "kernels.h"
#include "loss/ring_order.h"
#include "siglip/error.h"
#include "siglip/ops.h"
#include "siglip/tape.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
using RowArray = Eigen::Array<Real, Eigen::Dynamic, 1, 0, largest_tile_edge, 1>;  // a row of a tile, on the stack

struct Sums {
  double loss = 0, db = 0, dlog_t = 0;
};

// z_ij, from global indices or from ids.
struct IsMatch {
  const std::int32_t *image_ids, *text_ids;
  bool operator()(Dim i, Dim j) const { return image_ids ? image_ids[i] == text_ids[j] : i == j; }
  bool possible(const Tile& tile) const { return image_ids || tile.row_block == tile.column_block; }
};

// The same functions as in visit_row, for one logit: the few matches are put right with them.
Real softplus(Real x) { return std::max(x, Real(0)) + std::log1p(std::exp(-std::abs(x))); }
Real sigmoid(Real x) { return x >= 0 ? 1 / (1 + std::exp(-x)) : std::exp(x) / (1 + std::exp(x)); }

double sum(const RowArray& x) { return sum_in_double(x.data(), x.size()); }

// Σ_j ln(1 + e_j) for 0 <= e_j <= 1. Halves of the row are multiplied, (1 + p)(1 + q) = 1 + (p + q + p q), of which only what follows the 1 is
// kept, so that small e_j are not lost in it; 32 factors make 2^32 at most.
double sum_of_log1p(RowArray e) {
  Dim n = e.size();
  for (Dim factors = 1; factors < 32 && n % 2 == 0; factors *= 2) {
    n /= 2;
    e.head(n) += e.segment(n, n) + e.head(n) * e.segment(n, n);
  }
  return sum(e.head(n).log1p());
}

// One row of a tile: s_ij comes in, t g_ij goes out, the sums are added to; their divisor, and the t of dlog_t, follow at the end. All pairs are
// first taken as negatives (softplus(l), σ(l)); then the matches, few and known, are put right.
void visit_row(Real* s, Dim i, const Tile& tile, const IsMatch& is_match, Real t, Real b, Real divisor, Sums& sums, bool want_gradient) {
  ArrayMap row(s, tile.columns);
  const RowArray l = t * row + b;
  const RowArray e = (-l.abs()).exp();
  sums.loss += sum(l.max(Real(0))) + sum_of_log1p(e);
  RowArray g;  // without its divisor
  if (want_gradient) g = (l >= Real(0)).select(RowArray::Ones(tile.columns), e) / (1 + e);

  if (is_match.possible(tile))
    for (Dim j = 0; j < tile.columns; ++j)
      if (is_match(i, tile.j + j)) {
        sums.loss += double(softplus(-l[j])) - double(softplus(l[j]));
        if (want_gradient) g[j] = -sigmoid(-l[j]);  // σ(l) - 1 without cancellation
      }

  if (!want_gradient) return;
  sums.db += sum(g);
  sums.dlog_t += dot_in_double(g.data(), s, tile.columns);
  row = t / divisor * g;
}
}  // namespace

void cpu::sigmoid_loss_workspace(Dim* reals, Dim B, Dim) { *reals = tile_slots(B) * tile_edge(B) * tile_edge(B); }

void cpu::sigmoid_loss_forward(Real* loss, Real* du, Real* dv, Real* dlog_t, Real* db, Real* workspace, const Real* u, const Real* v,
                               const Real* log_t, const Real* b, const std::int32_t* image_ids, const std::int32_t* text_ids, Dim B, Dim E,
                               Real divisor) {
  const Dim edge = tile_edge(B);
  const Real t = std::exp(*log_t), bias = *b;
  const IsMatch is_match{image_ids, text_ids};
  const bool want_gradient = du && dv;
  if (want_gradient) {
    fill(du, 0, B * E);
    fill(dv, 0, B * E);
  }

  std::vector<Sums> sums(static_cast<std::size_t>(blocks(B, edge)));
  ring_order(B, tile_slots(B), [&](const Tile& tile, Dim slot) {
    Real* g = workspace + slot * edge * edge;  // (rows, columns) of the tile, `edge` apart
    const Factor us{u + tile.i * E, E}, vs{v + tile.j * E, E};
    product(g, edge, us, transposed(vs), tile.rows, tile.columns, E);
    Sums& total = sums[static_cast<std::size_t>(tile.row_block)];
    for (Dim r = 0; r < tile.rows; ++r) visit_row(g + r * edge, tile.i + r, tile, is_match, t, bias, divisor, total, want_gradient);
    if (!want_gradient) return;
    add_product(du + tile.i * E, E, {g, edge}, vs, tile.rows, E, tile.columns);
    add_product(dv + tile.j * E, E, transposed({g, edge}), us, tile.columns, E, tile.rows);
  });

  Sums all;
  for (const Sums& s : sums) all.loss += s.loss, all.db += s.db, all.dlog_t += s.dlog_t;
  *loss = static_cast<Real>(all.loss / double(divisor));
  if (dlog_t) *dlog_t = static_cast<Real>(double(t) * all.dlog_t / double(divisor));
  if (db) *db = static_cast<Real>(all.db / double(divisor));
}

namespace {
// The gradient was made with the loss; what is left is the upstream factor.
struct SigmoidLoss final : Op {
  Tensor u, v, log_t, b, loss, du, dv, dlog_t, db;
  const char* name() const override { return "sigmoid_loss"; }
  Saved saved() const override { return {{"du", du}, {"dv", dv}, {"dlog_t", dlog_t}, {"db", db}}; }
  void backward() override {
    for (const auto& [x, dx] : {std::pair{u, du}, {v, dv}, {log_t, dlog_t}, {b, db}}) {
      if (!x.requires_grad()) continue;
      LAUNCH(x.device(), multiply_in_place, dx.data(), loss.grad(), dx.size());
      if (!x.adopt_grad(dx)) LAUNCH(x.device(), accumulate, x.grad(), dx.data(), dx.size());
    }
  }
};

void check(const Tensor& u, const Tensor& v, const Tensor& log_t, const Tensor& b, const Labels& labels) {
  const char* op = "sigmoid_loss";
  require_one_device(op, u, v, log_t, b, labels.image_ids, labels.text_ids);
  require(u.rank() == 2 && u.shape() == v.shape(), op, "u and v of one shape (B, E), got ", u.shape(), " and ", v.shape());
  require(u.dim(0) >= 1 && u.dim(1) >= 1, op, "at least one pair and one column, got ", u.shape());
  require(log_t.size() == 1 && b.size() == 1, op, "log_t and b are one number each, got ", log_t.shape(), " and ", b.shape());
  require(labels.image_ids.defined() == labels.text_ids.defined(), op, "ids of images and of texts, or neither, got only one");
  for (const Ids& ids : {labels.image_ids, labels.text_ids})
    require(!ids.defined() || ids.shape() == Shape{u.dim(0)}, op, "ids of shape (", u.dim(0), "), got ", ids.shape());
}
}  // namespace

Tensor sigmoid_loss(const Tensor& u, const Tensor& v, const Tensor& log_t, const Tensor& b, const Labels& labels, Reduction reduction) {
  check(u, v, log_t, b, labels);
  const Dim B = u.dim(0), E = u.dim(1);
  const Real divisor = static_cast<Real>(reduction == Reduction::per_image ? B : B * B);
  const Device device = u.device();
  const bool recording = is_recording({u, v, log_t, b});
  SigmoidLoss op;
  op.u = u, op.v = v, op.log_t = log_t, op.b = b, op.loss = Tensor({1}, device);
  if (recording) op.du = Tensor::like(u), op.dv = Tensor::like(v), op.dlog_t = Tensor::like(log_t), op.db = Tensor::like(b);
  const auto memory = [&](const Tensor& d) { return recording ? d.data() : nullptr; };

  Dim reals = 0;
  LAUNCH(device, sigmoid_loss_workspace, &reals, B, E);
  const Tensor workspace({reals}, device);
  LAUNCH(device, sigmoid_loss_forward, op.loss.data(), memory(op.du), memory(op.dv), memory(op.dlog_t), memory(op.db), workspace.data(), u.data(),
         v.data(), log_t.data(), b.data(), labels.image_ids.data(), labels.text_ids.data(), B, E, divisor);
  const Tensor loss = op.loss;
  return recorded(loss, {u, v, log_t, b}, std::move(op));
}

double initial_sigmoid_loss(Dim B, double b, double positives) {
  const auto softplus = [](double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); };
  return positives * softplus(-b) + (static_cast<double>(B) - positives) * softplus(b);
}

double auto_bias(Dim B) {
  require(B >= 2, "auto_bias", "a batch of at least 2, got ", B);
  return -std::log(static_cast<double>(B - 1));
}

namespace {
// The formula with the whole matrix: what the tiles must equal, value and gradients.
Tensor composition(const Tensors& in, const Labels& labels, double divisor) {
  const Dim B = in[0].dim(0);
  const Tensor logits = add(scale(matmul(in[0], in[1]), plain::exp(in[2])), plain::spread_scalar(in[3], {B, B}));
  Tensor signs({B, B});
  for (Dim i = 0; i < B; ++i)
    for (Dim j = 0; j < B; ++j) {
      const bool match = labels.image_ids.defined() ? labels.image_ids.data()[i] == labels.text_ids.data()[j] : i == j;
      signs.data()[i * B + j] = match ? Real(-1) : Real(1);
    }
  return plain::weighted_sum(plain::softplus(plain::multiply(signs, logits)), [divisor](Dim) { return 1 / divisor; });
}

Reduction reduction_of(const OpCase& c) { return c.sizes.empty() ? Reduction::per_image : Reduction::mean; }
double divisor_of(const OpCase& c) { return double(c.sizes.empty() ? c.shapes[0][0] : c.shapes[0][0] * c.shapes[0][0]); }

// Ids in which captions repeat, differently for images and texts.
Labels some_ids(Dim B, Device device) {
  std::vector<std::int32_t> images, texts;
  for (Dim i = 0; i < B; ++i) images.push_back(static_cast<std::int32_t>(i / 2)), texts.push_back(static_cast<std::int32_t>(i * 3 % B / 2));
  return {Ids({B}, images, device), Ids({B}, texts, device)};
}
}  // namespace

OpRow sigmoid_loss_row() {
  const std::vector<Draw> gentle{{0, 0.5}, {0, 0.5}, {0, 0.5}, {-1, 1}};
  return {.name = "sigmoid_loss",
          .shapes = "u, v (B, E), log_t (1), b (1) -> (1)",
          .cost = "6 B^2 E with gradient, 2 B^2 E without",
          .call = [](const Tensors& in, const OpCase& c) { return sigmoid_loss(in[0], in[1], in[2], in[3], {}, reduction_of(c)); },
          .reference = [](const Tensors& in, const OpCase& c) { return composition(in, {}, divisor_of(c)); },
          .cases = {{.about = "primes", .shapes = {{7, 5}, {7, 5}, {1}, {1}}, .draws = gentle},
                    {.about = "mean over pairs", .shapes = {{7, 5}, {7, 5}, {1}, {1}}, .sizes = {1}, .draws = gentle},
                    {.about = "one pair, one column", .shapes = {{1, 1}, {1, 1}, {1}, {1}}, .draws = gentle},
                    {.about = "tile - 1", .shapes = {{15, 3}, {15, 3}, {1}, {1}}, .draws = gentle},
                    {.about = "tile", .shapes = {{16, 3}, {16, 3}, {1}, {1}}, .draws = gentle},
                    {.about = "tile + 1", .shapes = {{17, 3}, {17, 3}, {1}, {1}}, .draws = gentle},
                    {.about = "ring of three, last tile ragged", .shapes = {{67, 2}, {67, 2}, {1}, {1}}, .draws = gentle},
                    {.about = "ring of four, last tile ragged", .shapes = {{63, 2}, {63, 2}, {1}, {1}}, .draws = gentle},
                    {.about = "logits about 80", .shapes = {{9, 4}, {9, 4}, {1}, {1}}, .draws = {{0, 2}, {0, 2}, {3, 0.1}, {0, 1}}},
                    {.about = "as at the start: t = 10, b = -10",
                     .shapes = {{33, 8}, {33, 8}, {1}, {1}},
                     .draws = {{0, 0.3}, {0, 0.3}, {2.302585, 0}, {-10, 0}}}},
          .rejects =
              {{.about = "batches differ",
                .shapes = {{3, 2}, {4, 2}, {1}, {1}},
                .message = "sigmoid_loss: u and v of one shape (B, E), got (3, 2) and (4, 2)"},
               {.about = "rank 3",
                .shapes = {{3, 2, 1}, {3, 2, 1}, {1}, {1}},
                .message = "sigmoid_loss: u and v of one shape (B, E), got (3, 2, 1) and (3, 2, 1)"},
               {.about = "no pair", .shapes = {{0, 2}, {0, 2}, {1}, {1}}, .message = "sigmoid_loss: at least one pair and one column, got (0, 2)"},
               {.about = "no column", .shapes = {{3, 0}, {3, 0}, {1}, {1}}, .message = "sigmoid_loss: at least one pair and one column, got (3, 0)"},
               {.about = "two temperatures",
                .shapes = {{3, 2}, {3, 2}, {2}, {1}},
                .message = "sigmoid_loss: log_t and b are one number each, got (2) and (1)"},
               {.about = "three biases",
                .shapes = {{3, 2}, {3, 2}, {1}, {3}},
                .message = "sigmoid_loss: log_t and b are one number each, got (1) and (3)"}}};
}

OpRow sigmoid_loss_ids_row() {
  const std::vector<Draw> gentle{{0, 0.5}, {0, 0.5}, {0, 0.5}, {-1, 1}};
  return {.name = "sigmoid_loss_ids",
          .shapes = "u, v (B, E), log_t (1), b (1), ids (B) twice -> (1)",
          .cost = "6 B^2 E with gradient, 2 B^2 E without",
          .call = [](const Tensors& in,
                     const OpCase& c) { return sigmoid_loss(in[0], in[1], in[2], in[3], some_ids(in[0].dim(0), in[0].device()), reduction_of(c)); },
          .reference = [](const Tensors& in, const OpCase& c) { return composition(in, some_ids(in[0].dim(0), Device::cpu), divisor_of(c)); },
          .cases = {{.about = "primes", .shapes = {{7, 5}, {7, 5}, {1}, {1}}, .draws = gentle},
                    {.about = "mean over pairs", .shapes = {{7, 5}, {7, 5}, {1}, {1}}, .sizes = {1}, .draws = gentle},
                    {.about = "matches off the diagonal tiles", .shapes = {{35, 3}, {35, 3}, {1}, {1}}, .draws = gentle}}};
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
