// values.cpp — the numbers in the weights, and what both towers make of a few inputs.
#include <algorithm>
#include <cmath>
#include "doctor/findings.h"
#include "doctor/folder.h"
#include "siglip/rng.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
// ---- scale and bias --------------------------------------------------------------------------------------------------------------------

void examine_scale(std::vector<Finding>& findings, double log_t) {
  const auto add = [&](const char* name, const std::string& cause, const std::string& advice) {
    findings.push_back(mistaken("scale", name, "logit_scale is " + number(log_t, 5), cause, advice));
  };
  constexpr double largest = 6.5, smallest = 0.5;  // t = 665 and 1.6: released models have 110 to 118, training begins at 10
  if (log_t > largest)
    add("scale-stored-as-exp", "this looks like t itself, where the file holds its logarithm", "store ln t = " + number(std::log(log_t), 5));
  else if (log_t < 0)
    add("scale-stored-inverted", "exp of it is below 1: this looks like the logarithm of a temperature, which divides",
        "store ln t = " + number(-log_t, 5));
  else if (log_t == 0)
    add("scale-untrained", "t = exp(0) = 1 is how transformers begins: never trained, or lost",
        "take the trained value, about 4.7; for training begin with ln 10");
  else if (log_t < smallest)
    add("scale-stored-inverted", "t = " + number(std::exp(log_t)) + " is too small to tell pairs apart: this looks like a temperature, which divides",
        "store ln t = " + number(-std::log(log_t), 5));
  else
    findings.push_back(healthy("scale", "t = exp(logit_scale) = " + number(std::exp(log_t), 5)));
}

void examine_bias(std::vector<Finding>& findings, double b, const std::string& loss) {
  const auto add = [&](const char* name, const char* cause, const std::string& advice) {
    findings.push_back(mistaken("bias", name, "logit_bias is " + number(b, 5), cause, advice));
  };
  if (b == 0 && loss == "softmax")
    findings.push_back(noted("bias", "logit_bias is 0", "this run was trained with the softmax loss, which has no bias and leaves it untrained",
                             "trust ranks: probabilities mean nothing here"));
  else if (b >= 0 && !loss.empty())
    findings.push_back(noted("bias", "logit_bias is " + number(b, 5), "this run was trained so, but with many unrelated pairs a batch it is below 0",
                             "train with a larger --batch-size, or with --bias-init -10"));
  else if (b > 0)
    add("bias-sign", "unrelated pairs would match: the sign is lost", "store " + number(-b, 5));
  else if (b == 0)
    add("bias-dropped", "CLIP has no bias, and transformers begins with 0",
        "take the trained value, -10 to -16 (there is none if the loss was a softmax); for training begin with -10");
  else
    findings.push_back(healthy("bias", "logit_bias = " + number(b, 5)));
}

// ---- weights ---------------------------------------------------------------------------------------------------------------------------

bool same(const Tensor& a, const Tensor& b) { return a.shape() == b.shape() && std::equal(a.data(), a.data() + a.size(), b.data()); }

void examine_weights(std::vector<Finding>& findings, const Siglip& model) {
  for (const Parameter& p : model.parameters()) {
    const Real *begin = p.value.data(), *end = begin + p.value.size();
    const Real* bad = std::find_if(begin, end, [](Real x) { return !std::isfinite(x); });
    if (bad != end) {
      findings.push_back(mistaken("weights", "not-finite", p.name + " holds " + number(double(*bad)) + " at element " + std::to_string(bad - begin),
                                  "the training went wrong, or a half-precision conversion overflowed", "go back to an earlier checkpoint"));
      return;
    }
    if (p.decays && p.value.size() > 1 && std::all_of(begin, end, [&](Real x) { return x == *begin; })) {
      findings.push_back(mistaken("weights", "dead-weights", "all numbers of " + p.name + " are " + number(double(*begin)),
                                  "it was never filled, or the converter missed it", "convert again"));
      return;
    }
  }
  const auto& u = model.vision.blocks.front().self_attn.q_proj.weight;
  const auto& v = model.text.blocks.front().self_attn.q_proj.weight;
  if (same(u, v))
    findings.push_back(mistaken("weights", "one-tower-twice", "both towers have the same weights", "one tower was saved under both names",
                                "convert again: vision_model from the image tower, text_model from the text tower"));
}

// ---- what the towers make of inputs ------------------------------------------------------------------------------------------------------

constexpr Dim probes = 3;

