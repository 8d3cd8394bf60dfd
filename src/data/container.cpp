// container.cpp — PNG and JPEG files walked from end to end before anything is decoded.
#include "data/container.h"
#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>
#include "data/resize.h"
#include "siglip/error.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
using namespace std::string_view_literals;
constexpr Dim most_bytes = 4 * most_image_pixels;  // of the pixels, before they are made 8-bit red green blue
constexpr Dim most_visits = Dim{1} << 26;          // of blocks by the scans of a JPEG: the largest picture in three colours needs less

bool starts(std::string_view file, std::string_view magic, std::size_t at = 0) {
  return file.substr(std::min(at, file.size()), magic.size()) == magic;
}

const char* other_format(std::string_view file) {
  if (file.empty()) return "an empty file";
  if (starts(file, "ftypavi", 4)) return "AVIF";
  if (starts(file, "ftyp", 4)) return "HEIC or a film";
  if (starts(file, "II*\0"sv) || starts(file, "MM\0*"sv)) return "TIFF";
  if (starts(file, "8BPS")) return "PSD";
  if (starts(file, "\xFF\x0A") || starts(file, "JXL ", 4)) return "JPEG XL";
  if (starts(file, "jP  ", 4)) return "JPEG 2000";
  if (file.substr(0, 1024).find("<svg") != std::string_view::npos) return "SVG";
  return "no picture";
}

std::size_t big_endian(std::string_view file, std::size_t at, std::size_t bytes) {
  std::size_t value = 0;
  for (std::size_t i = 0; i < bytes; ++i) value = value << 8 | static_cast<std::uint8_t>(file[at + i]);
  return value;
}
Dim byte_at(std::string_view file, std::size_t at) { return static_cast<std::uint8_t>(file[at]); }

/// CRC-32 of ISO 3309, as PNG uses it.
std::uint32_t checksum(std::string_view bytes) {
  static const auto table = [] {
    std::array<std::uint32_t, 256> t{};
    for (std::uint32_t i = 0; i < 256; ++i) {
      std::uint32_t c = i;
      for (int bit = 0; bit < 8; ++bit) c = (c & 1) ? 0xEDB88320u ^ c >> 1 : c >> 1;
      t[i] = c;
    }
    return t;
  }();
  std::uint32_t c = ~0u;
  for (char byte : bytes) c = table[(c ^ static_cast<std::uint8_t>(byte)) & 255] ^ c >> 8;
  return ~c;
}

void read_png_header(Container& c, std::string_view file, const std::string& name) {
  constexpr int gray = 0, rgb = 2, gray_alpha = 4, rgb_alpha = 6;
  c.width = static_cast<Dim>(big_endian(file, 16, 4)), c.height = static_cast<Dim>(big_endian(file, 20, 4));
  c.bits = byte_at(file, 24);
  const Dim color = byte_at(file, 25);
  c.channels = color == rgb_alpha ? 4 : color == rgb ? 3 : color == gray_alpha ? 2 : 1;
  c.rgb = color == rgb;
  // Deflate shrinks at most 1032 : 1.
  const Dim row = c.width < Dim{1} << 31 ? (c.width * c.channels * std::min(c.bits, Dim{16}) + 7) / 8 : 0;
  check_picture_size(c, c.height < Dim{1} << 31 && row < Dim{1} << 31 ? row * c.height / 1032 : 0, file.size(), name);
  // Colour keys add a channel, a palette makes four of one, and inflating doubles its buffer where interlaced rows are longer than it guessed.
  const Dim widest = std::max(Dim{4}, (c.channels + (color == gray || color == rgb)) * (c.bits == 16 ? 4 : 2));
  c.largest = std::max(static_cast<std::size_t>(widest * (c.width + 64) * (c.height + 64)), 2 * file.size()) + (std::size_t{1} << 20);
}

/// Chunks of length, name, data, checksum; the last is IEND. Chunks whose name begins in lower case may be damaged: nobody needs them.
void walk_png(Container& c, std::string_view file, const std::string& name) {
  require(file.size() >= 33, name, "a whole PNG is expected, got one cut off after ", file.size(), " bytes");
  require(starts(file, "\0\0\0\x0DIHDR"sv, 8), name, "a PNG that begins with its header is expected, got another chunk first");
  for (std::size_t at = 8;;) {
    require(at + 12 <= file.size(), name, "a whole PNG is expected, got one cut off after ", file.size(), " bytes");
    const std::size_t length = big_endian(file, at, 4);
    require(length <= file.size() - at - 12, name, "a whole PNG is expected, got one cut off after ", file.size(), " bytes");
    const std::string_view kind = file.substr(at + 4, 4), data = file.substr(at + 8, length);
    const bool needed = (kind[0] & 0x20) == 0;
    require(!needed || checksum(file.substr(at + 4, length + 4)) == big_endian(file, at + 8 + length, 4), name,
            "an undamaged PNG is expected, got a wrong checksum at byte ", at);
    if (kind == "IHDR") read_png_header(c, file, name);
    c.notes.take_png(kind, data);
    if (kind == "tRNS") c.rgb = false;
    if (kind == "IEND") return;
    at += length + 12;
  }
}

