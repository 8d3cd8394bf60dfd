// bpe.h — byte pair encoding: the pieces of a text by merging its characters, the earliest rule first.
#pragma once
#include <array>
#include <cstdint>
#include <string_view>
#include <vector>
#include "siglip/real.h"

namespace siglip::inline SIGLIP_FLAVOUR {
/// Finds the id of a piece: an open hash table over texts that its owner keeps. The hash is keyed: no file can make its pieces collide.
class PieceTable {
 public:
  explicit PieceTable(std::size_t pieces);
  /// False if the piece is there already.
  bool insert(std::string_view piece, std::int32_t id);
  std::int32_t find(std::string_view piece) const;  // -1 if it is not there
  std::size_t longest_search() const;               // slots that a look-up of a piece visits at most

 private:
  std::size_t slot_of(std::string_view piece) const;
  struct Slot {
    std::string_view piece;
    std::int32_t id = -1;
  };
  std::vector<Slot> slots_;
};

/// left and right, side by side, become merged; earlier rules in a list go first.
struct Merge {
  std::int32_t left, right, merged;
};

/// Finds the rule for two neighbours, as PieceTable finds pieces.
class RuleTable {
 public:
  struct Rule {
    std::uint64_t pair;  // left, right
    std::uint32_t rank;
    std::int32_t merged;
  };
  explicit RuleTable(std::size_t rules);
  void insert(const Merge& merge, std::uint32_t rank);            // of rules for the same pair the last one counts
  const Rule* find(std::int32_t left, std::int32_t right) const;  // null if there is none
  std::size_t longest_search() const;

 private:
  std::size_t home_of(std::uint64_t pair) const { return static_cast<std::size_t>(pair * factor_ >> shift_); }
  std::size_t slot_of(std::uint64_t pair) const;
  std::vector<Rule> slots_;
  std::uint64_t factor_;
  int shift_;
};

class Bpe {
 public:
  struct Options {
    std::int32_t unknown = -1;   // id for characters without a piece
    bool byte_fallback = false;  // but first try the pieces "<0x00>" … of their bytes
    bool fuse_unknown = false;   // several unknown characters in a row are one
    bool ignore_merges = false;  // a text that is a piece is that piece
  };
  /// pieces[id]; views into texts that outlive this object.
  Bpe(std::vector<std::string_view> pieces, PieceTable ids, const std::vector<Merge>& merges, const Options& options);

  /// Appends the ids of a text in valid UTF-8, whose blanks are ▁; stops early once there are `enough` in all, with the right ones up to there.
  /// O(n log n) in the length of the text.
  void encode(std::string_view text, std::size_t enough, std::vector<std::int32_t>& ids) const;

  const std::vector<std::string_view>& pieces() const { return pieces_; }
  std::int32_t find(std::string_view piece) const { return ids_.find(piece); }

 private:
  struct Symbol {
    std::int32_t id, previous, next;  // -1: none; a symbol that was merged away has id -1
  };
  struct Candidate;
  void encode_word(std::string_view word, std::vector<Symbol>& symbols, std::vector<Candidate>& heap, std::vector<std::int32_t>& ids) const;
  void add_characters(std::string_view word, std::vector<Symbol>& symbols) const;

  std::vector<std::string_view> pieces_;
  PieceTable ids_;
  RuleTable rules_;
  std::vector<std::int32_t> characters_;   // code point → id, -1 if it has no piece
  std::array<std::int32_t, 256> bytes_{};  // byte → id, -1
  Options options_;
  bool words_apart_ = false;  // no rule joins anything to a ▁ after it: words can be merged one by one
};
}  // namespace siglip::inline SIGLIP_FLAVOUR
