// container_others.cpp — WebP, GIF and BMP files, as far as a decoder reads them: where the pixels lie and how many there are.
#include <algorithm>
#include <cstdint>
#include "data/container.h"
#include "siglip/error.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
std::size_t little_endian(std::string_view file, std::size_t at, std::size_t bytes) {
  std::size_t value = 0;
  for (std::size_t i = bytes; i-- > 0;) value = value << 8 | static_cast<std::uint8_t>(file[at + i]);
  return value;
}
Dim dim_at(std::string_view file, std::size_t at, std::size_t bytes) { return static_cast<Dim>(little_endian(file, at, bytes)); }

void require_whole(bool whole, const Container& c, std::string_view file, const std::string& name) {
  require(whole, name, "a whole ", c.kind(), " is expected, got one cut off after ", file.size(), " bytes");
}

/// The size and transparency that a chunk of pixels names: VP8 is lossy, VP8L lossless.
void read_webp_pixels(Container& c, std::string_view kind, std::string_view data) {
  if (kind == "VP8 " && data.size() >= 10) {
    c.width = dim_at(data, 6, 2) & 0x3FFF, c.height = dim_at(data, 8, 2) & 0x3FFF;
  } else if (kind == "VP8L" && data.size() >= 5) {
    const std::size_t bits = little_endian(data, 1, 4);
    c.width = static_cast<Dim>(bits & 0x3FFF) + 1, c.height = static_cast<Dim>(bits >> 14 & 0x3FFF) + 1;
    c.has_alpha = (bits >> 28 & 1) != 0;
  }
}
}  // namespace

/// RIFF: chunks of kind, length, data, a byte of padding if that is odd. A picture is one chunk of pixels, or VP8X with the canvas' size, then an
/// animation's frames or one picture, transparency and notes.
void walk_webp(Container& c, std::string_view file, const std::string& name) {
  require_whole(file.size() >= 20, c, file, name);
  const std::size_t end = 8 + little_endian(file, 4, 4);
  require_whole(end <= file.size(), c, file, name);
  constexpr std::uint8_t animated = 0x02, transparent = 0x10;
  std::uint8_t flags = 0;
  bool extended = false, pixels = false;
  c.channels = 4;
  for (std::size_t at = 12; at + 8 <= end;) {
    const std::string_view kind = file.substr(at, 4);
    const std::size_t length = little_endian(file, at + 4, 4), begin = at + 8;
    require_whole(length <= end - begin, c, file, name);
    const std::string_view data = file.substr(begin, length);
    if (kind == "VP8X" && !extended && !pixels) {
      require_whole(length >= 10, c, file, name);
      extended = true, flags = static_cast<std::uint8_t>(data[0]);
      c.width = dim_at(data, 4, 3) + 1, c.height = dim_at(data, 7, 3) + 1;
      c.has_alpha = (flags & transparent) != 0;
    } else if ((kind == "VP8 " || kind == "VP8L") && !pixels) {
      pixels = true;
      Container stored;
      read_webp_pixels(stored, kind, data);
      if (!extended) c.width = stored.width, c.height = stored.height;
      if (kind == "VP8L") c.has_alpha = stored.has_alpha;
      c.frame = {0, 0, c.width, c.height, 0, end};
    } else if (kind == "ALPH" && !pixels) {
      c.has_alpha = true;
    } else if (kind == "ANMF" && (flags & animated) && !pixels && length >= 16) {
      pixels = true;
      c.frame = {2 * dim_at(data, 0, 3), 2 * dim_at(data, 3, 3), dim_at(data, 6, 3) + 1, dim_at(data, 9, 3) + 1, begin + 16, begin + length};
      require(c.frame.left + c.frame.width <= c.width && c.frame.top + c.frame.height <= c.height, name,
              "a frame inside the picture is expected in a WebP, got one beyond");
    } else if (kind == "EXIF" && !c.notes.has_exif) {
      c.notes.exif = data, c.notes.has_exif = true;
    } else if (kind == "XMP " && c.notes.xmp.empty()) {
      c.notes.xmp = data;
    }
    at = begin + length + length % 2;
  }
  require(pixels, name, "a WebP with a picture is expected, got one without");
  c.rgb = !c.has_alpha;
  check_picture_size(c, 0, file.size(), name);
}

