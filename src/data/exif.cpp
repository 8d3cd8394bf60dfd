// exif.cpp — the one tag of EXIF that changes what is seen. Its container is TIFF: byte order, 42, the offset of a directory of 12-byte entries.
#include "data/exif.h"
#include <algorithm>
#include <bit>
#include <cstdint>
#include <iterator>
#include <optional>
#include <utility>

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
using namespace std::string_view_literals;

/// A TIFF structure; what lies outside of it reads as 0.
struct Tiff {
  std::string_view bytes;
  bool little;

  std::uint64_t number(std::size_t at, std::size_t size) const {
    if (at > bytes.size() || size > bytes.size() - at) return 0;
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < size; ++i) value = value << 8 | static_cast<std::uint8_t>(bytes[at + (little ? size - 1 - i : i)]);
    return value;
  }
};

/// Bytes of a value of each of TIFF's types; 0 for those there are not.
std::size_t size_of_type(std::uint64_t type) {
  constexpr std::size_t sizes[] = {0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 0, 0, 8};
  return type < std::size(sizes) ? sizes[type] : 0;
}

/// The value at `at`; 0 for bytes and texts, which are no number to Pillow either.
double value_of(const Tiff& tiff, std::uint64_t type, std::size_t at) {
  constexpr std::uint64_t byte = 1, text = 2, rational = 5, undefined = 7, signed_rational = 10, real = 11, long_real = 12;
  if (type == byte || type == text || type == undefined) return 0;
  if (type == rational || type == signed_rational) return static_cast<double>(tiff.number(at, 4)) / static_cast<double>(tiff.number(at + 4, 4));
  if (type == real) return static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(tiff.number(at, 4))));
  if (type == long_real) return std::bit_cast<double>(tiff.number(at, 8));
  return static_cast<double>(tiff.number(at, size_of_type(type)));  // a negative one is beyond 8, too
}

/// What the tag says, 1 if that is no orientation; nothing if there is no such tag.
std::optional<int> exif_orientation(std::string_view bytes) {
  for (int i = 0; i < 2; ++i)
    if (bytes.starts_with("Exif\0\0"sv)) bytes.remove_prefix(6);
  if (bytes.empty()) return std::nullopt;
  const Tiff tiff{bytes, bytes.starts_with("II")};
  if (!(tiff.little || bytes.starts_with("MM")) || tiff.number(2, 2) != 42) return 1;
  // Only the first directory is looked at, so nothing can lead in a circle.
  const std::size_t directory = tiff.number(4, 4), entries = tiff.number(directory, 2);
  for (std::size_t i = 0, at = directory + 2; i < entries && at + 12 <= bytes.size(); ++i, at += 12) {
    constexpr std::size_t orientation = 0x112;
    if (tiff.number(at, 2) != orientation) continue;
    const std::uint64_t type = tiff.number(at + 2, 2), count = tiff.number(at + 4, 4), size = count * size_of_type(type);
    const std::size_t begin = size > 4 ? tiff.number(at + 8, 4) : at + 8;  // the first value of any number of them counts
    if (size == 0 || begin > bytes.size() || size > bytes.size() - begin) continue;
    const double value = value_of(tiff, type, begin);
    for (int known = 1; known <= 8; ++known)
      if (value == known) return known;
    return 1;
  }
  return std::nullopt;
}

/// tiff:Orientation="6" as an attribute, <tiff:Orientation>6</… as an element; the first one counts. Anything else says nothing.
int xmp_orientation(std::string_view xml) {
  constexpr std::string_view tag = "tiff:Orientation";
  for (std::size_t at = 0; (at = xml.find(tag, at)) != std::string_view::npos;) {
    at += tag.size();
    std::string_view value = xml.substr(at, 3);
    value.remove_prefix(value.starts_with("=\"") ? 2 : value.starts_with(">") ? 1 : value.size());
    if (value.empty() || value[0] < '0' || value[0] > '9') continue;
    return value[0] >= '1' && value[0] <= '8' ? value[0] - '0' : 1;
  }
  return 1;
}
}  // namespace

int orientation_of(const Notes& notes) {
  const std::optional<int> said = exif_orientation(notes.has_exif ? notes.exif : notes.profile);
  return said ? *said : xmp_orientation(notes.xmp);
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
