// layers.cpp — names of the layers' tensors, and the MAP head.
#include "siglip/nn.h"

namespace siglip::inline SIGLIP_FLAVOUR {
void Linear::collect(Parameters& all, const std::string& name) const {
  all.push_back({name + ".weight", weight, true});
  all.push_back({name + ".bias", bias});
}

void LayerNorm::collect(Parameters& all, const std::string& name) const {
  all.push_back({name + ".weight", weight});
  all.push_back({name + ".bias", bias});
}

void SelfAttention::collect(Parameters& all, const std::string& name) const {
  q_proj.collect(all, name + ".q_proj");
  k_proj.collect(all, name + ".k_proj");
  v_proj.collect(all, name + ".v_proj");
  out_proj.collect(all, name + ".out_proj");
}

void Mlp::collect(Parameters& all, const std::string& name) const {
  fc1.collect(all, name + ".fc1");
  fc2.collect(all, name + ".fc2");
}

void Block::collect(Parameters& all, const std::string& name) const {
  layer_norm1.collect(all, name + ".layer_norm1");
  self_attn.collect(all, name + ".self_attn");
  layer_norm2.collect(all, name + ".layer_norm2");
  mlp.collect(all, name + ".mlp");
}

Tensor MapHead::operator()(const Tensor& x) const {
  const Dim B = x.dim(0), C = x.dim(2);
  const auto project = [&](const Tensor& input, Dim part) {
    return matmul(input, take_rows(in_proj_weight, part * C, (part + 1) * C), take_rows(in_proj_bias, part * C, (part + 1) * C));
  };
  const Tensor query = repeat(project(probe.reshape({1, C}), 0), B);  // (B, 1, C)
  const Tensor y = out_proj(attention(query, project(x, 1), project(x, 2), heads)).reshape({B, C});
  return add(y, mlp(layernorm(y)));
}

void MapHead::collect(Parameters& all, const std::string& name) const {
  all.push_back({name + ".probe", probe});
  all.push_back({name + ".attention.in_proj_weight", in_proj_weight, true});
  all.push_back({name + ".attention.in_proj_bias", in_proj_bias});
  out_proj.collect(all, name + ".attention.out_proj");
  layernorm.collect(all, name + ".layernorm");
  mlp.collect(all, name + ".mlp");
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
