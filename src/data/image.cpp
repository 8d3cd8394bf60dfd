// image.cpp — pictures from and to files: the container is walked, its format's decoder runs, and what it gives becomes upright.
#include <string_view>
#include <utility>
#include <vector>
#include "data/container.h"
#include "data/decode.h"
#include "data/exif.h"
#include "data/resize.h"
#include "data/stb.h"
#include "io/stand_in.h"
#include "siglip/checkpoint.h"
#include "siglip/data.h"
#include "siglip/error.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
Decoded decode(std::string_view file, const Container& container, const PictureOptions& options, const std::string& name) {
  switch (container.format) {
    case Format::jpeg:
      return decode_jpeg(file, container, options.enough);
    case Format::webp:
      return decode_webp(file, container, options.alpha, name);
    case Format::gif:
      return decode_gif(file, container, options.alpha);
    default:
      return stb_decode(file, container, options.alpha);
  }
}
}  // namespace

Image flattened(const std::uint8_t* values, Dim width, Dim height, int channels, Alpha alpha_rule) {
  const auto pixels = static_cast<std::size_t>(width * height), step = static_cast<std::size_t>(channels);
  if (channels == 3) return {width, height, std::vector<std::uint8_t>(values, values + 3 * pixels)};
  Image image{width, height, std::vector<std::uint8_t>(3 * pixels)};
  const bool see_through = step % 2 == 0 && alpha_rule == Alpha::white;
  std::uint8_t* to = image.rgb.data();
  for (std::size_t i = 0; i < pixels; ++i, values += step) {
    const int alpha = see_through ? values[step - 1] : 255;
    for (std::size_t c = 0; c < 3; ++c) *to++ = static_cast<std::uint8_t>((values[step >= 3 ? c : 0] * alpha + 255 * (255 - alpha) + 127) / 255);
  }
  return image;
}

std::string picture_decoders() {
  const std::string webp = webp_decoder();
  return "JPEG " + jpeg_decoder() + ", PNG and BMP stb_image, GIF built in, WebP " + (webp.empty() ? "none" : webp);
}

Image decode_image(const std::uint8_t* bytes, std::size_t size, const std::string& name, const PictureOptions& options) {
  const std::string_view file{reinterpret_cast<const char*>(bytes), size};
  refuse_stand_in(file, name);
  const Container container = open_container(file, name);
  require(container.rgb || !options.only_rgb, name, "a picture stored in three colours is expected, because do_convert_rgb is false, got another");
  Decoded decoded = decode(file, container, options, name);
  require(decoded.problem.empty(), name, "a ", container.kind(), " that can be decoded is expected, got: ", decoded.problem);
  return upright(std::move(decoded.image), options.exif ? orientation_of(container.notes) : 1);
}

Image read_image(const std::string& path, const PictureOptions& options) {
  const std::string file = read_file(path);
  return decode_image(reinterpret_cast<const std::uint8_t*>(file.data()), file.size(), path, options);
}

std::string encode_png(const Image& image) {
  require(image.width >= 1 && image.height >= 1 && image.width <= most_image_pixels / image.height &&
              static_cast<Dim>(image.rgb.size()) == 3 * image.width * image.height,
          "encode_png", "1 to ", most_image_pixels, " pixels of 3 bytes are expected, got ", image.width, " x ", image.height, " and ",
          image.rgb.size(), " bytes");
  const std::string file = stb_png(image.rgb.data(), image.width, image.height);
  require(!file.empty(), "encode_png", "memory for ", image.width, " x ", image.height, " pixels is expected, got none");
  return file;
}

void write_png(const std::string& path, const Image& image) { write_file(path, encode_png(image)); }
}  // namespace siglip::inline SIGLIP_FLAVOUR
