// hash.h — 64 bits of a text, and bits mixed well: the same on every machine. Tables over what a file holds use KeyedHash instead.
#pragma once
#include <bit>
#include <cstdint>
#include <cstring>
#include <random>
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

struct HashKey {
  std::uint64_t first = 0, second = 0;
};

/// A keyed hash: who does not know the key cannot write texts whose hashes collide. SipHash with one round a word and three at the end is what
/// tables need.                                                             source  Aumasson and Bernstein 2012, "SipHash: a fast short-input PRF"
template <int word_rounds = 1, int end_rounds = 3>
std::uint64_t siphash(const HashKey& key, std::string_view text) {
  std::uint64_t a = key.first ^ 0x736F6D6570736575, b = key.second ^ 0x646F72616E646F6D, c = key.first ^ 0x6C7967656E657261,
                d = key.second ^ 0x7465646279746573;
  const auto mix = [&](int rounds) {
    for (int i = 0; i < rounds; ++i) {
      a += b, c += d, b = std::rotl(b, 13) ^ a, d = std::rotl(d, 16) ^ c, a = std::rotl(a, 32);
      c += b, a += d, b = std::rotl(b, 17) ^ c, d = std::rotl(d, 21) ^ a, c = std::rotl(c, 32);
    }
  };
  const auto take = [&](std::uint64_t word) {
    d ^= word;
    mix(word_rounds);
    a ^= word;
  };
  const std::uint64_t size = text.size();
  std::uint64_t word = 0;
  for (; text.size() >= 8; text.remove_prefix(8)) {
    std::memcpy(&word, text.data(), 8);
    take(word);
  }
  word = 0;
  if (!text.empty()) std::memcpy(&word, text.data(), text.size());
  take(word | size << 56);
  c ^= 0xFF;
  mix(end_rounds);
  return a ^ b ^ c ^ d;
}

/// Drawn once a process. No result may depend on it: only the places of entries in a table do.
inline const HashKey& process_key() {
  static const HashKey key = [] {
    std::random_device draw;
    const auto word = [&] { return std::uint64_t{draw()} << 32 | draw(); };
    return HashKey{word(), word()};
  }();
  return key;
}

/// For containers whose keys a file may choose.
struct KeyedHash {
  std::size_t operator()(std::string_view text) const { return siphash(process_key(), text); }
};
}  // namespace siglip::inline SIGLIP_FLAVOUR
