// loss_products.cpp — the matrix products of the sigmoid loss alone, which its speed is measured against.
//
// shapes    u, du, v, dv : (B, E)
// computes  for every tile: s = U_i V_jᵀ, dU_i += S V_j, dV_j += Sᵀ U_i, where the loss has t G in the place of S. A device may take any
//           matrix of a tile's size for S: the products take as long
// cost      6 B²E operations
#include "loss/loss_products.h"
#include "core/product.h"
#include "kernels.h"
#include "loss/ring_order.h"
#include "siglip/error.h"

namespace siglip::inline SIGLIP_FLAVOUR {
void cpu::sigmoid_loss_products(Real* du, Real* dv, Real* workspace, const Real* u, const Real* v, Dim B, Dim E) {
  const Dim edge = tile_edge(B);
  ring_order(B, tile_slots(B), [&](const Tile& tile, Dim slot) {
    Real* s = workspace + slot * edge * edge;
    const Factor us{u + tile.i * E, E}, vs{v + tile.j * E, E};
    product(s, edge, us, transposed(vs), tile.rows, tile.columns, E);
    add_product(du + tile.i * E, E, {s, edge}, vs, tile.rows, E, tile.columns);
    add_product(dv + tile.j * E, E, transposed({s, edge}), us, tile.columns, E, tile.rows);
  });
}

void cpu::loss_tile_edge(Dim edge) { require(edge == 0, "loss_tile_edge", "0 on the CPU, whose tiles follow from the batch, got ", edge); }

void set_tile_edge(Device device, Dim edge) { LAUNCH(device, loss_tile_edge, edge); }

void loss_products(const Tensor& u, const Tensor& v) {
  Dim reals = 0;
  LAUNCH(u.device(), sigmoid_loss_workspace, &reals, u.dim(0), u.dim(1));
  const Tensor workspace({reals}, u.device());
  LAUNCH(u.device(), sigmoid_loss_products, u.grad(), v.grad(), workspace.data(), u.data(), v.data(), u.dim(0), u.dim(1));
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
