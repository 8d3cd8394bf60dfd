// json_scan.h — JSON from front to back without a tree: for the few large values, as a vocabulary, that a tree would take seconds to hold.
#pragma once
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include "siglip/real.h"

namespace siglip::inline SIGLIP_FLAVOUR {
/// Reads one value after the other. Throws Error "where: …" with the byte where something else than asked for stands.
class JsonScan {
 public:
  /// `text` outlives the scan and the strings it gives; those that hold escapes are kept in `unescaped`.
  JsonScan(std::string_view text, const std::string& where, std::deque<std::string>& unescaped) : text_(text), where_(where), unescaped_(unescaped) {}

  /// Takes the character if it is the next one that is no white space.
  bool take(char c);
  void expect(char c);
  /// A string in UTF-8, without its quotes.
  std::string_view string();
  /// A whole number of 0 to 2^31 - 1.
  std::int32_t whole();
  /// The text of the next value, whatever it is. Only brackets and quotes are looked at: parse_json says whether it is JSON.
  std::string_view value();
  std::size_t at() const { return at_; }
  void end();  // nothing but white space is left

 private:
  [[noreturn]] void refuse(const char* expected) const;
  void skip_blanks();
  std::string_view unescape(std::string_view raw);
  char32_t hex(std::string_view raw, std::size_t at) const;

  std::string_view text_;
  const std::string& where_;
  std::deque<std::string>& unescaped_;
  std::size_t at_ = 0;
};
}  // namespace siglip::inline SIGLIP_FLAVOUR
