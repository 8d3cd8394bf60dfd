// reference_runs.cpp — the three kinds of reference case: a model's outputs and gradients, the loss alone, a training.
#include "check/reference_runs.h"
#include <algorithm>
#include <cmath>
#include <filesystem>
#include "io/json.h"
#include "siglip/error.h"
#include "siglip/loss.h"
#include "siglip/model.h"
#include "siglip/optim.h"
#include "siglip/tape.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
Siglip load_model(const std::string& folder, Device device) {
  Siglip model(read_config(folder));
  move_to(model.parameters(), device);
  load_parameters(folder, model.parameters());
  return model;
}

Tensor read_onto(const SafetensorsFile& file, const char* name, Device device) {
  const Tensor x = file.read(name);
  x.move_to(device);
  return x;
}

// Rows of u against rows of v. u (N, E), v (M, E) → (N, M)
Tensor logits(const Tensor& u, const Tensor& v, const Siglip& model) {
  const Tensor l = matmul(u, v).to(Device::cpu);
  const Real t = std::exp(model.log_t.item()), b = model.b.item();
  for (Dim i = 0; i < l.size(); ++i) l.data()[i] = t * l.data()[i] + b;
  return l;
}

Json read_settings(const std::string& path) {
  Json json = parse_json(read_file(path, 1 << 20), path);
  require(json.is_object(), path, "an object is expected, got ", brief(json));
  return json;
}

double number(const Json& settings, const char* key, const std::string& path) {
  require(settings.contains(key) && settings[key].is_number(), path, key, " is a number, got ",
          settings.contains(key) ? brief(settings[key]) : "none");
  return settings[key].get<double>();
}

// model.json is there where pictures are of another size than the model's: its positions are then interpolated as transformers does it.
bool interpolates_positions(const std::string& folder) {
  const std::string path = folder + "/model.json", key = "interpolate_pos_encoding";
  if (!std::filesystem::exists(path)) return false;
  const Json settings = read_settings(path);
  require(settings.contains(key) && settings[key].is_boolean(), path, key, " is true or false, got ",
          settings.contains(key) ? brief(settings[key]) : "none");
  return settings[key].get<bool>();
}

void name_states(std::map<std::string, Tensor>& values, const char* tower, const Tensors& hidden) {
  for (std::size_t i = 0; i < hidden.size(); ++i) values.emplace(std::string("hidden.") + tower + "." + std::to_string(i), hidden[i]);
}
}  // namespace

// ---- a model ---------------------------------------------------------------------------------------------------------------------------

namespace {
// What the model says of an input is said of the file that holds it.
template <class Call>
auto of_file(const std::string& path, const Call& call) {
  try {
    return call();
  } catch (const Error& e) {
    throw Error(path + ": " + e.what());
  }
}
}  // namespace

Outcome run_model(const std::string& folder, const std::vector<TensorInfo>& wanted, Device device) {
  const auto any = [&](const auto& holds) { return std::any_of(wanted.begin(), wanted.end(), [&](const TensorInfo& t) { return holds(t.name); }); };
  const auto begins = [](const char* prefix) { return [prefix](const std::string& name) { return name.starts_with(prefix); }; };
  const bool gradients = any(begins("grad.")), loss = gradients || any(begins("loss")), both = loss || any(begins("logits_per_"));
  const bool vision_states = any(begins("hidden.vision.")), text_states = any(begins("hidden.text."));

  Siglip model = load_model(folder + "/model", device);
  const SafetensorsFile inputs(folder + "/inputs.safetensors");
  const bool embeds = both || any(begins("image_embeds"));
  require(!embeds || model.config.vision_head, folder, "a model with a head is expected for image_embeds, logits and loss, got one without");
  Outcome outcome;
  if (gradients)
    for (const Parameter& p : model.parameters()) outcome.leaves.emplace(p.name, p.value.require_grad());

  Tape tape;
  Tensor u, v;
  Tensors hidden;
  if (embeds || vision_states) {
    const Tensor images = read_onto(inputs, "pixel_values", device);
    if (interpolates_positions(folder) && images.rank() == 4) model = at_resolution(model, images.dim(3), PositionFilter::bicubic);
    of_file(inputs.path(), [&] {
      const Tensor last = model.vision.hidden(images, vision_states ? &hidden : nullptr);
      if (embeds) u = l2_normalize(model.vision.head(last));
    });
    if (embeds) outcome.values.emplace("image_embeds", u);
    name_states(outcome.values, "vision", hidden);
    hidden.clear();
  }
  if (both || text_states || any(begins("text_embeds"))) {
    const Ids ids = inputs.read_ids("input_ids");
    v = of_file(inputs.path(), [&] { return l2_normalize(model.text.pooled(ids.to(device), text_states ? &hidden : nullptr)); });
    outcome.values.emplace("text_embeds", v);
    name_states(outcome.values, "text", hidden);
  }
  if (both) {
    outcome.values.emplace("logits_per_image", logits(u, v, model));
    outcome.values.emplace("logits_per_text", logits(v, u, model));
  }
  if (loss) {
    const Tensor L = sigmoid_loss(u, v, model.log_t, model.b);
    outcome.values.emplace("loss", L);
    if (gradients) tape.backward(L);
  }
  return outcome;
}

