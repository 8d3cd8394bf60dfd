// tokenizer_config.cpp — reads and writes the settings of a tokenizer.
#include "data/tokenizer_config.h"
#include <filesystem>
#include "core/limits.h"
#include "siglip/checkpoint.h"
#include "siglip/config.h"
#include "siglip/error.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
constexpr std::int64_t most_bytes = 1 << 24;  // the published one lists all added tokens again
}  // namespace

std::optional<Json> read_object(const std::string& file) {
  std::error_code none;
  if (!std::filesystem::exists(file, none)) return {};
  Json json = parse_json(read_file(file, most_bytes), file);
  require(json.is_object(), file, "an object is expected, got ", brief(json));
  return json;
}

void TokenizerConfig::refuse(const char* key, const std::string& expected) const {
  fail(file, key, " is ", expected, ", got ", json.contains(key) ? brief(json.at(key)) : "none");
}

std::string TokenizerConfig::text(const char* key, const std::string& absent) const {
  if (!json.contains(key) || json.at(key).is_null()) return absent;
  const Json& value = json.at(key);
  const Json& content = value.is_object() && value.contains("content") ? value.at("content") : value;
  if (!content.is_string()) refuse(key, "a string");
  return content.get<std::string>();
}

std::optional<bool> TokenizerConfig::flag(const char* key) const {
  if (!json.contains(key) || json.at(key).is_null()) return {};
  if (!json.at(key).is_boolean()) refuse(key, "true or false");
  return json.at(key).get<bool>();
}

bool TokenizerConfig::lower(const TokenizerOptions& options) const { return options.lower ? *options.lower : flag("do_lower_case").value_or(true); }

Dim TokenizerConfig::context(std::optional<Dim> own) const {
  if (json.contains("model_max_length") && !json.at("model_max_length").is_null()) {
    const Json& length = json.at("model_max_length");
    const double most = static_cast<double>(most_tokens);
    if (!length.is_number() || !(length.get<double>() >= 1)) refuse("model_max_length", "a number from 1");
    if (length.get<double>() <= most) {
      if (!length.is_number_unsigned()) refuse("model_max_length", "a whole number");
      return length.get<Dim>();
    }
  }
  const std::optional<TextSizes> sizes = read_text_sizes(folder);
  if (!sizes && own) return *own;
  require(sizes.has_value(), file, "model_max_length, or a config.json beside it, is expected, got neither");
  return sizes->context;
}

TokenizerConfig read_tokenizer_config(const std::string& folder) {
  TokenizerConfig config{folder, folder + "/tokenizer_config.json"};
  config.json = read_object(config.file).value_or(Json::object());
  return config;
}

std::optional<TextSizes> read_text_sizes(const std::string& folder) {
  const std::string file = folder + "/config.json";
  const std::optional<Json> config = read_object(file);
  if (!config) return {};
  const Json text = config->value("text_config", Json::object());
  require(text.is_object(), file, "text_config is an object, got ", brief(text));
  const auto whole = [&](const char* key, Dim absent, Dim most) {
    const Json value = text.value(key, Json(absent));
    const bool fits = value.is_number_integer() && value.get<std::int64_t>() >= 1 && value.get<std::int64_t>() <= most;
    require(fits, file, "text_config.", key, " is a whole number from 1 to ", most, ", got ", brief(value));
    return value.get<Dim>();
  };
  const SiglipConfig published;
  return TextSizes{whole("max_position_embeddings", published.context, most_tokens), whole("vocab_size", published.vocab_size, most_vocab)};
}

void write_tokenizer_config(const std::string& folder, Json json, const std::string& profile, bool lower, Dim context) {
  json["model_max_length"] = context;
  json["padding_side"] = "right";
  json["do_lower_case"] = lower;
  json["siglip_profile"] = profile;
  write_file(folder + "/tokenizer_config.json", json.dump(2) + "\n");
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
