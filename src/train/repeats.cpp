// repeats.cpp — counts the captions of a batch that are equal, and words what they cost.
#include "train/repeats.h"
#include <cmath>
#include <map>
#include <sstream>

namespace siglip::inline SIGLIP_FLAVOUR {
Repeats count_repeats(const std::vector<std::int32_t>& caption_ids) {
  std::map<std::int32_t, double> count;
  for (std::int32_t id : caption_ids) ++count[id];
  const double B = double(caption_ids.size());
  Repeats repeats;
  for (const auto& [id, m] : count) {
    if (m == 1) continue;
    repeats.others += m * (m - 1) / B;
    repeats.softmax_floor += m * std::log(m) / B;
    repeats.diagonal_floor += m * (std::log(m) + (m - 1) * std::log(m / (m - 1))) / B;
  }
  return repeats;
}

std::string repeats_message(const Repeats& repeats, Dim step, const TrainConfig& c) {
  std::ostringstream text;
  text.precision(3);
  text << "captions repeat: in the batch of step " << step << " a picture shares its caption with " << repeats.others << " others on average; ";
  if (c.loss == "softmax")
    text << "the softmax takes one of them for right and the others for wrong, so its loss cannot fall below " << repeats.softmax_floor;
  else if (c.positives == "diagonal")
    text << "they are trained as mismatches (--positives diagonal), so the loss cannot fall below "
         << repeats.diagonal_floor / (c.reduction == "mean" ? double(c.batch_size) : 1) << "; --positives caption avoids it";
  else
    text << "they count as matches (--positives caption), which costs nothing";
  return text.str();
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