// ---- the loss alone --------------------------------------------------------------------------------------------------------------------

Outcome run_loss(const std::string& folder, Device device) {
  const std::string path = folder + "/loss.json";
  const Json settings = read_settings(path), reduction = settings.contains("reduction") ? settings["reduction"] : Json();
  require(reduction == "per_image" || reduction == "mean", path, "reduction is \"per_image\" or \"mean\", got ", brief(reduction));
  const SafetensorsFile inputs(folder + "/inputs.safetensors");
  Outcome outcome;
  for (const char* name : {"image_embeds", "text_embeds", "logit_scale", "logit_bias"})
    outcome.leaves.emplace(name, read_onto(inputs, name, device).require_grad());
  Labels labels;
  if (inputs.find("image_ids") || inputs.find("text_ids")) labels = {inputs.read_ids("image_ids").to(device), inputs.read_ids("text_ids").to(device)};

  Tape tape;
  const auto leaf = [&](const char* name) { return outcome.leaves.at(name); };
  const Tensor loss = sigmoid_loss(leaf("image_embeds"), leaf("text_embeds"), leaf("logit_scale"), leaf("logit_bias"), labels,
                                   reduction == "mean" ? Reduction::mean : Reduction::per_image);
  outcome.values.emplace("loss", loss);
  tape.backward(loss);
  return outcome;
}

// ---- a training ------------------------------------------------------------------------------------------------------------------------

namespace {
struct Pairs {
  Tensor images;                   // (N, 3, S, S)
  std::vector<std::int32_t> ids;   // N rows of T
  std::vector<std::int32_t> rows;  // of all steps, B each
  Dim steps = 0, B = 0;

  explicit Pairs(const std::string& path) {
    const SafetensorsFile inputs(path);
    images = inputs.read("pixel_values");
    const Ids all = inputs.read_ids("input_ids"), batches = inputs.read_ids("batches");
    require(images.rank() == 4 && all.shape().size() == 2 && all.shape()[0] == images.dim(0), path, "as many texts as images are expected, got ",
            all.shape(), " for ", images.shape());
    require(batches.shape().size() == 2 && batches.size() > 0 && batches.smallest() >= 0 && batches.largest() < images.dim(0), path,
            "batches (steps, B) of pairs 0 to ", images.dim(0) - 1, " are expected, got shape ", batches.shape(), " with ", batches.smallest(),
            " to ", batches.largest());
    require(batches.shape()[1] <= images.dim(0), path, "batches of at most all ", images.dim(0), " pairs are expected, got ", batches.shape()[1]);
    ids = all.to_vector(), rows = batches.to_vector();
    steps = batches.shape()[0], B = batches.shape()[1];
  }
  Tensor batch_images(Dim step, Device device) const {
    const Dim each = images.size() / images.dim(0);
    Tensor batch({B, images.dim(1), images.dim(2), images.dim(3)});
    for (Dim k = 0; k < B; ++k) std::copy_n(images.data() + row(step, k) * each, each, batch.data() + k * each);
    batch.move_to(device);
    return batch;
  }
  Ids batch_ids(Dim step, Device device) const {
    const Dim T = static_cast<Dim>(ids.size()) / images.dim(0);
    std::vector<std::int32_t> batch;
    for (Dim k = 0; k < B; ++k) batch.insert(batch.end(), ids.begin() + row(step, k) * T, ids.begin() + (row(step, k) + 1) * T);
    return Ids({B, T}, batch, device);
  }
  Dim row(Dim step, Dim k) const { return rows[static_cast<std::size_t>(step * B + k)]; }
};
}  // namespace

Outcome run_training(const std::string& folder, Device device) {
  const std::string path = folder + "/train.json";
  const Json settings = read_settings(path);
  const auto setting = [&](const char* key) { return number(settings, key, path); };
  const double lr = setting("lr"), clip = setting("clip");
  const Dim warmup = static_cast<Dim>(setting("warmup"));
  const Siglip model = load_model(folder + "/model", device);
  const Pairs pairs(folder + "/inputs.safetensors");
  AdamW optimizer(model.parameters(), {setting("beta1"), setting("beta2"), setting("eps"), setting("weight_decay")});

  std::vector<Real> losses, norms;
  for (Dim step = 0; step < pairs.steps; ++step) {
    Tape tape;
    const Tensor loss = sigmoid_loss(model.vision(pairs.batch_images(step, device)), model.text(pairs.batch_ids(step, device)), model.log_t, model.b);
    tape.backward(loss);
    const double norm = global_grad_norm(optimizer.parameters());
    require(std::isfinite(norm), folder, "a finite gradient is expected, got none at step ", step);
    optimizer.step(lr * cosine_rate(step, warmup, pairs.steps), clip_factor(norm, clip));
    optimizer.zero_grad();
    losses.push_back(loss.item()), norms.push_back(static_cast<Real>(norm));
  }
  Outcome outcome;
  outcome.values = {{"losses", Tensor::from({pairs.steps}, losses)}, {"grad_norms", Tensor::from({pairs.steps}, norms)}};
  for (const Parameter& p : model.parameters()) outcome.values.emplace("weight." + p.name, p.value);
  return outcome;
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
