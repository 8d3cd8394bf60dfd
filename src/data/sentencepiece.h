// sentencepiece.h — the tokenizer of SigLIP 1, for the reader of checkpoint folders.
#pragma once
#include <memory>
#include "data/tokenizer_config.h"

namespace siglip::inline SIGLIP_FLAVOUR {
/// spiece.model of config.folder, with the profile that tokenizer_config.json names ("hf_v1" if none).
std::unique_ptr<Tokenizer> read_sentencepiece(const TokenizerConfig& config, const TokenizerOptions& options);
}  // namespace siglip::inline SIGLIP_FLAVOUR
