// matmul.cpp — y = x wᵀ + bias: every learned map of the model.
//
// shapes    x, dx : (N, K)   w, dw : (M, K)   bias, dbias : (M)   y, dy : (N, M)
// forward   y_nm = Σ_k x_nk w_mk + bias_m
// backward  dx = dy w          dx_nk    += Σ_m dy_nm w_mk
//           dw = dyᵀ x         dw_mk    += Σ_n dy_nm x_nk
//           dbias = Σ_n dy_n   dbias_m  += Σ_n dy_nm
// saves     x, w              cost  2 NMK operations forward, 4 NMK backward
// numerics  the product of core/product.cpp, one thread in each block; few rows forward go another way, since packing w would take longer than
//           multiplying, unless w came packed. Forward, every way gives a row the same bits, in a batch of any size; backward, block borders depend
//           on N, M, K alone. So the bits do not depend on the threads
#include <algorithm>
#include "check/rows.h"
#include "core/eigen.h"
#include "core/one_device.h"
#include "core/parallel.h"
#include "core/panels.h"
#include "core/product.h"
#include "kernels.h"
#include "siglip/error.h"
#include "siglip/ops.h"
#include "siglip/tape.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
// About n / count, in whole units; at least one, also of nothing.
Dim share(Dim n, Dim count, Dim unit) { return std::max(unit, blocks(blocks(n, count), unit) * unit); }

// Rows of x in a block: about 512, so that packing w for each block is small beside the product, and at most 16 blocks, so that the partial sums
// of dw stay few; all of nearly the same height, so that no thread waits for another.
Dim row_block(Dim N) {
  const Dim count = std::clamp<Dim>(blocks(N, 512), 1, 16);
  return share(N, count, 16);
}

// Blocks of y. Each packs its rows of w, so y is cut into few blocks downwards: as many as it takes for 16 in all, of 512 rows at least. Where that
// gives less than 8, into narrower ones.
struct Cut {
  Dim rows, columns;
};
Cut forward_cut(Dim N, Dim M) {
  const Dim down = std::max<Dim>(1, std::min(blocks(N, 512), blocks(16, std::max<Dim>(1, blocks(M, product_columns)))));
  return {share(N, down, product_rows), std::min(product_columns, share(M, blocks(8, down), 32))};
}

// Too few for the packing of w to pay.
bool few_rows(Dim N) { return N <= small_rows; }

// x in panels of rows, which all threads share; then each takes its rows of w, where they lie.
void forward_of_few(Real* y, Real* panels, const Real* x, const Real* w, const Real* bias, Dim N, Dim M, Dim K) {
  parallel_blocks(N, panel, [=](Dim begin, Dim end) { pack_panels(panels + begin * K, {x + begin * K, 1, K}, K, end - begin); });
  parallel_blocks(M, product_rows, [=](Dim begin, Dim end) {
    panel_product_transposed(y + begin, M, {w + begin * K, K, 1}, panels, bias ? bias + begin : nullptr, end - begin, N, K);
  });
}
}  // namespace

void cpu::matmul_precision(MatmulPrecision precision) {
  require(precision == MatmulPrecision::f32, "matmul", "products on the CPU are of full precision, got ",
          precision == MatmulPrecision::tf32 ? "tf32" : "bf16");
}

void cpu::matmul_workspace(Dim* forward, Dim* backward, Dim N, Dim M, Dim K) {
  *forward = few_rows(N) ? panels_size(K, N) : 0;
  *backward = blocks(N, row_block(N)) * M * (K + 1);
}

void cpu::matmul_packed_size(Dim* size, Dim M, Dim K) { *size = panels_size(K, M); }

void cpu::matmul_pack(Real* packed, const Real* w, Dim M, Dim K) {
  parallel_blocks(M, panel, [=](Dim begin, Dim end) { pack(packed, transposed({w, K}), K, M, begin, end); });
}

void cpu::matmul_forward(Real* y, Real* workspace, const Real* x, const Real* w, const Real* packed, const Real* bias, Dim N, Dim M, Dim K) {
  if (few_rows(N) && !packed) return forward_of_few(y, workspace, x, w, bias, N, M, K);
  const Cut cut = forward_cut(N, M);
  const Dim down = blocks(N, cut.rows);
  parallel_for(down * blocks(M, cut.columns), [=](Dim block) {
    const Dim n = block % down * cut.rows, m = block / down * cut.columns, rows = std::min(cut.rows, N - n), columns = std::min(cut.columns, M - m);
    const Factor x_rows{x + n * K, K};
    const Real* first = bias ? bias + m : nullptr;
    if (packed)
      packed_product(y + n * M + m, M, x_rows, {packed, M, m}, rows, columns, K, first);
    else
      product(y + n * M + m, M, x_rows, transposed({w + m * K, K}), rows, columns, K, first);
  });
}

