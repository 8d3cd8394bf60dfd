// tokenizer.cpp — which tokenizer a folder holds.
#include "siglip/tokenizer.h"
#include <filesystem>
#include <utility>
#include "data/bpe_file.h"
#include "data/sentencepiece.h"
#include "data/words.h"
#include "siglip/checkpoint.h"
#include "siglip/error.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
constexpr std::int64_t most_tokenizer_bytes = 1 << 28;  // the published one has 34 MB
}  // namespace

Ids Tokenizer::encode(const std::vector<std::string>& texts, Device device) const {
  std::vector<std::int32_t> ids;
  ids.reserve(texts.size() * static_cast<std::size_t>(context()));
  for (const std::string& text : texts) {
    const std::vector<std::int32_t> row = encode(text);
    ids.insert(ids.end(), row.begin(), row.end());
  }
  return Ids({static_cast<Dim>(texts.size()), context()}, ids, device);
}

std::unique_ptr<Tokenizer> read_tokenizer(const std::string& folder, const TokenizerOptions& options) {
  std::error_code none;
  if (std::filesystem::exists(folder + "/spiece.model", none)) return read_sentencepiece(read_tokenizer_config(folder), options);
  const std::string file = folder + "/tokenizer.json";
  require(std::filesystem::exists(file, none), folder, "a tokenizer, tokenizer.json or spiece.model, is expected, got neither");
  std::string bytes = read_file(file, most_tokenizer_bytes);
  const std::string type = model_type(bytes, file);
  if (type == "\"BPE\"") return read_gemma(read_tokenizer_config(folder), options, std::move(bytes));
  require(type == "\"WordLevel\"", file, "model type \"WordLevel\" or \"BPE\" is expected, got ", type);
  require(options.lower.value_or(true), file, "learned words are always lowered, got lower = false");
  return words_from_json(parse_json(bytes, file), file);
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
