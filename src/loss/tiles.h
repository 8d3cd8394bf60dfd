// tiles.h — how a B x B matrix of logits is visited without ever existing: in square tiles, in ring order.
//
//             texts  j →                 The batch is cut into n blocks of `edge` rows. At step s, row block i meets column block
//           0   1   2   3                (i + s) mod n. The figure shows s for each tile of n = 4.
//   i   0 [ 0   1   2   3 ]
//   ↓   1 [ 3   0   1   2 ]              Within a step no two tiles share a row block or a column block, so each tile may add to its
//       2 [ 2   3   0   1 ]              rows of dU and its rows of dV without locks and without copies; and since the steps follow one
//       3 [ 1   2   3   0 ]              another, every sum has one order, whatever the number of threads.
//
// The same schedule is the paper's ring of machines (Zhai et al. 2023, section 3.3): machine i keeps images i; at step s the texts have moved
// s places on.
#pragma once
#include <algorithm>
#include "core/parallel.h"
#include "siglip/tensor.h"

namespace siglip::inline SIGLIP_FLAVOUR {
struct Tile {
  Dim i, j, rows, columns;  // first row, first column, extent
  Dim row_block;            // whose sums it adds to
  Dim column_block;
};

/// The edge of a tile: a function of B alone. 512² logits (1 MiB) stay in the second-level cache and make products near full speed;
/// small batches are cut in four, so that there is something to share.
inline Dim tile_edge(Dim B) { return std::clamp<Dim>(blocks(blocks(B, 4), 16) * 16, 16, 512); }

/// Calls visit(tile, slot) for every tile; slot < slots names a workspace no other tile uses at the time.
template <class Visit>
void ring_order(Dim B, Dim slots, const Visit& visit) {
  const Dim edge = tile_edge(B), n = blocks(B, edge);
  for (Dim step = 0; step < n; ++step)
    parallel_for(n, slots, [&](Dim block, Dim slot) {
      const Dim other = (block + step) % n;
      visit(Tile{block * edge, other * edge, std::min(edge, B - block * edge), std::min(edge, B - other * edge), block, other}, slot);
    });
}

inline Dim tile_slots(Dim B) { return std::min<Dim>(threads(), blocks(B, tile_edge(B))); }
}  // namespace siglip::inline SIGLIP_FLAVOUR
