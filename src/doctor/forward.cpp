// forward.cpp — both towers once more, with a switch at each place where ports go wrong.
#include <algorithm>
#include <cmath>
#include <functional>
#include "doctor/trial.h"
#include "siglip/error.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
Tensor mapped(const Tensor& x, const std::function<double(double)>& f) {
  Tensor y = Tensor::like(x);
  std::transform(x.data(), x.data() + x.size(), y.data(), [&](Real value) { return static_cast<Real>(f(double(value))); });
  return y;
}

Tensor activate(const Tensor& x, Activation activation) {
  if (activation == Activation::erf_gelu) return mapped(x, [](double v) { return 0.5 * v * std::erfc(-v * std::sqrt(0.5)); });
  if (activation == Activation::quick_gelu) return mapped(x, [](double v) { return v / (1 + std::exp(-1.702 * v)); });
  return gelu(x);
}

// ---- attention -------------------------------------------------------------------------------------------------------------------------

// What of the text each query may see; the plain way, since masks are mistakes here.
struct Sight {
  Mask mask = Mask::none;
  std::vector<Dim> lengths;  // of the texts, for Mask::padding
  bool allowed(Dim b, Dim query, Dim key) const { return mask == Mask::causal ? key <= query : key < lengths[static_cast<std::size_t>(b)]; }
};

Tensor masked_attention(const Tensor& q, const Tensor& k, const Tensor& v, Dim heads, const Sight& sight) {
  const Dim B = q.dim(0), T = q.dim(1), C = q.dim(2), D = C / heads;
  Tensor y = Tensor::full(q.shape(), 0);
  std::vector<double> p(static_cast<std::size_t>(T));
  for (Dim b = 0; b < B; ++b)
    for (Dim h = 0; h < heads; ++h)
      for (Dim i = 0; i < T; ++i) {
        const auto at = [&](const Tensor& x, Dim t) { return x.data() + (b * T + t) * C + h * D; };
        double sum = 0, largest = -INFINITY;
        for (Dim j = 0; j < T; ++j) {
          double dot = 0;
          for (Dim d = 0; d < D; ++d) dot += double(at(q, i)[d]) * double(at(k, j)[d]);
          p[static_cast<std::size_t>(j)] = sight.allowed(b, i, j) ? dot / std::sqrt(double(D)) : -INFINITY;
          largest = std::max(largest, p[static_cast<std::size_t>(j)]);
        }
        for (double& value : p) sum += value = std::exp(value - largest);
        for (Dim d = 0; d < D; ++d) {
          double value = 0;
          for (Dim j = 0; j < T; ++j) value += p[static_cast<std::size_t>(j)] / sum * double(at(v, j)[d]);
          at(y, i)[d] = static_cast<Real>(value);
        }
      }
  return y;
}

// The memory of (B, H, T, D) read as (B, T, C).
Tensor heads_in_front(const Tensor& x, Dim heads) {
  const Dim B = x.dim(0), T = x.dim(1), C = x.dim(2), D = C / heads;
  Tensor y = Tensor::like(x);
  Real* out = y.data();
  for (Dim b = 0; b < B; ++b)
    for (Dim h = 0; h < heads; ++h)
      for (Dim t = 0; t < T; ++t) out = std::copy_n(x.data() + (b * T + t) * C + h * D, D, out);
  return y;
}

Tensor attend(const SelfAttention& a, const Tensor& x, const Switches& s, const Sight& sight) {
  const Tensor q = a.q_proj(x), k = a.k_proj(x), v = a.v_proj(x);
  const Tensor y = s.mask == Mask::none ? attention(q, k, v, a.heads) : masked_attention(q, k, v, a.heads, sight);
  return a.out_proj(s.heads_in_front ? heads_in_front(y, a.heads) : y);
}

// ---- blocks and pooling ----------------------------------------------------------------------------------------------------------------

Tensor run_mlp(const Mlp& mlp, const Tensor& x, const Switches& s) { return mlp.fc2(activate(mlp.fc1(x), s.activation)); }

Tensor run_block(const Block& block, const Tensor& x, const Switches& s, const Sight& sight) {
  if (s.post_norm) {
    const Tensor y = block.layer_norm1(add(x, attend(block.self_attn, x, s, sight)));
    return block.layer_norm2(add(y, run_mlp(block.mlp, y, s)));
  }
  const Tensor y = add(x, attend(block.self_attn, block.layer_norm1(x), s, sight));
  return add(y, run_mlp(block.mlp, block.layer_norm2(y), s));
}

Tensors run_blocks(Tensor x, const std::vector<Block>& blocks, const Switches& s, const Sight& sight) {
  Tensors hidden{x};
  for (const Block& block : blocks) hidden.push_back(x = run_block(block, x, s, sight));
  return hidden;
}

Tensor run_head(const MapHead& head, const Tensor& x, const Switches& s) {
  MapHead attention_alone = head;  // y + 0 is y
  attention_alone.mlp.fc2.weight = Tensor::full(head.mlp.fc2.weight.shape(), 0);
  attention_alone.mlp.fc2.bias = Tensor::full(head.mlp.fc2.bias.shape(), 0);
  const Tensor y = attention_alone(x), n = head.layernorm(y);
  return add(s.norm_before_residual ? n : y, run_mlp(head.mlp, n, s));
}

Tensor mean_token(const Tensor& x) {
  const Dim B = x.dim(0), T = x.dim(1), C = x.dim(2);
  Tensor y({B, C});
  for (Dim b = 0; b < B; ++b)
    for (Dim c = 0; c < C; ++c) {
      double sum = 0;
      for (Dim t = 0; t < T; ++t) sum += double(x.data()[(b * T + t) * C + c]);
      y.data()[b * C + c] = static_cast<Real>(sum / double(T));
    }
  return y;
}

