// Flaws that stb_image 2.27, Debian's, is known for: files made by hand that meet each of them, so that none does harm here. Those of the formats
// that are not compiled in (GIF, which has a page of its own, TGA, PIC, HDR, PNM: CVE-2021-42715, CVE-2021-42716, CVE-2023-43898, CVE-2023-45661 to
// 45667) end at the door.
#include <doctest/doctest.h>
#if __has_include(<malloc.h>)
#include <malloc.h>
#endif
#include <tuple>
#include "bytes.h"
#include "data/container.h"
#include "data/stb.h"
#include "pictures.h"
#include "siglip/data.h"
#include "temporary_folder.h"
using namespace siglip;

namespace {
// As decode_image() does it in a build whose only decoder is stb.
Image decode(const std::string& file) {
  const Container container = open_container(file, "x");
  Decoded decoded = stb_decode(file, container, Alpha::white);
  require(decoded.problem.empty(), "x", "a ", container.kind(), " that can be decoded is expected, got: ", decoded.problem);
  return decoded.image;
}
std::string said(const std::string& file) {
  return complaint_of([&] { decode(file); });
}
const std::string undecodable = "x: a JPEG that can be decoded is expected, got: ";
// A number beyond all bounds: stb 2.27 decodes it to some brightness, 2.30 refuses it.
bool is_harmless(const std::string& file) {
  const std::string outcome = said(file);
  INFO(outcome);
  return outcome == "nothing" || outcome == undecodable + "can't merge dc and ac";
}

// Codes of bits, the first in the highest bit, as a JPEG has them; FF is followed by 00.
struct Scan {
  std::string bytes;
  unsigned held = 0, count = 0;
  Scan& put(unsigned code, unsigned length) {
    for (; length > 0; --length) {
      held = held << 1 | (code >> (length - 1) & 1);
      if (++count % 8 > 0) continue;
      bytes += static_cast<char>(held);
      if ((held & 255) == 255) bytes += '\0';
    }
    return *this;
  }
};

std::string segment(char kind, const std::string& data) { return std::string("\xFF") + kind + big_endian(data.size() + 2, 2) + data; }

// Table `number`, 16 and more for AC, whose first code, all zeros, is that long and stands for this symbol.
std::string huffman(char number, std::size_t length, char symbol) {
  std::string counts(16, '\0');
  counts[length - 1] = 1;
  return segment('\xC4', number + counts + symbol);
}

// Gray, with every quantiser the same; kind C0 is baseline, C2 progressive.
struct Gray {
  std::size_t width = 16, height = 8, quantiser = 1;
  char kind = '\xC0';
  std::string start() const {
    std::string table(1, '\x10');  // of 16-bit numbers
    for (int i = 0; i < 64; ++i) table += big_endian(quantiser, 2);
    return "\xFF\xD8" + segment('\xDB', table) + segment(kind, '\x08' + big_endian(height, 2) + big_endian(width, 2) + std::string("\1\1\x11\0", 4));
  }
  std::string file(const std::string& tables, const std::string& scan, const std::string& of_scan = std::string("\0\x3F\0", 3)) const {
    return start() + tables + segment('\xDA', std::string("\1\1\0", 3) + of_scan) + scan + "\xFF\xD9";
  }
};
const std::string black = std::string(3 * 16 * 8, '\0');
}  // namespace

TEST_CASE("stb: JPEG: sampling that does not divide the largest (CVE-2021-37789)") {
  const std::size_t frame = jpeg_baseline.find("\xFF\xC0");
  for (const auto& [first, second, word] :
       {std::tuple('\x31', '\x21', "bad H"), std::tuple('\x13', '\x12', "bad V"), std::tuple('\x41', '\x31', "bad H"),
        std::tuple('\x51', '\x11', "bad H"), std::tuple('\x10', '\x11', "bad V")}) {
    std::string file = jpeg_baseline;
    file[frame + 11] = first, file[frame + 14] = second;
    CHECK(said(file) == undecodable + word);
  }
}

TEST_CASE("stb: JPEG: brightness beyond all bounds (CVE-2022-28041)") {
  const std::string tables = huffman('\x00', 1, 15) + huffman('\x10', 1, 0);
  Scan two;  // each block 32767 brighter than the last
  for (int i = 0; i < 2; ++i) two.put(0, 1).put(0x7FFF, 15).put(0, 1);
  CHECK(is_harmless(Gray{.quantiser = 0xFFFF}.file(tables, two.put(0x7F, 7).bytes)));
  Scan many, first_of_many;
  for (int i = 0; i < 256 * 258; ++i) many.put(0, 1).put(0x7FFF, 15).put(0, 1), first_of_many.put(0, 1).put(0x7FFF, 15);
  CHECK(is_harmless(Gray{.width = 2048, .height = 2064}.file(tables, many.put(0x7F, 7).bytes)));
  CHECK(is_harmless(Gray{.width = 2048, .height = 2064, .kind = '\xC2'}.file(tables, first_of_many.bytes, std::string("\0\0\x0D", 3))));
}

