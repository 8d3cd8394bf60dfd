// weights.cpp — the tensors of a checkpoint folder: one file or shards, and every one of them accounted for.
#include <algorithm>
#include <filesystem>
#include <set>
#include <utility>
#include "io/dtype.h"
#include "io/json.h"
#include "io/listing.h"
#include "io/tensor_names.h"
#include "siglip/checkpoint.h"
#include "siglip/error.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
constexpr const char *single = "model.safetensors", *sharded = "model.safetensors.index.json";

bool is_there(const std::string& path) {
  std::error_code none;
  return std::filesystem::exists(std::filesystem::symlink_status(path, none));
}

// A plain name of a safetensors file: no way out of the folder, and never the index itself.
bool is_shard_name(const std::string& name) {
  constexpr std::size_t longest = 255;
  if (name.size() > longest || name.starts_with('.') || !name.ends_with(".safetensors")) return false;
  return std::none_of(name.begin(), name.end(), [](unsigned char c) { return c < 32 || c == 127 || c == '/' || c == '\\'; });
}
}  // namespace

bool has_weights(const std::string& folder) { return is_there(folder + "/" + single) || is_there(folder + "/" + sharded); }

Weights::Weights(const std::string& folder) {
  const bool index = !is_there(folder + "/" + single) && is_there(folder + "/" + sharded);
  path_ = folder + "/" + (index ? sharded : single);
  if (index)
    read_index();
  else
    files_.emplace_back(path_);
  unwrap_names();
  for (std::size_t i = 0; i < files_.size(); ++i)
    for (const TensorInfo& tensor : files_[i].tensors()) places_[tensor.name] = i;
}

void Weights::read_index() {
  constexpr std::int64_t most_bytes = 1 << 24;
  constexpr std::size_t most_shards = 200;
  const Json json = parse_json(read_file(path_, most_bytes), path_);
  const bool is_index = json.is_object() && json.contains("weight_map") && json["weight_map"].is_object();
  if (!is_index) fail(path_, "an object with a weight_map is expected, got ", brief(json));

  std::map<std::string, std::map<std::string, bool>> wanted;  // shard → its tensors, and whether they were found
  for (const auto& [tensor, shard] : json["weight_map"].items()) {
    const bool plain = shard.is_string() && is_shard_name(shard.get<std::string>());
    if (!plain) fail(path_, "names of .safetensors files in the same folder are expected, got ", brief(shard), " for ", brief(tensor));
    wanted[shard.get<std::string>()][tensor] = false;
    if (wanted.size() > most_shards) fail(path_, "at most ", most_shards, " shards are expected, got more");
  }
  require(!wanted.empty(), path_, "at least one tensor is expected, got none");
  const std::string folder = path_.substr(0, path_.size() - std::string(sharded).size());
  Listing missing;
  for (const auto& [shard, tensors] : wanted)
    if (!is_there(folder + shard)) missing.add(shard);
  if (missing.count)
    fail(path_, wanted.size(), wanted.size() == 1 ? " file of weights is" : " files of weights are", " expected beside it, got ",
         wanted.size() - missing.count, missing.sentence("missing"), "; download or copy what is missing");
  for (auto& [shard, tensors] : wanted) {
    const SafetensorsFile& file = files_.emplace_back(folder + shard);
    for (const TensorInfo& tensor : file.tensors()) {
      const auto found = tensors.find(tensor.name);
      if (found == tensors.end() && !is_position_ids(unwrapped({tensor.name})[0]))
        fail(file.path(), "only tensors that the index places there are expected, got ", brief(tensor.name));
      if (found != tensors.end()) found->second = true;
    }
    for (const auto& [tensor, is_found] : tensors)
      if (!is_found && !is_position_ids(unwrapped({tensor})[0])) fail(file.path(), "the index places ", brief(tensor), " there, got no such tensor");
  }
}

// The names of all files together: what they have in common is seen only there.
void Weights::unwrap_names() {
  std::vector<std::string> names;
  for (const SafetensorsFile& file : files_)
    for (const TensorInfo& tensor : file.tensors()) names.push_back(tensor.name);
  const std::vector<std::string> kept = unwrapped(names);
  if (kept == names) return;
  const std::size_t wrapped = static_cast<std::size_t>(std::mismatch(names.begin(), names.end(), kept.begin()).first - names.begin());
  const std::string &name = names[wrapped], &own = kept[wrapped];
  const auto at = std::mismatch(own.begin(), own.end(), name.begin(), name.end()).first - own.begin();
  cut_ = name.substr(static_cast<std::size_t>(at), name.size() - own.size());
  auto next = kept.begin();
  for (SafetensorsFile& file : files_) {
    const auto end = next + std::ssize(file.tensors());
    file.rename({next, end});
    next = end;
  }
}

const SafetensorsFile* Weights::find(const std::string& name) const {
  const auto found = places_.find(name);
  return found == places_.end() ? nullptr : &files_[found->second];
}

void refuse_other_model(const Weights& weights) {
  std::vector<std::string> names;
  for (const SafetensorsFile& file : weights.files())
    for (const TensorInfo& info : file.tensors()) names.push_back(info.name);
  if (const auto other = other_model(names)) fail(weights.path(), "a model of pictures and texts is expected, got ", other->what, "; ", other->cure);
}

bool is_position_ids(const std::string& name) {
  return name == "text_model.embeddings.position_ids" || name == "vision_model.embeddings.position_ids";
}

namespace {
// Every parameter with the file that holds it; one Error for all that does not fit.
std::vector<std::pair<const SafetensorsFile*, const Parameter*>> places(const Weights& weights, const Parameters& parameters) {
  std::vector<std::pair<const SafetensorsFile*, const Parameter*>> places;
  Listing missing, misshapen, left_over;
  std::set<std::string> wanted;
  for (const Parameter& parameter : parameters) {
    require(wanted.insert(parameter.name).second, weights.path(), "each parameter once is expected, got ", brief(parameter.name), " twice");
    const SafetensorsFile* file = weights.find(parameter.name);
    places.emplace_back(file, &parameter);
    if (!file) {
      missing.add(parameter.name);
      continue;
    }
    const TensorInfo& info = *file->find(parameter.name);
    if (info.shape != parameter.value.shape() || !is_real(info.dtype))
      misshapen.add(parameter.name + " " + shape_text(parameter.value.shape()) + " is " + info.dtype + " " + shape_text(info.shape));
  }
  for (const SafetensorsFile& file : weights.files())
    for (const TensorInfo& info : file.tensors())
      if (!wanted.contains(info.name) && !is_position_ids(info.name)) left_over.add(brief(info.name));
  if (missing.count) refuse_other_model(weights);
  require(missing.count + misshapen.count + left_over.count == 0, weights.path(), "exactly the model's ", parameters.size(), " tensors are expected",
          missing.sentence("missing"), misshapen.sentence("misshapen"), left_over.sentence("left over"));
  return places;
}
}  // namespace

void load_parameters(const std::string& folder, const Parameters& parameters) {
  const Weights weights(folder);
  for (const auto& [file, parameter] : places(weights, parameters)) file->read_into(parameter->name, parameter->value);
}

void attach_parameters(const std::string& folder, const Parameters& parameters) {
  const Weights weights(folder);
  for (const auto& [file, parameter] : places(weights, parameters)) file->attach(parameter->name, parameter->value);
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
