// big_vision.cpp — img/Transformer/encoderblock_3/MlpBlock_0/Dense_0/kernel is vision_model.encoder.layers.3.mlp.fc1.weight, transposed.
//
// Flax keeps kernels as (inputs, outputs), attention's with an axis for the heads: queries, keys and values (C, H, D), their output (H, D, C).
// Some files stack the layers of a tower: encoderblock/… with the layers as the first axis.
// source    the authors' public code, big_vision: models/vit.py, models/proj/image_text/text_transformer.py
#include "io/big_vision.h"
#include <algorithm>
#include <cmath>
#include <set>
#include "core/limits.h"
#include "io/dtype.h"
#include "io/json.h"
#include "io/listing.h"
#include "siglip/error.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
struct Reader {
  const NpzFile& file;
  std::string prefix;
  std::vector<ArrayUse> uses = {};
  std::set<std::string> used = {};
  Listing missing = {}, misshapen = {}, left_over = {};

  const TensorInfo* find(const std::string& name) const { return file.find(prefix + name); }
  // The shape of an array that the configuration is read off.
  const Shape& shape(const std::string& name, std::size_t rank) const {
    const TensorInfo* array = find(name);
    if (!array) fail(file.path(), "an array ", brief(prefix + name), " of ", rank, " axes is expected, got none");
    if (array->shape.size() != rank)
      fail(file.path(), "an array ", brief(prefix + name), " of ", rank, " axes is expected, got shape ", array->shape);
    return array->shape;
  }

  // `tensor` begins with this array; without a name the tensor before goes on.
  void use(const std::string& array, const Shape& shape, Layout layout, const std::vector<std::string>& tensors, const Shape& tensor_shape,
           bool stacked) {
    const TensorInfo* found = find(array);
    used.insert(prefix + array);
    if (!found)
      missing.add(prefix + array);
    else if (found->shape != shape || !is_real(found->dtype))
      misshapen.add(prefix + array + " " + shape_text(shape) + " is " + found->dtype + " " + shape_text(found->shape));
    ArrayUse& use = uses.emplace_back();
    use.array = prefix + array, use.shape = shape, use.layout = layout, use.layers = stacked ? shape[0] : 1;
    for (const std::string& tensor : tensors) use.tensors.push_back({tensor, found ? found->dtype : "F32", tensor_shape});
  }
};

// The arrays of an encoder's blocks: once for each layer, or once for all of them.
struct Blocks {
  Reader& reader;
  std::string array, tensor;  // "img/Transformer/encoderblock", "vision_model.encoder.layers"
  Dim layers;
  bool stacked;

  void use(const std::string& from, Shape shape, Layout layout, const std::string& to, const Shape& tensor_shape) const {
    std::vector<std::string> names;
    for (Dim i = 0; i < layers; ++i) names.push_back(tensor + "." + std::to_string(i) + to);
    if (stacked) {
      shape.insert(shape.begin(), layers);
      return reader.use(array + from, shape, layout, names, tensor_shape, true);
    }
    for (Dim i = 0; i < layers; ++i)
      reader.use(array + "_" + std::to_string(i) + from, shape, layout, {names[static_cast<std::size_t>(i)]}, tensor_shape, false);
  }
  void norm(const std::string& from, const std::string& to, Dim C) const {
    use(from + "/scale", {C}, Layout::same, to + ".weight", {C});
    use(from + "/bias", {C}, Layout::same, to + ".bias", {C});
  }
};

// Whether the layers of an encoder are stacked, and how many there are.
std::pair<bool, Dim> count_layers(const Reader& reader, const std::string& array) {
  const std::string first = "/LayerNorm_0/scale";
  if (const TensorInfo* stack = reader.find(array + first)) return {true, stack->shape.empty() ? 0 : stack->shape[0]};
  Dim layers = 0;
  while (reader.find(array + "_" + std::to_string(layers) + first)) ++layers;
  return {false, layers};
}

EncoderConfig read_encoder(const Reader& reader, const std::string& encoder, Dim width) {
  const auto [stacked, layers] = count_layers(reader, encoder);
  const std::size_t more = stacked ? 1 : 0;
  const std::string block = encoder + (stacked ? "" : "_0");
  const Shape& query = reader.shape(block + "/MultiHeadDotProductAttention_0/query/kernel", 3 + more);
  const Shape& dense = reader.shape(block + "/MlpBlock_0/Dense_0/kernel", 2 + more);
  return {width, layers, query[1 + more], dense[1 + more]};
}

