// npy_header.cpp — magic, version, length, and a Python dictionary of which three keys are understood and nothing else.
//
//   \x93NUMPY 1 0 | length | {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), } blanks newline
//
// source    numpy.lib.format: versions 1.0 (length of 2 bytes), 2.0 (of 4), 3.0 (UTF-8)
#include "io/npy_header.h"
#include <cctype>
#include <limits>
#include <set>
#include "io/json.h"
#include "siglip/error.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
constexpr std::size_t most_axes = 8;

// The dictionary, read from left to right.
struct Parser {
  const std::string& text;
  const std::string& where;
  std::size_t at = 0;

  [[noreturn]] void refuse(const char* expected) const {
    fail(where, expected, " is expected in the .npy header, got ", brief(text.substr(std::min(at, text.size()), 24)));
  }
  void skip_blanks() {
    while (at < text.size() && (text[at] == ' ' || text[at] == '\n' || text[at] == '\t')) ++at;
  }
  bool take(char c) {
    skip_blanks();
    if (at == text.size() || text[at] != c) return false;
    ++at;
    return true;
  }
  void want(char c, const char* expected) {
    if (!take(c)) refuse(expected);
  }
  std::string string() {
    skip_blanks();
    const char quote = at < text.size() ? text[at] : '\0';
    const std::size_t end = quote == '\'' || quote == '"' ? text.find(quote, at + 1) : std::string::npos;
    if (end == std::string::npos) refuse("a string");
    const std::string value = text.substr(at + 1, end - at - 1);
    if (value.find('\\') != std::string::npos) refuse("a plain string");
    at = end + 1;
    return value;
  }
  bool truth() {
    skip_blanks();
    for (const bool value : {false, true}) {
      const std::string word = value ? "True" : "False";
      if (text.compare(at, word.size(), word) != 0) continue;
      at += word.size();
      return value;
    }
    refuse("True or False");
  }
  Dim whole() {
    skip_blanks();
    constexpr Dim most = std::numeric_limits<Dim>::max();
    const std::size_t begin = at;
    Dim value = 0;
    for (; at < text.size() && std::isdigit(static_cast<unsigned char>(text[at])); ++at) {
      const Dim digit = text[at] - '0';
      if (value > (most - digit) / 10) refuse("a number below 2^63");
      value = value * 10 + digit;
    }
    if (at == begin) refuse("a whole number");
    return value;
  }
  Shape tuple() {
    Shape shape;
    want('(', "a tuple");
    while (!take(')')) {
      if (shape.size() == most_axes) refuse("at most 8 axes");
      shape.push_back(whole());
      if (take(',')) continue;
      want(')', "a comma or the end of the tuple");
      if (shape.size() == 1) refuse("a comma after a single axis");
      break;
    }
    return shape;
  }
};
}  // namespace

NpyHeader read_npy_header(const std::function<std::string(std::int64_t)>& next, const std::string& where) {
  constexpr std::uint32_t most = 1 << 16;
  const std::string magic = next(8);
  if (magic.compare(0, 6, "\x93NUMPY") != 0) fail(where, "an array that begins with \\x93NUMPY is expected, got ", brief(magic));
  const int major = static_cast<unsigned char>(magic[6]), minor = static_cast<unsigned char>(magic[7]);
  require(major >= 1 && major <= 3 && minor == 0, where, "version 1.0, 2.0 or 3.0 of the .npy format is expected, got ", major, ".", minor);
  std::uint32_t length = 0;
  const std::string size = next(major == 1 ? 2 : 4);
  for (std::size_t i = size.size(); i-- > 0;) length = length << 8 | static_cast<unsigned char>(size[i]);
  require(length <= most, where, "an .npy header of at most ", most, " bytes is expected, got ", length);

  NpyHeader header;
  header.bytes = static_cast<std::int64_t>(8 + size.size()) + length;
  const std::string text = next(length);
  Parser parser{text, where};
  std::set<std::string> seen;
  parser.want('{', "a dictionary");
  while (!parser.take('}')) {
    const std::string key = parser.string();
    if (!seen.insert(key).second) fail(where, "each key of the .npy header once is expected, got ", brief(key), " twice");
    parser.want(':', "a colon");
    if (key == "descr")
      header.descr = parser.string();
    else if (key == "fortran_order")
      header.fortran_order = parser.truth();
    else if (key == "shape")
      header.shape = parser.tuple();
    else
      fail(where, "descr, fortran_order and shape are expected in the .npy header, got ", brief(key));
    if (parser.take(',')) continue;
    parser.want('}', "a comma or the end of the dictionary");
    break;
  }
  require(seen.size() == 3, where, "descr, fortran_order and shape are expected in the .npy header, got ", seen.size(), " of them");
  parser.skip_blanks();
  if (parser.at != text.size()) parser.refuse("nothing after the dictionary");
  return header;
}

std::string dtype_of_npy(const std::string& descr) {
  if (descr == "<f4") return "F32";
  if (descr == "<f8") return "F64";
  if (descr == "<f2") return "F16";
  if (descr == "|V2" || descr == "<V2") return "BF16";
  return "";
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
