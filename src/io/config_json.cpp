// config_json.cpp — config.json, as transformers' SiglipModel reads and writes it.
//
// The published files leave out what equals the library's default, so absent keys get the published base model's value. Present ones are
// believed only if they are what this model computes. Keys that do not bear on that (dropout, versions, token ids
// that CLIP left behind, the dtype or torch_dtype that the weights were saved in: their file says it itself) are passed over.
#include "core/limits.h"
#include "io/section.h"
#include "io/tensor_names.h"
#include "siglip/checkpoint.h"
#include "siglip/error.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
constexpr double default_eps = 1e-6;

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
  if (const Json& type = *root.find("model_type"); type.is_string())
    if (const auto other = other_model(type.get<std::string>()))
      fail(root.file, "model_type is \"siglip\", got ", brief(type), ": this is ", other->what, "; ", other->cure);
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
  config.vision_head = vision.flag("vision_use_head", config.vision_head);
  for (const Section& tower : {vision, text})
    if (const double eps = tower.number("layer_norm_eps", default_eps); !(eps > 0 && eps < 1)) tower.refuse("layer_norm_eps", "between 0 and 1");
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
}  // namespace siglip::inline SIGLIP_FLAVOUR
