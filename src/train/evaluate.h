// evaluate.h — what an evaluation asks of a split, and what it makes of the answers.
#pragma once
#include "siglip/train.h"

namespace siglip::inline SIGLIP_FLAVOUR {
/// Throws Error if every pair of the split is a distractor: nothing would be asked.
void require_queries(const NamedSamples& split);
/// Throws Error "WHO: finite embeddings are expected, got nan; …" unless every number is finite. embeddings: on the CPU.
void require_finite(const Tensor& embeddings, const std::string& who);
/// How many samples, from the first, `most` queries (0: all) and their candidates take up. Whole groups; everything where the accuracy over
/// `classes` is wanted too.
Dim samples_needed(const Samples& samples, const Candidates& candidates, Dim most, bool classes);

/// The pairs of a split, or the first of them, and their embeddings.
struct EmbeddedSplit {
  std::string name;
  std::vector<Pair> pairs;
  Embeddings embeddings;  // (pairs, E), on the CPU
};
/// The same as evaluate() of a model, of what it made. classes: (classes, E), unit rows, or undefined.
std::vector<Evaluation> evaluate(const std::vector<EmbeddedSplit>& splits, const std::vector<EmbeddedSplit>& others, const Candidates& candidates,
                                 const Tensor& classes = {}, Dim most = 0);
}  // namespace siglip::inline SIGLIP_FLAVOUR
