// config.cpp — the released shapes, and what makes a shape a model.
#include "siglip/config.h"
#include <algorithm>
#include <limits>
#include <utility>
#include "core/limits.h"
#include "siglip/error.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
// Encoders: width, layers, heads, mlp.                                            source  Alabdulmohsin et al. 2023 for So400m
constexpr EncoderConfig nano{48, 2, 3, 192}, tiny{96, 3, 3, 384};
constexpr EncoderConfig base{768, 12, 12, 3072}, large{1024, 24, 16, 4096}, so400m{1152, 27, 16, 4304}, giant_opt{1536, 40, 16, 6144};
constexpr Dim english = 32000, multilingual = 250000, gemma = 256000;  // vocabularies

struct Preset {
  const char* name;
  EncoderConfig vision, text;
  Dim image_size, patch_size, vocab_size, context;
};
constexpr Preset presets[] = {
    {"nano", nano, nano, 32, 8, english, 16},
    {"tiny", tiny, tiny, 32, 8, english, 16},
    // SigLIP, Zhai et al. 2023.
    {"siglip-base-patch16-224", base, base, 224, 16, english, 64},
    {"siglip-base-patch16-256", base, base, 256, 16, english, 64},
    {"siglip-base-patch16-384", base, base, 384, 16, english, 64},
    {"siglip-base-patch16-512", base, base, 512, 16, english, 64},
    {"siglip-large-patch16-256", large, large, 256, 16, english, 64},
    {"siglip-large-patch16-384", large, large, 384, 16, english, 64},
    {"siglip-so400m-patch14-224", so400m, so400m, 224, 14, english, 16},
    {"siglip-so400m-patch14-384", so400m, so400m, 384, 14, english, 64},
    {"siglip-base-patch16-256-i18n", base, base, 256, 16, multilingual, 64},
    {"siglip-so400m-patch16-256-i18n", so400m, so400m, 256, 16, multilingual, 64},
    // SigLIP 2, Tschannen et al. 2025, fixed resolution.
    {"siglip2-base-patch32-256", base, base, 256, 32, gemma, 64},
    {"siglip2-base-patch16-224", base, base, 224, 16, gemma, 64},
    {"siglip2-base-patch16-256", base, base, 256, 16, gemma, 64},
    {"siglip2-base-patch16-384", base, base, 384, 16, gemma, 64},
    {"siglip2-base-patch16-512", base, base, 512, 16, gemma, 64},
    {"siglip2-large-patch16-256", large, large, 256, 16, gemma, 64},
    {"siglip2-large-patch16-384", large, large, 384, 16, gemma, 64},
    {"siglip2-large-patch16-512", large, large, 512, 16, gemma, 64},
    {"siglip2-so400m-patch14-224", so400m, so400m, 224, 14, gemma, 64},
    {"siglip2-so400m-patch14-384", so400m, so400m, 384, 14, gemma, 64},
    {"siglip2-so400m-patch16-256", so400m, so400m, 256, 16, gemma, 64},
    {"siglip2-so400m-patch16-384", so400m, so400m, 384, 16, gemma, 64},
    {"siglip2-so400m-patch16-512", so400m, so400m, 512, 16, gemma, 64},
    {"siglip2-giant-opt-patch16-256", giant_opt, so400m, 256, 16, gemma, 64},
    {"siglip2-giant-opt-patch16-384", giant_opt, so400m, 384, 16, gemma, 64},
};

void validate(const EncoderConfig& encoder, const std::string& tower, const std::string& where) {
  const auto within = [&](const char* field, Dim value, Dim most) {
    require(value >= 1 && value <= most, where, tower, " ", field, " is 1 to ", most, ", got ", value);
  };
  within("width", encoder.width, most_width);
  within("layers", encoder.layers, most_layers);
  within("heads", encoder.heads, most_width);
  within("mlp", encoder.mlp, most_mlp);
  require(encoder.width % encoder.heads == 0, where, tower, " heads divide width ", encoder.width, ", got ", encoder.heads);
}

// Levenshtein 1966: insertions, deletions, substitutions.
std::size_t edit_distance(const std::string& a, const std::string& b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t substituted = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = std::exchange(row[j], std::min({row[j] + 1, row[j - 1] + 1, substituted}));
    }
  }
  return row[b.size()];
}
}  // namespace

void validate(const SiglipConfig& config, const std::string& where) {
  validate(config.vision, "vision", where);
  validate(config.text, "text", where);
  const auto within = [&](const char* field, Dim value, Dim most) {
    require(value >= 1 && value <= most, where, field, " is 1 to ", most, ", got ", value);
  };
  within("image_size", config.image_size, most_pixels);
  within("patch_size", config.patch_size, most_pixels);
  within("vocab_size", config.vocab_size, most_vocab);
  within("context", config.context, most_tokens);
  within("projection", config.projection, most_width);
  require(config.patch_size <= config.image_size, where, "patch_size is at most image_size ", config.image_size, ", got ", config.patch_size);
  require(config.patches() <= most_tokens, where, "an image has at most ", most_tokens, " patches, got ", config.patches());
  require(config.projection == config.vision.width || !config.vision_head, where, "projection is the vision width ", config.vision.width, ", got ",
          config.projection);
  require(config.layer_norm_eps > 0 && config.layer_norm_eps < 1, where, "layer_norm_eps is between 0 and 1, got ", config.layer_norm_eps);
}

SiglipConfig preset(const std::string& name, const std::string& where) {
  for (const Preset& p : presets)
    if (name == p.name) return {p.vision, p.text, p.image_size, p.patch_size, p.vocab_size, p.context, p.vision.width, 1e-6, true};
  fail(where, "the name of a known model is expected, got \"", name, "\"", nearest(name, preset_names()));
}

std::vector<std::string> preset_names() {
  std::vector<std::string> names;
  for (const Preset& p : presets) names.emplace_back(p.name);
  return names;
}

std::string nearest(const std::string& word, const std::vector<std::string>& choices) {
  const std::string* best = nullptr;
  std::size_t least = std::numeric_limits<std::size_t>::max();
  for (const std::string& choice : choices)
    if (const std::size_t distance = edit_distance(word, choice); distance < least) least = distance, best = &choice;
  return best && 2 * least <= std::max(word.size(), best->size()) ? "; the nearest is \"" + *best + "\"" : "";
}

void require_word(const std::string& word, const std::vector<std::string>& choices, const std::string& where) {
  std::string list;
  for (const std::string& choice : choices) {
    if (word == choice) return;
    list += (list.empty() ? "" : ", ") + choice;
  }
  fail(where, "one of ", list, " is expected, got \"", word, "\"", nearest(word, choices));
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
