// stb.h — the only door to stb_image and stb_image_write. Their functions are static inside stb.cpp: the library is built twice, and both
// builds may be linked into one program.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include "siglip/real.h"

namespace siglip::inline SIGLIP_FLAVOUR {
struct StbPicture {
  struct Free {
    void operator()(std::uint8_t* memory) const;
  };
  Dim width = 0, height = 0;
  int channels = 0;                              // 1 gray, 2 gray alpha, 3 rgb, 4 rgb alpha
  std::unique_ptr<std::uint8_t[], Free> values;  // null after stb_header
  std::string problem;                           // empty if all went well
};
/// Reads only the size, of a PNG or a JPEG.
StbPicture stb_header(const std::uint8_t* bytes, std::size_t size, bool png);
/// Decodes; stb gets no piece of memory above `most` bytes. Throws std::bad_alloc if the system has none.
StbPicture stb_decode(const std::uint8_t* bytes, std::size_t size, std::size_t most);
/// The bytes of a PNG file of width x height rgb pixels; empty if stb fails.
std::string stb_png(const std::uint8_t* rgb, Dim width, Dim height);
}  // namespace siglip::inline SIGLIP_FLAVOUR
