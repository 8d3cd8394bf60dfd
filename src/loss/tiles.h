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
// s places on. On the CPU (ring_order.h) the machines are threads, and all of a step run at once. On a device (device_tiles.h), where tiles
// follow one another, they take turns: one keeps its images until all texts have come round.
#pragma once
#include <algorithm>
#include <cmath>
#include "core/blocks.h"

namespace siglip::inline SIGLIP_FLAVOUR {
struct Tile {
  Dim i, j, rows, columns;  // first row, first column, extent
  Dim row_block;            // whose sums it adds to
  Dim column_block;
};

struct Ring {
  Dim B, edge;
  Dim count() const { return blocks(B, edge); }  // of blocks, and of steps
  /// The column block that a row block meets at a step.
  Dim partner(Dim step, Dim row_block) const { return (row_block + step) % count(); }
  Tile tile(Dim row_block, Dim column_block) const {
    const Dim i = row_block * edge, j = column_block * edge;
    return {i, j, std::min(edge, B - i), std::min(edge, B - j), row_block, column_block};
  }
};

/// The edge of a tile on the CPU: a function of B alone. 512² logits (1 MiB) stay in the second-level cache and make products near full speed;
/// small batches are cut in four, so that there is something to share.
constexpr Dim largest_tile_edge = 512;
inline Dim tile_edge(Dim B) { return std::clamp<Dim>(blocks(blocks(B, 4), 16) * 16, 16, largest_tile_edge); }

/// The same on a device: a function of B, E and its second-level cache, of which the logits take half at most; the rest is for the factors that
/// pass by. A block of very wide rows (E > 4096) has at most 2^24 numbers, 32 MiB once rounded to bf16. Then the batch is cut into that many
/// blocks evenly, by 128, the extent of the pieces that tensor cores work on (by 16 where fewer rows than that fit).
constexpr Dim longest_device_edge = 4096, most_block_numbers = Dim{1} << 24;
inline Dim device_tile_edge(Dim B, Dim E, Dim cache_bytes) {
  const Dim fits =
      std::min(static_cast<Dim>(std::sqrt(static_cast<double>(cache_bytes / 2 / static_cast<Dim>(sizeof(Real))))), most_block_numbers / E);
  const Dim unit = fits >= 128 ? 128 : 16, most = std::clamp(fits / unit * unit, unit, longest_device_edge);
  return blocks(blocks(B, blocks(B, most)), unit) * unit;
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
