// hash.h — 64 bits of a text, and bits mixed well: the same on every machine.
#pragma once
#include <cstdint>
#include <string_view>
#include "siglip/real.h"

namespace siglip::inline SIGLIP_FLAVOUR {
/// FNV-1a (Fowler, Noll, Vo). Texts that differ in their last characters alone differ little in the upper bits.
constexpr std::uint64_t fnv1a(std::string_view text) {
  std::uint64_t h = 0xCBF29CE484222325;
  for (char c : text) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001B3;
  return h;
}

/// The finaliser of splitmix64 (Steele et al. 2014): each bit of x changes about half of the bits. One to one.
constexpr std::uint64_t mixed(std::uint64_t x) {
  x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9;
  x = (x ^ x >> 27) * 0x94D049BB133111EB;
  return x ^ x >> 31;
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