TEST_CASE("stb: JPEG: a scan whose tables are never defined (CVE-2022-28042)") {
  const std::string dc = huffman('\x00', 1, 0), ac = huffman('\x10', 1, 0), scan(4, '\0');
  const std::string wanted = "x: a JPEG that defines its tables before a scan is expected, got a scan without";
  CHECK(said(Gray().file(dc + ac, scan)) == "nothing");
  CHECK(said(Gray().file("", scan)) == wanted);
  CHECK(said(Gray().file(dc, scan)) == wanted);
  CHECK(said(Gray().file(ac, scan)) == wanted);
  CHECK(said(Gray().file(huffman('\x01', 1, 0) + ac, scan)) == wanted);
  const Gray progressive{.kind = '\xC2'};
  CHECK(said(progressive.file(dc, scan, std::string("\0\0\0", 3))) == "nothing");
  CHECK(said(progressive.file(ac, scan, std::string("\0\0\0", 3))) == wanted);
  CHECK(said(progressive.file("", scan, std::string("\0\0\x10", 3))) == "nothing");  // refines, which takes plain bits
  CHECK(said(progressive.file(ac, scan, std::string("\1\x3F\0", 3))) == "nothing");
  CHECK(said(progressive.file(dc, scan, std::string("\1\x3F\0", 3))) == wanted);
  std::string quantisers = Gray().file(dc + ac, scan);
  quantisers[quantisers.find("\xFF\xDB") + 4] = '\x11';  // number 1, where the frame asks for 0
  CHECK(said(quantisers) == wanted);
}

TEST_CASE("stb: JPEG: shifts and runs beyond the block (CVE-2022-28048)") {
  const Gray progressive{.kind = '\xC2'};
  const std::string tables = huffman('\x00', 1, 15) + huffman('\x10', 1, '\xEF');  // 14 zeros, then a number of 15 bits: five of them reach place 75
  Scan ones, more;
  for (int i = 0; i < 10; ++i) ones.put(0, 1).put(0x7FFF, 15);
  for (int i = 0; i < 12; ++i) more.put(0, 1).put(0x7FFF, 15);
  CHECK(said(progressive.file(tables, ones.bytes, std::string("\x01\x3F\x0D", 3))) == "nothing");
  CHECK(said(progressive.file(tables, ones.bytes, std::string("\x01\x3F\x0E", 3))) == undecodable + "bad SOS");
  CHECK(said(progressive.file(tables, ones.bytes, std::string("\x01\x40\x00", 3))) == undecodable + "bad SOS");
  CHECK(said(progressive.file(tables, ones.bytes, std::string("\x05\x04\x00", 3))) == undecodable + "bad SOS");
  CHECK(is_harmless(Gray().file(tables, more.bytes)));
}

TEST_CASE("stb: JPEG: a number whose bits are not all there (CVE-2021-28021)") {
  // The first block takes 16 of 32 bits; the code of the second block's number takes the others, and its 15 bits are missing.
  const std::string tables =
      segment('\xC4', std::string("\0\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\1", 17) + std::string("\0\x0F", 2)) + huffman('\x10', 8, 0);
  CHECK(decode(Gray().file(tables, std::string("\0\0\1\0", 4))).rgb.size() == black.size());
}

TEST_CASE("stb: JPEG: segments that say what cannot be") {
  const std::string tables = huffman('\x00', 1, 0) + huffman('\x10', 1, 0), scan(4, '\0'), good = Gray().file(tables, scan);
  const auto with = [&](const std::string& mark, std::size_t at, char byte) {
    std::string file = good;
    file[file.find(mark) + at] = byte;
    return said(file);
  };
  const std::string component = "x: scans of a JPEG's own components are expected, got component 9";
  CHECK(with("\xFF\xDA", 5, 9) == component);
  CHECK(with("\xFF\xC0", 10, 9) == "x: scans of a JPEG's own components are expected, got component 1");
  CHECK(with("\xFF\xDA", 6, '\x40') == undecodable + "bad DC huff");
  CHECK(with("\xFF\xDA", 6, '\x04') == undecodable + "bad AC huff");
  CHECK(with("\xFF\xDA", 4, 2).starts_with("x: "));
  CHECK(with("\xFF\xC4", 4, '\x20') == undecodable + "bad DHT header");
  CHECK(with("\xFF\xDB", 4, '\x24') == undecodable + "bad DQT type");
  CHECK(with("\xFF\xDB", 4, '\x14') == undecodable + "bad DQT table");
  CHECK(with("\xFF\xC0", 9, 2) == undecodable + "bad component count");
  CHECK(with("\xFF\xC0", 12, 4) == undecodable + "bad TQ");
}

