// Small inputs that ask for much work: each is refused, or answered in a time that its size explains.
#include <doctest/doctest.h>
#include <bit>
#include <cstring>
#include <ctime>
#include "bytes.h"
#include "core/hash.h"
#include "data/added_tokens.h"
#include "data/bpe.h"
#include "io/checksum.h"
#include "siglip/checkpoint.h"
#include "siglip/data.h"
#include "temporary_folder.h"
#ifdef SIGLIP_PROGRAM_FOLDER
#include "shell.h"
#endif
using namespace siglip;

TEST_CASE("hash: the published values of SipHash") {
  const HashKey key{0x0706050403020100, 0x0F0E0D0C0B0A0908};
  std::string text;
  for (char c = 0; c < 15; ++c) text.push_back(c);
  CHECK(siphash<2, 4>(key, text) == 0xA129CA6149BE45E5);  // appendix A of the paper
  CHECK(siphash<2, 4>(key, "") == 0x726FDB47DD0E0E31);
  CHECK(siphash(key, text) != siphash({key.first + 1, key.second}, text));
  CHECK(siphash(key, text) != siphash({key.first, key.second + 1}, text));
  CHECK(KeyedHash()("a") == KeyedHash()("a"));
}

// Pieces of eight bytes that all met in one place under a hash that multiplied words by 2^64 / golden ratio.
static std::vector<std::string> colliding_pieces(std::size_t count) {
  constexpr std::uint64_t factor = 0x9E3779B97F4A7C15;
  std::uint64_t inverse = factor, x = 88172645463325252;
  for (int i = 0; i < 6; ++i) inverse *= 2 - factor * inverse;
  const std::uint64_t begun = std::rotl(8 * factor, 23), mask = std::bit_ceil(2 * count + 2) - 1;
  std::vector<std::string> pieces;
  while (pieces.size() < count) {
    x ^= x << 13, x ^= x >> 7, x ^= x << 17;
    const std::uint64_t high = x & ~mask, hash = high | (high >> 32 & mask);
    const std::uint64_t word = (std::rotr(hash * inverse, 23) * inverse) ^ begun;
    std::string piece(8, '\0');
    std::memcpy(piece.data(), &word, 8);
    pieces.push_back(piece);
  }
  return pieces;
}

TEST_CASE("bpe: no file can make its pieces or its rules meet in one place of a table") {
  const std::vector<std::string> pieces = colliding_pieces(20000);
  PieceTable table(pieces.size());
  std::int32_t id = 0;
  for (const std::string& piece : pieces) REQUIRE(table.insert(piece, id++));
  CHECK(table.longest_search() < 200);
  CHECK(table.find(pieces[7]) == 7);
  CHECK(table.find("none") == -1);

  // Of all pairs of 3,000 pieces those that such a hash puts into the first slots.
  constexpr std::size_t count = 20000;
  RuleTable rules(count);
  std::uint32_t rank = 0;
  for (std::int32_t left = 0; left < 3000 && rank < count; ++left)
    for (std::int32_t right = 0; right < 3000 && rank < count; ++right) {
      const std::uint64_t hash = (static_cast<std::uint64_t>(left) << 32 | static_cast<std::uint64_t>(right)) * 0x9E3779B97F4A7C15;
      if (((hash ^ hash >> 32) & (std::bit_ceil(count * 3 / 2 + 2) - 1)) < 128) rules.insert({left, right, 1}, rank++);
    }
  CHECK(rank == count);
  CHECK(rules.longest_search() < 2000);
  CHECK(rules.find(3000, 3000) == nullptr);
}

TEST_CASE("added tokens: thousands of them cost a text no more than a few") {
  std::vector<AddedToken> tokens;
  for (std::int32_t i = 0; i < 12110; ++i) tokens.push_back({"<" + std::string(static_cast<std::size_t>(i % 200), 'a') + std::to_string(i), i});
  const AddedTokens added(tokens, "x");
  REQUIRE(added.at_front("<2000b") != nullptr);
  CHECK(added.at_front("<2000b")->id == 2000);
  CHECK(added.at_front("<200b")->id == 200);
  REQUIRE(added.find("<aaa3") != nullptr);
  CHECK(added.find("<aaa3")->id == 3);
  CHECK(added.find("<aaa") == nullptr);
  CHECK(added.at_front("a<0") == nullptr);
  CHECK(added.at_front("") == nullptr);
  std::string text;
  for (int i = 0; i < 1000; ++i) text += "<" + std::string(99, 'a');
  const std::clock_t begin = std::clock();  // of this process: other ones do not count
  int found = 0;
  for (std::size_t at = 0; at < text.size(); ++at) found += added.at_front(std::string_view(text).substr(at)) != nullptr;
  CHECK(found == 0);
  CHECK(std::clock() - begin < 2 * CLOCKS_PER_SEC);
  CHECK(complaint_of([] { AddedTokens({{"a", 1}, {"a", 2}}, "x"); }) == "x: each added token once is expected, got \"a\" twice");
  CHECK(complaint_of([] { AddedTokens({{"", 1}}, "x"); }) == "x: added tokens of 1 to 256 bytes are expected, got 0 of \"\"");
  CHECK(contains(complaint_of([] {
                   AddedTokens({{std::string(257, 'a'), 1}}, "x");
                 }),
                 "x: added tokens of 1 to 256 bytes are expected, got 257 of "));
}

