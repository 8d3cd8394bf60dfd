// webp_none.cpp — stands in for webp.cpp in a build without libwebp (SIGLIP_WEBP=OFF).
#include "data/decode.h"
#include "siglip/error.h"

namespace siglip::inline SIGLIP_FLAVOUR {
Decoded decode_webp(std::string_view, const Container&, Alpha, const std::string& name) {
  fail(name, "a build with libwebp is expected for a WebP picture (SIGLIP_WEBP=ON; Debian: libwebp-dev), got one without");
}
std::string webp_decoder() { return ""; }
}  // namespace siglip::inline SIGLIP_FLAVOUR
