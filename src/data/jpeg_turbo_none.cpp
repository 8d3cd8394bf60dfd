// jpeg_turbo_none.cpp — stands in for jpeg_turbo.cpp in a build without libjpeg-turbo (SIGLIP_JPEG_TURBO=OFF): stb decodes, always in full.
#include "data/decode.h"
#include "data/stb.h"

namespace siglip::inline SIGLIP_FLAVOUR {
Decoded decode_jpeg(std::string_view file, const Container& container, Dim) { return stb_decode(file, container, Alpha::drop); }
std::string jpeg_decoder() { return "stb_image"; }
}  // namespace siglip::inline SIGLIP_FLAVOUR
