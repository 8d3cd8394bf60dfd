// model.h — the two towers of SigLIP and what joins them.
#pragma once
#include <string>
#include <vector>
#include "siglip/config.h"
#include "siglip/nn.h"

namespace siglip::inline SIGLIP_FLAVOUR {
/// Pictures to unit vectors: patches, blocks, a final norm, the MAP head. No class token, no projection: E = width. A model without a head
/// (SiglipConfig::vision_head) gives hidden states only; its `head` is no part of collect(), and pooled() throws Error.
struct VisionTower {
  Tensor patch_weight, patch_bias;  // (C, 3, P, P), (C)
  Tensor positions;                 // (T, C)
  std::vector<Block> blocks;
  LayerNorm post_layernorm;
  MapHead head;
  bool has_head;

  explicit VisionTower(const SiglipConfig& config);
  /// images (B, 3, S, S) in [-1, 1] → (B, T, C): the last hidden state, after the final norm. `states` gets what enters the first block, then
  /// what leaves each: (B, T, C).
  Tensor hidden(const Tensor& images, Tensors* states = nullptr) const;
  /// images (B, 3, S, S) in [-1, 1] → (B, E), before normalisation.
  Tensor pooled(const Tensor& images, Tensors* states = nullptr) const;
  /// images (B, 3, S, S) in [-1, 1] → (B, E), unit rows.
  Tensor operator()(const Tensor& images) const { return l2_normalize(pooled(images)); }
  /// For many batches: products no longer pack the weights (ops.h, packed()). The same bits, and nearly the weights' memory once more; once they
  /// change, call it again.
  void pack();
  void collect(Parameters& all) const;
};

/// Texts to unit vectors: the same encoder, no mask at all, the last token, one linear map.
struct TextTower {
  Tensor tokens;     // (V, C)
  Tensor positions;  // (T, C)
  std::vector<Block> blocks;
  LayerNorm final_layer_norm;
  Linear head;  // C → E

  explicit TextTower(const SiglipConfig& config);
  /// ids (B, T), padded to exactly T → (B, E), before normalisation. `states` as above.
  Tensor pooled(const Ids& ids, Tensors* states = nullptr) const;
  Tensor operator()(const Ids& ids) const { return l2_normalize(pooled(ids)); }
  void pack();  // as above
  void collect(Parameters& all) const;
};

/// logit = exp(log_t) <vision(image), text(ids)> + b;  probability = σ(logit).
/// A new model has shapes but no memory: parameter_count() costs nothing, initialize() or load_parameters() fills it.
struct Siglip {
  SiglipConfig config;
  VisionTower vision;
  TextTower text;
  Tensor log_t, b;  // (1) each; published as logit_scale and logit_bias

  explicit Siglip(const SiglipConfig& config);
  /// Every tensor once, under its Hugging Face name, in the published order.
  Parameters parameters() const;
  Dim parameter_count() const;
};

/// The authors' initialisation; a function of the seed and the parameter's name, so it does not depend on the order of parameters.
/// log_t = ln 10; b as given (-10 in the paper). source  the authors' public code, big_vision: models/vit.py and
/// models/proj/image_text/text_transformer.py
void initialize(const Siglip& model, std::uint64_t seed, double bias = -10);

/// How a table of positions is carried to another grid of patches:
///   bicubic   a = -0.75, corners of patches aligned, no anti-aliasing: transformers' interpolate_pos_encoding
///   bilinear  centres of the outermost patches aligned: big_vision, when it loads a checkpoint at another resolution
enum class PositionFilter { bicubic, bilinear };
/// positions (g * g, C) of a square grid, row by row → (G * G, C). Throws Error if it is no square, or G is not from 1 to 256.
Tensor resize_positions(const Tensor& positions, Dim grid, PositionFilter filter);
/// The model for pictures of another size: it shares every tensor with `model` but the vision tower's positions.
Siglip at_resolution(const Siglip& model, Dim image_size, PositionFilter filter);
}  // namespace siglip::inline SIGLIP_FLAVOUR
