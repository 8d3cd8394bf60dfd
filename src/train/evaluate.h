// evaluate.h — what an evaluation asks of a split, and what it makes of the answers.
#pragma once
#include "siglip/train.h"

namespace siglip::inline SIGLIP_FLAVOUR {
/// Throws Error if every pair of the split is a distractor: nothing would be asked.
void require_queries(const NamedSamples& split);
/// Throws Error "WHO: finite embeddings are expected, got nan; …" unless every number is finite. embeddings: on the CPU.
void require_finite(const Tensor& embeddings, const std::string& who);
/// The samples of an evaluation of about `most` pairs (0: all): whole groups of candidates, spread over the split, in order. Everything where queries
/// search among all splits or among distractors.
std::vector<Dim> sampled(const Samples& samples, const Candidates& candidates, Dim most);

/// The pairs of a split, or a sample of them, and their embeddings.
struct EmbeddedSplit {
  std::string name;
  std::vector<Pair> pairs;
  Embeddings embeddings;  // (pairs, E), on the CPU
};
/// The same as evaluate() of a model, of what it made. classes: (classes, E), unit rows, or undefined.
std::vector<Evaluation> evaluate(const std::vector<EmbeddedSplit>& splits, const std::vector<EmbeddedSplit>& others, const Candidates& candidates,
                                 const Tensor& classes = {});
/// What each labelled picture is taken for. classes: (classes, E), unit rows.
std::vector<Prediction> predictions(const EmbeddedSplit& split, const Tensor& classes);
/// One line if the evaluation of what was held out is hardly better than chance: how much, and what to change; else empty. trained: pairs of train.
std::string doubt_of(const std::vector<Evaluation>& evaluations, const TrainConfig& config, Dim trained);
}  // namespace siglip::inline SIGLIP_FLAVOUR
