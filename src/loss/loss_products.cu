// loss_products.cu — the CUDA twin of loss_products.cpp: one block for each row where numbers are put in the place of t G.
//
// The products of one kind follow one another: all logits, then all dU_i, then all dV_j. The factors are those of the first tile each time, rounded
// once, and S is made of numbers of u: what is timed is products of the loss's shapes and nothing else, with factors as near as they can be.
#include "cuda/reduce.h"
#include "kernels.h"
#include "loss/device_tiles.h"

namespace siglip::inline SIGLIP_FLAVOUR::cuda {
template <class G>
__global__ void loss_products_row(Real* s, const Real* u, Dim edge, Dim columns, Dim N) {
  const Dim r = blockIdx.x;
  G* row = reinterpret_cast<G*>(s + r * edge);
  for (Dim c = threadIdx.x; c < columns; c += row_threads) put(row[c], u[(r * columns + c) % N]);
}

void sigmoid_loss_products(Real* du, Real* dv, Real* workspace, const Real* u, const Real* v, Dim B, Dim E) {
  const char* op = "sigmoid_loss_products";
  const DeviceTiles tiles = sigmoid_tiles(B, E);
  const Dim edge = tiles.ring.edge, n = tiles.ring.count(), rows = std::min(edge, B);
  Real* s = workspace + tiles.logits;
  const Factor us = factor_of(tiles, workspace + tiles.images, u, 0, rows), vs = factor_of(tiles, workspace + tiles.texts, v, 0, rows);
  const Factor g = tiles.bf16 ? Factor{s, 2 * edge, false, CUDA_R_16BF} : Factor{s, edge};
  const auto loss_products_rows = tiles.bf16 ? loss_products_row<__nv_bfloat16> : loss_products_row<Real>;
  const auto for_all = [&](const auto& make) {
    for (Dim i = 0; i < n; ++i)
      for (Dim j = 0; j < n; ++j) make(tiles.ring.tile(i, j));
  };
  for_all([&](const Tile& tile) { product(op, s, edge, us, transposed(vs), tile.rows, tile.columns, E, 0); });
  KERNEL_LAUNCH(loss_products_rows, static_cast<unsigned>(rows), row_threads, s, u, edge, rows, B * E);
  for_all([&](const Tile& tile) { product(op, du + tile.i * E, E, g, vs, tile.rows, E, tile.columns, 1); });
  for_all([&](const Tile& tile) { product(op, dv + tile.j * E, E, transposed(g), us, tile.columns, E, tile.rows, 1); });
}
}  // namespace siglip::inline SIGLIP_FLAVOUR::cuda
