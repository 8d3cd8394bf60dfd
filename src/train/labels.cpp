// labels.cpp — labels.json of a checkpoint: what the pictures of the training were called.
#include <algorithm>
#include <filesystem>
#include <set>
#include "io/json.h"
#include "siglip/error.h"
#include "siglip/train.h"
#include "train/fields.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
constexpr std::size_t most_captions = 10'000;  // more are no list of labels
constexpr const char* file_name = "/labels.json";
}  // namespace

KnownLabels labels_of(const DataSet& data) {
  if (!data.classes.empty()) return {true, data.text_template, data.classes};
  KnownLabels labels;
  std::set<std::string> seen;
  for (const Pair& pair : data.split("train").pairs)
    if (seen.insert(pair.text).second) labels.names.push_back(pair.text);
  if (labels.names.size() > most_captions) labels.names.clear();
  return labels;
}

void write_labels(const std::string& folder, const KnownLabels& labels) {
  const Json json{{"kind", labels.classes ? "classes" : "captions"}, {"text_template", labels.text_template}, {"names", labels.names}};
  write_file(folder + file_name, json.dump(2) + "\n");
}

KnownLabels read_labels(const std::string& folder) {
  const std::string path = folder + file_name;
  std::error_code none;
  if (!std::filesystem::exists(path, none)) return {};
  const Json json = parse_json(read_file(path), path);
  if (!json.is_object() || !json.contains("kind")) return {};  // {"0": "cat"}, as others use the name
  const auto is_text = [](const Json& value) { return value.is_string(); };
  const bool whole = (json["kind"] == "classes" || json["kind"] == "captions") && json.contains("text_template") &&
                     json["text_template"].is_string() && json.contains("names") && json["names"].is_array() &&
                     std::all_of(json["names"].begin(), json["names"].end(), is_text);
  require(whole, path, "an object with kind (classes or captions), text_template and names [text] is expected, got ", brief(json));
  KnownLabels labels{json["kind"] == "classes", json["text_template"], json["names"]};
  fill_template(labels.text_template, "", path + ": text_template");
  return labels;
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
