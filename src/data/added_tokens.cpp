// added_tokens.cpp — the longest token at each place of a text, out of thousands.
#include "data/added_tokens.h"
#include <algorithm>
#include <utility>
#include "io/json.h"
#include "siglip/error.h"

namespace siglip::inline SIGLIP_FLAVOUR {
AddedTokens::AddedTokens(std::vector<AddedToken> tokens, const std::string& where) : tokens_(std::move(tokens)) {
  constexpr std::size_t longest = 256;  // looking for one costs that much at each place of a text; the longest published one has 93
  std::sort(tokens_.begin(), tokens_.end(), [](const AddedToken& a, const AddedToken& b) { return a.content < b.content; });
  for (std::size_t i = 0; i < tokens_.size(); ++i) {
    const std::string& content = tokens_[i].content;
    if (content.empty() || content.size() > longest)
      fail(where, "added tokens of 1 to ", longest, " bytes are expected, got ", content.size(), " of ", brief(content));
    if (i > 0 && content == tokens_[i - 1].content) fail(where, "each added token once is expected, got ", brief(content), " twice");
  }
}

// The sorted list is narrowed byte by byte to those that begin as the text does.
const AddedToken* AddedTokens::at_front(std::string_view text) const {
  const AddedToken* longest = nullptr;
  auto begin = tokens_.begin(), end = tokens_.end();
  for (std::size_t i = 0; i < text.size() && begin != end; ++i) {
    const auto byte = [i](const AddedToken& token) { return static_cast<unsigned char>(token.content[i]); };
    const unsigned char wanted = static_cast<unsigned char>(text[i]);
    begin = std::lower_bound(begin, end, wanted, [&](const AddedToken& token, unsigned char c) { return byte(token) < c; });
    end = std::upper_bound(begin, end, wanted, [&](unsigned char c, const AddedToken& token) { return c < byte(token); });
    if (begin != end && begin->content.size() == i + 1) longest = &*begin++;
  }
  return longest;
}

const AddedToken* AddedTokens::find(std::string_view text) const {
  const auto at =
      std::lower_bound(tokens_.begin(), tokens_.end(), text, [](const AddedToken& token, std::string_view t) { return token.content < t; });
  return at != tokens_.end() && at->content == text ? &*at : nullptr;
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
