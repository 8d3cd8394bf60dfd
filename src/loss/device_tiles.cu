// device_tiles.cu — a workspace cut to the device.
#include "loss/device_tiles.h"
#include "kernels.h"

namespace siglip::inline SIGLIP_FLAVOUR::cuda {
DeviceTiles device_tiles(Dim B, Dim E, Dim doubles) {
  const Dim cache = context().l2_bytes;
  const bool bf16 = bf16_products();
  DeviceTiles tiles{{B, edge_of(B, E)}, E, bf16, 0, 0, 0, 0, 0};
  const Dim edge = tiles.ring.edge, n = tiles.ring.count(), real_bytes = static_cast<Dim>(sizeof(Real));
  const Dim block_bytes = edge * E * 2;  // a multiple of 32, for any E: an edge is a multiple of 16
  tiles.panel = bf16 ? std::clamp<Dim>(std::min(2 * cache, most_panel_bytes) / block_bytes, 1, n) : n;
  tiles.logits = blocks(doubles, 8) * 64 / real_bytes;
  tiles.images = tiles.logits + edge * edge;
  tiles.texts = tiles.images + (bf16 ? tiles.panel * block_bytes / real_bytes : 0);
  tiles.reals = tiles.texts + (bf16 ? block_bytes / real_bytes : 0);
  return tiles;
}

Factor factor_of(const DeviceTiles& tiles, Real* copy, const Real* x, Dim begin, Dim end) {
  const Dim E = tiles.E;
  return tiles.bf16 ? rounded(copy, x + begin * E, E, (end - begin) * E) : Factor{x + begin * E, E};
}

void loss_tile_edge(Dim edge) {
  require(edge == 0 || (edge % 16 == 0 && edge >= 16 && edge <= most_tile_edge), "loss_tile_edge", "0 or a multiple of 16 up to ", most_tile_edge,
          ", got ", edge);
  context().tile_edge = edge;
}
}  // namespace siglip::inline SIGLIP_FLAVOUR::cuda
