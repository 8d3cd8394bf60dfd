// words.h — the word-level tokenizer, for the reader of checkpoint folders.
#pragma once
#include <memory>
#include <string>
#include "io/json.h"
#include "siglip/tokenizer.h"

namespace siglip::inline SIGLIP_FLAVOUR {
/// From a parsed tokenizer.json of exactly the form that Tokenizer::save writes. `file` opens the message of an Error.
std::unique_ptr<Tokenizer> words_from_json(const Json& json, const std::string& file);
}  // namespace siglip::inline SIGLIP_FLAVOUR
