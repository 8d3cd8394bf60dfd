// webp.cpp — WebP through libwebp: a picture, or the first frame of an animation on its canvas, as Pillow shows it.
#include <webp/decode.h>
#include <algorithm>
#include <new>
#include <utility>
#include <vector>
#include "data/decode.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
const char* reason(VP8StatusCode status) {
  switch (status) {
    case VP8_STATUS_BITSTREAM_ERROR:
      return "damaged data";
    case VP8_STATUS_NOT_ENOUGH_DATA:
    case VP8_STATUS_SUSPENDED:
      return "less data than its size says";
    case VP8_STATUS_UNSUPPORTED_FEATURE:
      return "a feature that libwebp does not support";
    default:
      return "a frame of another size";  // the buffer does not fit it
  }
}
}  // namespace

Decoded decode_webp(std::string_view file, const Container& c, Alpha alpha, const std::string&) {
  const Container::Frame& frame = c.frame;
  const int channels = c.has_alpha ? 4 : 3;
  std::vector<std::uint8_t> values;
  WebPDecoderConfig config;
  if (!WebPInitDecoderConfig(&config)) return {{}, "another version of libwebp than this build's"};
  const auto* data = reinterpret_cast<const std::uint8_t*>(file.data()) + frame.begin;
  const std::size_t size = frame.end - frame.begin;
  VP8StatusCode status = WebPGetFeatures(data, size, &config.input);
  if (status == VP8_STATUS_OK && (config.input.width != frame.width || config.input.height != frame.height)) status = VP8_STATUS_INVALID_PARAM;
  if (status == VP8_STATUS_OK) {
    values.resize(static_cast<std::size_t>(channels * frame.width * frame.height));
    config.output.colorspace = c.has_alpha ? MODE_RGBA : MODE_RGB;
    config.output.is_external_memory = 1;
    config.output.u.RGBA = {values.data(), static_cast<int>(channels * frame.width), values.size()};
    status = WebPDecode(data, size, &config);
  }
  if (status == VP8_STATUS_OUT_OF_MEMORY) throw std::bad_alloc();
  if (status != VP8_STATUS_OK) return {{}, reason(status)};

  Image shown = flattened(values.data(), frame.width, frame.height, channels, alpha);
  if (frame.width == c.width && frame.height == c.height) return {std::move(shown), ""};
  // Around a frame that is smaller than the canvas is nothing, which is black where transparency does not count.
  const std::uint8_t around = c.has_alpha && alpha == Alpha::white ? 255 : 0;
  Image canvas{c.width, c.height, std::vector<std::uint8_t>(static_cast<std::size_t>(3 * c.width * c.height), around)};
  for (Dim y = 0; y < frame.height; ++y)
    std::copy_n(shown.rgb.begin() + 3 * y * frame.width, 3 * frame.width, canvas.rgb.begin() + 3 * ((frame.top + y) * c.width + frame.left));
  return {std::move(canvas), ""};
}

std::string webp_decoder() {
  const int version = WebPGetDecoderVersion();
  return "libwebp " + std::to_string(version >> 16) + "." + std::to_string(version >> 8 & 255) + "." + std::to_string(version & 255);
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
