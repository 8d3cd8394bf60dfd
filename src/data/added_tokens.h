// added_tokens.h — tokens that are looked for in a text before all else, as they are written.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>
#include "siglip/real.h"

namespace siglip::inline SIGLIP_FLAVOUR {
struct AddedToken {
  std::string content;
  std::int32_t id = 0;
  bool strips_left = false, strips_right = false;  // white space around it
};

/// Any number of them costs no more at a place of a text than their length does.
class AddedTokens {
 public:
  AddedTokens() = default;
  /// Throws Error, which `where` opens, for an empty content, one that stands twice, or one of more than 256 bytes.
  AddedTokens(std::vector<AddedToken> tokens, const std::string& where);

  /// The longest one at the front of `text`, or null.
  const AddedToken* at_front(std::string_view text) const;
  /// The one that is `text`, or null.
  const AddedToken* find(std::string_view text) const;
  const std::vector<AddedToken>& sorted() const { return tokens_; }  // by content

 private:
  std::vector<AddedToken> tokens_;
};
}  // namespace siglip::inline SIGLIP_FLAVOUR
