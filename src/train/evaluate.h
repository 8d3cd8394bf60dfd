// evaluate.h — what an evaluation asks of a split.
#pragma once
#include "siglip/train.h"

namespace siglip::inline SIGLIP_FLAVOUR {
/// Throws Error if every pair of the split is a distractor: nothing would be asked.
void require_queries(const NamedSamples& split);
/// How many samples, from the first, `most` queries (0: all) and their candidates take up. Whole groups; everything where the accuracy over
/// `classes` is wanted too.
Dim samples_needed(const Samples& samples, const Candidates& candidates, Dim most, bool classes);
}  // namespace siglip::inline SIGLIP_FLAVOUR
