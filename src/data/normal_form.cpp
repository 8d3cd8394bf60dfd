// normal_form.cpp — one spelling of each character: Unicode's normal form C.
//
//   é typed on a keyboard is U+00E9; é in a file name that a Mac wrote is e and U+0301. A reader sees one word, so both become U+00E9:
//     1. every character is taken apart as far as it goes
//     2. the marks behind a character are sorted by where they stand on it (their combining class), marks of one place keep their order
//     3. each character takes in the marks behind it with which it is one character, unless a mark of the same place stands between
// source    Unicode Standard, section 3.11, D108 to D117; Hangul: section 3.12
#include <algorithm>
#include <cstdint>
#include <iterator>
#include <map>
#include <string_view>
#include <utility>
#include <vector>
#include "data/character_runs.h"
#include "data/utf8.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
struct ClassRun {
  std::uint32_t first, last;
  int order;
};
struct Decomposition {
  std::uint32_t whole, first, second;  // second is 0 where one character stands for another
};
#include "data/normal_form.inc"

// Hangul syllables are numbered: (leading * vowels + vowel) * finals + final.
constexpr char32_t syllables = 0xAC00, leading = 0x1100, vowel = 0x1161, final = 0x11A7;
constexpr char32_t leading_count = 19, vowel_count = 21, final_count = 28, syllable_count = leading_count * vowel_count * final_count;

int order_of(char32_t c) {
  const ClassRun* run = run_of(mark_classes, c);
  return run ? run->order : 0;
}

template <std::size_t n>
const Decomposition* decomposition_of(const Decomposition (&table)[n], char32_t c) {
  const auto* found = std::lower_bound(std::begin(table), std::end(table), c, [](const Decomposition& d, char32_t of) { return d.whole < of; });
  return found != std::end(table) && found->whole == c ? found : nullptr;
}

void take_apart(char32_t c, std::vector<char32_t>& to) {
  if (const char32_t i = c - syllables; c >= syllables && i < syllable_count) {
    to.insert(to.end(), {leading + i / final_count / vowel_count, vowel + i / final_count % vowel_count});
    if (i % final_count) to.push_back(final + i % final_count);
    return;
  }
  const Decomposition* parts = decomposition_of(pairs, c);
  if (!parts) parts = decomposition_of(apart, c);
  if (!parts) return to.push_back(c);
  take_apart(parts->first, to);
  if (parts->second) take_apart(parts->second, to);
}

// Of two characters the one that they make; 0 if they make none.
char32_t together(char32_t a, char32_t b) {
  static const std::map<std::pair<char32_t, char32_t>, char32_t> wholes = [] {
    std::map<std::pair<char32_t, char32_t>, char32_t> all;
    for (const Decomposition& d : pairs) all.emplace(std::pair(d.first, d.second), d.whole);
    return all;
  }();
  if (a >= leading && a < leading + leading_count && b >= vowel && b < vowel + vowel_count)
    return syllables + ((a - leading) * vowel_count + b - vowel) * final_count;
  if (a >= syllables && a < syllables + syllable_count && (a - syllables) % final_count == 0 && b > final && b < final + final_count)
    return a + b - final;
  const auto found = wholes.find({a, b});
  return found == wholes.end() ? 0 : found->second;
}

// Sorts the marks behind each character.
void sort_marks(std::vector<char32_t>& text) {
  std::vector<std::pair<int, char32_t>> marks;
  for (std::size_t begin = 0; begin < text.size();) {
    std::size_t end = begin;
    for (marks.clear(); end < text.size(); ++end) {
      const int order = order_of(text[end]);
      if (order == 0) break;
      marks.emplace_back(order, text[end]);
    }
    std::stable_sort(marks.begin(), marks.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
    for (std::size_t i = 0; i < marks.size(); ++i) text[begin + i] = marks[i].second;
    begin = end + 1;
  }
}

std::vector<char32_t> put_together(const std::vector<char32_t>& parts) {
  constexpr std::size_t none = static_cast<std::size_t>(-1);
  std::vector<char32_t> text;
  std::size_t starter = none;  // the last character that is no mark
  int before = 0;              // class of what was kept last
  for (const char32_t c : parts) {
    const int order = order_of(c);
    const bool reached = starter != none && (text.size() == starter + 1 || before < order);
    if (const char32_t whole = reached ? together(text[starter], c) : 0) {
      text[starter] = whole;
      continue;
    }
    if (order == 0) starter = text.size();
    before = order;
    text.push_back(c);
  }
  return text;
}
}  // namespace

std::string normal_form(const std::string& text) {
  constexpr unsigned char first_unsettled = 0xCC;  // what begins U+0300, the first character that may change a text
  if (std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < first_unsettled; })) return text;
  std::vector<char32_t> characters;
  bool settled = true;
  for (std::string_view rest = text; !rest.empty();) {
    characters.push_back(take_character(rest));
    settled = settled && !run_of(unsettled, characters.back());
  }
  if (settled) return text;
  std::vector<char32_t> parts;
  for (const char32_t c : characters) take_apart(c, parts);
  sort_marks(parts);
  std::string normal;
  normal.reserve(text.size());
  for (const char32_t c : put_together(parts)) append_character(normal, c);
  return normal;
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
