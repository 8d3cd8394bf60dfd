// memory.cpp — the kernels that move and fill memory.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <sys/mman.h>
#include <unistd.h>
#include "core/parallel.h"
#include "kernels.h"

namespace siglip::inline SIGLIP_FLAVOUR {
constexpr Dim block = 1 << 15;  // reals a task: worth a thread, and whole cache lines

void cpu::obtain_memory(void** memory, std::size_t bytes) {
  constexpr std::size_t line = 64;  // of the cache, and the widest vector register
  constexpr std::size_t huge_page = std::size_t{2} << 20;
  const bool large = bytes >= 8 * huge_page;
  if (posix_memalign(memory, large ? huge_page : line, bytes)) *memory = nullptr;
#ifdef MADV_HUGEPAGE
  // Rows of wide matrices lie in different pages of 4 KiB, and the processor remembers where few of them are. From 16 MiB on: for smaller buffers the
  // system's search for huge pages takes longer than they save. A wish; a refusal changes nothing.
  if (large && *memory) madvise(*memory, bytes, MADV_HUGEPAGE);
#endif
}
void cpu::release_memory(void* memory) { std::free(memory); }

void cpu::memory_left(std::int64_t* free_bytes, std::int64_t* all_bytes) {
  const std::int64_t page = sysconf(_SC_PAGESIZE);
#ifdef _SC_AVPHYS_PAGES
  *free_bytes = page * sysconf(_SC_AVPHYS_PAGES);
#else
  *free_bytes = 0;  // not told
#endif
  *all_bytes = page * sysconf(_SC_PHYS_PAGES);
}

void cpu::device_name(char* name, Dim bytes) { std::snprintf(name, static_cast<std::size_t>(bytes), "CPU"); }

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
