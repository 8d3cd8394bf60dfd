// init.cpp — the authors' initialisation, by the kind of tensor.
//
//   kernel of a product in a block or head   uniform ± √(6 / (inputs + outputs))                     Glorot and Bengio 2010
//   patch kernel, text head                  normal cut at 2σ, σ = √(1 / inputs) / 0.87962566        LeCun 1998; the factor restores the variance
//   positions, token table                   normal, σ = 1 / √C
//   probe                                    uniform ± √(6 / (1 + C)): fans 1 and C
//   biases of the MLP                        normal, σ = 1e-6
//   other biases, shifts                     0;      scales of layer norms  1
//   log_t                                    ln 10;  b  as given
#include <cmath>
#include "core/hash.h"
#include "siglip/error.h"
#include "siglip/model.h"
#include "siglip/rng.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
struct Draws {
  const Tensor& x;
  Rng random;
  template <class Draw>
  void fill(const Draw& draw) {
    std::vector<Real> values(static_cast<std::size_t>(x.size()));
    for (Real& value : values) value = static_cast<Real>(draw());
    x.copy_from(values.data());
  }
  void uniform(double bound) {
    fill([&] { return random.uniform(-bound, bound); });
  }
  void normal(double sigma) {
    fill([&] { return sigma * random.normal(); });
  }
  void lecun(Dim inputs) {
    const double sigma = std::sqrt(1 / double(inputs)) / 0.87962566103423978;
    fill([&] { return sigma * random.truncated_normal(); });
  }
  void constant(double value) { x.fill(static_cast<Real>(value)); }
};

bool has(const std::string& name, const char* part) { return name.find(part) != std::string::npos; }

void initialize(const Parameter& p, std::uint64_t seed, double bias) {
  const std::string& name = p.name;
  Draws draw{p.value, Rng(seed, fnv1a(name))};  // each name has a stream of its own
  const Dim C = p.value.columns();
  if (name == "logit_scale") return draw.constant(std::log(10.0));
  if (name == "logit_bias") return draw.constant(bias);
  if (has(name, "patch_embedding.weight")) return draw.lecun(p.value.size() / p.value.dim(0));
  if (has(name, "text_model.head.weight")) return draw.lecun(C);
  if (has(name, "embedding.weight")) return draw.normal(1 / std::sqrt(double(C)));
  if (has(name, "probe")) return draw.uniform(std::sqrt(6 / double(1 + C)));
  if (has(name, "in_proj_weight")) return draw.uniform(std::sqrt(6 / double(2 * C)));  // three maps C → C
  if (has(name, ".mlp.") && name.ends_with("bias")) return draw.normal(1e-6);
  if (name.ends_with("bias")) return draw.constant(0);
  if (has(name, "norm")) return draw.constant(1);
  draw.uniform(std::sqrt(6 / double(p.value.dim(0) + C)));
}
}  // namespace

void initialize(const Siglip& model, std::uint64_t seed, double bias) {
  for (const Parameter& p : model.parameters()) initialize(p, seed, bias);
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