// Each block of rows gives its rows of dx and its share of dw and dbias; the shares are added in the order of the blocks.
void cpu::matmul_backward(Real* dx, Real* dw, Real* dbias, Real* workspace, const Real* dy, const Real* x, const Real* w, Dim N, Dim M, Dim K) {
  const Dim rows = row_block(N), count = blocks(N, rows);
  Real *dw_shares = workspace, *dbias_shares = workspace + count * M * K;
  parallel_for(count, [=](Dim block) {
    const Dim n = block * rows, height = std::min(rows, N - n);
    const Factor dy_block{dy + n * M, M};
    if (dx) add_product(dx + n * K, K, dy_block, {w, K}, height, K, M);
    if (dw) product(dw_shares + block * M * K, K, transposed(dy_block), {x + n * K, K}, M, K, height);
    if (dbias) matrix(dbias_shares + block * M, 1, M) = matrix(dy_block.x, height, M).colwise().sum();
  });
  const auto add_shares = [count](Real* sum, const Real* shares, Dim size) {
    if (!sum) return;
    parallel_blocks(size, 8192, [=](Dim begin, Dim end) {
      for (Dim block = 0; block < count; ++block)
        for (Dim i = begin; i < end; ++i) sum[i] += shares[block * size + i];
    });
  };
  add_shares(dw, dw_shares, M * K);
  add_shares(dbias, dbias_shares, M);
}

namespace {
struct Matmul final : Op {
  Tensor x, w, bias, y;
  Matmul(Tensor x_, Tensor w_, Tensor bias_, Tensor y_) : x(std::move(x_)), w(std::move(w_)), bias(std::move(bias_)), y(std::move(y_)) {}
  const char* name() const override { return "matmul"; }
  Saved saved() const override { return {{"x", x}, {"w", w}}; }
  void backward() override {
    const Dim N = x.rows(), M = w.dim(0), K = w.dim(1);
    Dim forward = 0, backward = 0;
    LAUNCH(y.device(), matmul_workspace, &forward, &backward, N, M, K);
    const Tensor workspace({backward}, y.device());
    LAUNCH(y.device(), matmul_backward, x.grad(), w.grad(), bias.defined() ? bias.grad() : nullptr, workspace.data(), y.grad(), x.data(), w.data(), N,
           M, K);
  }
};
}  // namespace

// Numbers of a packed w; 0 where its device multiplies w as it lies.
static Dim packed_size(const Tensor& w) {
  Dim size = 0;
  LAUNCH(w.device(), matmul_packed_size, &size, w.dim(0), w.dim(1));
  return size;
}

Tensor packed(const Tensor& w) {
  require(w.rank() == 2, "packed", "w has shape (M, K), got ", w.shape());
  const Dim size = packed_size(w);
  if (size == 0) return {};
  Tensor result({size}, w.device());
  LAUNCH(w.device(), matmul_pack, result.data(), w.data(), w.dim(0), w.dim(1));
  return result;
}

Tensor matmul(const Tensor& x, const Tensor& w, const Tensor& bias, const Tensor& packed_w) {
  require_one_device("matmul", x, w, bias, packed_w);
  require(w.rank() == 2 && w.dim(1) >= 1, "matmul", "w has shape (M, K), K >= 1, got ", w.shape());
  require(x.rank() >= 1 && x.columns() == w.dim(1), "matmul", "columns of x = columns of w = ", w.dim(1), ", got x of shape ", x.shape());
  require(!bias.defined() || bias.shape() == Shape{w.dim(0)}, "matmul", "bias has shape (", w.dim(0), "), got ", bias.shape());
  if (packed_w.defined()) {
    const Dim size = packed_size(w);
    require(packed_w.size() == size, "matmul", "packed_w is w as packed() gives it, ", size, " numbers, got ", packed_w.size());
  }
  Shape shape = x.shape();
  shape.back() = w.dim(0);
  Tensor y(shape, x.device());
  Dim forward = 0, backward = 0;
  LAUNCH(x.device(), matmul_workspace, &forward, &backward, x.rows(), w.dim(0), w.dim(1));
  const Tensor workspace({forward}, x.device());
  LAUNCH(x.device(), matmul_forward, y.data(), workspace.data(), x.data(), w.data(), packed_w.defined() ? packed_w.data() : nullptr,
         bias.defined() ? bias.data() : nullptr, x.rows(), w.dim(0), w.dim(1));
  return recorded(y, {x, w, bias}, Matmul(x, w, bias, y));
}

