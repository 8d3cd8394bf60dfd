// config_json.cpp — config.json and preprocessor_config.json, as transformers' SiglipModel and SiglipImageProcessor read and write them.
//
// The published files leave out what equals the library's default, so absent keys get the published base model's value. Present ones are
// believed only if they are what this model computes. Keys that do not bear on that (dropout, versions, token ids
// that CLIP left behind, the dtype or torch_dtype that the weights were saved in: their file says it itself) are passed over.
#include <cmath>
#include <utility>
#include "core/limits.h"
#include "io/json.h"
#include "siglip/checkpoint.h"
#include "siglip/error.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
constexpr std::int64_t most_bytes = 1 << 20;
constexpr double default_eps = 1e-6, rescale = 1.0 / 255;

// An object of a file and how messages call its keys: "config.json: vision_config.hidden_size".
struct Section {
  Json json;
  std::string file, prefix;

  const Json* find(const char* key) const {
    const auto found = json.find(key);
    return found == json.end() ? nullptr : &*found;
  }
  [[noreturn]] void refuse(const char* key, const std::string& expected) const {
    const Json* value = find(key);
    fail(file, prefix, key, " is ", expected, ", got ", value ? brief(*value) : "none");
  }
  Dim whole(const char* key, Dim absent, Dim most) const {
    const Json* value = find(key);
    if (!value) return absent;
    const bool fits =
        value->is_number_unsigned() && value->get<std::uint64_t>() >= 1 && value->get<std::uint64_t>() <= static_cast<std::uint64_t>(most);
    if (!fits) refuse(key, "a whole number from 1 to " + std::to_string(most));
    return value->get<Dim>();
  }
  double number(const char* key, double absent) const {
    const Json* value = find(key);
    if (!value) return absent;
    if (!value->is_number()) refuse(key, "a number");
    return value->get<double>();
  }
  bool truth(const char* key, bool absent) const {
    const Json* value = find(key);
    if (!value) return absent;
    if (!value->is_boolean()) refuse(key, "true or false");
    return value->get<bool>();
  }
  /// Present, it must be this.
  void only(const char* key, const Json& expected) const {
    const Json* value = find(key);
    if (value && *value != expected) refuse(key, brief(expected));
  }
  Section section(const char* key) const {
    const Json* value = find(key);
    if (value && !value->is_object()) refuse(key, "an object");
    return {value ? *value : Json::object(), file, prefix + key + "."};
  }
};

Section read_section(const std::string& file) {
  Json json = parse_json(read_file(file, most_bytes), file);
  require(json.is_object(), file, "an object is expected, got ", brief(json));
  return {std::move(json), file, ""};
}

EncoderConfig read_encoder(const Section& tower) {
  const EncoderConfig base;
  tower.only("hidden_act", "gelu_pytorch_tanh");
  return {tower.whole("hidden_size", base.width, most_width), tower.whole("num_hidden_layers", base.layers, most_layers),
          tower.whole("num_attention_heads", base.heads, most_width), tower.whole("intermediate_size", base.mlp, most_mlp)};
}

Json encoder_json(const char* model_type, const EncoderConfig& encoder, double layer_norm_eps) {
  return {{"model_type", model_type},
          {"hidden_size", encoder.width},
          {"intermediate_size", encoder.mlp},
          {"num_hidden_layers", encoder.layers},
          {"num_attention_heads", encoder.heads},
          {"hidden_act", "gelu_pytorch_tanh"},
          {"layer_norm_eps", layer_norm_eps},
          {"attention_dropout", 0.0}};
}
}  // namespace

