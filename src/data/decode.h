// decode.h — the decoders behind decode_image(), one function for each format; open_container() has walked the file before any of them sees it.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include "data/container.h"
#include "siglip/data.h"

namespace siglip::inline SIGLIP_FLAVOUR {
struct Decoded {
  Image image;
  std::string problem;  // empty if all went well
};

/// 8-bit pixels of 1 (gray), 2 (gray, alpha), 3 or 4 (rgb, alpha) channels as red green blue. On white each value is exactly what Pillow's
/// alpha_composite gives.
Image flattened(const std::uint8_t* values, Dim width, Dim height, int channels, Alpha alpha);

/// libjpeg-turbo's (jpeg_turbo.cpp) or, in a build without it, stb's (jpeg_turbo_none.cpp). With `enough` above 0 libjpeg-turbo may leave out the
/// higher frequencies: both edges are then at least `enough` pixels long, or as long as stored.
Decoded decode_jpeg(std::string_view file, const Container& container, Dim enough);
std::string jpeg_decoder();  // "libjpeg-turbo 2.1.5" or "stb_image"

/// libwebp's (webp.cpp). A build without it (webp_none.cpp) refuses the picture; webp_decoder() is then empty.
Decoded decode_webp(std::string_view file, const Container& container, Alpha alpha, const std::string& name);
std::string webp_decoder();  // "libwebp 1.2.4"

/// The first frame as Pillow shows it (gif.cpp).
Decoded decode_gif(std::string_view file, const Container& container, Alpha alpha);
}  // namespace siglip::inline SIGLIP_FLAVOUR
