// nn.h — the layers of a transformer, each a handful of tensors and one call. Names are those of published checkpoints.
#pragma once
#include <string>
#include <vector>
#include "siglip/ops.h"

namespace siglip::inline SIGLIP_FLAVOUR {
/// y = x wᵀ + bias. weight (M, K), bias (M)
struct Linear {
  Tensor weight, bias;
  Tensor packed_weight;  // after pack(), for a weight that no longer changes
  Linear() = default;
  Linear(Dim outputs, Dim inputs) : weight({outputs, inputs}), bias({outputs}) {}
  Tensor operator()(const Tensor& x) const { return matmul(x, weight, bias, packed_weight); }
  void pack() { packed_weight = packed(weight); }
  void collect(Parameters& all, const std::string& name) const;
};

struct LayerNorm {
  Tensor weight, bias;  // (C)
  double eps = 1e-6;
  LayerNorm() = default;
  LayerNorm(Dim width, double eps_) : weight({width}), bias({width}), eps(eps_) {}
  Tensor operator()(const Tensor& x) const { return layernorm(x, weight, bias, eps); }
  void collect(Parameters& all, const std::string& name) const;
};

/// Self-attention: queries, keys and values from the same tokens. x, y (B, T, C)
struct SelfAttention {
  Linear q_proj, k_proj, v_proj, out_proj;
  Dim heads = 1;
  SelfAttention() = default;
  SelfAttention(Dim width, Dim heads_) : q_proj(width, width), k_proj(width, width), v_proj(width, width), out_proj(width, width), heads(heads_) {}
  Tensor operator()(const Tensor& x) const { return out_proj(attention(q_proj(x), k_proj(x), v_proj(x), heads)); }
  void pack() { q_proj.pack(), k_proj.pack(), v_proj.pack(), out_proj.pack(); }
  void collect(Parameters& all, const std::string& name) const;
};

/// y = fc2(gelu(fc1(x)))
struct Mlp {
  Linear fc1, fc2;
  Mlp() = default;
  Mlp(Dim width, Dim hidden) : fc1(hidden, width), fc2(width, hidden) {}
  Tensor operator()(const Tensor& x) const { return fc2(gelu(fc1(x))); }
  void pack() { fc1.pack(), fc2.pack(); }
  void collect(Parameters& all, const std::string& name) const;
};

/// A pre-norm block: x += attention(norm(x)), then x += mlp(norm(x)).
struct Block {
  LayerNorm layer_norm1, layer_norm2;
  SelfAttention self_attn;
  Mlp mlp;
  Block(Dim width, Dim heads, Dim hidden, double eps)
      : layer_norm1(width, eps), layer_norm2(width, eps), self_attn(width, heads), mlp(width, hidden) {}
  Tensor operator()(const Tensor& x) const {
    const Tensor y = add(x, self_attn(layer_norm1(x)));
    return add(y, mlp(layer_norm2(y)));
  }
  void pack() { self_attn.pack(), mlp.pack(); }
  void collect(Parameters& all, const std::string& name) const;
};

/// Multi-head attention pooling: one learned query (the probe) looks at all tokens; then y + mlp(norm(y)). x (B, T, C), y (B, C).
/// There is no residual from the probe. source  Zhai et al. 2022, section 2.1 (scaling vision transformers); Lee et al. 2019
struct MapHead {
  Tensor probe;                         // (1, 1, C)
  Tensor in_proj_weight, in_proj_bias;  // (3C, C), (3C): queries, keys, values, as one published tensor
  Linear out_proj;
  LayerNorm layernorm;
  Mlp mlp;
  Dim heads = 1;
  MapHead() = default;
  MapHead(Dim width, Dim heads_, Dim hidden, double eps)
      : probe({1, 1, width}),
        in_proj_weight({3 * width, width}),
        in_proj_bias({3 * width}),
        out_proj(width, width),
        layernorm(width, eps),
        mlp(width, hidden),
        heads(heads_) {}
  Tensor operator()(const Tensor& x) const;
  void pack() { out_proj.pack(), mlp.pack(); }
  void collect(Parameters& all, const std::string& name) const;
};
}  // namespace siglip::inline SIGLIP_FLAVOUR