SiglipConfig read_config(const std::string& folder) {
  const Section root = read_section(folder + "/config.json");
  if (!root.find("model_type")) root.refuse("model_type", "\"siglip\"");
  if (*root.find("model_type") == "siglip2")
    fail(root.file, "model_type is \"siglip\", got \"siglip2\": NaFlex models, of variable resolution, are not supported");
  root.only("model_type", "siglip");
  const Section text = root.section("text_config"), vision = root.section("vision_config");
  text.only("model_type", "siglip_text_model");
  vision.only("model_type", "siglip_vision_model");
  vision.only("num_channels", 3);

  SiglipConfig config;
  config.vision = read_encoder(vision);
  config.text = read_encoder(text);
  config.image_size = vision.whole("image_size", config.image_size, most_pixels);
  config.patch_size = vision.whole("patch_size", config.patch_size, most_pixels);
  config.vocab_size = text.whole("vocab_size", config.vocab_size, most_vocab);
  config.context = text.whole("max_position_embeddings", config.context, most_tokens);
  config.projection = text.whole("projection_size", config.text.width, most_width);
  config.vision_head = vision.truth("vision_use_head", config.vision_head);
  config.layer_norm_eps = vision.number("layer_norm_eps", default_eps);
  if (text.number("layer_norm_eps", default_eps) != config.layer_norm_eps) text.refuse("layer_norm_eps", "that of vision_config");
  validate(config, root.file);
  return config;
}

void write_config(const std::string& folder, const SiglipConfig& config) {
  const std::string file = folder + "/config.json";
  validate(config, file);
  Json text = encoder_json("siglip_text_model", config.text, config.layer_norm_eps);
  text.update({{"vocab_size", config.vocab_size},
               {"max_position_embeddings", config.context},
               {"projection_size", config.projection},
               {"pad_token_id", 1},
               {"bos_token_id", 1},
               {"eos_token_id", 1}});
  Json vision = encoder_json("siglip_vision_model", config.vision, config.layer_norm_eps);
  vision.update({{"num_channels", 3}, {"image_size", config.image_size}, {"patch_size", config.patch_size}});
  if (!config.vision_head) vision["vision_use_head"] = false;
  const Json json = {{"architectures", Json::array({"SiglipModel"})},
                     {"model_type", "siglip"},
                     {"initializer_factor", 1.0},
                     {"text_config", text},
                     {"vision_config", vision}};
  write_file(file, json.dump(2) + "\n");
}

Preprocessing read_preprocessing(const std::string& folder) {
  const Section root = read_section(folder + "/preprocessor_config.json");
  root.only("image_processor_type", "SiglipImageProcessor");
  for (const char* step : {"do_resize", "do_rescale", "do_normalize"}) root.only(step, true);
  if (!(std::abs(root.number("rescale_factor", rescale) - rescale) < 1e-9)) root.refuse("rescale_factor", "1/255");
  const Json halves = Json::array({0.5, 0.5, 0.5});
  root.only("image_mean", halves);
  root.only("image_std", halves);

  Preprocessing preprocessing;
  const Section size = root.section("size");
  preprocessing.image_size = size.whole("height", preprocessing.image_size, most_pixels);
  if (size.whole("width", preprocessing.image_size, most_pixels) != preprocessing.image_size) size.refuse("width", "the height");
  if (const Json* resample = root.find("resample")) {
    if (*resample != 2 && *resample != 3) root.refuse("resample", "2 (bilinear) or 3 (bicubic)");
    preprocessing.resample = resample->get<int>();
  }
  return preprocessing;
}

void write_preprocessing(const std::string& folder, const Preprocessing& preprocessing) {
  const Json halves = Json::array({0.5, 0.5, 0.5});
  const Json json = {{"image_processor_type", "SiglipImageProcessor"},
                     {"do_resize", true},
                     {"size", {{"height", preprocessing.image_size}, {"width", preprocessing.image_size}}},
                     {"resample", preprocessing.resample},
                     {"do_rescale", true},
                     {"rescale_factor", rescale},
                     {"do_normalize", true},
                     {"image_mean", halves},
                     {"image_std", halves}};
  write_file(folder + "/preprocessor_config.json", json.dump(2) + "\n");
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
