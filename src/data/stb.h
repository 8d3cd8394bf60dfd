// stb.h — the only door to stb_image and stb_image_write. Their functions are static inside stb.cpp: the library is built twice, and both
// builds may be linked into one program.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include "data/decode.h"

namespace siglip::inline SIGLIP_FLAVOUR {
/// A JPEG, PNG or BMP; stb gets no piece of memory above container.largest bytes. Throws std::bad_alloc if the system has none.
Decoded stb_decode(std::string_view file, const Container& container, Alpha alpha);
/// The bytes of a PNG file of width x height rgb pixels; empty if stb fails.
std::string stb_png(const std::uint8_t* rgb, Dim width, Dim height);
/// What zlib packed; empty if it cannot be unpacked, or to no more than 2^20 bytes (Pillow's limit for a text in a PNG).
std::string stb_inflated(std::string_view packed);
}  // namespace siglip::inline SIGLIP_FLAVOUR
