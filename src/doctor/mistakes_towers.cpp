// mistakes_towers.cpp — what goes wrong inside the towers, as changes of weights where that says it.
#include <algorithm>
#include <cmath>
#include "doctor/mistakes.h"

namespace siglip::inline SIGLIP_FLAVOUR {
Tensor rearranged(const Tensor& x, const std::function<Dim(Dim, Dim)>& source) {
  const Dim columns = x.size() / x.dim(0);
  Tensor y = Tensor::like(x);
  for (Dim i = 0; i < x.size(); ++i) y.data()[i] = x.data()[source(i / columns, i % columns)];
  return y;
}

Tensor scaled(const Tensor& x, double factor) {
  Tensor y = Tensor::like(x);
  std::transform(x.data(), x.data() + x.size(), y.data(), [&](Real value) { return static_cast<Real>(factor * double(value)); });
  return y;
}

Tensor zeros(const Tensor& x) { return Tensor::full(x.shape(), 0); }

namespace {
std::vector<Block>& blocks_of(Trial& trial, Tower tower) { return tower == Tower::vision ? trial.model.vision.blocks : trial.model.text.blocks; }
Switches& switches_of(Trial& trial, Tower tower) { return tower == Tower::vision ? trial.vision : trial.text; }
LayerNorm& final_norm_of(Trial& trial, Tower tower) {
  return tower == Tower::vision ? trial.model.vision.post_layernorm : trial.model.text.final_layer_norm;
}

// A change of a part of every block.
template <class Change>
std::function<bool(Trial&)> in_blocks(Tower tower, const Change& change) {
  return [=](Trial& trial) {
    for (Block& block : blocks_of(trial, tower)) change(block);
    return true;
  };
}
template <class Change>
std::function<bool(Trial&)> in_attention(Tower tower, const Change& change) {
  return in_blocks(tower, [=](Block& block) { change(block.self_attn); });
}
// A change of the switches.
template <class Change>
std::function<bool(Trial&)> in_switches(Tower tower, const Change& change) {
  return [=](Trial& trial) {
    change(switches_of(trial, tower));
    return true;
  };
}

// l = q kᵀ / √D: a factor on the queries is one on the scores.
void scale_queries(SelfAttention& a, double factor) {
  a.q_proj.weight = scaled(a.q_proj.weight, factor);
  a.q_proj.bias = scaled(a.q_proj.bias, factor);
}

void transpose(Linear& linear) { linear.weight = transposed(linear.weight); }

// Row or column h D + d of a projection becomes d H + h.
Dim interleaved(Dim i, Dim H, Dim D) { return i % D * H + i / D; }
void interleave_heads(SelfAttention& a) {
  const Dim C = a.q_proj.weight.dim(0), H = a.heads, D = C / H;
  for (Linear* rows : {&a.q_proj, &a.k_proj, &a.v_proj}) {
    rows->weight = rearranged(rows->weight, [=](Dim r, Dim c) { return interleaved(r, H, D) * C + c; });
    rows->bias = rearranged(rows->bias, [=](Dim r, Dim) { return interleaved(r, H, D); });
  }
  a.out_proj.weight = rearranged(a.out_proj.weight, [=](Dim r, Dim c) { return r * C + interleaved(c, H, D); });
}

bool other_eps(Trial& trial, Tower tower, double eps) {
  if (eps == trial.model.config.layer_norm_eps) return false;
  for (Block& block : blocks_of(trial, tower)) block.layer_norm1.eps = block.layer_norm2.eps = eps;
  final_norm_of(trial, tower).eps = eps;
  if (tower == Tower::vision) trial.model.vision.head.layernorm.eps = eps;
  return true;
}

// Each tower with the blocks of the other one.
bool exchange_encoders(Trial& trial) {
  const EncoderConfig &vision = trial.model.config.vision, &text = trial.model.config.text;
  if (!(vision == text)) return false;
  std::swap(trial.model.vision.blocks, trial.model.text.blocks);
  return true;
}
}  // namespace

void add_encoder_mistakes(std::vector<Mistake>& all, Tower tower) {
  const Stage stage = tower == Tower::vision ? in_vision : in_text;
  const auto add = [&](const std::string& name, std::string what, const char* advice, std::function<bool(Trial&)> plant) {
    all.push_back({name, std::move(what), advice, stage, std::move(plant)});
  };
  const auto attention_mistake = [&](const char* name, const char* what, const char* advice, auto change) {
    add(name, what, advice, in_attention(tower, change));
  };
  add("erf-gelu", "the activation is the exact (erf) GELU", "use the tanh form (PyTorch: gelu(x, approximate=\"tanh\"))",
      in_switches(tower, [](Switches& s) { s.activation = Activation::erf_gelu; }));
  add("quick-gelu", "the activation is x sigmoid(1.702 x), CLIP's quick GELU", "use the tanh form of GELU (PyTorch: gelu(x, approximate=\"tanh\"))",
      in_switches(tower, [](Switches& s) { s.activation = Activation::quick_gelu; }));
  add("layer-norm-eps", "the layer norms have eps 1e-5", "use 1e-6: 1e-5 is the default of PyTorch and CLIP",
      [tower](Trial& t) { return other_eps(t, tower, 1e-5); });
  add("layer-norm-eps-1e-12", "the layer norms have eps 1e-12", "use 1e-6: 1e-12 is BERT's",
      [tower](Trial& t) { return other_eps(t, tower, 1e-12); });
  add("post-norm", "blocks normalise after the residual", "normalise first: x += attention(norm(x)), then x += mlp(norm(x))",
      in_switches(tower, [](Switches& s) { s.post_norm = true; }));
  add("no-final-norm", "the layer norm after the last block is missing", "apply post_layernorm (vision) and final_layer_norm (text)",
      in_switches(tower, [](Switches& s) { s.final_norm = false; }));
  add("not-normalised", "the embeddings are not divided by their length", "normalise each row to length 1 before the scores",
      in_switches(tower, [](Switches& s) { s.normalize = false; }));

  attention_mistake("attention-scale-missing", "the scores of attention are not divided by the root of the head width",
                    "divide by the root of width / heads",
                    [](SelfAttention& a) { scale_queries(a, std::sqrt(double(a.q_proj.weight.dim(0) / a.heads))); });
  attention_mistake("attention-scale-width", "the scores of attention are divided by the root of the whole width",
                    "divide by the root of width / heads", [](SelfAttention& a) { scale_queries(a, 1 / std::sqrt(double(a.heads))); });
  attention_mistake("heads-interleaved", "heads are taken from every H-th column",
                    "reshape to (B, T, heads, D): head h owns columns h D to (h + 1) D - 1", interleave_heads);
  add("heads-not-moved-back", "the output of attention is flattened with the heads in front", "transpose (B, heads, T, D) to (B, T, heads, D) first",
      in_switches(tower, [](Switches& s) { s.heads_in_front = true; }));
  attention_mistake("query-key-exchanged", "queries and keys are exchanged", "check the names q_proj and k_proj, and the order of a fused matrix",
                    [](SelfAttention& a) { std::swap(a.q_proj, a.k_proj); });
  attention_mistake("query-value-exchanged", "queries and values are exchanged", "check the names q_proj and v_proj, and the order of a fused matrix",
                    [](SelfAttention& a) { std::swap(a.q_proj, a.v_proj); });
  attention_mistake("key-value-exchanged", "keys and values are exchanged", "check the names k_proj and v_proj, and the order of a fused matrix",
                    [](SelfAttention& a) { std::swap(a.k_proj, a.v_proj); });
  attention_mistake("attention-bias-dropped", "the biases of the attention projections are dropped",
                    "add them: every linear map of SigLIP has a bias", [](SelfAttention& a) {
                      for (Linear* l : {&a.q_proj, &a.k_proj, &a.v_proj, &a.out_proj}) l->bias = zeros(l->bias);
                    });
  const char* orientation = "a weight is (outputs, inputs) and y = x w^T + bias; transpose where a converter (Flax keeps (inputs, outputs)) has not";
  const std::pair<const char*, Linear SelfAttention::*> projections[] = {{"q_proj", &SelfAttention::q_proj},
                                                                         {"k_proj", &SelfAttention::k_proj},
                                                                         {"v_proj", &SelfAttention::v_proj},
                                                                         {"out_proj", &SelfAttention::out_proj}};
  for (const auto& [name, member] : projections)
    add("transposed-" + std::string(name), "the weights of " + std::string(name) + " are transposed", orientation,
        in_attention(tower, [member = member](SelfAttention& a) { transpose(a.*member); }));
  attention_mistake("transposed-attention", "all four weights of attention are transposed", orientation, [](SelfAttention& a) {
    for (Linear* l : {&a.q_proj, &a.k_proj, &a.v_proj, &a.out_proj}) transpose(*l);
  });
  add("encoders-exchanged", "the blocks of the two towers are exchanged", "vision_model and text_model have the same names inside: check the prefix",
      exchange_encoders);
}

// ---- one tower -------------------------------------------------------------------------------------------------------------------------

namespace {
void add_embedding_mistakes(std::vector<Mistake>& all) {
  const auto add = [&](const char* name, const char* what, const char* advice, std::function<bool(Trial&)> plant) {
    all.push_back({name, what, advice, in_vision, std::move(plant)});
  };
  add("no-positions", "no positions are added to the patches", "add the table position_embedding (T, C) to the patches", [](Trial& t) {
    t.model.vision.positions = zeros(t.model.vision.positions);
    return true;
  });
  add("positions-transposed", "the grid of positions is transposed", "positions run along rows, as patches do: index = row * grid + column",
      [](Trial& t) {
        const Dim G = t.model.config.grid(), C = t.model.vision.positions.dim(1);
        t.model.vision.positions = rearranged(t.model.vision.positions, [=](Dim r, Dim c) { return (r % G * G + r / G) * C + c; });
        return G > 1;
      });
  add("patch-order", "patches are taken column by column", "patches run along rows: index = row * grid + column", [](Trial& t) {
    // The transposed picture under the transposed kernel.
    const Dim S = t.inputs.pixels.dim(3), P = t.model.config.patch_size;
    t.inputs.pixels = rearranged(t.inputs.pixels, [=](Dim b, Dim i) { return b * 3 * S * S + i / (S * S) * S * S + i % S * S + i / S % S; });
    t.model.vision.patch_weight =
        rearranged(t.model.vision.patch_weight, [=](Dim r, Dim i) { return r * 3 * P * P + i / (P * P) * P * P + i % P * P + i / P % P; });
    return true;
  });
  add("patch-flatten-order", "the pixels of a patch are flattened as row, column, channel",
      "flatten them as channel, row, column, or permute the kernel", [](Trial& t) {
        const Dim P = t.model.config.patch_size;
        t.model.vision.patch_weight =
            rearranged(t.model.vision.patch_weight, [=](Dim r, Dim i) { return r * 3 * P * P + i % (P * P) * 3 + i / (P * P); });
        return true;
      });
  add("patch-kernel-transposed", "rows and columns of the patch kernel are exchanged", "the kernel is (C, 3, rows, columns)", [](Trial& t) {
    const Dim P = t.model.config.patch_size;
    t.model.vision.patch_weight =
        rearranged(t.model.vision.patch_weight, [=](Dim r, Dim i) { return r * 3 * P * P + i / (P * P) * P * P + i % P * P + i / P % P; });
    return true;
  });
  add("patch-bias-dropped", "the bias of the patch embedding is dropped", "add patch_embedding.bias", [](Trial& t) {
    t.model.vision.patch_bias = zeros(t.model.vision.patch_bias);
    return true;
  });
}

// in_proj with its thirds in another order: the port reads rows `order` as queries, keys, values.
void reorder_in_proj(MapHead& head, const char* order) {
  const Dim C = head.probe.size();
  const auto source = [=](Dim row) { return (order[row / C] - '0') * C + row % C; };
  head.in_proj_weight = rearranged(head.in_proj_weight, [=](Dim r, Dim c) { return source(r) * C + c; });
  head.in_proj_bias = rearranged(head.in_proj_bias, [=](Dim r, Dim) { return source(r); });
}

void transpose_in_proj(MapHead& head) {
  const Dim C = head.probe.size();
  head.in_proj_weight = rearranged(head.in_proj_weight, [=](Dim r, Dim c) { return (r / C * C + c) * C + r % C; });
}

void add_head_mistakes(std::vector<Mistake>& all) {
  const auto add = [&](const char* name, std::string what, const char* advice, std::function<bool(Trial&)> plant) {
    all.push_back({name, std::move(what), advice, in_vision, std::move(plant)});
  };
  const auto in_head = [&](const char* name, std::string what, const char* advice, auto change) {
    add(name, std::move(what), advice, [=](Trial& t) {
      if (t.model.vision.has_head) change(t.model.vision.head);
      return t.model.vision.has_head;
    });
  };
  const char* pool = "use the MAP head: its probe attends to all patches, then y + mlp(norm(y))";
  const auto pooled = [&](const char* name, const char* what, Pooling pooling, bool norm) {
    add(name, what, pool, in_switches(Tower::vision, [=](Switches& s) { s.pooling = pooling, s.final_norm = norm; }));
  };
  pooled("mean-pooling", "the patches are averaged", Pooling::mean, true);
  pooled("mean-pooling-no-norm", "the patches are averaged, before the final norm", Pooling::mean, false);
  pooled("first-patch", "the first patch is taken, as if it were CLIP's class token", Pooling::first, true);
  in_head("map-mlp-dropped", "the MLP of the MAP head is missing", "add mlp(layernorm(y)) to the output y of its attention",
          [](MapHead& h) { h.mlp.fc2.weight = zeros(h.mlp.fc2.weight), h.mlp.fc2.bias = zeros(h.mlp.fc2.bias); });
  in_head("map-probe-residual", "the probe is added to the output of the MAP head's attention", "add nothing there: only the MLP has a residual",
          [](MapHead& h) { h.out_proj.bias = siglip::add(h.out_proj.bias, h.probe.reshape({h.probe.size()})); });
  add("map-norm-before-residual", "the residual of the MAP head's MLP is the normalised vector",
      "add the vector as it was before the norm: y + mlp(norm(y))", in_switches(Tower::vision, [](Switches& s) { s.norm_before_residual = true; }));
  for (const auto& [order, shown] : {std::pair{"021", "query, value, key"},
                                     {"102", "key, query, value"},
                                     {"120", "key, value, query"},
                                     {"201", "value, query, key"},
                                     {"210", "value, key, query"}})
    in_head("map-qkv-order", "the rows of the MAP head's in_proj are taken in the order " + std::string(shown),
            "in_proj_weight (3C, C) holds queries, then keys, then values", [order = order](MapHead& h) { reorder_in_proj(h, order); });
  in_head("map-in-proj-transposed", "the three weights in the MAP head's in_proj are transposed", "each third of in_proj_weight is (outputs, inputs)",
          transpose_in_proj);
  in_head("map-out-proj-transposed", "the weight of the MAP head's out_proj is transposed", "out_proj.weight is (outputs, inputs)",
          [](MapHead& h) { transpose(h.out_proj); });
  in_head("map-heads-one", "the MAP head attends with one head", "it has as many heads as the tower's blocks", [](MapHead& h) { h.heads = 1; });
}

void add_text_mistakes(std::vector<Mistake>& all) {
  const auto add = [&](const char* name, const char* what, const char* advice, std::function<bool(Trial&)> plant) {
    all.push_back({name, what, advice, in_text, std::move(plant)});
  };
  const auto switched = [&](const char* name, const char* what, const char* advice, auto change) {
    add(name, what, advice, in_switches(Tower::text, change));
  };
  switched("causal-mask", "texts are masked causally, as in CLIP", "use no mask: every token sees every other",
           [](Switches& s) { s.mask = Mask::causal; });
  switched("padding-mask", "padding is masked out of attention", "use no mask (pass no attention_mask): the model was trained on its padding",
           [](Switches& s) { s.mask = Mask::padding; });
  const char* last = "take the last position of the padded text, T - 1, whatever stands there";
  switched("first-token", "the first token is pooled", last, [](Switches& s) { s.pooling = Pooling::first; });
  switched("end-token-pooled", "the (first) end token is pooled, as in CLIP", last, [](Switches& s) { s.pooling = Pooling::end; });
  switched("text-mean-pooling", "all tokens are averaged", last, [](Switches& s) { s.pooling = Pooling::mean; });
  add("token-scale", "token embeddings are multiplied by the root of the width, as in T5 and Gemma", "do not scale them", [](Trial& t) {
    t.text.token_scale = std::sqrt(double(t.model.config.text.width));
    return true;
  });
  add("no-text-positions", "no positions are added to the tokens", "add the table position_embedding (T, C) to the tokens", [](Trial& t) {
    t.model.text.positions = zeros(t.model.text.positions);
    return true;
  });
  add("text-head-dropped", "the linear map after pooling (text_model.head) is missing", "apply text_model.head, also where it is square",
      [](Trial& t) {
        Linear& head = t.model.text.head;
        if (head.weight.dim(0) != head.weight.dim(1)) return false;
        head.weight = zeros(head.weight), head.bias = zeros(head.bias);
        for (Dim i = 0; i < head.weight.dim(0); ++i) head.weight.data()[i * head.weight.dim(0) + i] = 1;
        return true;
      });
  add("text-head-bias-dropped", "the bias of text_model.head is dropped",
      "add text_model.head.bias: it is a linear map with bias, unlike CLIP's projection", [](Trial& t) {
        t.model.text.head.bias = zeros(t.model.text.head.bias);
        return true;
      });
  add("text-head-transposed", "the weight of text_model.head is transposed", "head.weight is (outputs, inputs)", [](Trial& t) {
    Linear& head = t.model.text.head;
    if (head.weight.dim(0) != head.weight.dim(1)) return false;
    transpose(head);
    return true;
  });
}
}  // namespace

void add_tower_mistakes(std::vector<Mistake>& all) {
  add_embedding_mistakes(all);
  add_head_mistakes(all);
  add_text_mistakes(all);
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
