// tensors.cpp — names and shapes in the file against those that config.json asks for, and what a misfit usually means.
#include "doctor/tensors.h"
#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include "doctor/findings.h"
#include "io/listing.h"
#include "siglip/checkpoint.h"
#include "siglip/error.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
using Shapes = std::map<std::string, Shape>;

// "vision_model.encoder.layers.7.mlp.fc1.weight" → "vision_model.encoder.layers.*.mlp.fc1.weight": one line for all blocks.
std::string pattern_of(const std::string& name) {
  const std::string mark = ".layers.";
  const std::size_t begin = name.find(mark);
  if (begin == std::string::npos) return name;
  const std::size_t digits = begin + mark.size(), end = name.find('.', digits);
  return end == std::string::npos ? name : name.substr(0, digits) + "*" + name.substr(end);
}

// Tensors of one kind, in the order in which they were met.
struct Group {
  std::vector<std::string> patterns;
  std::size_t count = 0;
  void add(const std::string& name) {
    ++count;
    const std::string pattern = pattern_of(name);
    if (std::find(patterns.begin(), patterns.end(), pattern) == patterns.end()) patterns.push_back(pattern);
  }
  std::string text() const {
    constexpr std::size_t most = 4;
    std::string line;
    for (std::size_t i = 0; i < std::min(most, patterns.size()); ++i) line += (i ? ", " : "") + patterns[i];
    if (patterns.size() > most) line += ", and " + std::to_string(patterns.size() - most) + " more kinds";
    return line + (count > 1 ? " (" + std::to_string(count) + " tensors)" : "");
  }
};

class Misfits {
 public:
  Misfits(const SiglipConfig& config, Shapes expected, Shapes found) : config_(config), expected_(std::move(expected)), found_(std::move(found)) {}

  std::vector<Finding> explain() {
    if (another_prefix()) return findings_;
    compare_shapes();
    explain_missing();
    explain_left_over();
    return findings_;
  }

 private:
  void add(const std::string& name, const std::string& seen, const std::string& cause, const std::string& advice) {
    findings_.push_back(mistaken("tensors", name, seen, cause, advice));
  }
  bool another_prefix();
  void compare_shapes();
  bool explain_table(const std::string& name, const Shape& wanted, const Shape& got);
  void explain_missing();
  void explain_left_over();

  const SiglipConfig& config_;
  Shapes expected_, found_;
  std::vector<Finding> findings_;
};

// Every name of the model behind the same first words, and names of other things beside them: else they are read without.
bool Misfits::another_prefix() {
  for (const auto& [name, shape] : found_) {
    const std::size_t at = name.find("logit_scale");
    if (at == std::string::npos || at == 0) continue;
    const std::string prefix = name.substr(0, at);
    std::size_t matched = 0;
    for (const auto& wanted : expected_) matched += found_.contains(prefix + wanted.first);
    if (matched < expected_.size() / 2) continue;
    add("prefix", "the model's names begin with \"" + prefix + "\"", "it was saved as a part of another one, whose other tensors are there too",
        "keep the tensors of the model alone; then the names are read without it");
    return true;
  }
  return false;
}

void Misfits::compare_shapes() {
  Group transposed, flat, other;
  std::string example;
  for (const auto& [name, wanted] : expected_) {
    const auto found = found_.find(name);
    if (found == found_.end() || found->second == wanted) continue;
    const Shape& got = found->second;
    if (explain_table(name, wanted, got)) continue;
    if (got.size() == 2 && got == Shape(wanted.rbegin(), wanted.rend())) {
      if (!transposed.count) example = shape_text(got) + " where " + shape_text(wanted) + " is right";
      transposed.add(name);
    } else if (element_count(got) == element_count(wanted)) {
      flat.add(name + " " + shape_text(got) + " for " + shape_text(wanted));
    } else {
      other.add(name + " " + shape_text(got) + " for " + shape_text(wanted));
    }
  }
  if (transposed.count)
    add("transposed-weights", "transposed are " + transposed.text() + ": " + example, "a converter kept (inputs, outputs), as Flax has them",
        "transpose every linear weight, the square ones too, whose shapes cannot show it");
  if (flat.count) add("reshaped", "of another shape, but as large, are " + flat.text(), "a converter kept another layout", "reshape or permute them");
  if (other.count)
    add("shapes", "of another size are " + other.text(), "config.json and the weights are of different models", "take both from one folder");
}

// The tables whose length the configuration gives, and the patch kernel.
bool Misfits::explain_table(const std::string& name, const Shape& wanted, const Shape& got) {
  if (name == "vision_model.embeddings.patch_embedding.weight") {
    const Dim C = wanted[0], P = wanted[2];
    if (got != Shape{P, P, 3, C} && got != Shape{C, P, P, 3} && got != Shape{C, 3 * P * P}) return false;
    add("patch-flatten-order", "the patch kernel is " + shape_text(got), "it must be (C, 3, rows, columns) = " + shape_text(wanted),
        "permute its axes; (P, P, 3, C) is Flax's order");
    return true;
  }
  if (got.size() != 2 || wanted.size() != 2 || got[1] != wanted[1]) return false;
  if (name == "vision_model.embeddings.position_embedding.weight") {
    const Dim edge = static_cast<Dim>(std::llround(std::sqrt(double(got[0])))), P = config_.patch_size;
    const std::string rows = std::to_string(got[0]) + " positions for " + std::to_string(wanted[0]) + " patches";
    if (got[0] == wanted[0] + 1)
      add("class-token", rows, "one is for a class token, as CLIP has it", "SigLIP has no class token: these are another model's weights");
    else if (edge * edge == got[0])
      add("image-size", rows, "the table is for pictures of " + std::to_string(edge * P) + " pixels",
          "write \"image_size\": " + std::to_string(edge * P) + " (or what it was published with, below " + std::to_string((edge + 1) * P) +
              "), or resample the table");
    else
      return false;
    return true;
  }
  if (name == "text_model.embeddings.position_embedding.weight") {
    add("context", std::to_string(got[0]) + " text positions for max_position_embeddings = " + std::to_string(wanted[0]),
        "the context length cannot be chosen: the last position is pooled", "write \"max_position_embeddings\": " + std::to_string(got[0]));
    return true;
  }
  if (name == "text_model.embeddings.token_embedding.weight") {
    add("vocabulary", std::to_string(got[0]) + " token embeddings for vocab_size = " + std::to_string(wanted[0]), "config.json is another model's",
        "write \"vocab_size\": " + std::to_string(got[0]));
    return true;
  }
  return false;
}

