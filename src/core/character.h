// character.h — a character as bytes of UTF-8.
#pragma once
#include <string>
#include "siglip/real.h"

namespace siglip::inline SIGLIP_FLAVOUR {
/// Appends c, at most U+10FFFF, in 1 to 4 bytes.
inline void append_character(std::string& text, char32_t c) {
  const auto byte = [&](char32_t value) { text.push_back(static_cast<char>(value)); };
  if (c < 0x80) {
    byte(c);
  } else if (c < 0x800) {
    byte(0xC0 | c >> 6), byte(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    byte(0xE0 | c >> 12), byte(0x80 | (c >> 6 & 0x3F)), byte(0x80 | (c & 0x3F));
  } else {
    byte(0xF0 | c >> 18), byte(0x80 | (c >> 12 & 0x3F)), byte(0x80 | (c >> 6 & 0x3F)), byte(0x80 | (c & 0x3F));
  }
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
