// repeats.h — the same caption more than once in a batch: how often, and what it costs.
#pragma once
#include <string>
#include <vector>
#include "siglip/train.h"

namespace siglip::inline SIGLIP_FLAVOUR {
/// Pictures of one caption have one embedding v for their texts, so nothing can tell these texts apart. With m pictures of a caption:
///   one right answer of m, softmax       the right one gets at most 1/m             ⇒  its loss is at least ln m
///   one match, m-1 mismatches, sigmoid   min over l of softplus(-l) + (m-1) softplus(l), at σ(l) = 1/m
///                                                                                    ⇒  at least ln m + (m-1) ln(m / (m-1)) for each picture
///   all m count as matches               no bound but 0
struct Repeats {
  double others = 0;          // other pictures of a batch with a picture's caption, on average
  double softmax_floor = 0;   // mean of ln m over the pictures
  double diagonal_floor = 0;  // mean of ln m + (m-1) ln(m / (m-1))
};
Repeats count_repeats(const std::vector<std::int32_t>& caption_ids);
/// One line: how often captions repeat in the batch of `step`, and what that costs with this loss and --positives.
std::string repeats_message(const Repeats& repeats, Dim step, const TrainConfig& config);
}  // namespace siglip::inline SIGLIP_FLAVOUR
