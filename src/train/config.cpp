// config.cpp — the settings of a run: one list of names serves JSON, --set and the command line.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <type_traits>
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
  require(value.is_string(), where, "a string is expected, got ", brief(value));
  field = value.get<std::string>();
}
void assign(bool& field, const Json& value, const std::string& where) {
  require(value.is_boolean(), where, "true or false is expected, got ", brief(value));
  field = value.get<bool>();
}
void assign(Dim& field, const Json& value, const std::string& where) {
  require(value.is_number_integer() && (!value.is_number_unsigned() || value.get<std::uint64_t>() <= INT64_MAX), where,
          "a whole number is expected, got ", brief(value));
  field = value.get<Dim>();
}
void assign(double& field, const Json& value, const std::string& where) {
  require(value.is_number() && std::isfinite(value.get<double>()), where, "a finite number is expected, got ", brief(value));
  field = value.get<double>();
}

void assign(TrainConfig& config, const std::string& key, const Json& value, const std::string& where) {
  bool found = false;
  each_field(config, [&](const char* name, auto& field, const char*) {
    if (key != name) return;
    found = true;
    assign(field, value, where + ": " + key);
  });
  if (!found) fail(where, "unknown setting \"", key, "\"", nearest(key, field_names()));
}
}  // namespace

namespace {
bool is_utf8(const std::string& text) {
  try {
    Json(text).dump();
    return true;
  } catch (const Json::type_error&) {
    return false;
  }
}

// Names of files are bytes, which JSON cannot hold unless they are UTF-8.
void require_utf8(const TrainConfig& config, const std::string& file) {
  TrainConfig copy = config;
  each_field(copy, [&](const char* name, auto& field, const char*) {
    if constexpr (std::is_same_v<decltype(field), std::string&>)
      require(is_utf8(field), file.empty() ? flag_of(name) : file + ": " + name, "UTF-8 is expected, since train.json stores it, got ", brief(field));
  });
}
}  // namespace