void use_encoder(Reader& reader, const std::string& encoder, const std::string& tower, const EncoderConfig& e) {
  const Dim C = e.width, H = e.heads, D = C / H, M = e.mlp;
  const Blocks blocks{reader, encoder + "/encoderblock", tower + ".encoder.layers", e.layers, count_layers(reader, encoder + "/encoderblock").first};
  blocks.norm("/LayerNorm_0", ".layer_norm1", C);
  const std::string attention = "/MultiHeadDotProductAttention_0/";
  for (const std::string part : {"query", "key", "value"}) {
    const std::string to = ".self_attn." + part.substr(0, 1) + "_proj";
    blocks.use(attention + part + "/kernel", {C, H, D}, Layout::transpose, to + ".weight", {C, C});
    blocks.use(attention + part + "/bias", {H, D}, Layout::same, to + ".bias", {C});
  }
  blocks.use(attention + "out/kernel", {H, D, C}, Layout::transpose, ".self_attn.out_proj.weight", {C, C});
  blocks.use(attention + "out/bias", {C}, Layout::same, ".self_attn.out_proj.bias", {C});
  blocks.norm("/LayerNorm_1", ".layer_norm2", C);
  blocks.use("/MlpBlock_0/Dense_0/kernel", {C, M}, Layout::transpose, ".mlp.fc1.weight", {M, C});
  blocks.use("/MlpBlock_0/Dense_0/bias", {M}, Layout::same, ".mlp.fc1.bias", {M});
  blocks.use("/MlpBlock_0/Dense_1/kernel", {M, C}, Layout::transpose, ".mlp.fc2.weight", {C, M});
  blocks.use("/MlpBlock_0/Dense_1/bias", {C}, Layout::same, ".mlp.fc2.bias", {C});
}

void use_one(Reader& reader, const std::string& array, const Shape& shape, Layout layout, const std::string& tensor, const Shape& tensor_shape) {
  reader.use(array, shape, layout, tensor.empty() ? std::vector<std::string>() : std::vector<std::string>{tensor}, tensor_shape, false);
}

void use_norm(Reader& reader, const std::string& array, const std::string& tensor, Dim C) {
  use_one(reader, array + "/scale", {C}, Layout::same, tensor + ".weight", {C});
  use_one(reader, array + "/bias", {C}, Layout::same, tensor + ".bias", {C});
}

void use_map_head(Reader& reader, const EncoderConfig& e) {
  const Dim C = e.width, H = e.heads, D = C / H, M = e.mlp;
  const std::string array = "img/MAPHead_0/", attention = array + "MultiHeadDotProductAttention_0/", tensor = "vision_model.head.";
  use_one(reader, array + "probe", {1, 1, C}, Layout::same, tensor + "probe", {1, 1, C});
  for (const std::string part : {"query", "key", "value"})
    use_one(reader, attention + part + "/kernel", {C, H, D}, Layout::transpose, part == "query" ? tensor + "attention.in_proj_weight" : "",
            {3 * C, C});
  for (const std::string part : {"query", "key", "value"})
    use_one(reader, attention + part + "/bias", {H, D}, Layout::same, part == "query" ? tensor + "attention.in_proj_bias" : "", {3 * C});
  use_one(reader, attention + "out/kernel", {H, D, C}, Layout::transpose, tensor + "attention.out_proj.weight", {C, C});
  use_one(reader, attention + "out/bias", {C}, Layout::same, tensor + "attention.out_proj.bias", {C});
  use_norm(reader, array + "LayerNorm_0", tensor + "layernorm", C);
  use_one(reader, array + "MlpBlock_0/Dense_0/kernel", {C, M}, Layout::transpose, tensor + "mlp.fc1.weight", {M, C});
  use_one(reader, array + "MlpBlock_0/Dense_0/bias", {M}, Layout::same, tensor + "mlp.fc1.bias", {M});
  use_one(reader, array + "MlpBlock_0/Dense_1/kernel", {M, C}, Layout::transpose, tensor + "mlp.fc2.weight", {C, M});
  use_one(reader, array + "MlpBlock_0/Dense_1/bias", {C}, Layout::same, tensor + "mlp.fc2.bias", {C});
}

