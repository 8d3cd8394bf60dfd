// Hostile SentencePiece models: each is refused in one line before the library sees it.
#include <doctest/doctest.h>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include "data/spiece_check.h"
#include "temporary_folder.h"
#include "tokenizer_goldens.h"
using namespace siglip;

namespace {
std::string varint(std::uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes.push_back(static_cast<char>(value | 0x80));
  bytes.push_back(static_cast<char>(value));
  return bytes;
}
std::string number(int field, std::uint64_t value) { return varint(static_cast<std::uint64_t>(field) << 3) + varint(value); }
std::string bytes(int field, const std::string& value) { return varint(static_cast<std::uint64_t>(field) << 3 | 2) + varint(value.size()) + value; }
std::string real(int field, float value) {
  std::string raw(4, '\0');
  std::memcpy(raw.data(), &value, 4);
  return varint(static_cast<std::uint64_t>(field) << 3 | 5) + raw;
}
std::string piece(const std::string& text, int type = 1, float score = -1) {
  return bytes(1, bytes(1, text) + real(2, score) + number(3, static_cast<std::uint64_t>(type)));
}
const std::string head = piece("<pad>", 3) + piece("</s>", 3) + piece("<unk>", 2) + piece("▁") + piece("a");
const std::string training = bytes(2, number(3, 1)), rules = bytes(3, bytes(1, "identity"));

std::string said(const std::string& model) {
  return complaint_of([&] { check_spiece(model, "m"); });
}
std::string said_of_rules(const std::string& charsmap) { return said(head + training + bytes(3, bytes(2, charsmap))); }
}  // namespace

TEST_CASE("hostile spiece.model: the smallest good one, and all its beginnings") {
  const std::string model = head + piece("▁a") + training + rules;
  const SpieceModel checked = check_spiece(model, "m");
  CHECK(checked.pieces.size() == 6);
  CHECK(checked.end == 1);
  CHECK(checked.unknown == 2);
  CHECK(checked.independent_words);
  CHECK(!checked.has_bytes);
  CHECK(!check_spiece(head + piece("a▁a") + training + rules, "m").independent_words);
  CHECK(!check_spiece(head + piece("▖▁a") + training + rules, "m").independent_words);
  TemporaryFolder folder;
  folder.write("tokenizer_config.json", "{\"model_max_length\": 4}");
  folder.write("spiece.model", model);
  CHECK(read_tokenizer(folder.path)->encode("a b") == std::vector<std::int32_t>{5, 3, 2, 1});
  for (std::size_t size = 0; size < model.size(); ++size) CHECK(said(model.substr(0, size)) != "nothing");
  const std::string published = read_file(golden_folder + "english/spiece.model");
  for (std::size_t size = 0; size < published.size() - 100; size += 199) CHECK(said(published.substr(0, size)) != "nothing");
}

TEST_CASE("hostile spiece.model: the protobuf") {
  CHECK(said("") == "m: at least one piece is expected, got none");
  CHECK(said(head + rules) == "m: a trainer_spec is expected, got none");
  CHECK(said(head + training) == "m: a normalizer_spec is expected, got none");
  CHECK(said(head + training + training + rules) == "m: model: field 2 once is expected, got it twice");
  CHECK(said("\x0A") == "m: model: a whole field is expected, got the end: the file is cut off");
  CHECK(said("\x0A" + std::string(10, '\xFF') + "\x01") == "m: model: a varint of at most 64 bits is expected, got a longer one");
  CHECK(said("\x0A" + std::string(9, '\xFF') + "\x02") == "m: model: a varint of at most 64 bits is expected, got a longer one");
  CHECK(said("\x0A\x05"
             "ab") == "m: model: a field of at most the 2 bytes left is expected, got 5: the file is cut off");
  CHECK(said("\x0A" + varint(~0ull) + "ab") ==
        "m: model: a field of at most the 2 bytes left is expected, got 18446744073709551615: the file is cut off");
  CHECK(said("\x0B") == "m: model: wire types 0, 1, 2 and 5 are expected, got 3");
  CHECK(said("\x0F") == "m: model: wire types 0, 1, 2 and 5 are expected, got 7");
  CHECK(said("\x02") == "m: model: field numbers 1 to 536870911 are expected, got 0");
  CHECK(said(varint(8ull << 29)) == "m: model: field numbers 1 to 536870911 are expected, got 536870912");
  CHECK(said(number(1, 1)) == "m: model: wire type 2 for field 1 is expected, got 0");
  CHECK(said(head + training + rules + number(6, 1)) == "m: model: a field that version 0.1.97 knows is expected, got 6");
  CHECK(said(head + training + rules + number(200, 1)) == "nothing");
  CHECK(said(head + bytes(2, number(3, 2)) + rules) == "m: trainer_spec: model_type 1 (unigram) is expected, got 2");
  CHECK(said(head + bytes(2, number(24, 1)) + rules) == "m: trainer_spec: treat_whitespace_as_suffix 0 is expected, got 1");
  CHECK(said(head + training + bytes(3, bytes(3, "x"))) == "m: normalizer_spec: wire type 0 for field 3 is expected, got 2");
  CHECK(said(head + training + bytes(3, bytes(2, "") + bytes(2, ""))) == "m: normalizer_spec: precompiled_charsmap once is expected, got it twice");
  CHECK(said(head + training + rules + bytes(5, bytes(2, "abcde"))) ==
        "m: a normalization trie of whole 4-byte units is expected, got 1684234849 bytes");
  CHECK(said(std::string((1 << 26) + 1, '\0')) == "m: at most 67108864 bytes are expected, got 67108865");
}

