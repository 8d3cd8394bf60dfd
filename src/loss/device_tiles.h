// device_tiles.h — the ring of tiles.h on a device: one tile after another on the compute stream, the memory that takes, and its factors.
//
// A machine of the ring is here a panel of row blocks, whose images stay while the texts come round, block by block:
//     for each panel, for each step: every row block of the panel meets the column block (first of the panel + s) mod n.
// Where products round their factors to bf16, the images of a panel are rounded once, and each block of texts once for each panel; rounded, the
// panel is twice as large as the second-level cache, at least one row block and at most 104 MiB (65,536 rows of E = 768): next to nothing is
// rounded twice, and the memory grows with neither the batch nor E. Factors of Real are used where they lie, and all row blocks are one panel.
#pragma once
#include "cuda/product.h"
#include "loss/tiles.h"

namespace siglip::inline SIGLIP_FLAVOUR::cuda {
constexpr Dim most_panel_bytes = Dim{104} << 20;
constexpr Dim most_tile_edge = 8192;  // that may be asked for

struct DeviceTiles {
  Ring ring;
  Dim E;
  bool bf16;  // factors are rounded
  Dim panel;  // row blocks
  // The workspace, in reals: `doubles` numbers of the loss's own from its start on, then these.
  Dim logits, images, texts;
  Dim reals;  // all of it
};
DeviceTiles device_tiles(Dim B, Dim E, Dim doubles);  // by the precision of products
DeviceTiles sigmoid_tiles(Dim B, Dim E);              // of the sigmoid loss

/// The edge of its tiles: device_tile_edge(), or what loss_tile_edge() asked for, and no more than the batch has.
inline Dim edge_of(Dim B, Dim E) {
  const Context& c = context();
  return c.tile_edge ? std::min(c.tile_edge, blocks(B, 16) * 16) : device_tile_edge(B, E, c.l2_bytes);
}

/// Rows begin … end-1 of x (…, E): where they lie, or rounded into `copy`.
Factor factor_of(const DeviceTiles& tiles, Real* copy, const Real* x, Dim begin, Dim end);
inline Factor from_row(Factor f, Dim row) {
  const Dim bytes = f.type == CUDA_R_16BF ? 2 : static_cast<Dim>(sizeof(Real));
  f.data = static_cast<const char*>(f.data) + row * f.row * bytes;
  return f;
}

/// Calls visit(tile, its images, its texts, rows are new, columns are new) for every tile; new: no tile before had them.
template <class Visit>
void each_tile(const DeviceTiles& tiles, Real* workspace, const Real* u, const Real* v, const Visit& visit) {
  const Ring& ring = tiles.ring;
  const Dim n = ring.count();
  for (Dim first = 0; first < n; first += tiles.panel) {
    const Dim last = std::min(first + tiles.panel, n), begin = first * ring.edge;
    const Factor images = factor_of(tiles, workspace + tiles.images, u, begin, std::min(last * ring.edge, ring.B));
    for (Dim step = 0; step < n; ++step) {
      const Dim column_block = ring.partner(step, first);
      const Tile met = ring.tile(first, column_block);
      const Factor texts = factor_of(tiles, workspace + tiles.texts, v, met.j, met.j + met.columns);
      for (Dim block = first; block < last; ++block) {
        const Tile tile = ring.tile(block, column_block);
        visit(tile, from_row(images, tile.i - begin), texts, step == 0, block == 0);
      }
    }
  }
}
}  // namespace siglip::inline SIGLIP_FLAVOUR::cuda
