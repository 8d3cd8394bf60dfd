// The system's count of this process's memory.
#include <doctest/doctest.h>
#include <sys/mman.h>
#include <cstring>
#include "core/memory.h"
using namespace siglip;

TEST_CASE("memory: the peak rises with what is touched, and can be forgotten") {
  constexpr std::int64_t megabyte = 1 << 20, size = 64 * megabyte;
  reset_peak_memory();
  const std::int64_t before = peak_memory();
  CHECK(before > megabyte);
  void* block = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  REQUIRE(block != MAP_FAILED);
  std::memset(block, 1, size);
  CHECK(peak_memory() >= before + size - 4 * megabyte);
  munmap(block, size);
  CHECK(peak_memory() >= before + size - 4 * megabyte);
  reset_peak_memory();
#if defined(__linux__)
  CHECK(peak_memory() < before + size / 2);
#endif
}
