// tensor_names.cpp — wrappers that training code leaves in names, and models that are not both towers.
#include "io/tensor_names.h"
#include <algorithm>
#include <array>
#include <set>
#include <string_view>

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
using namespace std::string_view_literals;
constexpr std::array wrappers{"_orig_mod"sv, "module"sv, "_fsdp_wrapped_module"sv, "_checkpoint_wrapped_module"sv};
constexpr std::array roots{"logit_scale"sv, "logit_bias"sv, "vision_model"sv, "text_model"sv};

template <std::size_t n>
bool is_one_of(const std::array<std::string_view, n>& list, std::string_view part) {
  return std::find(list.begin(), list.end(), part) != list.end();
}

std::string without_wrappers(std::string_view name) {
  std::string kept;
  while (!name.empty()) {
    const std::size_t dot = std::min(name.find('.'), name.size());
    if (!is_one_of(wrappers, name.substr(0, dot))) kept.append(kept.empty() ? "" : ".").append(name.substr(0, dot));
    name.remove_prefix(std::min(dot + 1, name.size()));
  }
  return kept;
}

// What stands before the model's own part: "model." of "model.vision_model.head.probe"; none without such a part.
std::optional<std::string> before_root(const std::string& name) {
  for (std::size_t begin = 0; begin < name.size();) {
    const std::size_t dot = std::min(name.find('.', begin), name.size());
    if (is_one_of(roots, std::string_view(name).substr(begin, dot - begin))) return name.substr(0, begin);
    begin = dot + 1;
  }
  return std::nullopt;
}
}  // namespace

std::vector<std::string> unwrapped(const std::vector<std::string>& names) {
  std::vector<std::string> short_names;
  std::set<std::optional<std::string>> before;
  for (const std::string& name : names) {
    short_names.push_back(without_wrappers(name));
    before.insert(before_root(short_names.back()));
  }
  if (before.size() == 1 && before.begin()->has_value())
    for (std::string& name : short_names) name.erase(0, (*before.begin())->size());
  const std::set<std::string> distinct(short_names.begin(), short_names.end());
  return distinct.size() == names.size() && !distinct.contains("") ? short_names : names;
}

std::optional<OtherModel> other_model(const std::vector<std::string>& names) {
  const auto any = [&](std::string_view first) {
    return std::any_of(names.begin(), names.end(), [&](const auto& n) { return n.starts_with(first); });
  };
  const bool vision = any("vision_model."), text = any("text_model.");
  if (any("classifier.") && !text)
    return OtherModel{"classification-head", "a SiglipForImageClassification, which knows fixed classes and has no text tower (classifier.weight)",
                      "take the SiglipModel that it was made from"};
  if (vision != text)
    return OtherModel{"half", vision ? "the image tower alone (no tensor of text_model)" : "the text tower alone (no tensor of vision_model)",
                      "save the whole SiglipModel"};
  return std::nullopt;
}

std::optional<OtherModel> other_model(const std::string& model_type) {
  if (model_type == "siglip_vision_model" || model_type == "siglip_text_model")
    return OtherModel{"half", "the " + std::string(model_type == "siglip_text_model" ? "text" : "image") + " tower alone",
                      "save the whole SiglipModel"};
  return std::nullopt;
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
