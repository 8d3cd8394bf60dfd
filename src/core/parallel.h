// parallel.h — the one place where threads are started for a computation.
#pragma once
#include <omp.h>
#include "core/blocks.h"

namespace siglip::inline SIGLIP_FLAVOUR {
/// Calls body(i) for i = 0 … count-1, on any threads in any order. Whoever calls it cuts the work by the problem's sizes, never by the number
/// of threads, and gives each i outputs of its own: then the bits do not depend on the threads. body must not throw:
/// what it needs is taken before. (Only what product() packs into is taken by each thread at its first product: memory that is short there ends the
/// process.)
template <class Body>
void parallel_for(Dim count, const Body& body) {
  if (count == 1) return body(0);
#pragma omp parallel for schedule(static)
  for (Dim i = 0; i < count; ++i) body(i);
}

/// The same with a workspace for each thread: body(i, slot), 0 <= slot < slots. What a slot held before must not matter. One slot is a plain
/// loop, unknown to OpenMP: a thread of the loader that met OpenMP would get a team of its own from it, kept after the thread has ended.
template <class Body>
void parallel_for(Dim count, Dim slots, const Body& body) {
  if (slots <= 1) {
    for (Dim i = 0; i < count; ++i) body(i, Dim{0});
    return;
  }
#pragma omp parallel for schedule(static) num_threads(static_cast <int>(slots))
  for (Dim i = 0; i < count; ++i) body(i, static_cast<Dim>(omp_get_thread_num()));
}

/// The same in blocks: body(begin, end). `size` must not depend on the number of threads.
template <class Body>
void parallel_blocks(Dim count, Dim size, const Body& body) {
  parallel_for(blocks(count, size), [&](Dim block) {
    const Dim begin = block * size, end = begin + size < count ? begin + size : count;
    body(begin, end);
  });
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
