// image.cpp — pictures from and to files. The container is walked before stb decodes it, because stb ignores checksums, accepts files that
// are cut off, and believes a header's size.
#include <array>
#include <bit>
#include <cstring>
#include <string_view>
#include "data/stb.h"
#include "siglip/checkpoint.h"
#include "siglip/data.h"
#include "siglip/error.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
using namespace std::string_view_literals;
constexpr Dim most_pixels = Dim{1} << 28;
constexpr int most_scans = 500;  // of a JPEG: each visits every pixel, so a small file of very many would run for minutes
// Deflate shrinks at most 1032 : 1 and a pixel has at least one bit; a JPEG block of 64 pixels has at least one bit too.
constexpr Dim most_pixels_per_byte = 8 * 1032;

bool starts(std::string_view file, std::string_view magic, std::size_t at = 0) {
  return file.substr(std::min(at, file.size()), magic.size()) == magic;
}

const char* other_format(std::string_view file) {
  if (file.empty()) return "an empty file";
  if (starts(file, "GIF8")) return "GIF";
  if (starts(file, "RIFF") && starts(file, "WEBP", 8)) return "WebP";
  if (starts(file, "ftypavi", 4)) return "AVIF";
  if (starts(file, "ftyp", 4)) return "HEIC or a film";
  if (starts(file, "II*\0"sv) || starts(file, "MM\0*"sv)) return "TIFF";
  if (starts(file, "BM")) return "BMP";
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

void check_size(Dim w, Dim h, std::size_t size, const std::string& name) {
  require(w >= 1 && h >= 1 && w <= most_pixels / h, name, "1 to 2^28 pixels are expected, got ", w, " x ", h);
  require(w * h / most_pixels_per_byte <= static_cast<Dim>(size), name, "as much data as ", w, " x ", h, " pixels need is expected, got ", size,
          " bytes");
}

/// Chunks of length, name, data, checksum; the last is IEND. Chunks whose name begins in lower case may be damaged: nobody needs them.
void check_png(std::string_view file, const std::string& name) {
  require(file.size() >= 33, name, "a whole PNG is expected, got one cut off after ", file.size(), " bytes");
  require(starts(file, "\0\0\0\x0DIHDR"sv, 8), name, "a PNG that begins with its header is expected, got another chunk first");
  for (std::size_t at = 8;;) {
    require(at + 12 <= file.size(), name, "a whole PNG is expected, got one cut off after ", file.size(), " bytes");
    const std::size_t length = big_endian(file, at, 4);
    require(length <= file.size() - at - 12, name, "a whole PNG is expected, got one cut off after ", file.size(), " bytes");
    const std::string_view kind = file.substr(at + 4, 4);
    const bool needed = (kind[0] & 0x20) == 0;
    require(!needed || checksum(file.substr(at + 4, length + 4)) == big_endian(file, at + 8 + length, 4), name,
            "an undamaged PNG is expected, got a wrong checksum at byte ", at);
    if (kind == "IEND") return;
    at += length + 12;
  }
}

/// A segment of Huffman tables: class and number, 16 counts, as many symbols as they add up to. stb 2.27 writes beyond its tables unless they
/// are at most 256, as they must be.
void check_huffman_tables(std::string_view tables, const std::string& name) {
  while (!tables.empty()) {
    std::size_t symbols = 0;
    for (std::size_t i = 1; i <= 16 && i < tables.size(); ++i) symbols += static_cast<std::uint8_t>(tables[i]);
    require(tables.size() >= 17 && symbols <= 256 && 17 + symbols <= tables.size(), name,
            "Huffman tables of at most 256 symbols, all of them there, are expected in a JPEG, got others");
    tables.remove_prefix(17 + symbols);
  }
}

/// Segments of FF, kind, length, data; after a start of scan (DA) coded data, in which FF is followed by 00 or a restart mark; the last is D9.
void check_jpeg(std::string_view file, const std::string& name) {
  int scans = 0;
  for (std::size_t at = 2;;) {
    at = file.find('\xFF', at);
    while (at < file.size() && file[at] == '\xFF') ++at;
    require(at < file.size(), name, "a whole JPEG is expected, got one cut off after ", file.size(), " bytes");
    const auto kind = static_cast<std::uint8_t>(file[at++]);
    if (kind == 0xD9) return;
    if (kind <= 0x01 || (kind >= 0xD0 && kind <= 0xD8)) continue;
    require(at + 2 <= file.size(), name, "a whole JPEG is expected, got one cut off after ", file.size(), " bytes");
    const std::size_t length = big_endian(file, at, 2);
    require(length <= file.size() - at, name, "a whole JPEG is expected, got one cut off after ", file.size(), " bytes");
    require(length >= 2, name, "a JPEG segment of at least 2 bytes is expected, got ", length);
    if (kind == 0xC4) check_huffman_tables(file.substr(at + 2, length - 2), name);
    at += length;
    scans += kind == 0xDA;
    require(scans <= most_scans, name, "at most ", most_scans, " scans of a JPEG are expected, got more");
  }
}

Image to_image(const StbPicture& picture) {
  Image image{picture.width, picture.height, {}};
  const auto pixels = static_cast<std::size_t>(image.width * image.height), channels = static_cast<std::size_t>(picture.channels);
  image.rgb.resize(3 * pixels);
  for (std::size_t i = 0; i < pixels; ++i) {
    const std::uint8_t* from = &picture.values[i * channels];
    const int alpha = channels % 2 == 0 ? from[channels - 1] : 255;
    for (std::size_t c = 0; c < 3; ++c) {
      const int value = from[channels >= 3 ? c : 0];
      image.rgb[3 * i + c] = static_cast<std::uint8_t>((value * alpha + 255 * (255 - alpha) + 127) / 255);  // over white
    }
  }
  return image;
}
}  // namespace

