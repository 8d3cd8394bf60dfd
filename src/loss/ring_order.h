// ring_order.h — the ring of tiles.h by threads: the tiles of a step at once, one step after another.
#pragma once
#include "core/parallel.h"
#include "loss/tiles.h"
#include "siglip/tensor.h"

namespace siglip::inline SIGLIP_FLAVOUR {
/// Calls visit(tile, slot) for every tile; slot < slots names a workspace no other tile uses at the time.
template <class Visit>
void ring_order(Dim B, Dim slots, const Visit& visit) {
  const Ring ring{B, tile_edge(B)};
  for (Dim step = 0; step < ring.count(); ++step)
    parallel_for(ring.count(), slots, [&](Dim block, Dim slot) { visit(ring.tile(block, ring.partner(step, block)), slot); });
}

/// Tiles that are visited at once: as many as there are threads and blocks, and at most 16: 16 MiB in float, and products pack
/// 0.5 MiB a thread besides, so that all of it stays within 32 MiB at any batch and on any machine.
constexpr Dim most_tile_slots = 16;
inline Dim tile_slots(Dim B, Dim count = threads()) { return std::min<Dim>({count, blocks(B, tile_edge(B)), most_tile_slots}); }
}  // namespace siglip::inline SIGLIP_FLAVOUR
