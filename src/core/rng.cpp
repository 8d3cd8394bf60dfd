// rng.cpp — counter-based random numbers (philox), and what is drawn from them.
#include "siglip/rng.h"
#include <cmath>
#include <numbers>
#include "siglip/error.h"

namespace siglip::inline SIGLIP_FLAVOUR {
std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> c, std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{0xD2511F53} * c[0], p1 = std::uint64_t{0xCD9E8D57} * c[2];
    c = {static_cast<std::uint32_t>(p1 >> 32) ^ c[1] ^ key[0], static_cast<std::uint32_t>(p1), static_cast<std::uint32_t>(p0 >> 32) ^ c[3] ^ key[1],
         static_cast<std::uint32_t>(p0)};
    key[0] += 0x9E3779B9;
    key[1] += 0xBB67AE85;
  }
  return c;
}

std::uint32_t Rng::bits() {
  if (left_ == 0) {
    auto low = [](std::uint64_t x) { return static_cast<std::uint32_t>(x); };
    auto high = [](std::uint64_t x) { return static_cast<std::uint32_t>(x >> 32); };
    buffer_ = philox({low(block_), high(block_), low(stream_), high(stream_)}, {low(seed_), high(seed_)});
    ++block_;
    left_ = 4;
  }
  return buffer_[static_cast<std::size_t>(4 - left_--)];
}

double Rng::uniform() {
  const std::uint64_t high = bits(), low = bits();
  return static_cast<double>((high << 21) ^ (low >> 11)) * 0x1p-53;
}

double Rng::uniform(double low, double high) { return low + (high - low) * uniform(); }

std::int64_t Rng::below(std::int64_t n) {
  require(n >= 1, "Rng::below", "n >= 1, got ", n);
  const std::uint64_t range = static_cast<std::uint64_t>(n), limit = UINT64_MAX - UINT64_MAX % range;
  for (;;) {
    const std::uint64_t high = bits(), x = (high << 32) | bits();
    if (x < limit) return static_cast<std::int64_t>(x % range);
  }
}

double Rng::normal() {
  const double radius = std::sqrt(-2 * std::log(1 - uniform()));  // 1 - uniform() lies in (0, 1]
  return radius * std::cos(2 * std::numbers::pi * uniform());
}

double Rng::truncated_normal() {
  for (;;)
    if (const double x = normal(); std::abs(x) <= 2) return x;
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