namespace {
// Bits as deflate packs them, the first in the lowest; codes of Huffman's kind begin with their highest bit.
struct Deflate {
  std::string bytes;
  int count = 0;
  void bit(unsigned value) {
    if (count++ % 8 == 0) bytes += '\0';
    if (value & 1) bytes.back() = static_cast<char>(bytes.back() | 1 << (count - 1) % 8);
  }
  Deflate& code(unsigned value, int length) {
    while (length-- > 0) bit(value >> length);
    return *this;
  }
};
}  // namespace

TEST_CASE("stb: PNG: a distance code that deflate does not have shows no memory of others") {
  Deflate stream;
  stream.code(1, 1).code(2, 2);                           // the last block, of fixed codes, lowest bit first
  for (int i = 0; i < 72; ++i) stream.code(0x30 + 0, 8);  // zeros: as many as rows that are not interlaced have
  stream.code(0x05, 7).code(0x1E, 5).code(0, 7);          // 7 more from distance code 30, and the end
  const std::string header = big_endian(8, 4) + big_endian(8, 4) + std::string("\x08\0\0\0\1", 5);
  const std::string file =
      "\x89PNG\r\n\x1A\n" + png_chunk("IHDR", header) + png_chunk("IDAT", "\x78\x01" + stream.bytes + std::string(4, '\0')) + png_chunk("IEND", "");
#ifdef M_PERTURB
  mallopt(M_PERTURB, 0x55);  // whose memory is not cleared shows it
#endif
  // stb 2.27 copies bytes that it cleared, 2.30 refuses the code.
  for (int i = 0; i < 100; ++i) {
    const std::string outcome = said(file);
    if (outcome == "nothing")
      CHECK(decode(file).rgb == std::vector<std::uint8_t>(3 * 64, 0));
    else
      CHECK(outcome == "x: a PNG that can be decoded is expected, got: bad huffman code");
  }
#ifdef M_PERTURB
  mallopt(M_PERTURB, 0);
#endif
}

TEST_CASE("stb: PNG: a few bytes that unpack to more than the picture holds") {
  Deflate stream;
  stream.code(1, 1).code(2, 2).code(0x30 + 0, 8);                                // as above; a zero
  for (int i = 0; i < 20'000; ++i) stream.code(0xC0 + 285 - 280, 8).code(0, 5);  // 258 times the byte before
  stream.code(0, 7);
  const std::string header = big_endian(1, 4) + big_endian(1, 4) + std::string("\x08\0\0\0\0", 5);
  CHECK(said("\x89PNG\r\n\x1A\n" + png_chunk("IHDR", header) + png_chunk("IDAT", "\x78\x01" + stream.bytes + std::string(4, '\0')) +
             png_chunk("IEND", "")) == "x: a PNG that can be decoded is expected, got: more data than a picture of its size holds");
}

TEST_CASE("stb: PNG: palettes and depths that do not go together") {
  const auto png = [](int depth, int color, const std::string& more) {
    const std::string header = big_endian(1, 4) + big_endian(1, 4) + static_cast<char>(depth) + static_cast<char>(color) + std::string(3, '\0');
    return said("\x89PNG\r\n\x1A\n" + png_chunk("IHDR", header) + more + png_chunk("IDAT", "\x78\x01") + png_chunk("IEND", ""));
  };
  const std::string refused = "x: a PNG that can be decoded is expected, got: ";
  CHECK(png(16, 3, "") == refused + "bad ctype");
  CHECK(png(8, 7, "") == refused + "bad ctype");
  CHECK(png(8, 3, "") == refused + "no PLTE");
  CHECK(png(8, 3, png_chunk("PLTE", std::string(256 * 3 + 3, 'x'))) == refused + "invalid PLTE");
  CHECK(png(8, 3, png_chunk("PLTE", "xyz") + png_chunk("tRNS", "ab")) == refused + "bad tRNS len");
  CHECK(png(8, 0, png_chunk("tRNS", "a")) == refused + "bad tRNS len");
  CHECK(png(8, 6, png_chunk("tRNS", "ab")) == refused + "tRNS with alpha");
  CHECK(png(8, 0, png_chunk("IHDR", std::string(13, '\0'))).starts_with("x: "));
}

TEST_CASE("stb: formats that are not compiled in are no pictures") {
  for (const std::string& file :
       {std::string("P6\n1 1\n255\nabc"), std::string("#?RADIANCE\n\n-Y 1 +X 1\nabcd"),
        std::string("\x53\x80\xF6\x34") + std::string(84, '\0') + "PICT", std::string("\0\0\2\0\0\0\0\0\0\0\0\0\1\0\1\0\x18\0abc", 21)})
    CHECK(said(file) == "x: a JPEG, PNG, WebP, GIF or BMP picture is expected, got no picture");
}