// Black, white and noise; three random texts with their end tokens and padding.
Inputs probing_inputs(const SiglipConfig& c) {
  Rng random(1);
  Inputs inputs;
  inputs.pixels = Tensor({probes, 3, c.image_size, c.image_size});
  const Dim each = inputs.pixels.size() / probes;
  for (Dim i = 0; i < inputs.pixels.size(); ++i)
    inputs.pixels.data()[i] = i < each ? Real(-1) : i < 2 * each ? Real(1) : static_cast<Real>(random.uniform(-1, 1));
  std::vector<std::int32_t> ids;
  for (Dim b = 0; b < probes; ++b)
    for (Dim t = 0; t < c.context; ++t)
      ids.push_back(t < std::max<Dim>(1, (b + 1) * c.context / (probes + 1))
                        ? static_cast<std::int32_t>(random.below(c.vocab_size))
                        : std::min<std::int32_t>(end_token, static_cast<std::int32_t>(c.vocab_size - 1)));
  inputs.ids = Ids({probes, c.context}, ids);
  return inputs;
}

double largest_distance(const Tensor& rows) {
  double largest = 0;
  const Dim C = rows.columns();
  for (Dim i = 0; i < rows.rows(); ++i)
    for (Dim j = 0; j < i; ++j) {
      double squares = 0;
      for (Dim c = 0; c < C; ++c) squares += std::pow(double(rows.data()[i * C + c]) - double(rows.data()[j * C + c]), 2);
      largest = std::max(largest, std::sqrt(squares));
    }
  return largest;
}

// The largest magnitude of any state; not finite if a state is not.
double largest_state(const Tensors& states) {
  double largest = 0;
  for (const Tensor& x : states)
    for (Dim i = 0; i < x.size(); ++i) {
      if (!std::isfinite(x.data()[i])) return INFINITY;
      largest = std::max(largest, std::abs(double(x.data()[i])));
    }
  return largest;
}

double dot(const Real* u, const Real* v, Dim E) {
  double sum = 0;
  for (Dim e = 0; e < E; ++e) sum += double(u[e]) * double(v[e]);
  return sum;
}

// The largest weight that attention gives, on average over blocks, heads and the tokens of the last input: near 1, each token looks at one other
// and at nothing else. 0 for a single token, which has no choice.
double largest_attention(const std::vector<Block>& blocks, const Tensors& states) {
  const Dim B = states[0].dim(0), T = states[0].dim(1), C = states[0].columns();
  if (T == 1) return 0;
  double sum = 0, count = 0;
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    const SelfAttention& attention = blocks[i].self_attn;
    const Tensor x = blocks[i].layer_norm1(take_rows(states[i], B - 1, B)), q = attention.q_proj(x), k = attention.k_proj(x);
    const Dim D = C / attention.heads;
    for (Dim row = 0; row < attention.heads * T; ++row) {
      const Real* of = q.data() + row % T * C + row / T * D;
      std::vector<double> logits;
      for (Dim key = 0; key < T; ++key) logits.push_back(dot(of, k.data() + key * C + row / T * D, D) / std::sqrt(double(D)));
      const double most = *std::max_element(logits.begin(), logits.end());
      double all = 0;
      for (const double logit : logits) all += std::exp(logit - most);
      sum += 1 / all, ++count;
    }
  }
  return sum / count;
}

void examine_tower(std::vector<Finding>& findings, const Trace& trace, const std::vector<Block>& blocks, const std::string& about,
                   const std::string& things) {
  constexpr double constant = 1e-4, half_precision = 65504, saturated = 0.99;
  const bool head = trace.embeds.defined();
  const Tensor& last = trace.hidden.back();
  const Tensor rows = head ? trace.embeds : l2_normalize(last.reshape({last.dim(0), last.size() / last.dim(0)}));
  const double state = largest_state(trace.hidden), distance = largest_distance(rows);
  const std::string what = head ? "embedding" : "last state";
  if (!std::isfinite(state) || !std::isfinite(distance))
    findings.push_back(mistaken(about, "not-finite", "its numbers overflow or are none", "weights are too large, or divided by zero",
                                "go back to an earlier checkpoint, or convert again in float32"));
  else if (distance < constant)
    findings.push_back(mistaken(about, "dead-tower", "three different " + things + " have the same " + what + " (distance " + number(distance) + ")",
                                "the tower is dead or saturated: it ignores its input", "go back to an earlier checkpoint, or convert again"));
  else if (const double attention = largest_attention(blocks, trace.hidden); attention > saturated)
    findings.push_back(mistaken(about, "saturated-attention", "its attention gives one token " + number(100 * attention, 4) + " % of all weight",
                                "the weights of q_proj and k_proj are too large: a scale applied twice, or a training that went wrong",
                                "go back to an earlier checkpoint, or convert again"));
  else if (state > half_precision)
    findings.push_back(
        noted(about, "its states reach " + number(state), "half precision ends at 65504", "run it in float32 or bfloat16, not in float16"));
  else
    findings.push_back(
        healthy(about, "three different " + things + " have " + what + "s up to " + number(distance) + " apart, states reach " + number(state)));
}
}  // namespace

