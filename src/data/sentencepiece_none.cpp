// sentencepiece_none.cpp — stands in for sentencepiece.cpp in a build without libsentencepiece (SIGLIP_SENTENCEPIECE=OFF).
#include "data/sentencepiece.h"
#include "siglip/error.h"

namespace siglip::inline SIGLIP_FLAVOUR {
std::unique_ptr<Tokenizer> read_sentencepiece(const TokenizerConfig& config, const TokenizerOptions&) {
  fail(config.folder + "/spiece.model",
       "a build with libsentencepiece is expected (SIGLIP_SENTENCEPIECE=ON; Debian: libsentencepiece-dev), got one without");
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
