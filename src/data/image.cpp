// image.cpp — pictures from and to files: the container is walked, stb decodes, and what it gives becomes upright 8-bit red green blue.
#include <string_view>
#include "data/container.h"
#include "data/exif.h"
#include "data/resize.h"
#include "data/stb.h"
#include "io/stand_in.h"
#include "siglip/checkpoint.h"
#include "siglip/data.h"
#include "siglip/error.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
/// Over white each value is exactly what Pillow's alpha_composite gives.
Image to_image(const StbPicture& picture, Alpha alpha_rule) {
  Image image{picture.width, picture.height, {}};
  const auto pixels = static_cast<std::size_t>(image.width * image.height), channels = static_cast<std::size_t>(picture.channels);
  image.rgb.resize(3 * pixels);
  const bool see_through = channels % 2 == 0 && alpha_rule == Alpha::white;
  for (std::size_t i = 0; i < pixels; ++i) {
    const std::uint8_t* from = &picture.values[i * channels];
    const int alpha = see_through ? from[channels - 1] : 255;
    for (std::size_t c = 0; c < 3; ++c) {
      const int value = from[channels >= 3 ? c : 0];
      image.rgb[3 * i + c] = static_cast<std::uint8_t>((value * alpha + 255 * (255 - alpha) + 127) / 255);
    }
  }
  return image;
}
}  // namespace

Image decode_image(const std::uint8_t* bytes, std::size_t size, const std::string& name, const PictureOptions& options) {
  refuse_stand_in({reinterpret_cast<const char*>(bytes), size}, name);
  const Container container = open_container({reinterpret_cast<const char*>(bytes), size}, name);
  require(container.rgb || !options.only_rgb, name, "a picture stored in three colours is expected, because do_convert_rgb is false, got another");

  const StbPicture header = stb_header(bytes, size, container.png);
  require(header.problem.empty(), name, "a ", container.kind(), " that can be decoded is expected, got: ", header.problem);
  require(header.width == container.width && header.height == container.height, name, "one size is expected in a ", container.kind(), ", got ",
          container.width, " x ", container.height, " and ", header.width, " x ", header.height);

  const StbPicture picture = stb_decode(bytes, size, container.largest);
  require(picture.problem.empty(), name, "a ", container.kind(), " that can be decoded is expected, got: ", picture.problem);
  return upright(to_image(picture, options.alpha), options.exif ? exif_orientation(container.exif) : 1);
}

Image read_image(const std::string& path, const PictureOptions& options) {
  const std::string file = read_file(path);
  return decode_image(reinterpret_cast<const std::uint8_t*>(file.data()), file.size(), path, options);
}

std::string encode_png(const Image& image) {
  require(image.width >= 1 && image.height >= 1 && image.width <= most_image_pixels / image.height &&
              static_cast<Dim>(image.rgb.size()) == 3 * image.width * image.height,
          "encode_png", "1 to 2^26 pixels of 3 bytes are expected, got ", image.width, " x ", image.height, " and ", image.rgb.size(), " bytes");
  const std::string file = stb_png(image.rgb.data(), image.width, image.height);
  require(!file.empty(), "encode_png", "memory for ", image.width, " x ", image.height, " pixels is expected, got none");
  return file;
}

void write_png(const std::string& path, const Image& image) { write_file(path, encode_png(image)); }
}  // namespace siglip::inline SIGLIP_FLAVOUR
