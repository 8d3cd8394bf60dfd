// tokenizer_config.h — what stands beside a tokenizer in its folder: tokenizer_config.json, and config.json of the model.
#pragma once
#include <optional>
#include <string>
#include "io/json.h"
#include "siglip/tokenizer.h"

namespace siglip::inline SIGLIP_FLAVOUR {
/// What a file holds, an object; none if there is no such file. Throws Error naming it for anything else.
std::optional<Json> read_object(const std::string& file);

/// tokenizer_config.json, as an empty object where there is none. Every function throws Error naming file and key.
struct TokenizerConfig {
  std::string folder, file;
  Json json = Json::object();

  /// A string, or the "content" of an object; `absent` if there is none.
  std::string text(const char* key, const std::string& absent) const;
  std::optional<bool> flag(const char* key) const;
  /// options.lower, else do_lower_case, else yes.
  bool lower(const TokenizerOptions& options) const;
  /// T: model_max_length; if that is absent, or the huge number that stands for "not known", max_position_embeddings of config.json;
  /// without that file, what the tokenizer's own file says.
  Dim context(std::optional<Dim> own = {}) const;
  [[noreturn]] void refuse(const char* key, const std::string& expected) const;
};
TokenizerConfig read_tokenizer_config(const std::string& folder);

/// text_config of the model's config.json with its published defaults; none without that file.
struct TextSizes {
  Dim context, vocab_size;
};
std::optional<TextSizes> read_text_sizes(const std::string& folder);

/// What was read, with what was understood of it: siglip_profile, do_lower_case, model_max_length, padding on the right.
void write_tokenizer_config(const std::string& folder, Json json, const std::string& profile, bool lower, Dim context);
}  // namespace siglip::inline SIGLIP_FLAVOUR
