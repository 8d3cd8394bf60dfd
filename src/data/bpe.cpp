// bpe.cpp — byte pair encoding (Sennrich et al. 2016, "Neural Machine Translation of Rare Words with Subword Units").
//
// A text is a row of characters, each the piece of its own. Of all neighbours that a rule joins, the pair of the earliest rule is joined, the
// leftmost of equal ones, until none is left. The pairs wait in a heap; one that lost a partner meanwhile is known by its ids and passed over. Each
// join removes a symbol and adds at most two pairs: O(n log n), also for a million equal letters.
#include "data/bpe.h"
#include <algorithm>
#include <bit>
#include <string>
#include <utility>
#include "core/hash.h"
#include "data/utf8.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
constexpr std::uint64_t no_pair = ~std::uint64_t{0};

bool begins_with_blank(std::string_view piece) { return piece.starts_with(blank_mark); }
bool ends_with_blank(std::string_view piece) { return piece.ends_with(blank_mark); }

std::uint64_t pair_of(std::int32_t left, std::int32_t right) {
  return static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32 | static_cast<std::uint32_t>(right);
}
}  // namespace

PieceTable::PieceTable(std::size_t pieces) : slots_(std::bit_ceil(2 * pieces + 2)) {}

std::size_t PieceTable::slot_of(std::string_view piece) const {
  std::size_t at = KeyedHash()(piece) & (slots_.size() - 1);
  while (slots_[at].id >= 0 && slots_[at].piece != piece) at = (at + 1) & (slots_.size() - 1);
  return at;
}

bool PieceTable::insert(std::string_view piece, std::int32_t id) {
  Slot& slot = slots_[slot_of(piece)];
  if (slot.id >= 0) return false;
  slot = {piece, id};
  return true;
}

std::int32_t PieceTable::find(std::string_view piece) const { return slots_[slot_of(piece)].id; }

std::size_t PieceTable::longest_search() const {
  std::size_t longest = 0;
  for (const Slot& slot : slots_)
    if (slot.id >= 0) longest = std::max(longest, ((slot_of(slot.piece) - KeyedHash()(slot.piece)) & (slots_.size() - 1)) + 1);
  return longest;
}

// The place of a pair is the upper bits of its product with a secret odd factor: of all such factors, few give two pairs one place.
// source    Dietzfelbinger et al. 1997, "A reliable randomized algorithm for the closest-pair problem"
RuleTable::RuleTable(std::size_t rules)
    : slots_(std::bit_ceil(rules * 3 / 2 + 2), Rule{no_pair, 0, 0}),
      factor_(process_key().first | 1),
      shift_(65 - static_cast<int>(std::bit_width(slots_.size()))) {}

std::size_t RuleTable::slot_of(std::uint64_t pair) const {
  std::size_t at = home_of(pair);
  while (slots_[at].pair != no_pair && slots_[at].pair != pair) at = (at + 1) & (slots_.size() - 1);
  return at;
}

void RuleTable::insert(const Merge& merge, std::uint32_t rank) {
  const std::uint64_t pair = pair_of(merge.left, merge.right);
  slots_[slot_of(pair)] = {pair, rank, merge.merged};
}

const RuleTable::Rule* RuleTable::find(std::int32_t left, std::int32_t right) const {
  const Rule& found = slots_[slot_of(pair_of(left, right))];
  return found.pair == no_pair ? nullptr : &found;
}

std::size_t RuleTable::longest_search() const {
  std::size_t longest = 0;
  for (const Rule& rule : slots_)
    if (rule.pair != no_pair) longest = std::max(longest, ((slot_of(rule.pair) - home_of(rule.pair)) & (slots_.size() - 1)) + 1);
  return longest;
}

/// A pair that could be joined, seen from its left symbol. Heaps keep the greatest in front: of the earliest rule, then the leftmost.
struct Bpe::Candidate {
  std::uint32_t rank;
  std::int32_t left, merged;
  bool operator<(const Candidate& other) const { return rank != other.rank ? rank > other.rank : left > other.left; }
};

