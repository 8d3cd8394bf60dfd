// json_scan.cpp — a scanner for large JSON values.
#include "io/json_scan.h"
#include <algorithm>
#include <charconv>
#include <utility>
#include "core/character.h"
#include "siglip/error.h"

namespace siglip::inline SIGLIP_FLAVOUR {
void JsonScan::refuse(const char* expected) const {
  fail(where_, "valid JSON is expected, got no ", expected, " at byte ", at_, at_ >= text_.size() ? ": it is cut off" : "");
}

void JsonScan::skip_blanks() {
  while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\r' || text_[at_] == '\t')) ++at_;
}

bool JsonScan::take(char c) {
  skip_blanks();
  if (at_ >= text_.size() || text_[at_] != c) return false;
  ++at_;
  return true;
}

void JsonScan::expect(char c) {
  const char expected[] = {'\'', c, '\'', '\0'};
  if (!take(c)) refuse(expected);
}

std::string_view JsonScan::string() {
  expect('"');
  const std::size_t begin = at_;
  bool escapes = false;
  for (; at_ < text_.size() && text_[at_] != '"'; ++at_) {
    if (static_cast<unsigned char>(text_[at_]) < 0x20) refuse("escape of a control character");
    if (text_[at_] == '\\') escapes = true, ++at_;
  }
  if (at_ >= text_.size()) refuse("end of a string");
  const std::string_view raw = text_.substr(begin, at_++ - begin);
  return escapes ? unescape(raw) : raw;
}

char32_t JsonScan::hex(std::string_view raw, std::size_t at) const {
  unsigned value = 0;
  const char* begin = raw.data() + std::min(at, raw.size());
  const char* end = raw.data() + std::min(at + 4, raw.size());
  const auto [stop, error] = std::from_chars(begin, end, value, 16);
  if (error != std::errc() || stop != begin + 4) refuse("four hexadecimal digits");
  return value;
}

std::string_view JsonScan::unescape(std::string_view raw) {
  constexpr std::string_view letters = "\"\\/bfnrt", meant = "\"\\/\b\f\n\r\t";
  std::string text;
  for (std::size_t i = 0; i < raw.size(); ++i) {
    if (raw[i] != '\\') {
      text += raw[i];
      continue;
    }
    ++i;
    if (const std::size_t letter = letters.find(raw[i]); letter != std::string_view::npos) {
      text += meant[letter];
      continue;
    }
    if (raw[i] != 'u') refuse("escape");
    char32_t c = hex(raw, i + 1);
    i += 4;
    if (c >= 0xD800 && c < 0xE000) {  // two surrogates make one character
      if (c >= 0xDC00 || raw.substr(i + 1, 2) != "\\u") refuse("second surrogate");
      const char32_t low = hex(raw, i + 3);
      if (low < 0xDC00 || low > 0xDFFF) refuse("second surrogate");
      c = 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
      i += 6;
    }
    append_character(text, c);
  }
  return unescaped_.emplace_back(std::move(text));
}

std::int32_t JsonScan::whole() {
  skip_blanks();
  std::int32_t value = 0;
  const char* begin = text_.data() + at_;
  const auto [stop, error] = std::from_chars(begin, text_.data() + text_.size(), value);
  const bool leading_zero = stop > begin + 1 && *begin == '0';
  if (error != std::errc() || *begin == '-' || leading_zero) refuse("whole number");
  at_ += static_cast<std::size_t>(stop - begin);
  return value;
}

std::string_view JsonScan::value() {
  skip_blanks();
  const std::size_t begin = at_;
  std::size_t open = 0;
  for (bool quoted = false; at_ < text_.size(); ++at_) {
    const char c = text_[at_];
    if (quoted) {
      if (c == '\\')
        ++at_;
      else if (c == '"')
        quoted = false;
      continue;
    }
    if (c == '"') quoted = true;
    if (open == 0 && (c == ',' || c == '}' || c == ']')) break;
    if (c == '{' || c == '[') ++open;
    if (c == '}' || c == ']') --open;
  }
  at_ = std::min(at_, text_.size());
  return text_.substr(begin, at_ - begin);
}

void JsonScan::end() {
  skip_blanks();
  if (at_ != text_.size()) refuse("end");
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
