// exif.cpp — the one tag of EXIF that changes what is seen. Its container is TIFF: byte order, 42, the offset of a directory of 12-byte entries.
#include "data/exif.h"
#include <algorithm>
#include <utility>

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
/// A TIFF structure; what lies outside of it reads as 0.
struct Tiff {
  std::string_view bytes;
  bool little;

  std::size_t number(std::size_t at, std::size_t size) const {
    if (at > bytes.size() || size > bytes.size() - at) return 0;
    std::size_t value = 0;
    for (std::size_t i = 0; i < size; ++i) value = value << 8 | static_cast<std::uint8_t>(bytes[at + (little ? size - 1 - i : i)]);
    return value;
  }
};
}  // namespace

int exif_orientation(std::string_view bytes) {
  if (!bytes.starts_with("II") && !bytes.starts_with("MM")) return 1;
  const Tiff tiff{bytes, bytes[0] == 'I'};
  if (tiff.number(2, 2) != 42) return 1;
  // Only the first directory is looked at, so nothing can lead in a circle.
  const std::size_t directory = tiff.number(4, 4), entries = tiff.number(directory, 2);
  for (std::size_t i = 0, at = directory + 2; i < entries && at + 12 <= bytes.size(); ++i, at += 12) {
    constexpr std::size_t orientation = 0x112;
    if (tiff.number(at, 2) != orientation) continue;
    const std::size_t type = tiff.number(at + 2, 2), size = type == 1 ? 1 : type == 3 ? 2 : type == 4 ? 4 : 0;  // whole numbers of so many bytes
    const std::size_t value = tiff.number(at + 4, 4) == 1 ? tiff.number(at + 8, size) : 0;
    return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return 1;
}

Image upright(Image image, int orientation) {
  if (orientation == 1) return image;
  // The result's pixel (x, y) is the stored one's (u, v), each counted from the left or the right, the top or the bottom.
  const bool turned = orientation >= 5;
  const bool from_right = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  const bool from_bottom = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  Image out{turned ? image.height : image.width, turned ? image.width : image.height, std::vector<std::uint8_t>(image.rgb.size())};
  auto to = out.rgb.begin();
  for (Dim y = 0; y < out.height; ++y)
    for (Dim x = 0; x < out.width; ++x) {
      Dim u = turned ? y : x, v = turned ? x : y;
      if (from_right) u = image.width - 1 - u;
      if (from_bottom) v = image.height - 1 - v;
      to = std::copy_n(image.rgb.begin() + 3 * (v * image.width + u), 3, to);
    }
  return out;
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
