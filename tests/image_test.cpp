// Pictures: what is decoded, and what is refused with which words.
#include <doctest/doctest.h>
#include <algorithm>
#include <cstdlib>
#include <initializer_list>
#include "bytes.h"
#include "data/decode.h"
#include "temporary_folder.h"
#include "pictures.h"
#include "siglip/checkpoint.h"
#include "siglip/data.h"
#include "siglip/error.h"
#include "siglip/rng.h"
using namespace siglip;

namespace {
Image decode(const std::string& file) { return decode_image(reinterpret_cast<const std::uint8_t*>(file.data()), file.size(), "x"); }
std::string problem(const std::string& file) {
  try {
    decode(file);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

/// Deflate's stored form: no compression at all.
std::string stored(const std::string& raw) {
  std::size_t a = 1, b = 0;
  for (char byte : raw) a = (a + static_cast<std::uint8_t>(byte)) % 65521, b = (b + a) % 65521;
  std::string length = big_endian(raw.size(), 2), inverse = big_endian(~raw.size() & 0xFFFF, 2);
  std::swap(length[0], length[1]), std::swap(inverse[0], inverse[1]);
  return "\x78\x01\x01" + length + inverse + raw + big_endian(b << 16 | a);
}
/// rows: with the filter byte 0 before each.
std::string png(std::size_t width, std::size_t height, int depth, int color, const std::string& rows, const std::string& extra = "",
                int interlaced = 0) {
  const std::string header = big_endian(width) + big_endian(height) + char(depth) + char(color) + std::string(2, '\0') + char(interlaced);
  return "\x89PNG\r\n\x1A\n" + png_chunk("IHDR", header) + extra + png_chunk("IDAT", stored(rows)) + png_chunk("IEND", "");
}
std::string bytes(std::initializer_list<int> values) {
  std::string out;
  for (int v : values) out.push_back(static_cast<char>(v));
  return out;
}
using Rgb = std::vector<std::uint8_t>;
bool near(const Image& image, std::size_t pixel, Rgb want, int tolerance) {
  for (std::size_t c = 0; c < 3; ++c)
    if (std::abs(image.rgb[3 * pixel + c] - want[c]) > tolerance) return false;
  return true;
}
const std::string red = png(1, 1, 8, 2, bytes({0, 200, 10, 20}));
}  // namespace

TEST_CASE("image: every kind of PNG becomes 8-bit red green blue") {
  CHECK(decode(red).rgb == Rgb{200, 10, 20});
  CHECK(decode(png(2, 1, 8, 0, bytes({0, 7, 9}))).rgb == Rgb{7, 7, 7, 9, 9, 9});         // gray
  CHECK(decode(png(2, 1, 1, 0, bytes({0, 0x40}))).rgb == Rgb{0, 0, 0, 255, 255, 255});   // black and white
  CHECK(decode(png(1, 1, 16, 0, bytes({0, 0x12, 0xFF}))).rgb == Rgb{0x12, 0x12, 0x12});  // the upper 8 of 16 bits
  CHECK(decode(png(1, 1, 16, 2, bytes({0, 1, 255, 2, 255, 3, 255}))).rgb == Rgb{1, 2, 3});
  CHECK(decode(png(2, 1, 8, 4, bytes({0, 100, 255, 100, 0}))).rgb == Rgb{100, 100, 100, 255, 255, 255});              // gray and alpha
  CHECK(decode(png(2, 1, 8, 6, bytes({0, 0, 100, 255, 128, 9, 9, 9, 0}))).rgb == Rgb{127, 177, 255, 255, 255, 255});  // on white
  CHECK(decode(png(1, 1, 16, 6, bytes({0, 0, 0, 0, 0, 0, 0, 128, 0}))).rgb == Rgb{127, 127, 127});
  const std::string palette = png_chunk("PLTE", bytes({1, 2, 3, 4, 5, 6}));
  CHECK(decode(png(2, 1, 8, 3, bytes({0, 1, 0}), palette)).rgb == Rgb{4, 5, 6, 1, 2, 3});
  CHECK(decode(png(2, 1, 8, 3, bytes({0, 1, 0}), palette + png_chunk("tRNS", bytes({255, 0})))).rgb == Rgb{255, 255, 255, 1, 2, 3});
  CHECK(decode(png(2, 1, 8, 2, bytes({0, 1, 2, 3, 4, 5, 6}), png_chunk("tRNS", bytes({0, 4, 0, 5, 0, 6})))).rgb == Rgb{1, 2, 3, 255, 255, 255});
  CHECK(decode(png(2, 2, 8, 0, bytes({0, 1, 0, 2, 0, 3, 4}), "", 1)).rgb == Rgb{1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4});  // interlaced
}

TEST_CASE("image: JPEG, plain, progressive, gray, CMYK") {
  for (const std::string& file : {jpeg_baseline, jpeg_progressive, jpeg_baseline + red, jpeg_baseline + "PK\3\4 a ZIP archive behind it"}) {
    const Image image = decode(file);
    CHECK(image.width == 16);
    CHECK(image.height == 8);
    CHECK(near(image, 0, {220, 20, 20}, 4));
    CHECK(near(image, 15, {20, 20, 220}, 4));
  }
  CHECK(near(decode(jpeg_gray), 5, {100, 100, 100}, 2));
  CHECK(near(decode(jpeg_cmyk), 5, {255, 0, 0}, 8));
  std::string without = jpeg_cmyk;  // the note that they are CMYK; four colours are that anyway
  without.replace(without.find("Adobe"), 5, "Other");
  CHECK(decode(without).rgb == decode(jpeg_cmyk).rgb);
}

TEST_CASE("image: PNG written and read again is the same picture") {
  Image image{37, 11, {}};
  Rng rng(5);
  for (Dim i = 0; i < 3 * 37 * 11; ++i) image.rgb.push_back(static_cast<std::uint8_t>(rng.below(256)));
  const TemporaryFolder folder;
  write_png(folder / "a.png", image);
  const Image again = read_image(folder / "a.png");
  CHECK(again.width == 37);
  CHECK(again.rgb == image.rgb);
  CHECK(encode_png(image) == encode_png(image));
  image.rgb.pop_back();
  CHECK_THROWS_WITH_AS(encode_png(image), "encode_png: 1 to 178956970 pixels of 3 bytes are expected, got 37 x 11 and 1220 bytes", Error);
}

TEST_CASE("image: extreme shapes") {
  for (auto [w, h] : {std::pair<Dim, Dim>{1, 16384}, {16384, 1}}) {
    const Image image{w, h, Rgb(static_cast<std::size_t>(3 * w * h), 9)};
    CHECK(decode(encode_png(image)).rgb == image.rgb);
    CHECK(resize(image, 5, 5, Filter::bicubic).rgb == Rgb(75, 9));
  }
}

TEST_CASE("image: what is no picture is refused by name") {
  const TemporaryFolder folder;
  CHECK_THROWS_WITH_AS(read_image(folder / "none.png"), (folder / "none.png: a readable file is expected, got: No such file or directory").c_str(),
                       Error);
  CHECK_THROWS_WITH_AS(read_image(folder.path), (folder.path + ": a regular file is expected, got a folder").c_str(), Error);
  const std::string text = folder.write("text.jpg", "hello");
  CHECK_THROWS_WITH_AS(read_image(text), (text + ": a JPEG, PNG, WebP, GIF or BMP picture is expected, got no picture").c_str(), Error);
  const std::string wanted = "x: a JPEG, PNG, WebP, GIF or BMP picture is expected, got ";
  CHECK(problem("") == wanted + "an empty file");
  CHECK(problem(bytes({0, 0, 0, 32}) + "ftypavif") == wanted + "AVIF");
  CHECK(problem(bytes({0, 0, 0, 32}) + "ftypheic") == wanted + "HEIC or a film");
  CHECK(problem("<?xml?><svg>") == wanted + "SVG");
  CHECK(problem(bytes({'I', 'I', '*', 0})) == wanted + "TIFF");
  CHECK(problem("8BPS") == wanted + "PSD");
  CHECK(problem(bytes({0xFF, 0x0A})) == wanted + "JPEG XL");
  CHECK(problem(bytes({0, 0, 0, 12}) + "jP  ") == wanted + "JPEG 2000");
}

TEST_CASE("image: damage") {
  std::string file = red;
  file[file.size() - 20] ^= 1;  // within IDAT
  CHECK(problem(file) == "x: an undamaged PNG is expected, got a wrong checksum at byte 33");
  CHECK(problem(png(1, 1, 8, 2, bytes({0, 1}))) == "x: a PNG that can be decoded is expected, got: not enough pixels");
  CHECK(problem(png(1, 1, 3, 2, bytes({0, 1, 2, 3}))) == "x: a PNG that can be decoded is expected, got: 1/2/4/8/16-bit only");
  CHECK(problem("\x89PNG\r\n\x1A\n" + png_chunk("IEND", std::string(30, 'x'))) ==
        "x: a PNG that begins with its header is expected, got another chunk first");
  std::string tables = jpeg_baseline, segment = jpeg_baseline;
  tables[tables.find("\xFF\xC4") + 20] = '\xFF';  // 255 codes of 16 bits beside those there are
  CHECK(problem(tables) == "x: Huffman tables of at most 256 symbols, all of them there, are expected in a JPEG, got others");
  segment[5] = 1;  // the length of the first
  CHECK(problem(segment) == "x: a JPEG segment of at least 2 bytes is expected, got 1");
  std::string twelve = jpeg_baseline;
  const std::size_t frame = jpeg_baseline.find("\xFF\xC0");
  twelve[frame + 4] = 12;
  CHECK(problem(twelve) == "x: a JPEG of 8 bits a colour is expected, got one of 12");
  for (const auto& [kind, coding] :
       {std::pair('\xC9', "an arithmetic one"), std::pair('\xC3', "a lossless one"), std::pair('\xC5', "a hierarchical one")}) {
    std::string other = jpeg_baseline;
    other[frame + 1] = kind;
    CHECK(problem(other) == std::string("x: a baseline or progressive JPEG of Huffman codes is expected, got ") + coding);
  }
}

TEST_CASE("image: chunks of a PNG's data may be empty") {
  const std::string chunk = png_chunk("IDAT", "");
  for (const std::string name : {"IDAT", "IEND"}) {
    std::string file = red;
    file.insert(file.find(name) - 4, chunk + chunk);
    CHECK(decode(file).rgb == decode(red).rgb);
  }
  CHECK(problem("\x89PNG\r\n\x1A\n" + png_chunk("IHDR", big_endian(1) + big_endian(1) + bytes({8, 2, 0, 0, 0})) + chunk + png_chunk("IEND", ""))
            .starts_with("x: a PNG that can be decoded is expected, got: "));
}

TEST_CASE("image: a file cut off anywhere is refused") {
  const std::string cut_png = encode_png(resize(decode(jpeg_baseline), 50, 40, Filter::bicubic));
  for (const std::string& file : {cut_png, jpeg_baseline, jpeg_progressive})
    for (std::size_t size = 0; size < file.size(); ++size) CHECK(!problem(file.substr(0, size)).empty());
  CHECK(problem(jpeg_baseline.substr(0, 200)) == "x: a whole JPEG is expected, got one cut off after 200 bytes");
  CHECK(problem(red.substr(0, 40)) == "x: a whole PNG is expected, got one cut off after 40 bytes");
}

TEST_CASE("image: bombs are refused before they cost memory or time") {
  CHECK(problem(png(65535, 65535, 8, 0, "")) == "x: 1 to 178956970 pixels are expected, got 65535 x 65535");
  const std::string wide = png(8000, 8000, 1, 0, "");
  CHECK(problem(wide) == "x: as much data as 8000 x 8000 pixels need is expected, got " + std::to_string(wide.size()) + " bytes");
}

TEST_CASE("image: a header that claims more than memory should hold, or more than the file can") {
  // 16 bits of four channels: 8 bytes a pixel.
  CHECK(problem(png(12000, 12000, 16, 6, "")) == "x: at most 715827880 bytes of pixels are expected, got 12000 x 12000 of 8 bytes each");
  CHECK(problem(png(1, 178'956'971, 8, 0, "")) == "x: 1 to 178956970 pixels are expected, got 1 x 178956971");
  CHECK(problem(png(0xFFFFFFFF, 0xFFFFFFFF, 16, 6, "")) == "x: 1 to 178956970 pixels are expected, got 4294967295 x 4294967295");
  CHECK(problem(png(0, 5, 8, 0, "")) == "x: 1 to 178956970 pixels are expected, got 0 x 5");
  std::string claims = jpeg_baseline;
  const std::size_t frame = claims.find("\xFF\xC0");
  claims.replace(frame + 5, 4, bytes({0x1F, 0xFF, 0x1F, 0xFF}));  // 8191 x 8191 in 300 bytes
  CHECK(problem(claims) == "x: as much data as 8191 x 8191 pixels need is expected, got " + std::to_string(claims.size()) + " bytes");
}

TEST_CASE("image: cut off at each percent, of a picture of usual size") {
  Image large{300, 200, {}};
  Rng rng(9);
  for (Dim i = 0; i < 3 * 300 * 200; ++i) large.rgb.push_back(static_cast<std::uint8_t>(rng.below(256)));
  const std::string file = encode_png(large);
  for (std::size_t percent = 0; percent < 100; ++percent) CHECK(!problem(file.substr(0, file.size() * percent / 100)).empty());
}

namespace {
/// A JPEG with these bytes as its EXIF, and the size of the picture: 16 x 8, or turned.
std::string with_exif(const std::string& tiff) {
  const std::string data = std::string("Exif\0\0", 6) + tiff;
  return jpeg_baseline.substr(0, 2) + "\xFF\xE1" + big_endian(data.size() + 2, 2) + data + jpeg_baseline.substr(2);
}
bool turned(const std::string& tiff) { return decode(with_exif(tiff)).height == 16; }
std::string entry(std::size_t tag, std::size_t type, std::size_t count, std::size_t value) {
  return big_endian(tag, 2) + big_endian(type, 2) + big_endian(count) + big_endian(value);
}
const std::string tiff_start = "MM" + big_endian(42, 2) + big_endian(8);
}  // namespace

TEST_CASE("image: EXIF orientation is applied, unless it is not wanted") {
  const Image upright = decode(jpeg_rotated);
  CHECK(upright.width == 8);
  CHECK(upright.height == 16);
  CHECK(near(upright, 0, {220, 20, 20}, 4));
  CHECK(near(upright, 8 * 15, {20, 20, 220}, 4));
  const Image stored = decode_image(reinterpret_cast<const std::uint8_t*>(jpeg_rotated.data()), jpeg_rotated.size(), "x", {.exif = false});
  CHECK(stored.width == 16);
  CHECK(stored.rgb == decode(jpeg_baseline).rgb);
}

TEST_CASE("image: hostile EXIF is passed over") {
  const std::string six = entry(0x112, 3, 1, 6u << 16), none = big_endian(0);
  CHECK(turned(tiff_start + big_endian(1, 2) + six + none));
  CHECK(turned(tiff_start + big_endian(2, 2) + entry(0x100, 3, 1, 0) + six + none));
  CHECK(turned(tiff_start + big_endian(0xFFFF, 2) + six));                          // more entries claimed than there are
  CHECK(turned(tiff_start + big_endian(1, 2) + entry(0x112, 4, 1, 6)));             // as a 32-bit number
  CHECK(turned(tiff_start + big_endian(1, 2) + entry(0x112, 3, 2, 6u << 16 | 1)));  // two numbers, of which the first counts
  CHECK(turned(tiff_start + big_endian(1, 2) + entry(0x112, 3, 3, 26) + none + big_endian(6, 2) + big_endian(1) + none));  // three, elsewhere
  CHECK(turned(tiff_start + big_endian(1, 2) + entry(0x112, 5, 1, 26) + none + big_endian(12) + big_endian(2)));           // 12 / 2
  CHECK(turned(tiff_start + big_endian(1, 2) + entry(0x112, 11, 1, 0x40C00000)));                                          // as a float
  CHECK(turned(tiff_start + big_endian(1, 2) + entry(0x112, 12, 1, 26) + none + big_endian(0x40180000) + none));           // as a double
  CHECK(turned(tiff_start + big_endian(2, 2) + entry(0x112, 3, 0, 1u << 16) + six + none));                                // the first holds nothing
  CHECK(!turned(tiff_start + big_endian(2, 2) + entry(0x112, 3, 1, 1u << 16) + six + none));                               // the first counts
  CHECK(!turned(tiff_start + big_endian(1, 2) + entry(0x112, 1, 1, 6u << 24)));                                            // a byte is no number
  CHECK(!turned(tiff_start + big_endian(1, 2) + entry(0x112, 5, 1, 26) + none + big_endian(6) + none));                    // 6 / 0
  CHECK(!turned(tiff_start + big_endian(1, 2) + entry(0x112, 3, 1, 9u << 16)));                                            // no such orientation
  CHECK(!turned(tiff_start + big_endian(1, 2) + entry(0x112, 3, 1, 0)));
  CHECK(!turned(tiff_start + big_endian(1, 2) + entry(0x112, 3, 0xFFFFFFFF, 6u << 16)));  // four billion of them
  CHECK(!turned(tiff_start + big_endian(1, 2) + entry(0x112, 2, 1, 6u << 16)));           // as text
  CHECK(!turned("II" + big_endian(42, 2) + big_endian(8) + big_endian(1, 2) + six));      // the wrong byte order
  CHECK(!turned("II" + bytes({42, 0, 8, 0, 0, 0}) + big_endian(1, 2) + six));
  CHECK(!turned("XX" + big_endian(42, 2) + big_endian(8) + big_endian(1, 2) + six));
  CHECK(!turned("MM" + big_endian(43, 2) + big_endian(8) + big_endian(1, 2) + six));
  for (std::size_t offset : {std::size_t{0}, std::size_t{7}, std::size_t{1000}, std::size_t{0x7FFFFFFF}, std::size_t{0xFFFFFFFF}})
    CHECK(!turned("MM" + big_endian(42, 2) + big_endian(offset) + big_endian(1, 2) + six));
  CHECK(turned(tiff_start + big_endian(1, 2) + six + big_endian(8)));  // the next directory is this one: nobody follows it
  const std::string whole = tiff_start + big_endian(1, 2) + six + none;
  for (std::size_t size = 0; size < whole.size(); ++size) CHECK(turned(whole.substr(0, size)) == (size >= 22));
  Rng rng(8);
  for (int i = 0; i < 1000; ++i) {
    std::string tiff = whole;
    tiff[static_cast<std::size_t>(rng.below(static_cast<Dim>(tiff.size())))] ^= static_cast<char>(1 << rng.below(8));
    CHECK(problem(with_exif(tiff)).empty());
  }
}

TEST_CASE("image: orientation in every place where a PNG or a JPEG keeps it, as Pillow's exif_transpose reads it") {
  const std::string six = tiff_start + big_endian(1, 2) + entry(0x112, 3, 1, 6u << 16) + big_endian(0), prefix("Exif\0\0", 6);
  const std::string one = tiff_start + big_endian(1, 2) + entry(0x112, 3, 1, 1u << 16) + big_endian(0), silent = tiff_start + big_endian(0, 2);
  const auto turns = [](const std::string& chunks) { return decode(png(2, 1, 8, 0, bytes({0, 7, 9}), chunks)).height == 2; };
  CHECK(turns(png_chunk("eXIf", six)));
  CHECK(turns(png_chunk("eXIf", prefix + six)));
  CHECK(!turns(png_chunk("eXIf", one)));

  // As ImageMagick writes it: a line of its name, one of its length, then hexadecimal digits in lines.
  std::string digits;
  for (const char c : prefix + six) {
    constexpr char of[] = "0123456789abcdef";
    const auto byte = static_cast<unsigned char>(c);
    digits += {of[byte >> 4], of[byte & 15]};
    if (digits.size() % 73 == 72) digits += '\n';
  }
  const std::string key("Raw profile type exif\0", 22), profile = "\nexif\n      40\n" + digits + "\n", nul(1, '\0');
  CHECK(turns(png_chunk("tEXt", key + profile)));
  CHECK(turns(png_chunk("zTXt", key + nul + stored(profile))));
  CHECK(turns(png_chunk("iTXt", key + std::string(4, '\0') + profile)));
  CHECK(!turns(png_chunk("tEXt", key + profile) + png_chunk("eXIf", one)));  // eXIf comes first
  CHECK(!turns(png_chunk("tEXt", key + profile.substr(0, 40) + "x" + profile.substr(40))));
  CHECK(!turns(png_chunk("tEXt", key + profile.substr(0, profile.size() - 2))));  // half a byte
  CHECK(!turns(png_chunk("zTXt", key + "\1" + stored(profile))));                 // no such packing
  CHECK(!turns(png_chunk("zTXt", key + nul + stored(profile).substr(0, 60))));
  CHECK(!turns(png_chunk("tEXt", key)));
  CHECK(!turns(png_chunk("tEXt", key.substr(0, 21))));

  const std::string name("XML:com.adobe.xmp\0", 18), attribute = "<x tiff:Orientation=\"6\"/>", element = "<tiff:Orientation>6</tiff:Orientation>";
  for (const std::string& xml : {attribute, element, "<y tiff:Orientation='3'/>" + attribute}) {
    CHECK(turns(png_chunk("iTXt", name + std::string(4, '\0') + xml)));
    CHECK(turns(png_chunk("iTXt", name + "\1" + nul + "en" + nul + nul + stored(xml))));
    CHECK(turns(png_chunk("iTXt", name + std::string(4, '\0') + xml) + png_chunk("eXIf", silent)));
    CHECK(!turns(png_chunk("iTXt", name + std::string(4, '\0') + xml) + png_chunk("eXIf", one)));
  }
  for (const char* xml : {"<x tiff:Orientation=\"9\"/>", "<x tiff:Orientation=\"", "<x exif:Orientation=\"6\"/>", "tiff:Orientation", ""})
    CHECK(!turns(png_chunk("iTXt", name + std::string(4, '\0') + xml)));
  CHECK(!turns(png_chunk("iTXt", name)));

  const auto jpeg_turns = [](std::initializer_list<std::string> segments) {
    std::string file = jpeg_baseline.substr(0, 2);
    for (const std::string& data : segments) file += "\xFF\xE1" + big_endian(data.size() + 2, 2) + data;
    return decode(file + jpeg_baseline.substr(2)).height == 16;
  };
  const std::string adobe("http://ns.adobe.com/xap/1.0/\0", 29);
  CHECK(jpeg_turns({adobe + attribute}));
  CHECK(jpeg_turns({adobe + element, prefix + silent}));
  CHECK(jpeg_turns({prefix, adobe + element}));
  CHECK(!jpeg_turns({prefix + one, adobe + element}));
  CHECK(!jpeg_turns({prefix + "no TIFF", adobe + element}));
  CHECK(!jpeg_turns({adobe + element, adobe + "<x/>"}));                     // the last one counts
  CHECK(jpeg_turns({prefix + six.substr(0, 15), prefix + six.substr(15)}));  // a note in two segments
  CHECK(jpeg_turns({prefix + prefix + six}));
}

TEST_CASE("image: a thousand files with flipped bits are refused or decoded, never more") {
  Rng rng(3);
  const std::string small_png = encode_png(resize(decode(jpeg_baseline), 20, 30, Filter::bicubic));
  for (const std::string& good : {jpeg_baseline, jpeg_progressive, jpeg_cmyk, small_png, red}) {
    for (int i = 0; i < 1000; ++i) {
      std::string file = good;
      for (Dim flips = 1 + rng.below(4); flips > 0; --flips)
        file[static_cast<std::size_t>(rng.below(static_cast<Dim>(file.size())))] ^= static_cast<char>(1 << rng.below(8));
      const std::string words = problem(file);
      CHECK((words.empty() || words.starts_with("x: ")));
    }
  }
}

namespace {
std::string golden(const std::string& name) { return read_file(SIGLIP_GOLDENS "/pixels/pictures/" + name); }
/// A GIF of one frame; its codes are given as blocks, after the length of a code.
std::string gif(std::size_t width, std::size_t height, const std::string& codes, const std::string& before = "") {
  const std::string size = little_endian(width, 2) + little_endian(height, 2);
  return "GIF89a" + size + bytes({0x80, 0, 0, 1, 2, 3, 4, 5, 6}) + before + "," + bytes({0, 0, 0, 0}) + size + bytes({0}) + codes + ";";
}
std::string bmp(std::size_t bits, std::size_t packing, const std::string& pixels, std::size_t begin = 54) {
  return "BM" + little_endian(begin + pixels.size(), 4) + little_endian(0, 4) + little_endian(begin, 4) + little_endian(40, 4) + little_endian(1, 4) +
         little_endian(1, 4) + little_endian(1, 2) + little_endian(bits, 2) + little_endian(packing, 4) + std::string(20, '\0') + pixels;
}
std::string webp(const std::string& chunks) { return "RIFF" + little_endian(4 + chunks.size(), 4) + "WEBP" + chunks; }
std::string riff(const std::string& kind, const std::string& data) {
  return kind + little_endian(data.size(), 4) + data + std::string(data.size() % 2, '\0');
}
}  // namespace

TEST_CASE("image: GIF, BMP and WebP: what is no whole picture is refused") {
  const std::string one = bytes({2, 2, 0x44, 0x01, 0});  // clear, color 0, end
  CHECK(decode(gif(1, 1, one)).rgb == Rgb{1, 2, 3});
  CHECK(problem("GIF89a") == "x: a whole GIF is expected, got one cut off after 6 bytes");
  CHECK(problem(gif(2, 1, one)) == "x: a GIF that can be decoded is expected, got: fewer pixels than its size says");
  CHECK(problem(gif(1, 1, bytes({9, 0}))) == "x: a GIF that can be decoded is expected, got: fewer pixels than its size says");
  CHECK(problem(gif(1, 1, bytes({2, 1, 0x3C, 0}))) == "x: a GIF that can be decoded is expected, got: fewer pixels than its size says");  // code 7
  CHECK(problem(gif(0, 1, one)) == "x: a frame of at least one pixel is expected in a GIF, got 0 x 1");
  CHECK(problem(gif(1, 1, one, ";")) == "x: a GIF with a picture is expected, got one without");
  CHECK(problem(gif(60000, 60000, one)) == "x: 1 to 178956970 pixels are expected, got 60000 x 60000");
  CHECK(problem(gif(9000, 9000, one)).starts_with("x: as much data as 9000 x 9000 pixels need is expected, got "));

  CHECK(decode(bmp(24, 0, bytes({3, 2, 1, 0}))).rgb == Rgb{1, 2, 3});
  CHECK(problem("BM123") == "x: a whole BMP is expected, got one cut off after 5 bytes");
  CHECK(problem(bmp(24, 0, bytes({3, 2}))) == "x: a whole BMP is expected, got one cut off after 56 bytes");
  CHECK(problem(bmp(0, 0, "0000")) == "x: a BMP of 1, 4, 8, 16, 24 or 32 bits a pixel is expected, got 0");
  CHECK(problem(bmp(8, 1, "0000")) == "x: a BMP that can be decoded is expected, got: BMP RLE");
  CHECK(problem(bmp(24, 0, "0000", 50)) == "x: a BMP whose pixels follow its header is expected, got pixels at byte 50");
  CHECK(problem(bmp(24, 0, "0000").replace(18, 4, little_endian(0, 4))) == "x: 1 to 178956970 pixels are expected, got 0 x 1");

  CHECK(problem("RIFF1234WEBPVP8 ") == "x: a whole WebP is expected, got one cut off after 16 bytes");
  CHECK(problem(webp(riff("VP8X", "short"))) == "x: a whole WebP is expected, got one cut off after 26 bytes");
  CHECK(problem(webp(riff("ICCP", "none"))) == "x: a WebP with a picture is expected, got one without");
  CHECK(problem(webp(riff("VP8 ", "none"))) == "x: 1 to 178956970 pixels are expected, got 0 x 0");
  const std::string animated = riff("VP8X", bytes({2, 0, 0, 0, 0, 0, 0, 0, 0, 0}));  // 1 x 1
  CHECK(problem(webp(animated + riff("ANMF", bytes({1, 0, 0}) + std::string(13, '\0')))) ==
        "x: a frame inside the picture is expected in a WebP, got one beyond");
  if (webp_decoder().empty()) return;
  const std::string undecodable = "x: a WebP that can be decoded is expected, got: ";
  CHECK(problem(webp(animated + riff("ANMF", std::string(16, '\0')))).starts_with(undecodable));
  std::string damaged = golden("lossless.webp"), other = golden("xmp6.webp");
  damaged[damaged.find("VP8L") + 14] ^= 0x55;
  CHECK(problem(damaged).starts_with(undecodable));
  other[other.find("VP8X") + 12] = 20;  // the canvas is larger than its picture
  CHECK(problem(other).starts_with(undecodable));
}

TEST_CASE("image: GIF, BMP and WebP: cut off anywhere, or with flipped bits") {
  Rng rng(4);
  for (const char* name : {"palette.gif", "interlaced.gif", "animation.gif", "transparent.gif", "rgb.bmp", "palette.bmp", "rgba.bmp", "rgb555.bmp",
                           "lossy.webp", "lossy-alpha.webp", "lossless-alpha.webp", "animation.webp", "animation-part.webp", "xmp6.webp"}) {
    INFO(name);
    const std::string good = golden(name);
    if (good.starts_with("RIFF") && webp_decoder().empty()) continue;
    const Image whole = decode(good);
    for (std::size_t size = 0; size < good.size(); ++size) {  // what follows the first picture is not needed, nor what fills up its last row
      const std::string cut = good.substr(0, size);
      CHECK((!problem(cut).empty() || decode(cut).rgb == whole.rgb));
    }
    for (int i = 0; i < 500; ++i) {
      std::string file = good;
      for (Dim flips = 1 + rng.below(4); flips > 0; --flips)
        file[static_cast<std::size_t>(rng.below(static_cast<Dim>(std::min(file.size(), std::size_t{200}))))] ^= static_cast<char>(1 << rng.below(8));
      const std::string words = problem(file);
      CHECK((words.empty() || words.starts_with("x: ")));
    }
  }
}

TEST_CASE("image: reals run from -1 to 1, channel by channel") {
  const Image image{2, 1, {0, 255, 51, 255, 0, 102}};
  CHECK(to_tensor({{1, 1, {0, 255, 51}}}).to_vector() == std::vector<Real>{-1, 1, PixelTable()(2, 51)});
  std::vector<Real> reals(6);
  to_reals(reals.data(), image);
  const PixelTable table;
  CHECK(reals == std::vector<Real>{-1, 1, 1, -1, table(2, 51), table(2, 102)});
  CHECK(std::abs(table(2, 51) - (51 / 127.5f - 1)) < 1e-7f);
  CHECK_THROWS_WITH_AS(to_tensor({}), "to_tensor: at least one picture is expected, got none", Error);
  CHECK_THROWS_WITH_AS(to_tensor({image}), "to_tensor: pictures of 2 x 2 are expected, got 2 x 1", Error);
}
