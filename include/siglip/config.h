// config.h — the shape of a model: what config.json holds.
#pragma once
#include <string>
#include <vector>
#include "siglip/real.h"

namespace siglip::inline SIGLIP_FLAVOUR {
/// A transformer encoder: `layers` pre-norm blocks of `width` C, `heads` H, hidden width of the MLP `mlp`.
struct EncoderConfig {
  Dim width = 768, layers = 12, heads = 12, mlp = 3072;
  bool operator==(const EncoderConfig&) const = default;
};

/// Fields carry the defaults that a published config.json leaves out.
struct SiglipConfig {
  EncoderConfig vision, text;
  Dim image_size = 224, patch_size = 16;  // pixels, square
  Dim vocab_size = 32000, context = 64;   // V, T: every text is padded to exactly `context` tokens
  Dim projection = 768;                   // E; equals vision.width, because the image tower has no projection
  double layer_norm_eps = 1e-6;
  bool vision_head = true;  // the MAP head; a model without it (vision_use_head: false) has hidden states of pictures, but no image embedding

  Dim grid() const { return patch_size ? image_size / patch_size : 0; }  // patches along an edge; leftover pixels on the right and bottom are unused
  Dim patches() const { return grid() * grid(); }
  bool operator==(const SiglipConfig&) const = default;
};
/// Throws Error if the fields do not make a model: sizes from 1 up to sane bounds, heads divide width, a patch fits the image,
/// projection = vision.width (where there is a head). `where` (a file, a flag) opens the message.
void validate(const SiglipConfig& config, const std::string& where);

/// The shape of a named model: `nano` and `tiny` for demos (vocab_size is set from the data), and the released ones by their published
/// names, `siglip-base-patch16-224` … `siglip2-giant-opt-patch16-384`. Throws Error naming the nearest name; `where` (a file, a flag) opens the
/// message.
SiglipConfig preset(const std::string& name, const std::string& where = "preset");
std::vector<std::string> preset_names();

/// What an error message suggests of `choices` ("; the nearest is \"tiny\""): by edit distance; empty if half of the letters would not stay.
std::string nearest(const std::string& word, const std::vector<std::string>& choices);
/// Throws Error unless `word` is one of `choices`, naming them and the nearest. `where` (a file, a flag) opens the message.
void require_word(const std::string& word, const std::vector<std::string>& choices, const std::string& where);
}  // namespace siglip::inline SIGLIP_FLAVOUR