Tensor end_tokens(const Tensor& x, const std::vector<Dim>& lengths) {
  const Dim B = x.dim(0), T = x.dim(1), C = x.dim(2);
  Tensor y({B, C});
  for (Dim b = 0; b < B; ++b) std::copy_n(x.data() + (b * T + lengths[static_cast<std::size_t>(b)] - 1) * C, C, y.data() + b * C);
  return y;
}
}  // namespace

// ---- towers ----------------------------------------------------------------------------------------------------------------------------

std::vector<Dim> text_lengths(const Ids& ids) {
  const Dim B = ids.shape()[0], T = ids.shape()[1];
  std::vector<Dim> lengths;
  for (Dim b = 0; b < B; ++b) {
    const std::int32_t *begin = ids.data() + b * T, *end = std::find(begin, begin + T, end_token);
    lengths.push_back(std::min<Dim>(end - begin + 1, T));
  }
  return lengths;
}

Trace run_vision(const Trial& trial) {
  const VisionTower& tower = trial.model.vision;
  const Switches& s = trial.vision;
  Tensors hidden =
      run_blocks(add_rows(patch_embedding(trial.inputs.pixels, tower.patch_weight, tower.patch_bias), tower.positions), tower.blocks, s, {});
  if (!tower.has_head) return {std::move(hidden), {}};
  const Tensor x = s.final_norm ? tower.post_layernorm(hidden.back()) : hidden.back();
  const Tensor pooled = s.pooling == Pooling::mean ? mean_token(x) : s.pooling == Pooling::first ? take_token(x, 0) : run_head(tower.head, x, s);
  return {std::move(hidden), s.normalize ? l2_normalize(pooled) : pooled};
}

Trace run_text(const Trial& trial) {
  const TextTower& tower = trial.model.text;
  const Switches& s = trial.text;
  const Ids& ids = trial.inputs.ids;
  const Dim T = ids.shape()[1];
  Tensor tokens = token_embedding(ids, tower.tokens);
  if (s.token_scale != 1) tokens = scale(tokens, Tensor::full({1}, static_cast<Real>(s.token_scale)));
  const Tensor positions = T == tower.positions.dim(0) ? tower.positions : take_rows(tower.positions, 0, T);
  const Sight sight{s.mask, text_lengths(ids)};
  Tensors hidden = run_blocks(add_rows(tokens, positions), tower.blocks, s, sight);
  const Tensor x = s.final_norm ? tower.final_layer_norm(hidden.back()) : hidden.back();
  const Tensor pooled = tower.head(s.pooling == Pooling::mean    ? mean_token(x)
                                   : s.pooling == Pooling::first ? take_token(x, 0)
                                   : s.pooling == Pooling::end   ? end_tokens(x, sight.lengths)
                                                                 : take_last_token(x));
  return {std::move(hidden), s.normalize ? l2_normalize(pooled) : pooled};
}

// ---- scores ----------------------------------------------------------------------------------------------------------------------------

Trial healthy_trial(const Siglip& model, const Inputs& inputs) {
  Trial trial{model, {}, {}, {}, inputs};
  trial.scoring.t = std::exp(double(model.log_t.item()));
  trial.scoring.b = double(model.b.item());
  return trial;
}

Tensor transposed(const Tensor& x) {
  const Dim N = x.dim(0), M = x.dim(1);
  Tensor y({M, N});
  for (Dim n = 0; n < N; ++n)
    for (Dim m = 0; m < M; ++m) y.data()[m * N + n] = x.data()[n * M + m];
  return y;
}

Tensor logits_per_text(const Scoring& scoring, const Tensor& images, const Tensor& texts) {
  const Tensor& rows = scoring.sides == Sides::images ? images : texts;
  const Tensor& columns = scoring.sides == Sides::texts ? texts : images;
  Tensor logits = mapped(matmul(rows, columns), [&](double cosine) { return scoring.t * cosine + scoring.b; });
  if (scoring.output == Output::sigmoid) logits = mapped(logits, [](double l) { return 1 / (1 + std::exp(-l)); });
  if (scoring.output == Output::softmax) logits = transposed(softmax(transposed(logits)));  // over the texts of each image
  return scoring.transposed ? transposed(logits) : logits;
}

namespace {
double softplus(double x) { return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))); }

// Cross entropy of the diagonal, over rows.
double row_entropy(const Tensor& logits) {
  const Dim B = logits.dim(0);
  double sum = 0;
  for (Dim i = 0; i < B; ++i) {
    const Real* row = logits.data() + i * B;
    const double largest = double(*std::max_element(row, row + B));
    double total = 0;
    for (Dim j = 0; j < B; ++j) total += std::exp(double(row[j]) - largest);
    sum += std::log(total) + largest - double(row[i]);
  }
  return sum / double(B);
}
}  // namespace

double loss_of(const Scoring& scoring, const Tensor& logits) {
  const Dim B = logits.dim(0);
  require(logits.dim(1) == B, "doctor", "a loss needs as many images as texts, got logits ", logits.shape());
  if (scoring.loss == LossKind::softmax) return (row_entropy(logits) + row_entropy(transposed(logits))) / 2;
  double sum = 0;
  for (Dim i = 0; i < B; ++i)
    for (Dim j = 0; j < B; ++j)
      if (i == j || scoring.loss != LossKind::no_negatives) sum += softplus((i == j ? -1 : 1) * double(logits.data()[i * B + j]));
  if (scoring.loss == LossKind::sum) return sum;
  return sum / double(scoring.loss == LossKind::over_pairs ? B * B : B);
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