std::vector<Finding> examine_values(const Folder& folder) {
  const Siglip& model = *folder.model;
  std::vector<Finding> findings;
  examine_weights(findings, model);
  if (!findings.empty() && findings[0].mistakes[0] == "not-finite") return findings;
  examine_scale(findings, double(model.log_t.item()));
  examine_bias(findings, double(model.b.item()), folder.loss);
  const Trial trial = healthy_trial(model, probing_inputs(model.config));
  const Trace vision = run_vision(trial), text = run_text(trial);
  examine_tower(findings, vision, model.vision.blocks, "image tower", "pictures");
  examine_tower(findings, text, model.text.blocks, "text tower", "texts");
  return findings;
}

// ---- the pictures and texts that were given ----------------------------------------------------------------------------------------------

namespace {
void examine_pictures(std::vector<Finding>& findings, const Inputs& prepared) {
  for (std::size_t i = 0; i < prepared.images.size(); ++i) {
    const Image& image = prepared.images[i];
    const auto [least, most] = std::minmax_element(image.rgb.begin(), image.rgb.end());
    const std::string about = "picture " + std::to_string(i + 1), size = std::to_string(image.width) + " x " + std::to_string(image.height);
    if (*least == *most) {
      findings.push_back(noted(about, "every pixel is " + std::to_string(*least), "there is nothing to see", "check how it was read"));
    } else if (const double aspect = double(std::max(image.width, image.height)) / double(std::min(image.width, image.height)); aspect > 3) {
      findings.push_back(
          noted(about, "it is " + size + ", squashed to a square", "the model saw few pictures of such an aspect", "cut it into squarer parts"));
    } else {
      findings.push_back(healthy(about, size + ", values " + std::to_string(*least) + " to " + std::to_string(*most)));
    }
  }
}

void examine_texts(std::vector<Finding>& findings, const Folder& folder, const Inputs& prepared) {
  if (!folder.tokenizer) return;
  for (std::size_t i = 0; i < prepared.texts.size(); ++i) {
    const Dim count = std::ssize(folder.tokenizer->pieces(prepared.texts[i])), most = folder.tokenizer->context() - 1;
    const std::string about = "text " + std::to_string(i + 1);
    if (count > most)
      findings.push_back(noted(about, "it has " + std::to_string(count) + " pieces",
                               std::to_string(most) + " fit before the end token, the rest is cut",
                               "say the important things first, or embed its parts"));
    else if (count == 0)
      findings.push_back(noted(about, "it has no pieces", "an empty text matches nothing in particular", "write a caption"));
    else
      findings.push_back(healthy(about, std::to_string(count) + " pieces of at most " + std::to_string(most)));
  }
}

// All cosines alike: towers that do not see what they are shown, or one tower on both sides.
void examine_scores(std::vector<Finding>& findings, const Siglip& model, const Inputs& prepared) {
  const Trial trial = healthy_trial(model, prepared);
  const Tensor u = run_vision(trial).embeds, v = run_text(trial).embeds;
  double least = 1, most = -1;
  for (Dim i = 0; i < u.rows(); ++i)
    for (Dim j = 0; j < v.rows(); ++j) {
      const double cosine = dot(u.data() + i * u.columns(), v.data() + j * v.columns(), u.columns());
      least = std::min(least, cosine), most = std::max(most, cosine);
    }
  const double logit = trial.scoring.t * most + trial.scoring.b;
  if (least > 0.999)
    findings.push_back(mistaken("scores", "saturated", "every cosine is above 0.999", "both towers give one constant vector",
                                "go back to an earlier checkpoint, or convert again"));
  else
    findings.push_back(healthy("scores", "cosines from " + number(least) + " to " + number(most) + "; the best pair has logit " + number(logit) +
                                             ", p = " + number(1 / (1 + std::exp(-logit)))));
}
}  // namespace

std::vector<Finding> examine_samples(const Folder& folder, const Inputs& prepared) {
  std::vector<Finding> findings;
  examine_pictures(findings, prepared);
  examine_texts(findings, folder, prepared);
  if (folder.loaded && folder.model->config.vision_head && prepared.pixels.defined() && prepared.ids.defined())
    examine_scores(findings, *folder.model, prepared);
  return findings;
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
