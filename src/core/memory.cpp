// memory.cpp — the kernels that move and fill memory.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include "core/parallel.h"
#include "kernels.h"

namespace siglip::inline SIGLIP_FLAVOUR {
constexpr Dim block = 1 << 15;  // reals a task: worth a thread, and whole cache lines

void cpu::obtain_memory(void** memory, std::size_t bytes) { *memory = std::aligned_alloc(64, bytes); }
void cpu::release_memory(void* memory) { std::free(memory); }
// memcpy wants addresses also for no bytes, and an empty vector has none.
void cpu::copy_in(void* memory, const void* host, std::size_t bytes) {
  if (bytes) std::memcpy(memory, host, bytes);
}
void cpu::copy_out(void* host, const void* memory, std::size_t bytes) {
  if (bytes) std::memcpy(host, memory, bytes);
}

void cpu::fill(Real* x, Real value, Dim N) {
  parallel_blocks(N, block, [=](Dim begin, Dim end) { std::fill(x + begin, x + end, value); });
}

void cpu::copy(Real* y, const Real* x, Dim N) {
  parallel_blocks(N, block, [=](Dim begin, Dim end) { std::copy(x + begin, x + end, y + begin); });
}

void cpu::accumulate(Real* y, const Real* x, Dim N) {
  parallel_blocks(N, block, [=](Dim begin, Dim end) {
    for (Dim i = begin; i < end; ++i) y[i] += x[i];
  });
}

void cpu::multiply_in_place(Real* x, const Real* s, Dim N) {
  const Real factor = *s;
  parallel_blocks(N, block, [=](Dim begin, Dim end) {
    for (Dim i = begin; i < end; ++i) x[i] *= factor;
  });
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
