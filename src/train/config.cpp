// config.cpp — the settings of a run: one list of names serves JSON, --set and the command line.
#include <charconv>
#include <cmath>
#include "core/limits.h"
#include "io/json.h"
#include "siglip/error.h"
#include "siglip/loss.h"
#include "train/fields.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
std::vector<std::string> field_names() {
  std::vector<std::string> names;
  TrainConfig c;
  each_field(c, [&](const char* name, auto&, const char*) { names.push_back(name); });
  return names;
}

void assign(std::string& field, const Json& value, const std::string& where) {
  require(value.is_string(), where, "a string is expected, got ", value.dump());
  field = value.get<std::string>();
}
void assign(bool& field, const Json& value, const std::string& where) {
  require(value.is_boolean(), where, "true or false is expected, got ", value.dump());
  field = value.get<bool>();
}
void assign(Dim& field, const Json& value, const std::string& where) {
  require(value.is_number_integer() && (!value.is_number_unsigned() || value.get<std::uint64_t>() <= INT64_MAX), where,
          "a whole number is expected, got ", value.dump());
  field = value.get<Dim>();
}
void assign(double& field, const Json& value, const std::string& where) {
  require(value.is_number() && std::isfinite(value.get<double>()), where, "a finite number is expected, got ", value.dump());
  field = value.get<double>();
}

void assign(TrainConfig& config, const std::string& key, const Json& value, const std::string& where) {
  bool found = false;
  each_field(config, [&](const char* name, auto& field, const char*) {
    if (key != name) return;
    found = true;
    assign(field, value, where + ": " + key);
  });
  if (!found) fail(where, "unknown setting \"", key, "\"; the nearest is \"", nearest(key, field_names()), "\"");
}
}  // namespace

std::string to_json(const TrainConfig& config) {
  TrainConfig copy = config;
  Json json;
  each_field(copy, [&](const char* name, auto& field, const char*) { json[name] = field; });
  return json.dump(2) + "\n";
}

void read_json(TrainConfig& config, const std::string& text, const std::string& where) {
  const Json json = parse_json(text, where);
  require(json.is_object(), where, "an object of settings is expected, got ", json.type_name());
  for (const auto& [key, value] : json.items()) assign(config, key, value, where);
}

void set(TrainConfig& config, const std::string& assignment) {
  const std::size_t equals = assignment.find('=');
  require(equals != std::string::npos && equals > 0, "--set", "key=value is expected, got \"", assignment, "\"");
  const std::string key = assignment.substr(0, equals), value = assignment.substr(equals + 1);
  // A value is JSON where that is what the setting wants (numbers, true, false), else text as it stands.
  bool text = false;
  each_field(config,
             [&](const char* name, auto& field, const char*) { text = text || (key == name && std::is_same_v<decltype(field), std::string&>); });
  assign(config, key, text ? Json(value) : parse_json(value, "--set " + key), "--set");
}

void validate(const TrainConfig& c) {
  const auto one_of = [](const char* flag, const std::string& value, const std::vector<std::string>& choices) {
    for (const std::string& choice : choices)
      if (value == choice) return;
    fail(flag, "one of ", choices, " is expected, got \"", value, "\"; the nearest is \"", nearest(value, choices), "\"");
  };
  const auto within = [](const char* flag, double value, double low, double high) {
    require(value >= low && value <= high, flag, "a number from ", low, " to ", high, " is expected, got ", value);
  };
  require(!c.data.empty(), "--data", "a folder or table of pictures and texts is expected, got nothing");
  preset(c.model);
  require(!c.name.empty() && c.name.find('/') == std::string::npos, "--name", "a name without / is expected, got \"", c.name, "\"");
  one_of("--loss", c.loss, {"sigmoid", "softmax"});
  one_of("--positives", c.positives, {"diagonal", "caption"});
  one_of("--reduction", c.reduction, {"per_image", "mean"});
  one_of("--filter", c.filter, {"bilinear", "bicubic"});
  one_of("--device", c.device, {"cpu", "cuda"});
  find_precision(c.matmul_precision, c.device == "cuda" ? Device::cuda : Device::cpu);
  within("--steps", double(c.steps), 0, 1e9);
  within("--epochs", c.epochs, 0, 1e6);
  within("--batch-size", double(c.batch_size), 2, 1 << 20);
  within("--lr", c.lr, 0, 10);
  within("--wd", c.wd, 0, 100);
  within("--beta1", c.beta1, 0, 0.9999999);
  within("--beta2", c.beta2, 0, 0.9999999);
  within("--grad-clip", c.grad_clip, 0, 1e9);
  within("--warmup", double(c.warmup), -1, 1e9);
  within("--shift", c.shift, 0, 1);
  within("--scale", c.scale, 0, 0.9);
  within("--flip", c.flip, 0, 1);
  within("--val-fraction", c.val_fraction, 0, 0.9);
  within("--threads", double(c.threads), 0, double(most_threads));
  within("--seed", double(c.seed), 0, 1e15);
  within("--eval-every", double(c.eval_every), 0, 1e9);
  within("--save-every", double(c.save_every), 0, 1e9);
  Candidates::parse(c.candidates);
  initial_bias(c, 2);
}

MatmulPrecision find_precision(const std::string& name, Device device) {
  require(name == "f32" || name == "tf32" || name == "bf16", "--matmul-precision", "f32, tf32 or bf16 is expected, got \"", name, "\"");
  require(name == "f32" || device != Device::cpu, "--matmul-precision", "f32 is expected on the CPU, got ", name, ", which needs --device cuda");
  if (name == "bf16") return MatmulPrecision::bf16;
  return name == "tf32" ? MatmulPrecision::tf32 : MatmulPrecision::f32;
}

double initial_bias(const TrainConfig& c, Dim batch) {
  if (c.loss == "softmax") return 0;  // it has no bias
  if (c.bias_init == "auto") return auto_bias(batch);
  double b = 0;
  const auto [end, error] = std::from_chars(c.bias_init.data(), c.bias_init.data() + c.bias_init.size(), b);
  const bool whole = error == std::errc() && end == c.bias_init.data() + c.bias_init.size() && std::isfinite(b);
  require(whole, "--bias-init", "auto or a finite number is expected, got \"", c.bias_init, "\"");
  return b;
}

SiglipConfig model_config(const TrainConfig& c, Dim vocab_size) {
  SiglipConfig model = preset(c.model);
  const auto override = [](Dim& field, Dim value) { field = value ? value : field; };
  override(model.image_size, c.image_size);
  override(model.patch_size, c.patch_size);
  override(model.context, c.context);
  for (EncoderConfig* tower : {&model.vision, &model.text}) {
    override(tower->width, c.width);
    override(tower->layers, c.layers);
    override(tower->heads, c.heads);
    override(tower->mlp, c.mlp ? c.mlp : c.width * 4);
  }
  if (c.width) model.projection = c.width;
  model.vocab_size = vocab_size;
  validate(model, "the model's settings");
  return model;
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