Image decode_image(const std::uint8_t* bytes, std::size_t size, const std::string& name) {
  const std::string_view file(reinterpret_cast<const char*>(bytes), size);
  const bool png = starts(file, "\x89PNG\r\n\x1A\n"), jpeg = starts(file, "\xFF\xD8\xFF");
  require(png || jpeg, name, "a JPEG or PNG picture is expected, got ", other_format(file));
  require(size <= std::size_t{1} << 30, name, "at most 2^30 bytes are expected, got ", size);
  if (png) {
    check_png(file, name);
    check_size(static_cast<Dim>(big_endian(file, 16, 4)), static_cast<Dim>(big_endian(file, 20, 4)), size, name);
  }
  if (jpeg) check_jpeg(file, name);

  const char* kind = png ? "PNG" : "JPEG";
  const StbPicture header = stb_header(bytes, size);
  require(header.problem.empty(), name, "a ", kind, " that can be decoded is expected, got: ", header.problem);
  const Dim w = header.width, h = header.height;
  check_size(w, h, size, name);

  // 16 bits in four channels, twice that where stb doubles its buffer, and whole JPEG blocks at the edges.
  const std::size_t most = std::max(static_cast<std::size_t>(16 * (w + 64) * (h + 64)), 2 * size) + (std::size_t{1} << 20);
  const StbPicture picture = stb_decode(bytes, size, most);
  require(picture.problem.empty(), name, "a ", kind, " that can be decoded is expected, got: ", picture.problem);
  return to_image(picture);
}

Image read_image(const std::string& path) {
  const std::string file = read_file(path);
  return decode_image(reinterpret_cast<const std::uint8_t*>(file.data()), file.size(), path);
}

std::string encode_png(const Image& image) {
  require(image.width >= 1 && image.height >= 1 && image.width <= most_pixels / image.height &&
              static_cast<Dim>(image.rgb.size()) == 3 * image.width * image.height,
          "encode_png", "1 to 2^28 pixels of 3 bytes are expected, got ", image.width, " x ", image.height, " and ", image.rgb.size(), " bytes");
  const std::string file = stb_png(image.rgb.data(), image.width, image.height);
  require(!file.empty(), "encode_png", "memory for ", image.width, " x ", image.height, " pixels is expected, got none");
  return file;
}

void write_png(const std::string& path, const Image& image) { write_file(path, encode_png(image)); }

void to_reals(Real* out, const Image& image) {
  const Dim pixels = image.width * image.height;
  const std::uint8_t* rgb = image.rgb.data();
  for (Dim c = 0; c < 3; ++c)
    for (Dim i = 0; i < pixels; ++i) out[c * pixels + i] = static_cast<Real>(rgb[3 * i + c]) / Real(127.5) - 1;
}

Tensor to_tensor(const std::vector<Image>& images) {
  require(!images.empty(), "to_tensor", "at least one picture is expected, got none");
  const Dim size = images[0].width;
  for (const Image& image : images)
    require(image.width == size && image.height == size, "to_tensor", "pictures of ", size, " x ", size, " are expected, got ", image.width, " x ",
            image.height);
  const Tensor out({static_cast<Dim>(images.size()), 3, size, size});
  for (std::size_t i = 0; i < images.size(); ++i) to_reals(out.data() + static_cast<Dim>(i) * 3 * size * size, images[i]);
  return out;
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