std::string to_json(const TrainConfig& config) {
  require_utf8(config, "");
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

std::string flag_of(std::string name) {
  std::replace(name.begin(), name.end(), '_', '-');
  return "--" + name;
}

namespace {
// As short as it can be without being another number: 0.9999999 is not 1.
std::string shortest(double value) {
  char text[32];
  return {text, std::to_chars(text, text + sizeof text, value).ptr};
}

struct Checks {
  const std::string& file;
  std::string where(const char* name) const { return file.empty() ? flag_of(name) : file + ": " + name; }
  void word(const char* name, const std::string& value, const std::vector<std::string>& choices) const { require_word(value, choices, where(name)); }
  void real(const char* name, double value, double low, double high) const {
    require(value >= low && value <= high, where(name), "a number from ", shortest(low), " to ", shortest(high), " is expected, got ",
            shortest(value));
  }
  void whole(const char* name, Dim value, Dim low, Dim high) const {
    require(value >= low && value <= high, where(name), "a whole number from ", low, " to ", high, " is expected, got ", value);
  }
};
}  // namespace

void validate(const TrainConfig& c, const std::string& file) {
  const Checks check{file};
  constexpr Dim most = 1'000'000'000;
  require_utf8(c, file);
  require(!c.data.empty(), check.where("data"), "a folder or table of pictures and texts is expected, got nothing");
  preset(c.model, check.where("model"));
  require(!c.name.empty() && c.name != "." && c.name != ".." && c.name.find('/') == std::string::npos, check.where("name"),
          "a name of a folder, without /, is expected, got \"", c.name, "\"");
  check.word("loss", c.loss, {"sigmoid", "softmax"});
  check.word("positives", c.positives, {"diagonal", "caption"});
  check.word("reduction", c.reduction, {"per_image", "mean"});
  check.word("filter", c.filter, {"bilinear", "bicubic"});
  check.word("device", c.device, {"cpu", "cuda"});
  find_precision(c.matmul_precision, c.device == "cuda" ? Device::cuda : Device::cpu, check.where("matmul_precision"));
  check.whole("steps", c.steps, 0, most);
  check.real("epochs", c.epochs, 0, 1e6);
  check.real("minutes", c.minutes, 0, 1e6);
  require(c.batch_size == 0 || (c.batch_size >= 2 && c.batch_size <= 1 << 20), check.where("batch_size"),
          "0, for as many as the data need, or a whole number from 2 to ", 1 << 20, " is expected, got ", c.batch_size);
  check.real("lr", c.lr, 0, 10);
  check.real("wd", c.wd, 0, 100);
  check.real("beta1", c.beta1, 0, 0.9999999);
  check.real("beta2", c.beta2, 0, 0.9999999);
  check.real("grad_clip", c.grad_clip, 0, 1e9);
  check.whole("warmup", c.warmup, -1, most);
  if (c.shift != -1) check.real("shift", c.shift, 0, 1);
  if (c.scale != -1) check.real("scale", c.scale, 0, 0.9);
  check.real("flip", c.flip, 0, 1);
  check.real("val_fraction", c.val_fraction, 0, 0.9);
  parse_fold(c.fold, check.where("fold"));
  check.whole("schedule_start", c.schedule_start, 0, most);
  check.real("schedule_rate", c.schedule_rate, 0, 1);
  check.whole("image_size", c.image_size, 0, most_pixels);
  check.whole("patch_size", c.patch_size, 0, most_pixels);
  check.whole("width", c.width, 0, most_width);
  check.whole("layers", c.layers, 0, most_layers);
  check.whole("heads", c.heads, 0, most_width);
  check.whole("mlp", c.mlp, 0, most_mlp);
  check.whole("context", c.context, 0, most_tokens);
  check.whole("threads", c.threads, 0, most_threads);
  check.whole("seed", c.seed, 0, most * 1'000'000);
  check.whole("eval_every", c.eval_every, 0, most);
  check.whole("save_every", c.save_every, 0, most);
  Candidates::parse(c.candidates, check.where("candidates"));
  initial_bias(c, 2, check.where("bias_init"));
  model_config(c, 3, file.empty() ? "the model's settings" : file);
}

Fold parse_fold(const std::string& text, const std::string& where) {
  if (text.empty()) return {};
  Fold fold;
  const char* const end = text.data() + text.size();
  const auto part = std::from_chars(text.data(), end, fold.part);
  const auto parts =
      part.ptr != end && *part.ptr == '/' ? std::from_chars(part.ptr + 1, end, fold.parts) : std::from_chars_result{end, std::errc::invalid_argument};
  const bool whole = part.ec == std::errc() && parts.ec == std::errc() && parts.ptr == end;
  require(whole && fold.parts >= 2 && fold.part >= 1 && fold.part <= fold.parts, where,
          "a part and the number of parts, as 1/5 to 5/5, are expected, got \"", text, "\"");
  return fold;
}

DataOptions data_options(const TrainConfig& c) {
  const Fold fold = parse_fold(c.fold);
  return {c.image_column, c.text_column, c.text_template, c.val_fraction, fold.part, fold.parts, !c.no_follow};
}

bool is_small(Dim pairs) { return pairs < 5000; }

Dim steps_for(Dim pairs, Dim batch_size) {
  constexpr Dim passes = 30, fewest = 1000;  // few data do not become more by passing through them sooner
  return std::max(fewest, passes * Loader::steps_per_epoch(pairs, batch_size));
}

namespace {
// A quarter of the pairs, as a power of two from 16 to 256, so that an epoch has several steps and a batch many mismatches.
Dim batch_for(Dim pairs) {
  Dim batch = 16;
  while (batch < 256 && 8 * batch <= pairs) batch *= 2;
  return std::max<Dim>(2, std::min(batch, pairs));
}
}  // namespace

std::string choose_for_data(TrainConfig& c, Dim named, Dim pairs) {
  std::string chosen;
  const auto choose = [&](const char* name, auto& setting, auto value) {
    setting = value;
    chosen += " " + flag_of(name) + " " + shortest(double(value));
  };
  if (c.batch_size == 0) choose("batch_size", c.batch_size, batch_for(pairs));
  if (c.steps == 0 && c.minutes == 0) {
    const double a_pass = double(std::max<Dim>(1, Loader::steps_per_epoch(pairs, c.batch_size)));
    if (c.epochs > 0)
      c.steps = static_cast<Dim>(std::ceil(c.epochs * a_pass));
    else
      choose("steps", c.steps, steps_for(pairs, c.batch_size));
  }
  if (c.shift == -1) choose("shift", c.shift, is_small(named) ? 0.1 : 0.0);
  if (c.scale == -1) choose("scale", c.scale, is_small(named) ? 0.25 : 0.0);
  return chosen.empty() ? "" : "chosen for " + std::to_string(pairs) + " pairs:" + chosen;
}

double rate_at(const TrainConfig& c, Dim step) {
  const Dim at = step - c.schedule_start, total = c.steps - c.schedule_start;
  if (c.schedule_start == 0) return cosine_rate(at, c.warmup, total);
  const Dim warmup = std::min(c.warmup, total / 10);
  if (at >= warmup) return cosine_rate(at, warmup, total);
  return c.schedule_rate + (1 - c.schedule_rate) * double(at) / double(warmup);
}

MatmulPrecision find_precision(const std::string& name, Device device, const std::string& where) {
  require_word(name, {"f32", "tf32", "bf16"}, where);
  require(name == "f32" || device != Device::cpu, where, "f32 is expected on the CPU, got ", name, ", which needs --device cuda");
  if (name == "bf16") return MatmulPrecision::bf16;
  return name == "tf32" ? MatmulPrecision::tf32 : MatmulPrecision::f32;
}

double initial_bias(const TrainConfig& c, Dim batch, const std::string& where) {
  if (c.loss == "softmax") return 0;  // it has no bias
  if (c.bias_init == "auto") return auto_bias(batch);
  double b = 0;
  const auto [end, error] = std::from_chars(c.bias_init.data(), c.bias_init.data() + c.bias_init.size(), b);
  const bool whole = error == std::errc() && end == c.bias_init.data() + c.bias_init.size() && std::isfinite(b);
  require(whole, where, "auto or a finite number is expected, got \"", c.bias_init, "\"");
  return b;
}

namespace {
// Where and how fast a run goes on; anything else would change its numbers. (So do device and matmul_precision, by their rounding. Data have their
// fingerprint.)
const std::vector<std::string> changeable{"data", "threads", "save_every", "device", "matmul_precision"};
}  // namespace

bool may_change(const std::string& name) { return std::find(changeable.begin(), changeable.end(), name) != changeable.end(); }

std::string changeable_settings() {
  std::string list;
  for (const std::string& name : changeable) list += (list.empty() ? "" : name == changeable.back() ? " and " : ", ") + name;
  return list + " may change, and steps may grow";
}

SiglipConfig model_config(const TrainConfig& c, Dim vocab_size, const std::string& where) {
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
  validate(model, where);
  return model;
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
