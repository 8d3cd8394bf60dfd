// rng.h — counter-based random numbers: the i-th number is a function of (seed, stream, i) alone, so it is the same for any number of
// threads and after any interruption.
//
// source    Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3": Philox4x32-10
#pragma once
#include <array>
#include <cstdint>
#include <utility>
#include <vector>
#include "siglip/real.h"

namespace siglip::inline SIGLIP_FLAVOUR {
/// Ten Philox rounds: 128 bits of counter and 64 bits of key give 128 random bits.
std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key);

/// A walk along one stream. Two objects of equal (seed, stream) give equal numbers; different streams are independent.
class Rng {
 public:
  explicit Rng(std::uint64_t seed, std::uint64_t stream = 0) : seed_(seed), stream_(stream) {}

  std::uint32_t bits();                     // 32 random bits
  double uniform();                         // [0, 1), 53 bits
  double uniform(double low, double high);  // [low, high], high only by rounding
  std::int64_t below(std::int64_t n);       // 0 … n-1, unbiased; n >= 1
  double normal();                          // mean 0, variance 1 (Box and Muller 1958)
  double truncated_normal();                // the same, drawn again until within [-2, 2]
  template <class T>
  void shuffle(std::vector<T>& v) {  // Fisher and Yates
    for (std::size_t i = v.size(); i > 1; --i) std::swap(v[i - 1], v[static_cast<std::size_t>(below(static_cast<std::int64_t>(i)))]);
  }

 private:
  std::uint64_t seed_, stream_, block_ = 0;
  std::array<std::uint32_t, 4> buffer_{};
  int left_ = 0;
};
}  // namespace siglip::inline SIGLIP_FLAVOUR