void Misfits::explain_missing() {
  std::map<std::string, Group> groups;  // by what is missing as a whole
  std::map<std::string, std::size_t> sizes;
  const std::vector<std::string> wholes{"vision_model.head.", "text_model.head.", "logit_bias", "logit_scale", ""};
  const auto whole_of = [&](const std::string& name) {
    return *std::find_if(wholes.begin(), wholes.end(), [&](const std::string& w) { return name.starts_with(w); });
  };
  for (const auto& wanted : expected_) {
    ++sizes[whole_of(wanted.first)];
    if (!found_.contains(wanted.first)) groups[whole_of(wanted.first)].add(wanted.first);
  }
  for (const auto& [whole, group] : groups) {
    if (!group.count) continue;
    const bool all = group.count == sizes[whole];
    if (whole == "vision_model.head." && all)
      add("no-head", "the MAP head (vision_model.head.*) is missing", "the folder was made from a tower without its head, or the head was dropped",
          "convert again with the head: without it picture and text embeddings do not meet");
    else if (whole == "text_model.head." && all)
      add("no-text-head", "text_model.head is missing", "big_vision's i18n So400m has none, there it is the identity; elsewhere it was dropped",
          "for that model write an identity weight and a bias of zeros, else convert again");
    else if (whole == "logit_bias")
      add("no-bias", "logit_bias is missing", "CLIP has none: these are CLIP's weights, or the converter dropped it",
          "convert again; it is about -10 to -16");
    else if (whole == "logit_scale")
      add("no-scale", "logit_scale is missing", "the converter dropped it", "convert again; it is the logarithm of t, about 4.7");
    else
      add("missing", "missing are " + group.text(), "the weights are incomplete, or have other names", "compare with `siglip inspect`");
  }
}

void Misfits::explain_left_over() {
  Group split, projection, cls, head, other;
  for (const auto& entry : found_) {
    const std::string& name = entry.first;
    if (expected_.contains(name) || is_position_ids(name)) continue;
    if (!config_.vision_head && name.starts_with("vision_model.head."))
      head.add(name);
    else if (name.starts_with("vision_model.head.attention.") && name.find("_proj.") != std::string::npos)
      split.add(name);
    else if (name.find("visual_projection") != std::string::npos || name.find("text_projection") != std::string::npos)
      projection.add(name);
    else if (name.find("class_embedding") != std::string::npos || name.find("cls_token") != std::string::npos)
      cls.add(name);
    else
      other.add(name);
  }
  if (split.count)
    add("map-in-proj-split", "the MAP head has " + split.text(), "its queries, keys and values are one tensor in_proj_weight (3C, C)",
        "stack them in this order: queries, keys, values");
  if (projection.count || cls.count)
    add("clip-weights", "there are " + (projection.count ? projection : cls).text(), "only CLIP has such tensors", "take the weights of a SigLIP");
  if (head.count)
    add("no-head", "vision_use_head is false, but there are " + head.text(), "config.json drops the head that the weights have",
        "remove the key vision_use_head from config.json");
  if (other.count)
    add("left-over", "nothing uses " + other.text(), "the weights are of another model, or config.json has fewer blocks",
        "take both from one folder");
}
}  // namespace

std::vector<Finding> examine_tensors(const std::string& folder, const Siglip& model) {
  Shapes expected, found;
  for (const Parameter& p : model.parameters()) expected.emplace(p.name, p.value.shape());
  std::vector<Finding> cut;
  try {
    const Weights weights(folder);
    for (const SafetensorsFile& file : weights.files())
      for (const TensorInfo& info : file.tensors()) found.emplace(info.name, info.shape);
    if (!weights.cut().empty())
      cut.push_back(noted("tensors", "the names of the weights have \"" + weights.cut() + "\" in them",
                          "they were saved with what wrapped the model (torch.compile, DistributedDataParallel, a module around it)",
                          "they are read without it; `siglip convert` writes them without it"));
    std::vector<Finding> findings = Misfits(model.config, expected, found).explain();
    if (findings.empty()) attach_parameters(folder, model.parameters());
    if (findings.empty())
      findings.push_back(
          healthy("tensors", "all " + std::to_string(expected.size()) + " tensors are there, each of the shape that config.json asks for"));
    append(cut, findings);
    return cut;
  } catch (const Error& e) {
    const std::string said = e.what();  // some errors name their cure themselves
    if (said.find("; download or copy") != std::string::npos) return {mistaken("tensors", "file", said, "", "")};
    return {mistaken("tensors", "file", said, "the file is damaged, or holds other numbers than weights", "download or convert it again")};
  }
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