void set_matmul_precision(Device device, MatmulPrecision precision) { LAUNCH(device, matmul_precision, precision); }

OpRow matmul_row() {
  return {.name = "matmul",
          .shapes = "x (..., K), w (M, K) -> (..., M)",
          .cost = "2 NMK",
          .call = [](const Tensors& in, const OpCase&) { return matmul(in[0], in[1]); },
          .cases = {{.about = "primes", .shapes = {{5, 13}, {7, 13}}},
                    {.about = "one number", .shapes = {{1, 1}, {1, 1}}},
                    {.about = "rank 3", .shapes = {{2, 3, 4}, {5, 4}}},
                    {.about = "a row vector", .shapes = {{19}, {6, 19}}},
                    {.about = "two blocks and a row", .shapes = {{1025, 2}, {3, 2}}},
                    {.about = "column blocks", .shapes = {{513, 2}, {259, 2}}},
                    {.about = "two depths forward", .shapes = {{131, 513}, {3, 513}}},
                    {.about = "two depths of few rows", .shapes = {{2, 513}, {3, 513}}},
                    {.about = "two depths for dx", .shapes = {{131, 3}, {513, 3}}},
                    {.about = "17 rows; two blocks and a tile and a row of w", .shapes = {{17, 3}, {105, 3}}},
                    {.about = "mean 1000", .shapes = {{4, 17}, {3, 17}}, .draws = {{1e3, 1}, {0, 1}}}},
          .rejects = {
              {.about = "columns differ", .shapes = {{2, 3}, {4, 5}}, .message = "matmul: columns of x = columns of w = 5, got x of shape (2, 3)"},
              {.about = "x is a scalar", .shapes = {{}, {4, 1}}, .message = "matmul: columns of x = columns of w = 1, got x of shape ()"},
              {.about = "w is no matrix", .shapes = {{2, 3}, {3}}, .message = "matmul: w has shape (M, K), K >= 1, got (3)"},
              {.about = "no column", .shapes = {{2, 0}, {4, 0}}, .message = "matmul: w has shape (M, K), K >= 1, got (4, 0)"}}};
}

OpRow matmul_bias_row() {
  return {.name = "matmul_bias",
          .shapes = "x (..., K), w (M, K), bias (M) -> (..., M)",
          .cost = "2 NMK",
          .call = [](const Tensors& in, const OpCase&) { return matmul(in[0], in[1], in[2]); },
          .reference = [](const Tensors& in, const OpCase&) { return add_rows(matmul(in[0], in[1]), in[2]); },
          .cases = {{.about = "primes", .shapes = {{5, 13}, {7, 13}, {7}}},
                    {.about = "rank 3", .shapes = {{2, 3, 4}, {5, 4}, {5}}},
                    {.about = "mean 1000", .shapes = {{4, 17}, {3, 17}, {3}}, .draws = {{1e3, 1}, {0, 1}, {0, 1}}},
                    {.about = "few rows", .shapes = {{small_rows, 2}, {3, 2}, {3}}},
                    {.about = "one more row than few", .shapes = {{small_rows + 1, 2}, {3, 2}, {3}}},
                    {.about = "17 rows; two blocks and a tile and a row of w", .shapes = {{17, 3}, {105, 3}, {105}}}},
          .rejects = {{.about = "bias too long", .shapes = {{2, 3}, {4, 3}, {5}}, .message = "matmul: bias has shape (4), got (5)"}}};
}

OpRow matmul_packed_row() {
  return {.name = "matmul_packed",
          .shapes = "x (..., K), w (M, K), bias (M), packed(w) -> (..., M)",
          .cost = "2 NMK",
          .call = [](const Tensors& in, const OpCase&) { return matmul(in[0], in[1], in[2], packed(in[1])); },
          .reference = [](const Tensors& in, const OpCase&) { return matmul(in[0], in[1], in[2]); },
          .cases = {{.about = "primes", .shapes = {{5, 13}, {7, 13}, {7}}},
                    {.about = "rank 3", .shapes = {{2, 3, 4}, {5, 4}, {5}}},
                    {.about = "mean 1000", .shapes = {{4, 17}, {3, 17}, {3}}, .draws = {{1e3, 1}, {0, 1}, {0, 1}}},
                    {.about = "two depths, panels and a row of w", .shapes = {{5, 513}, {67, 513}, {67}}},
                    {.about = "two blocks of columns and a tile and a row of x", .shapes = {{49, 3}, {259, 3}, {259}}}},
          .rejects = {{.about = "columns differ",
                       .shapes = {{2, 3}, {4, 5}, {4}},
                       .message = "matmul: columns of x = columns of w = 5, got x of shape (2, 3)"}}};
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