SiglipConfig read_shapes(const Reader& reader, Dim image_size) {
  const std::string& path = reader.file.path();
  const TensorInfo* embedding = reader.find("img/embedding/kernel");
  if (embedding && embedding->shape.size() == 2)
    fail(path, "a model of fixed resolution is expected, got a NaFlex one (", brief(embedding->name), " has 2 axes)");
  const Shape &patch = reader.shape("img/embedding/kernel", 4), &places = reader.shape("img/pos_embedding", 3);
  const Shape &table = reader.shape("txt/Embed_0/embedding", 2), &positions = reader.shape("txt/pos_embedding", 3);
  SiglipConfig c;
  c.vision = read_encoder(reader, "img/Transformer/encoderblock", patch[3]);
  c.text = read_encoder(reader, "txt/Encoder_0/encoderblock", table[1]);
  c.patch_size = patch[0];
  c.vocab_size = table[0];
  c.context = positions[1];
  c.projection = reader.find("txt/head/kernel") ? reader.shape("txt/head/kernel", 2)[1] : table[1];
  // Shapes without numbers behind them, of an array with an axis of 0 or of another type, can be anything.
  const auto within = [&](const char* what, Dim value, Dim most) {
    if (value < 1 || value > most) fail(path, what, " is 1 to ", most, ", got ", value);
  };
  within("the number of patches", places[1], most_tokens);
  within("patch_size", patch[0], most_pixels);
  const Dim grid = static_cast<Dim>(std::lround(std::sqrt(static_cast<double>(places[1]))));
  if (grid * grid != places[1]) fail(path, "a square number of patches is expected, got ", places[1]);
  c.image_size = image_size ? image_size : grid * c.patch_size;
  validate(c, path);
  if (c.grid() != grid)
    fail(path, "an image size of ", grid * c.patch_size, " to ", (grid + 1) * c.patch_size - 1, " is expected for its ", grid, " x ", grid,
         " patches of ", c.patch_size, ", got ", image_size);
  return c;
}
}  // namespace

BigVision read_big_vision(const NpzFile& file, Dim image_size) {
  const auto is_inside = [](const TensorInfo& array) { return array.name.starts_with("params/"); };
  const bool prefixed = std::any_of(file.arrays().begin(), file.arrays().end(), is_inside);
  Reader reader{file, prefixed ? "params/" : ""};
  BigVision model;
  const SiglipConfig& c = model.config = read_shapes(reader, image_size);
  const Dim C = c.vision.width, P = c.patch_size;

  use_one(reader, "t", {1}, Layout::same, "logit_scale", {1});
  use_one(reader, "b", {1}, Layout::same, "logit_bias", {1});
  use_one(reader, "txt/Embed_0/embedding", {c.vocab_size, c.text.width}, Layout::same, "text_model.embeddings.token_embedding.weight",
          {c.vocab_size, c.text.width});
  use_one(reader, "txt/pos_embedding", {1, c.context, c.text.width}, Layout::same, "text_model.embeddings.position_embedding.weight",
          {c.context, c.text.width});
  use_encoder(reader, "txt/Encoder_0", "text_model", c.text);
  use_norm(reader, "txt/Encoder_0/encoder_norm", "text_model.final_layer_norm", c.text.width);
  model.adds_text_head = !reader.find("txt/head/kernel") && !reader.find("txt/head/bias");
  if (model.adds_text_head) {
    const Dim E = c.projection;
    reader.uses.push_back({"", {}, 1, Layout::same, {{"text_model.head.weight", "F32", {E, E}}}});
    reader.uses.push_back({"", {}, 1, Layout::same, {{"text_model.head.bias", "F32", {E}}}});
  } else {
    use_one(reader, "txt/head/kernel", {c.text.width, c.projection}, Layout::transpose, "text_model.head.weight", {c.projection, c.text.width});
    use_one(reader, "txt/head/bias", {c.projection}, Layout::same, "text_model.head.bias", {c.projection});
  }
  use_one(reader, "img/embedding/kernel", {P, P, 3, C}, Layout::patch, "vision_model.embeddings.patch_embedding.weight", {C, 3, P, P});
  use_one(reader, "img/embedding/bias", {C}, Layout::same, "vision_model.embeddings.patch_embedding.bias", {C});
  use_one(reader, "img/pos_embedding", {1, c.patches(), C}, Layout::same, "vision_model.embeddings.position_embedding.weight", {c.patches(), C});
  use_encoder(reader, "img/Transformer", "vision_model", c.vision);
  use_norm(reader, "img/Transformer/encoder_norm", "vision_model.post_layernorm", C);
  use_map_head(reader, c.vision);

  for (const TensorInfo& array : file.arrays())
    if (array.name.starts_with(reader.prefix) && !reader.used.contains(array.name)) reader.left_over.add(brief(array.name));
  require(reader.missing.count + reader.misshapen.count + reader.left_over.count == 0, file.path(), "exactly the arrays of a SigLIP are expected",
          reader.missing.sentence("missing"), reader.misshapen.sentence("misshapen"), reader.left_over.sentence("left over"));
  model.uses = std::move(reader.uses);
  return model;
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