/// What a scan needs: the frame that names its components, and which tables were defined before it.
struct JpegState {
  std::string_view frame;  // of the start of frame: precision, height, width, number of components, three bytes for each of them
  bool progressive = false;
  bool quantisers[4] = {}, dc[4] = {}, ac[4] = {};
};

/// A segment of Huffman tables: class and number, 16 counts, as many symbols as they add up to. stb 2.27 writes beyond its tables unless they
/// are at most 256, as they must be.
void take_huffman_tables(JpegState& jpeg, std::string_view tables, const std::string& name) {
  while (!tables.empty()) {
    std::size_t symbols = 0;
    for (std::size_t i = 1; i <= 16 && i < tables.size(); ++i) symbols += static_cast<std::uint8_t>(tables[i]);
    require(tables.size() >= 17 && symbols <= 256 && 17 + symbols <= tables.size(), name,
            "Huffman tables of at most 256 symbols, all of them there, are expected in a JPEG, got others");
    (tables[0] & 0x10 ? jpeg.ac : jpeg.dc)[tables[0] & 3] = true;
    tables.remove_prefix(17 + symbols);
  }
}

/// A segment of quantisers: their width and number, then 64 of them.
void take_quantisers(JpegState& jpeg, std::string_view tables) {
  while (!tables.empty()) {
    jpeg.quantisers[tables[0] & 3] = true;
    tables.remove_prefix(std::min(tables.size(), std::size_t{tables[0] & 0x10 ? 129u : 65u}));
  }
}

/// A start of frame: precision, height, width, number of components.
void read_jpeg_header(Container& c, std::string_view frame, std::size_t size, const std::string& name) {
  if (frame.size() < 6) return;  // stb refuses it
  require(frame[0] == 8, name, "a JPEG of 8 bits a colour is expected, got one of ", byte_at(frame, 0));
  c.height = static_cast<Dim>(big_endian(frame, 1, 2)), c.width = static_cast<Dim>(big_endian(frame, 3, 2));
  c.channels = byte_at(frame, 5);
  c.rgb = c.channels == 3;
  // 64 pixels of a component take at least one bit.
  check_picture_size(c, c.width * c.height / 512, size, name);
  c.largest = std::max(static_cast<std::size_t>(4 * (c.width + 64) * (c.height + 64)), 2 * size) + (std::size_t{1} << 20);
}

/// Blocks of 8 x 8 values that a scan goes through, whatever it holds of them. A scan of one component has those that show pixels, one of several
/// has whole groups of them.
Dim visits_of(const Container& c, const JpegState& jpeg, std::string_view scan) {
  struct Sampling {
    char component;
    Dim across, down;
  };
  std::vector<Sampling> all;
  Sampling most{0, 1, 1};
  for (std::size_t at = 6; at + 3 <= jpeg.frame.size(); at += 3) {
    const Dim sampling = byte_at(jpeg.frame, at + 1);
    all.push_back({jpeg.frame[at], sampling >> 4, sampling & 15});
    most.across = std::max(most.across, all.back().across), most.down = std::max(most.down, all.back().down);
  }
  const auto groups = [](Dim pixels, Dim each) { return (pixels + each - 1) / each; };
  const std::size_t count = scan.empty() ? 0 : static_cast<std::size_t>(byte_at(scan, 0));
  Dim visits = 0;
  for (std::size_t i = 0; i < count && 1 + 2 * i < scan.size(); ++i)
    for (const Sampling& own : all)
      if (own.component == scan[1 + 2 * i])
        visits += count == 1 ? groups(c.width * own.across, 8 * most.across) * groups(c.height * own.down, 8 * most.down)
                             : groups(c.width, 8 * most.across) * groups(c.height, 8 * most.down) * own.across * own.down;
  return visits;
}

/// A start of scan: number of components, each with its name and its two Huffman tables, then what part of the coefficients it holds. stb would
/// decode with tables that were never written (CVE-2022-28042).
void check_scan(const JpegState& jpeg, std::string_view scan, const std::string& name) {
  const std::size_t count = scan.empty() ? 0 : static_cast<std::uint8_t>(scan[0]);
  if (scan.size() < 4 + 2 * count) return;  // stb refuses it
  const bool of_dc = !jpeg.progressive || scan[1 + 2 * count] == 0, of_ac = !jpeg.progressive || !of_dc;
  const bool refines = jpeg.progressive && (scan[3 + 2 * count] & 0xF0) != 0;  // which takes no code for DC
  for (std::size_t i = 0; i < count; ++i) {
    const char component = scan[1 + 2 * i], tables = scan[2 + 2 * i];
    std::size_t at = 6;
    while (at + 3 <= jpeg.frame.size() && jpeg.frame[at] != component) at += 3;
    require(at + 3 <= jpeg.frame.size(), name, "scans of a JPEG's own components are expected, got component ", byte_at(scan, 1 + 2 * i));
    const bool defined =
        jpeg.quantisers[jpeg.frame[at + 2] & 3] && (!of_dc || refines || jpeg.dc[tables >> 4 & 3]) && (!of_ac || jpeg.ac[tables & 3]);
    require(defined, name, "a JPEG that defines its tables before a scan is expected, got a scan without");
  }
}

