// emoji_none.cpp — stands in for emoji.cpp in a build without FreeType and HarfBuzz.
#include "siglip/data.h"
#include "siglip/error.h"

namespace siglip::inline SIGLIP_FLAVOUR {
bool has_emoji() { return false; }

void make_emoji(const std::string&, const EmojiOptions&) {
  fail("make_emoji", "a build with FreeType and HarfBuzz is expected (Debian: libfreetype-dev libharfbuzz-dev), got one without");
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
