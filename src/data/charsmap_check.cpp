// charsmap_check.cpp — the normalization rules of a SentencePiece model.
//
// bytes       u32 size of the trie in bytes, the trie, the replacements: texts that each end with a NUL
// trie        u32 units; bits 0-7 label, bit 8 "a key ends here", bits 10-30 offset, bit 9 offset × 256; a leaf has bit 31 and holds a value
// a step      from the unit at p by the byte c to the unit at p ^ offset ^ c, if that one's label is c; the library checks no index
// a key ends  the unit at p ^ offset is a leaf: where the replacement begins
#include <cstring>
#include "data/spiece_check.h"
#include "data/utf8.h"
#include "siglip/error.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
// How many rules the library keeps while it walks along a text; it would write no further, but read so.
constexpr int most_rules = 32;
constexpr int deepest = 256;

class TrieWalk {
 public:
  TrieWalk(std::string_view trie, std::string_view replacements, const std::string& where)
      : units_(trie.size() / 4), rules_(units_.size(), unseen), replacements_(replacements), where_(where) {
    std::memcpy(units_.data(), trie.data(), units_.size() * 4);
  }

  /// The most rules that one text can meet from the node at p on. Visits each node once.
  int walk(std::size_t p, int depth) {
    if (rules_[p] == open) fail(where_, "a normalization trie without a loop is expected, got one at unit ", p);
    if (rules_[p] != unseen) return rules_[p];
    if (depth > deepest) fail(where_, "normalization keys of at most ", deepest, " bytes are expected, got a longer one");
    rules_[p] = open;
    const std::uint32_t unit = units_[p];
    const std::size_t base = p ^ static_cast<std::size_t>(unit >> 10) << (unit >> 6 & 8);
    if ((base | 255) >= units_.size())
      fail(where_, "offsets inside the normalization trie of ", units_.size(), " units are expected, got ", base, " at unit ", p);
    int most = 0;
    for (std::uint32_t c = 0; c < 256; ++c) {
      const std::size_t child = base ^ c;
      if ((units_[child] & 0x800000FF) != c) continue;
      blank_ |= c == ' ';
      most = std::max(most, walk(child, depth + 1));
    }
    if (unit >> 8 & 1) {
      check_replacement(units_[base] & 0x7FFFFFFF);
      ++most;
    }
    if (most > most_rules) fail(where_, "at most ", most_rules, " normalization keys that begin one another are expected, got more");
    return rules_[p] = static_cast<signed char>(most);
  }
  bool blank() const { return blank_; }

 private:
  static constexpr signed char unseen = -1, open = -2;

  void check_replacement(std::uint32_t at) const {
    if (at >= replacements_.size()) fail(where_, "replacements below ", replacements_.size(), " are expected, got ", at);
    if ((static_cast<unsigned char>(replacements_[at]) & 0xC0) == 0x80) fail(where_, "a replacement begins with a character, got byte ", at);
  }

  std::vector<std::uint32_t> units_;
  std::vector<signed char> rules_;
  std::string_view replacements_;
  const std::string& where_;
  bool blank_ = false;
};
}  // namespace

bool check_charsmap(std::string_view bytes, const std::string& where) {
  std::uint32_t size = 0;
  require(bytes.size() > 4, where, "normalization rules of more than 4 bytes are expected, got ", bytes.size());
  std::memcpy(&size, bytes.data(), 4);
  require(size % 4 == 0, where, "a normalization trie of whole 4-byte units is expected, got ", size, " bytes");
  require(size >= 1024, where, "a normalization trie of at least 1024 bytes is expected, got ", size);
  require(size < bytes.size() - 4, where, "a normalization trie of less than ", bytes.size() - 4, " bytes is expected, got ", size);
  const std::string_view replacements = bytes.substr(4 + size);
  require(replacements.back() == '\0', where, "replacements that end with a NUL are expected, got none at the end");
  require(is_valid_utf8(replacements), where, "replacements in UTF-8 are expected, got other bytes");
  TrieWalk walk(bytes.substr(4, size), replacements, where);
  walk.walk(0, 0);
  return walk.blank();
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
