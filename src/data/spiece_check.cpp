// spiece_check.cpp — the protobuf of a SentencePiece model, field by field (sentencepiece_model.proto).
#include "data/spiece_check.h"
#include <algorithm>
#include <bit>
#include <cmath>
#include <unordered_set>
#include <utility>
#include "core/hash.h"
#include "core/limits.h"
#include "data/utf8.h"
#include "io/json.h"
#include "siglip/error.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
constexpr std::size_t longest_piece = 1024, most_nested = 32;
enum class Type { normal = 1, unknown, control, user, unused, byte };

struct Field {
  std::uint64_t number = 0;
  int wire = 0;  // 0 varint, 1 eight bytes, 2 bytes, 5 four bytes
  std::uint64_t value = 0;
  std::string_view bytes;
};

// The fields of one message, in the order of the file.
class Message {
 public:
  Message(std::string_view bytes, const char* whole, const std::string& where) : rest_(bytes), whole_(whole), where_(where) {}

  bool next(Field& field) {
    if (rest_.empty()) return false;
    const std::uint64_t tag = varint();
    field = {tag >> 3, static_cast<int>(tag & 7), 0, {}};
    if (field.number == 0 || field.number >= 1u << 29) refuse("field numbers 1 to 536870911 are expected, got ", field.number);
    switch (field.wire) {
      case 0:
        field.value = varint();
        break;
      case 1:
        field.bytes = take(8);
        break;
      case 2:
        field.bytes = take(varint());
        break;
      case 5:
        field.bytes = take(4);
        for (std::size_t i = 4; i-- > 0;) field.value = field.value << 8 | static_cast<unsigned char>(field.bytes[i]);
        break;
      default:
        refuse("wire types 0, 1, 2 and 5 are expected, got ", field.wire);
    }
    return true;
  }
  void expect(const Field& field, int wire) const {
    if (field.wire != wire) refuse("wire type ", wire, " for field ", field.number, " is expected, got ", field.wire);
  }
  /// Fields of later versions would change what the model means, and the library would pass over them.
  void only(const Field& field, std::uint64_t last) const {
    if (field.number > last && field.number < 200) refuse("a field that version 0.1.97 knows is expected, got ", field.number);
  }
  template <class... Part>
  [[noreturn]] void refuse(const Part&... part) const {
    fail(where_, whole_, ": ", part...);
  }

 private:
  // What lies within another message has the length that this one says.
  const char* if_outermost() const { return whole_ == std::string_view("model") ? ": the file is cut off" : ""; }
  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (int i = 0; i < 10; ++i) {
      if (rest_.empty()) refuse("a whole field is expected, got the end", if_outermost());
      const unsigned char byte = static_cast<unsigned char>(rest_[0]);
      rest_.remove_prefix(1);
      if (i == 9 && byte > 1) break;
      value |= static_cast<std::uint64_t>(byte & 0x7F) << (7 * i);
      if (byte < 0x80) return value;
    }
    refuse("a varint of at most 64 bits is expected, got a longer one");
  }
  std::string_view take(std::uint64_t size) {
    if (size > rest_.size()) refuse("a field of at most the ", rest_.size(), " bytes left is expected, got ", size, if_outermost());
    const std::string_view bytes = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return bytes;
  }

  std::string_view rest_;
  const char* whole_;
  const std::string& where_;
};

struct Piece {
  std::string_view text;
  float score = 0;
  Type type = Type::normal;
};

Piece read_piece(std::string_view bytes, const std::string& where) {
  Message message(bytes, "piece", where);
  Piece piece;
  for (Field field; message.next(field);) {
    message.only(field, 3);
    if (field.number == 1) {
      message.expect(field, 2);
      piece.text = field.bytes;
    } else if (field.number == 2) {
      message.expect(field, 5);
      piece.score = std::bit_cast<float>(static_cast<std::uint32_t>(field.value));
    } else if (field.number == 3) {
      message.expect(field, 0);
      if (field.value < 1 || field.value > 6) message.refuse("type 1 to 6 is expected, got ", field.value);
      piece.type = static_cast<Type>(field.value);
    }
  }
  if (piece.text.empty() || piece.text.size() > longest_piece) message.refuse("1 to ", longest_piece, " bytes are expected, got ", piece.text.size());
  if (!is_valid_utf8(piece.text)) message.refuse("UTF-8 is expected, got ", brief(std::string(piece.text)));
  if (piece.text.find('\0') != std::string_view::npos) message.refuse("no NUL byte is expected, got ", brief(std::string(piece.text)));
  if (!std::isfinite(piece.score)) message.refuse("a finite score of ", brief(std::string(piece.text)), " is expected, got ", piece.score);
  return piece;
}

// Answers whether unknown characters become bytes.
bool read_training(std::string_view bytes, const std::string& where) {
  Message message(bytes, "trainer_spec", where);
  bool has_bytes = false;
  for (Field field; message.next(field);) {
    if (field.number == 3) {
      message.expect(field, 0);
      if (field.value != 1) message.refuse("model_type 1 (unigram) is expected, got ", field.value);
    } else if (field.number == 24) {
      message.expect(field, 0);
      if (field.value != 0) message.refuse("treat_whitespace_as_suffix 0 is expected, got ", field.value);
    } else if (field.number == 35) {
      message.expect(field, 0);
      has_bytes = field.value != 0;
    }
  }
  return has_bytes;
}

