// utf8.cpp — decoding, white space and lower case.
#include "data/utf8.h"
#include <algorithm>
#include <cstdint>
#include <vector>
#include "data/character_runs.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
struct CaseRun {
  std::uint32_t first, last, step;
  std::int32_t difference;
};
#include "data/letter_case.inc"

char32_t lowered(char32_t c) {
  const CaseRun* run = run_of(lower_case, c);
  return run && (c - run->first) % run->step == 0 ? static_cast<char32_t>(static_cast<std::int32_t>(c) + run->difference) : c;
}

bool continues(std::string_view text, std::size_t i, unsigned char least = 0x80, unsigned char most = 0xBF) {
  if (i >= text.size()) return false;
  const unsigned char byte = static_cast<unsigned char>(text[i]);
  return byte >= least && byte <= most;
}

// Final_Sigma of the Unicode standard, section 3.13: a letter before, none after, marks looked through.
bool is_final(const std::vector<char32_t>& text, std::size_t at) {
  std::size_t before = at;
  while (before > 0 && run_of(marks, text[before - 1])) --before;
  if (before == 0 || !run_of(letters, text[before - 1])) return false;
  std::size_t after = at + 1;
  while (after < text.size() && run_of(marks, text[after])) ++after;
  return after == text.size() || !run_of(letters, text[after]);
}
}  // namespace

char32_t take_character(std::string_view& rest) {
  const auto bits = [&](std::size_t i) { return static_cast<char32_t>(static_cast<unsigned char>(rest[i]) & 0x3F); };
  const unsigned char first = static_cast<unsigned char>(rest[0]);
  std::size_t length = 1;
  char32_t c = 0xFFFD;
  if (first < 0x80) {
    c = first;
  } else if (first >= 0xC2 && first <= 0xDF) {
    if (continues(rest, 1)) length = 2, c = (first & 0x1Fu) << 6 | bits(1);
  } else if (first >= 0xE0 && first <= 0xEF) {
    if (continues(rest, 1, first == 0xE0 ? 0xA0 : 0x80, first == 0xED ? 0x9F : 0xBF)) {
      length = 2;
      if (continues(rest, 2)) length = 3, c = (first & 0x0Fu) << 12 | bits(1) << 6 | bits(2);
    }
  } else if (first >= 0xF0 && first <= 0xF4) {
    if (continues(rest, 1, first == 0xF0 ? 0x90 : 0x80, first == 0xF4 ? 0x8F : 0xBF)) {
      length = 2;
      if (continues(rest, 2)) {
        length = 3;
        if (continues(rest, 3)) length = 4, c = (first & 0x07u) << 18 | bits(1) << 12 | bits(2) << 6 | bits(3);
      }
    }
  }
  rest.remove_prefix(length);
  return c;
}

std::size_t valid_bytes(std::string_view text) {
  for (std::string_view rest = text; !rest.empty();) {
    const std::string_view before = rest;
    if (take_character(rest) == 0xFFFD && !before.starts_with("\xEF\xBF\xBD")) return text.size() - before.size();
  }
  return text.size();
}

std::string valid_utf8(std::string_view text) {
  std::string valid;
  valid.reserve(text.size());
  while (!text.empty()) append_character(valid, take_character(text));
  return valid;
}

bool is_blank(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) ||
         c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

std::string lower_case(const std::string& text, Sigma sigma) {
  if (std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; })) return lower_case_ascii(text);
  std::vector<char32_t> characters;
  characters.reserve(text.size());
  for (std::string_view rest = text; !rest.empty();) characters.push_back(take_character(rest));
  std::string low;
  low.reserve(text.size());
  for (std::size_t i = 0; i < characters.size(); ++i) {
    const char32_t c = characters[i];
    if (c == 0x130)
      low += "i\xCC\x87";  // İ alone becomes two characters: i and a dot above
    else
      append_character(low, c == 0x3A3 && sigma == Sigma::final && is_final(characters, i) ? 0x3C2 : lowered(c));
  }
  return low;
}

std::string lower_case_ascii(std::string text) {
  for (char& c : text)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return text;
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