Bpe::Bpe(std::vector<std::string_view> pieces, PieceTable ids, const std::vector<Merge>& merges, const Options& options)
    : pieces_(std::move(pieces)), ids_(std::move(ids)), rules_(merges.size()), options_(options) {
  words_apart_ = ids_.find(blank_mark) >= 0;
  for (std::size_t rank = 0; rank < merges.size(); ++rank) {
    rules_.insert(merges[rank], static_cast<std::uint32_t>(rank));
    const auto text = [&](std::int32_t id) { return pieces_[static_cast<std::size_t>(id)]; };
    words_apart_ &= !begins_with_blank(text(merges[rank].right)) || ends_with_blank(text(merges[rank].left));
  }
  for (std::size_t id = 0; id < pieces_.size(); ++id) {
    std::string_view rest = pieces_[id];
    if (rest.empty()) continue;
    const char32_t c = take_character(rest);
    if (!rest.empty()) continue;
    if (c >= characters_.size()) characters_.resize(c + 1, -1);
    characters_[c] = static_cast<std::int32_t>(id);
  }
  constexpr char digits[] = "0123456789ABCDEF";
  for (std::size_t byte = 0; byte < 256; ++byte) bytes_[byte] = ids_.find(std::string("<0x") + digits[byte >> 4] + digits[byte & 15] + '>');
}

void Bpe::add_characters(std::string_view word, std::vector<Symbol>& symbols) const {
  symbols.clear();
  const auto add = [&](std::int32_t id) {
    const std::int32_t at = static_cast<std::int32_t>(symbols.size());
    symbols.push_back({id, at - 1, at + 1});
  };
  bool after_unknown = false;
  for (std::string_view rest = word; !rest.empty();) {
    const std::string_view before = rest;
    const char32_t c = take_character(rest);
    const std::string_view bytes = before.substr(0, before.size() - rest.size());
    const auto id_of = [&](char byte) { return bytes_[static_cast<unsigned char>(byte)]; };
    const bool known = c < characters_.size() && characters_[c] >= 0;
    const bool in_bytes = !known && options_.byte_fallback && std::all_of(bytes.begin(), bytes.end(), [&](char byte) { return id_of(byte) >= 0; });
    if (known)
      add(characters_[c]);
    else if (in_bytes)
      for (const char byte : bytes) add(id_of(byte));
    else if (!(after_unknown && options_.fuse_unknown))
      add(options_.unknown);
    after_unknown = !known && !in_bytes;
  }
  if (!symbols.empty()) symbols.back().next = -1;
}

void Bpe::encode_word(std::string_view word, std::vector<Symbol>& symbols, std::vector<Candidate>& heap, std::vector<std::int32_t>& ids) const {
  add_characters(word, symbols);
  const auto at = [&](std::int32_t i) -> Symbol& { return symbols[static_cast<std::size_t>(i)]; };
  const auto candidate = [&](std::int32_t left, Candidate& found) {
    const RuleTable::Rule* joins = rules_.find(at(left).id, at(at(left).next).id);
    if (joins) found = {joins->rank, left, joins->merged};
    return joins != nullptr;
  };
  heap.clear();
  Candidate next;
  for (std::int32_t i = 0; i + 1 < static_cast<std::int32_t>(symbols.size()); ++i)
    if (candidate(i, next)) heap.push_back(next);
  std::make_heap(heap.begin(), heap.end());
  const auto push = [&](std::int32_t left) {
    if (!candidate(left, next)) return;
    heap.push_back(next);
    std::push_heap(heap.begin(), heap.end());
  };
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end());
    const Candidate best = heap.back();
    heap.pop_back();
    Symbol& left = at(best.left);
    if (left.id < 0 || left.next < 0) continue;
    Symbol& right = at(left.next);
    const RuleTable::Rule* joins = rules_.find(left.id, right.id);
    if (!joins || joins->merged != best.merged) continue;
    left.id = best.merged;
    right.id = -1;
    left.next = right.next;
    if (left.next >= 0) at(left.next).previous = best.left;
    if (left.previous >= 0) push(left.previous);
    if (left.next >= 0) push(best.left);
  }
  for (std::int32_t i = symbols.empty() ? -1 : 0; i >= 0; i = at(i).next) ids.push_back(at(i).id);
}

void Bpe::encode(std::string_view text, std::size_t enough, std::vector<std::int32_t>& ids) const {
  if (options_.ignore_merges)
    if (const std::int32_t whole = ids_.find(text); whole >= 0) return ids.push_back(whole);
  std::vector<Symbol> symbols;
  std::vector<Candidate> heap;
  while (!text.empty() && ids.size() < enough) {
    std::size_t end = text.size();
    if (words_apart_) {  // a word: its ▁, and all up to the next one
      std::size_t begin = 0;
      while (text.substr(begin).starts_with(blank_mark)) begin += blank_mark.size();
      end = std::min(end, text.find(blank_mark, begin));
    }
    encode_word(text.substr(0, end), symbols, heap, ids);
    text.remove_prefix(end);
  }
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