/// A screen and its palette, extensions, then frames. The walk ends behind the first frame; bytes between blocks that begin none are passed over.
void walk_gif(Container& c, std::string_view file, const std::string& name) {
  require_whole(file.size() >= 13, c, file, name);
  c.width = dim_at(file, 6, 2), c.height = dim_at(file, 8, 2);
  c.channels = 1;
  std::size_t at = 13;
  const auto take_palette = [&](std::size_t flags) {
    const std::size_t bytes = flags & 0x80 ? std::size_t{6} << (flags & 7) : 0;
    require_whole(bytes <= file.size() - at, c, file, name);
    if (bytes) c.palette = file.substr(at, bytes);
    at += bytes;
  };
  take_palette(little_endian(file, 10, 1));
  // Blocks of a length and so many bytes, the last of them empty.
  const auto pass_blocks = [&] {
    while (at < file.size() && file[at]) at += 1 + little_endian(file, at, 1);
    at = std::min(at, file.size());
  };
  for (;;) {
    require_whole(at < file.size(), c, file, name);
    const char kind = file[at++];
    require(kind != ';', name, "a GIF with a picture is expected, got one without");
    if (kind == ',') break;
    if (kind != '!') continue;
    require_whole(at + 7 <= file.size(), c, file, name);
    if (file[at] == '\xF9' && file[at + 1] == 4 && (file[at + 2] & 1)) c.transparent = static_cast<int>(little_endian(file, at + 5, 1));
    ++at;
    pass_blocks();
  }
  require_whole(at + 10 <= file.size(), c, file, name);
  const std::size_t flags = little_endian(file, at + 8, 1);
  c.frame = {dim_at(file, at, 2), dim_at(file, at + 2, 2), dim_at(file, at + 4, 2), dim_at(file, at + 6, 2), 0, 0};
  c.interlaced = (flags & 0x40) != 0;
  at += 9;
  take_palette(flags);
  c.frame.begin = at++;  // of the code length; then blocks
  pass_blocks();
  c.frame.end = at;
  require(c.frame.width >= 1 && c.frame.height >= 1, name, "a frame of at least one pixel is expected in a GIF, got ", c.frame.width, " x ",
          c.frame.height);
  // A frame beyond the screen makes it larger.
  c.width = std::max(c.width, c.frame.left + c.frame.width), c.height = std::max(c.height, c.frame.top + c.frame.height);
  // A code of at most 12 bits stands for at most 4096 pixels.
  check_picture_size(c, c.frame.width * c.frame.height / 4096, file.size(), name);
}

/// Where the pixels begin, then one of several headers; rows end at multiples of four bytes.
void walk_bmp(Container& c, std::string_view file, const std::string& name) {
  require_whole(file.size() >= 34, c, file, name);
  const std::size_t begin = little_endian(file, 10, 4), header = little_endian(file, 14, 4);
  constexpr std::size_t oldest = 12, with_masks = 108;
  constexpr Dim plain = 0, masked = 3;
  const bool old = header == oldest;
  c.width = old ? dim_at(file, 18, 2) : dim_at(file, 18, 4);
  c.height = old ? dim_at(file, 20, 2) : dim_at(file, 22, 4);
  if (!old && c.height >= Dim{1} << 31) c.height = (Dim{1} << 32) - c.height;  // negative: from the top down
  const Dim bits = dim_at(file, old ? 24 : 28, 2), packing = old ? plain : dim_at(file, 30, 4);
  c.has_alpha = header >= with_masks && packing == masked && bits == 32 && file.size() >= 70 && little_endian(file, 66, 4) != 0;
  c.channels = bits >= 16 ? (c.has_alpha ? 4 : 3) : 1;
  c.rgb = c.channels == 3;
  check_picture_size(c, 0, file.size(), name);
  require(bits == 1 || bits == 4 || bits == 8 || bits == 16 || bits == 24 || bits == 32, name,
          "a BMP of 1, 4, 8, 16, 24 or 32 bits a pixel is expected, got ", bits);
  require(header <= file.size() && begin >= 14 + header && begin <= file.size(), name,
          "a BMP whose pixels follow its header is expected, got pixels at byte ", begin);
  if (packing == plain || packing == masked) {  // of others stb says what they are
    const Dim row = (c.width * bits + 31) / 32 * 4, last = (c.width * bits + 7) / 8;
    require_whole(row * (c.height - 1) + last <= static_cast<Dim>(file.size() - begin), c, file, name);
  }
  c.largest = static_cast<std::size_t>(4 * c.width * c.height) + (std::size_t{1} << 20);
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