/// What a marker of a JPEG that stb cannot decode stands for; null for others.
const char* other_coding(std::uint8_t kind) {
  if (kind < 0xC3 || kind > 0xCF || kind == 0xC4 || kind == 0xC8 || kind == 0xCC) return nullptr;
  return kind >= 0xC9 ? "an arithmetic one" : kind == 0xC3 ? "a lossless one" : "a hierarchical one";
}

/// Segments of FF, kind, length, data; after a start of scan (DA) coded data, in which FF is followed by 00 or a restart mark; the last is D9.
void walk_jpeg(Container& c, std::string_view file, const std::string& name) {
  Dim visits = 0;
  JpegState jpeg;
  for (std::size_t at = 2;;) {
    at = file.find('\xFF', at);
    while (at < file.size() && file[at] == '\xFF') ++at;
    require(at < file.size(), name, "a whole JPEG is expected, got one cut off after ", file.size(), " bytes");
    const auto kind = static_cast<std::uint8_t>(file[at++]);
    if (kind == 0xD9) break;
    if (kind <= 0x01 || (kind >= 0xD0 && kind <= 0xD8)) continue;
    require(at + 2 <= file.size(), name, "a whole JPEG is expected, got one cut off after ", file.size(), " bytes");
    const std::size_t length = big_endian(file, at, 2);
    require(length <= file.size() - at, name, "a whole JPEG is expected, got one cut off after ", file.size(), " bytes");
    require(length >= 2, name, "a JPEG segment of at least 2 bytes is expected, got ", length);
    const std::string_view data = file.substr(at + 2, length - 2);
    const char* coding = other_coding(kind);
    require(!coding, name, "a baseline or progressive JPEG of Huffman codes is expected, got ", coding);
    if (kind >= 0xC0 && kind <= 0xC2 && c.channels == 0) {
      read_jpeg_header(c, data, file.size(), name);
      jpeg.frame = data, jpeg.progressive = kind == 0xC2;
    }
    if (kind == 0xC4) take_huffman_tables(jpeg, data, name);
    if (kind == 0xDB) take_quantisers(jpeg, data);
    if (kind == 0xDA) {
      check_scan(jpeg, data, name);
      visits += visits_of(c, jpeg, data);
      require(visits <= most_visits, name, "at most 2^26 blocks in all scans of a JPEG are expected, got more");
      if (c.first_scan == 0) c.first_scan = at - 2;
    }
    if (kind == 0xE1) c.notes.take_jpeg(data);
    if (kind == 0xEE && starts(data, "Adobe") && data.size() >= 12) c.adobe = static_cast<std::uint8_t>(data[11]);
    at += length;
  }
}

Format format_of(std::string_view file, const std::string& name) {
  if (starts(file, "\xFF\xD8\xFF")) return Format::jpeg;
  if (starts(file, "\x89PNG\r\n\x1A\n")) return Format::png;
  if (starts(file, "RIFF") && starts(file, "WEBP", 8)) return Format::webp;
  if (starts(file, "GIF87a") || starts(file, "GIF89a")) return Format::gif;
  if (starts(file, "BM")) return Format::bmp;
  fail(name, "a JPEG, PNG, WebP, GIF or BMP picture is expected, got ", other_format(file));
}
}  // namespace

void check_picture_size(const Container& c, Dim least, std::size_t size, const std::string& name) {
  require(c.width >= 1 && c.height >= 1 && c.width <= most_image_pixels / c.height, name, "1 to ", most_image_pixels, " pixels are expected, got ",
          c.width, " x ", c.height);
  const Dim bytes = c.channels * (c.bits == 16 ? 2 : 1);
  require(c.width * c.height <= most_bytes / std::max(bytes, Dim{1}), name, "at most ", most_bytes, " bytes of pixels are expected, got ", c.width,
          " x ", c.height, " of ", bytes, " bytes each");
  require(least <= static_cast<Dim>(size), name, "as much data as ", c.width, " x ", c.height, " pixels need is expected, got ", size, " bytes");
}

Container open_container(std::string_view file, const std::string& name) {
  Container container;
  container.format = format_of(file, name);
  require(file.size() <= std::size_t{1} << 30, name, "at most 2^30 bytes are expected, got ", file.size());
  constexpr void (*walks[])(Container&, std::string_view, const std::string&) = {walk_jpeg, walk_png, walk_webp, walk_gif, walk_bmp};
  walks[static_cast<int>(container.format)](container, file, name);
  return container;
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