TEST_CASE("hostile spiece.model: pieces") {
  const auto with = [](const std::string& more) { return said(head + more + training + rules); };
  CHECK(with("") == "nothing");
  CHECK(with(piece("a")) == "m: each piece once is expected, got \"a\" twice");
  CHECK(with(piece("?", 2)) == "m: one unknown piece is expected, got ids 2 and 5");
  CHECK(said(piece("</s>", 3) + piece("a") + training + rules) == "m: one unknown piece is expected, got none");
  CHECK(said(piece("<unk>", 2) + piece("a") + training + rules) == "m: a control piece \"</s>\" is expected, got none");
  CHECK(said(piece("<unk>", 2) + piece("</s>", 3) + training + rules) == "m: at least one normal piece is expected, got none");
  CHECK(with(piece("b", 1, std::nanf(""))) == "m: piece: a finite score of \"b\" is expected, got nan");
  CHECK(with(piece("b", 1, -std::numeric_limits<float>::infinity())) == "m: piece: a finite score of \"b\" is expected, got -inf");
  CHECK(with(piece("")) == "m: piece: 1 to 1024 bytes are expected, got 0");
  CHECK(with(piece(std::string(4 << 20, 'a'))) == "m: piece: 1 to 1024 bytes are expected, got 4194304");
  CHECK(with(piece("\xC3")) == "m: piece: UTF-8 is expected, got \"\ufffd\"");
  CHECK(with(piece(std::string("b\0", 2))) == "m: piece: no NUL byte is expected, got \"b\\u0000\"");
  CHECK(with(piece("b", 7)) == "m: piece: type 1 to 6 is expected, got 7");
  CHECK(with(piece("<0x41>", 6)) == "m: 0 byte pieces are expected (byte_fallback is off), got 1");
  for (const char* text : {"<0x-1>", "<0xZZ>", "<0x100>", "<0xff>", "x"})
    CHECK(with(piece(text, 6)) == "m: a byte piece \"<0x00>\" to \"<0xFF>\" is expected, got \"" + std::string(text) + "\"");
  CHECK(said(head + piece("<0x41>", 6) + bytes(2, number(35, 1)) + rules) == "m: 256 byte pieces are expected (byte_fallback is on), got 1");
  std::string nested, symbols;
  for (int i = 0; i < 33; ++i) symbols += piece(nested += 'b', 4);
  CHECK(with(symbols) == "m: at most 32 user-defined pieces that begin one another are expected, got more");
}

namespace {
// Rules for "A", "AA", … each replaced by "b": a trie whose k-th node has a block of 256 units for its children.
struct Rules {
  std::vector<std::uint32_t> units;
  std::string replacements = std::string("b\0", 2);
  explicit Rules(std::uint32_t keys, bool all_end = true) : units(256 * (keys + 2)) {
    for (std::uint32_t i = 0; i < units.size(); ++i) units[i] = ~i & 0xFF;  // no label of any step
    std::uint32_t at = 0;
    for (std::uint32_t k = 0; k <= keys; ++k) {
      const std::uint32_t base = 256 * (k + 1);
      const bool ends = k == keys || (all_end && k > 0);
      units[at] = (k ? 'A' : 0u) | (ends ? 1u << 8 : 0u) | (at ^ base) << 10;
      if (ends) units[base] = 0x80000000;
      at = base ^ 'A';
    }
  }
  std::string charsmap(int more = 0) const {
    const std::uint32_t size = static_cast<std::uint32_t>(units.size() * 4 + static_cast<std::size_t>(more));
    std::string raw(4 + units.size() * 4, '\0');
    std::memcpy(raw.data(), &size, 4);
    std::memcpy(raw.data() + 4, units.data(), units.size() * 4);
    return raw + replacements;
  }
};
std::string after(const std::function<void(Rules&)>& change, std::uint32_t keys = 1, bool all_end = true) {
  Rules rules(keys, all_end);
  change(rules);
  return said_of_rules(rules.charsmap());
}
}  // namespace