namespace {
std::string segment(int kind, const std::string& data) {
  return "\xFF" + std::string(1, static_cast<char>(kind)) + big_endian(data.size() + 2, 2) + data;
}

// A gray progressive JPEG whose scans hold next to nothing.
std::string many_scans(std::size_t edge, int scans) {
  std::string file = "\xFF\xD8" + segment(0xDB, std::string(1, '\0') + std::string(64, '\1'));
  file += segment(0xC2, "\b" + big_endian(edge, 2) + big_endian(edge, 2) + std::string("\1\1\x11\0", 4));
  file += segment(0xC4, "\x10\1" + std::string(15, '\0') + "\xE0");
  for (int i = 0; i < scans; ++i) file += segment(0xDA, std::string("\1\1\0\1\x3F\x10", 6)) + std::string(1, '\0');
  while (file.size() < edge * edge / 512 + 10) file += segment(0xFE, std::string(60000, 'x'));
  return file + "\xFF\xD9";
}
std::string problem(const std::string& file) {
  return complaint_of([&] { decode_image(reinterpret_cast<const std::uint8_t*>(file.data()), file.size(), "x"); });
}
}  // namespace

TEST_CASE("image: the scans of a JPEG may go through 2^26 blocks") {
  const std::string refused = "x: at most 2^26 blocks in all scans of a JPEG are expected, got more";
  CHECK(problem(many_scans(8192, 65)) == refused);
  CHECK(problem(many_scans(8192, 500)) == refused);
  CHECK(problem(many_scans(1024, 4097)) == refused);
  CHECK(problem(many_scans(64, 5000)) == "nothing");
}

TEST_CASE("checksums: a list that names a file twice is refused") {
  const TemporaryFolder folder;
  folder.write("a", "1");
  folder.write("b", "2");
  write_checksums(folder.path);
  CHECK(complaint_of([&] { verify_checksums(folder.path); }) == "nothing");
  const std::string list = read_file(folder / "checksums.txt");
  write_file(folder / "checksums.txt", list + list);
  CHECK(complaint_of([&] { verify_checksums(folder.path); }, folder.path) == "checksums.txt: each file once is expected, got \"a\" twice");
}

#ifdef SIGLIP_PROGRAM_FOLDER
TEST_CASE("cli: a table of sixty thousand rows is printed in time") {
  const Shell shell;
  std::string header;
  constexpr int count = 60000;
  for (int i = 0; i < count; ++i) header += (i ? ",\"t" : "{\"t") + std::to_string(i) + "\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}";
  header += "}";
  write_file(shell.folder / "many.safetensors", little_endian(header.size(), 8) + header);
  const Outcome run = shell("timeout 60 siglip inspect many.safetensors | tail -1");
  CHECK(run.out == "t59999  F32   (0)          0\n");
}

TEST_CASE("cli: names of files are bytes; where they must be UTF-8 the setting is named") {
  const Shell shell;
  const std::string strange = "'odd\xE9'";
  REQUIRE(shell("siglip data shapes --scenes 40 --size 32 --out " + strange).exit_code == 0);
  REQUIRE(shell("mv odd* data && siglip train --data data --model nano --steps 1 --batch-size 4 --out run && mv data " + strange + " && mv run " +
                "'run\xE9'")
              .exit_code == 0);
  const std::string utf8 = ": UTF-8 is expected, since train.json stores it, got ";
  CHECK(shell.refusal("siglip train --data " + strange + " --out new") == "2 siglip: --data" + utf8 + "\"odd\uFFFD\"");
  CHECK(shell.refusal("siglip train --data x --out 'new\xE9'") == "2 siglip: --out" + utf8 + "\"new\uFFFD\"");
  CHECK(shell.refusal("siglip train --data x --set text_template='{}\xE9'") == "2 siglip: --text-template" + utf8 + "\"{}\uFFFD\"");
  CHECK(shell.refusal("siglip train --data x --set model='n\xE9'") == "2 siglip: --model" + utf8 + "\"n\uFFFD\"");
  CHECK(shell.refusal("siglip train --resume 'run\xE9' --data " + strange) == "1 siglip: --data" + utf8 + "\"odd\uFFFD\"");
  CHECK(shell.refusal("siglip train --data x --set 'k\xE9=1'") == "2 siglip: --set: unknown setting \"k\xE9\"");

  // A folder names a split, which results and reports store.
  REQUIRE(shell("mkdir -p 'splits/tr\xE9' && printf 'file_name,text\\na.png,x\\n' > 'splits/tr\xE9/metadata.csv'").exit_code == 0);
  CHECK(shell.refusal("siglip train --data splits --out new") == "1 siglip: splits/tr\xE9:1: UTF-8 is expected, got byte 233");

  CHECK(shell.json("siglip eval 'run\xE9' --data " + strange + " --json").contains("splits"));
  CHECK(shell("siglip inspect 'run\xE9'").exit_code == 0);
  CHECK(shell.json("siglip doctor 'run\xE9' --json").contains("findings"));
  const Outcome run = shell("siglip classify 'run\xE9' --labels red,blue " + strange + "/val --json");
  CHECK(run.exit_code == 0);
  CHECK(contains(parse_json(run.out, "stdout")[0]["image"].get<std::string>(), "odd\uFFFD/val/"));
  CHECK(contains(run.err, "note: JSON is UTF-8: other bytes of names are U+FFFD in it\n"));
}
#endif
