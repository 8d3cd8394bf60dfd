// mistakes_scores.cpp — what goes wrong between embeddings and loss; and the whole table.
#include <algorithm>
#include "doctor/mistakes.h"

namespace siglip::inline SIGLIP_FLAVOUR {
void add_score_mistakes(std::vector<Mistake>& all) {
  const auto scoring = [&](Stage stage, const char* name, const char* what, const char* advice, auto change) {
    all.push_back({name, what, advice, stage, [change](Trial& trial) {
                     change(trial.scoring, double(trial.model.log_t.item()));
                     return true;
                   }});
  };
  const auto add = [&](const char* name, const char* what, const char* advice, auto change) { scoring(in_logits, name, what, advice, change); };
  add("scale-without-exp", "logit_scale is used as it stands in the file", "it is the logarithm of t: use exp(logit_scale)",
      [](Scoring& s, double log_t) { s.t = log_t; });
  add("scale-dropped", "cosines are not multiplied by t", "logit = exp(logit_scale) cosine + logit_bias", [](Scoring& s, double) { s.t = 1; });
  add("scale-divides", "cosines are divided by t", "multiply: logit = exp(logit_scale) cosine + logit_bias",
      [](Scoring& s, double) { s.t = 1 / s.t; });
  add("scale-clamped", "t is clamped to 100", "do not clamp: released models have t above 100 (CLIP's clamp of logit_scale to ln 100)",
      [](Scoring& s, double) { s.t = std::min(s.t, 100.0); });
  add("bias-dropped", "logit_bias is not added", "logit = exp(logit_scale) cosine + logit_bias", [](Scoring& s, double) { s.b = 0; });
  add("bias-sign", "logit_bias is subtracted", "add it as it stands: it is about -10", [](Scoring& s, double) { s.b = -s.b; });
  add("bias-before-scale", "logit_bias is added before the scale", "scale first: logit = exp(logit_scale) cosine + logit_bias",
      [](Scoring& s, double) { s.b *= s.t; });
  add("logits-transposed", "logits_per_text has pictures as rows", "rows of logits_per_text are texts, its columns pictures",
      [](Scoring& s, double) { s.transposed = true; });
  add("image-tower-twice", "pictures are compared with pictures: scores are symmetric",
      "one side of the product is image_embeds, the other text_embeds", [](Scoring& s, double) { s.sides = Sides::images; });
  add("text-tower-twice", "texts are compared with texts: scores are symmetric", "one side of the product is image_embeds, the other text_embeds",
      [](Scoring& s, double) { s.sides = Sides::texts; });
  add("sigmoid-applied", "what is called logits are probabilities, after the sigmoid", "compare logits before the sigmoid",
      [](Scoring& s, double) { s.output = Output::sigmoid; });
  add("softmax-applied", "what is called logits are probabilities of a softmax over the texts",
      "judge each pair alone: p = sigmoid(logit), no softmax", [](Scoring& s, double) { s.output = Output::softmax; });
  const auto loss = [&](const char* name, const char* what, const char* advice, LossKind kind) {
    scoring(in_loss, name, what, advice, [kind](Scoring& s, double) { s.loss = kind; });
  };
  loss("softmax-loss", "the loss is CLIP's softmax cross entropy", "use -log sigmoid(z logit), z = 1 on the diagonal, else -1", LossKind::softmax);
  loss("loss-over-pairs", "the loss is averaged over all B^2 pairs", "sum over all pairs and divide by B", LossKind::over_pairs);
  loss("loss-sum", "the loss is summed, not averaged", "divide the sum over all pairs by B", LossKind::sum);
  loss("loss-without-negatives", "the loss counts matching pairs alone", "count all B^2 pairs: z = -1 off the diagonal", LossKind::no_negatives);
}

std::vector<Mistake> known_mistakes() {
  std::vector<Mistake> all;
  add_input_mistakes(all);
  for (const Tower tower : {Tower::vision, Tower::text}) add_encoder_mistakes(all, tower);
  add_tower_mistakes(all);
  add_score_mistakes(all);
  return all;
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