// Answers whether a rule holds a blank.
bool read_rules(std::string_view bytes, const char* name, const std::string& where) {
  Message message(bytes, name, where);
  bool seen = false, blank_in_rules = false;
  for (Field field; message.next(field);) {
    message.only(field, 6);
    if (field.number >= 3 && field.number <= 5) message.expect(field, 0);
    if (field.number != 2) continue;
    message.expect(field, 2);
    if (std::exchange(seen, true)) message.refuse("precompiled_charsmap once is expected, got it twice");
    if (!field.bytes.empty()) blank_in_rules = check_charsmap(field.bytes, where);
  }
  return blank_in_rules;
}

bool is_upper_hex(char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F'); }
bool is_byte_piece(std::string_view text) {
  return text.size() == 6 && text.substr(0, 3) == "<0x" && is_upper_hex(text[3]) && is_upper_hex(text[4]) && text[5] == '>';
}

// The library holds as many symbols that begin one another as it has room for.
void check_nesting(std::vector<std::string_view> symbols, const std::string& where) {
  std::sort(symbols.begin(), symbols.end());
  std::vector<std::string_view> chain;
  for (const std::string_view symbol : symbols) {
    while (!chain.empty() && symbol.substr(0, chain.back().size()) != chain.back()) chain.pop_back();
    chain.push_back(symbol);
    if (chain.size() > most_nested) fail(where, "at most ", most_nested, " user-defined pieces that begin one another are expected, got more");
  }
}

// A ▁ that follows another character, or a plain blank.
bool reaches_over_blank(std::string_view text) {
  while (text.starts_with(blank_mark)) text.remove_prefix(blank_mark.size());
  return text.find(' ') != std::string_view::npos || text.find(blank_mark) != std::string_view::npos;
}

// All that concerns more than one piece.
void check_pieces(const std::vector<Piece>& pieces, SpieceModel& model, const std::string& where) {
  std::unordered_set<std::string_view, KeyedHash> seen;
  std::vector<std::string_view> symbols;
  std::size_t bytes = 0, normal = 0;
  for (std::size_t id = 0; id < pieces.size(); ++id) {
    const auto& [text, score, type] = pieces[id];
    if (!seen.insert(text).second) fail(where, "each piece once is expected, got ", brief(std::string(text)), " twice");
    model.pieces.push_back(text);
    if (type == Type::unknown) {
      if (model.unknown >= 0) fail(where, "one unknown piece is expected, got ids ", model.unknown, " and ", id);
      model.unknown = static_cast<std::int32_t>(id);
    }
    if (type == Type::control && text == "</s>") model.end = static_cast<std::int32_t>(id);
    if (type == Type::byte) {
      if (!is_byte_piece(text)) fail(where, "a byte piece \"<0x00>\" to \"<0xFF>\" is expected, got ", brief(std::string(text)));
      ++bytes;
    }
    if (type == Type::user) symbols.push_back(text);
    if (type == Type::normal) ++normal;
    if (type == Type::normal || type == Type::user || type == Type::unused) model.independent_words &= !reaches_over_blank(text);
  }
  const std::size_t expected = model.has_bytes ? 256 : 0;
  require(bytes == expected, where, expected, " byte pieces are expected (byte_fallback is ", model.has_bytes ? "on" : "off", "), got ", bytes);
  require(model.unknown >= 0, where, "one unknown piece is expected, got none");
  require(model.end >= 0, where, "a control piece \"</s>\" is expected, got none");
  require(normal > 0, where, "at least one normal piece is expected, got none");
  model.independent_words &= seen.count(blank_mark) > 0;  // else unknown characters join over a blank
  check_nesting(std::move(symbols), where);
}
}  // namespace

SpieceModel check_spiece(std::string_view bytes, const std::string& where) {
  require(static_cast<std::int64_t>(bytes.size()) <= most_spiece_bytes, where, "at most ", most_spiece_bytes, " bytes are expected, got ",
          bytes.size());
  Message message(bytes, "model", where);
  std::vector<Piece> pieces;
  SpieceModel model;
  bool seen[6] = {}, blank_in_rules = false;
  for (Field field; message.next(field);) {
    message.only(field, 5);
    if (field.number > 5) continue;
    message.expect(field, 2);
    if (field.number == 1) {
      pieces.push_back(read_piece(field.bytes, where));
      if (static_cast<Dim>(pieces.size()) > most_vocab) message.refuse("at most ", most_vocab, " pieces are expected, got more");
      continue;
    }
    if (std::exchange(seen[field.number], true)) message.refuse("field ", field.number, " once is expected, got it twice");
    if (field.number == 2) model.has_bytes = read_training(field.bytes, where);
    if (field.number == 3) blank_in_rules = read_rules(field.bytes, "normalizer_spec", where);
    if (field.number == 5) read_rules(field.bytes, "denormalizer_spec", where);
  }
  require(!pieces.empty(), where, "at least one piece is expected, got none");
  require(seen[2], where, "a trainer_spec is expected, got none");
  require(seen[3], where, "a normalizer_spec is expected, got none");
  model.independent_words = !blank_in_rules;
  check_pieces(pieces, model, where);
  return model;
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