TEST_CASE("hostile spiece.model: normalization rules") {
  const auto nothing = [](Rules&) {};
  CHECK(after(nothing) == "nothing");
  TemporaryFolder folder;
  folder.write("tokenizer_config.json", "{\"model_max_length\": 8, \"siglip_profile\": \"big_vision\", \"do_lower_case\": false}");
  folder.write("spiece.model", head + piece("b") + training + bytes(3, bytes(2, Rules(1).charsmap())));
  CHECK(read_tokenizer(folder.path)->encode("aAa") == std::vector<std::int32_t>{3, 4, 5, 4, 1, 1, 1, 1});
  CHECK(after([](Rules& r) { r.units[0] = 1u << 30; }) ==
        "m: offsets inside the normalization trie of 768 units are expected, got 1048576 at unit 0");
  CHECK(after([](Rules& r) { r.units['A' ^ 256] |= 1u << 9; }).find("m: offsets inside the normalization trie of 768 units are expected, got ") == 0);
  CHECK(after([](Rules& r) { r.units[512] = 0x80000002; }) == "m: replacements below 2 are expected, got 2");
  CHECK(after([](Rules& r) { r.units[512] = 0xFFFFFFFF; }) == "m: replacements below 2 are expected, got 2147483647");
  CHECK(after([](Rules& r) { r.replacements = "b"; }) == "m: replacements that end with a NUL are expected, got none at the end");
  CHECK(after([](Rules& r) { r.replacements = std::string("\xFF\0", 2); }) == "m: replacements in UTF-8 are expected, got other bytes");
  CHECK(after([](Rules& r) { r.replacements = std::string("é\0", 3), r.units[512] = 0x80000001; }) ==
        "m: a replacement begins with a character, got byte 1");
  CHECK(after([](Rules& r) { r.replacements.clear(); }) == "m: a normalization trie of less than 3072 bytes is expected, got 3072");
  CHECK(after([](Rules& r) { r.units['A' ^ 256] = 'A' | ('A' ^ 256 ^ 256) << 10; }) ==
        "m: a normalization trie without a loop is expected, got one at unit 321");
  CHECK(after(nothing, 32) == "nothing");
  CHECK(after(nothing, 33) == "m: at most 32 normalization keys that begin one another are expected, got more");
  CHECK(after(nothing, 200, false) == "nothing");
  CHECK(after(nothing, 300, false) == "m: normalization keys of at most 256 bytes are expected, got a longer one");
  CHECK(said_of_rules("abcd") == "m: normalization rules of more than 4 bytes are expected, got 4");
  CHECK(said_of_rules(Rules(1).charsmap(2)) == "m: a normalization trie of whole 4-byte units is expected, got 3074 bytes");
  CHECK(said_of_rules(std::string("\0\0\0\0b\0", 6)) == "m: a normalization trie of at least 1024 bytes is expected, got 0");
  CHECK(said_of_rules(std::string("\xFC\xFF\xFF\xFF"
                                  "b\0",
                                  6)) == "m: a normalization trie of less than 2 bytes is expected, got 4294967292");
}

TEST_CASE("hostile spiece.model: one changed byte is refused or harmless") {
  const std::string published = read_file(golden_folder + "english/spiece.model");
  TemporaryFolder folder;
  folder.write("tokenizer_config.json", "{\"model_max_length\": 64}");
  const Json texts = golden("texts.json");
  std::uint64_t state = 1;
  int refused = 0;
  for (int i = 0; i < 100; ++i) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    std::string model = published;
    model[(state >> 33) % model.size()] ^= static_cast<char>(1 << (state >> 20) % 8);
    folder.write("spiece.model", model);
    std::unique_ptr<Tokenizer> tokenizer;
    refused += complaint_of([&] { tokenizer = read_tokenizer(folder.path); }) != "nothing";
    for (std::size_t k = 0; tokenizer && k < 300; ++k) CHECK(tokenizer->encode(texts[k].get<std::string>()).size() == 64);
  }
  CHECK(refused > 0);
}
