// The system's count of this process's memory.
#include <doctest/doctest.h>
#include <vector>
#include "core/memory.h"
using namespace siglip;

TEST_CASE("memory: the peak rises with what is touched, and can be forgotten") {
  constexpr std::int64_t megabyte = 1 << 20;
  reset_peak_memory();
  const std::int64_t before = peak_memory();
  CHECK(before > megabyte);
  { const std::vector<char> block(64 * megabyte, 1); }
  CHECK(peak_memory() >= before + 60 * megabyte);
  reset_peak_memory();
#if defined(__linux__)
  CHECK(peak_memory() < before + 30 * megabyte);
#endif
}
