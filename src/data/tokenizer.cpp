// tokenizer.cpp — which tokenizer a folder holds.
#include "siglip/tokenizer.h"
#include <filesystem>
#include "data/sentencepiece.h"
#include "data/words.h"
#include "siglip/checkpoint.h"
#include "siglip/error.h"

namespace siglip::inline SIGLIP_FLAVOUR {
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
  const Json json = parse_json(read_file(file, 1 << 28), file);
  require(json.is_object(), file, "an object is expected, got ", json.type_name());
  const auto model = json.find("model");
  require(model != json.end() && model->is_object(), file, "an object \"model\" is expected, got none");
  const auto type = model->find("type");
  require(type != model->end() && *type == "WordLevel", file, "model type \"WordLevel\" is expected, got ",
          type == model->end() ? "none" : brief(*type));
  require(options.lower.value_or(true), file, "learned words are always lowered, got lower = false");
  return words_from_json(json, file);
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
