// siglip.cpp — the model, top down.
#include "siglip/error.h"
#include "siglip/model.h"

namespace siglip::inline SIGLIP_FLAVOUR {
static std::vector<Block> encoder(const EncoderConfig& c, double eps) {
  std::vector<Block> blocks;
  for (Dim i = 0; i < c.layers; ++i) blocks.emplace_back(c.width, c.heads, c.mlp, eps);
  return blocks;
}

static Tensor through_blocks(Tensor x, const std::vector<Block>& blocks, Tensors* states) {
  if (states) states->push_back(x);
  for (const Block& block : blocks) {
    x = block(x);
    if (states) states->push_back(x);
  }
  return x;
}

static void collect_blocks(Parameters& all, const std::vector<Block>& blocks, const std::string& tower) {
  for (std::size_t i = 0; i < blocks.size(); ++i) blocks[i].collect(all, tower + ".encoder.layers." + std::to_string(i));
}

VisionTower::VisionTower(const SiglipConfig& c)
    : patch_weight({c.vision.width, 3, c.patch_size, c.patch_size}),
      patch_bias({c.vision.width}),
      positions({c.patches(), c.vision.width}),
      blocks(encoder(c.vision, c.layer_norm_eps)),
      post_layernorm(c.vision.width, c.layer_norm_eps),
      head(c.vision.width, c.vision.heads, c.vision.mlp, c.layer_norm_eps),
      has_head(c.vision_head) {}

Tensor VisionTower::hidden(const Tensor& images, Tensors* states) const {
  const Tensor patches = patch_embedding(images, patch_weight, patch_bias);
  require(patches.dim(1) == positions.dim(0), "VisionTower", "pictures of ", positions.dim(0), " patches, one for each position, are expected, got ",
          images.shape(), ", which has ", patches.dim(1));
  return post_layernorm(through_blocks(add_rows(patches, positions), blocks, states));
}

Tensor VisionTower::pooled(const Tensor& images, Tensors* states) const {
  require(has_head, "VisionTower", "a model with a head is expected (vision_use_head), got one that has hidden states but no image embedding");
  return head(hidden(images, states));
}

void VisionTower::pack() {
  for (Block& block : blocks) block.pack();
  if (has_head) head.pack();
}

void VisionTower::collect(Parameters& all) const {
  all.push_back({"vision_model.embeddings.patch_embedding.weight", patch_weight, true});
  all.push_back({"vision_model.embeddings.patch_embedding.bias", patch_bias});
  all.push_back({"vision_model.embeddings.position_embedding.weight", positions});
  collect_blocks(all, blocks, "vision_model");
  post_layernorm.collect(all, "vision_model.post_layernorm");
  if (has_head) head.collect(all, "vision_model.head");
}

TextTower::TextTower(const SiglipConfig& c)
    : tokens({c.vocab_size, c.text.width}),
      positions({c.context, c.text.width}),
      blocks(encoder(c.text, c.layer_norm_eps)),
      final_layer_norm(c.text.width, c.layer_norm_eps),
      head(c.projection, c.text.width) {}

Tensor TextTower::pooled(const Ids& ids, Tensors* states) const {
  require(ids.shape().size() == 2 && ids.shape()[1] == positions.dim(0), "TextTower", "ids (B, ", positions.dim(0),
          "): every text is padded to the full length, because the last position is pooled; got shape ", ids.shape());
  return head(take_last_token(final_layer_norm(through_blocks(add_rows(token_embedding(ids, tokens), positions), blocks, states))));
}

void TextTower::pack() {
  for (Block& block : blocks) block.pack();
  head.pack();
}

void TextTower::collect(Parameters& all) const {
  all.push_back({"text_model.embeddings.token_embedding.weight", tokens});
  all.push_back({"text_model.embeddings.position_embedding.weight", positions});
  collect_blocks(all, blocks, "text_model");
  final_layer_norm.collect(all, "text_model.final_layer_norm");
  head.collect(all, "text_model.head");
}

Siglip::Siglip(const SiglipConfig& c) : config(c), vision(c), text(c), log_t({1}), b({1}) {}

Parameters Siglip::parameters() const {
  Parameters all{{"logit_scale", log_t}, {"logit_bias", b}};
  text.collect(all);
  vision.collect(all);
  return all;
}

Dim Siglip::parameter_count() const {
  Dim count = 0;
  for (const Parameter& p : parameters()) count += p.value.size();
  return count;
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
