// doubt.cpp — did a run learn anything that shows on what was held out?
#include <algorithm>
#include <cmath>
#include <map>
#include <sstream>
#include "train/evaluate.h"
#include "train/fields.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
struct Score {
  const char* name;
  double value, chance;
};

// Who knows nothing guesses one of the captions; of classes, the one that is most frequent.
Score score_of(const Evaluation& e) {
  const double guess = 1 / double(std::max<Dim>(1, e.candidates));
  if (e.accuracy < 0) return {"R@1", (e.image_to_text.r1 + e.text_to_image.r1) / 2, guess};
  std::map<std::int32_t, Dim> support;
  Dim most = 0;
  for (const Prediction& p : e.predictions) most = std::max(most, ++support[p.label]);
  return {"accuracy", e.accuracy, most ? double(most) / double(e.predictions.size()) : guess};
}

// Within two standard errors of chance, or above it but not by much.
bool is_near_chance(const Score& s, Dim queries) {
  const double error = std::sqrt(s.chance * (1 - s.chance) / double(std::max<Dim>(1, queries)));
  return s.chance < 0.95 && (s.value < s.chance + 2 * error || (s.value < 3 * s.chance && s.value < s.chance + 0.1 * (1 - s.chance)));
}
}  // namespace

std::string doubt_of(const std::vector<Evaluation>& evaluations, const TrainConfig& c, Dim trained) {
  if (evaluations.empty()) return "";
  const Evaluation& e = evaluations.size() > 1 ? evaluations[1] : evaluations[0];
  const Score score = score_of(e);
  if (!is_near_chance(score, e.pairs)) return "";
  std::ostringstream out;
  out.precision(2);
  out << "on " << e.split << " the run is hardly better than chance: " << score.name << ' ' << score.value << ", by chance " << score.chance << ". ";
  const Dim steps = steps_for(trained, c.batch_size);
  const bool few = c.steps < steps, unmoved = is_small(trained) && c.shift == 0 && c.scale == 0;
  if (few) out << "Its " << c.steps << " steps are few: try --steps " << steps << ", or --minutes. ";
  if (unmoved) out << "Its " << trained << " pairs are few: try --shift 0.1 --scale 0.25. ";
  if (!few && !unmoved) {
    const bool by_heart = evaluations.size() > 1 && !is_near_chance(score_of(evaluations[0]), evaluations[0].pairs);
    out << (by_heart ? "It learned train by heart: more pictures would help, or captions whose words several pictures share. "
                     : "It did not learn train either: try more --steps, or another --lr. ");
  }
  std::string line = out.str();
  line.pop_back();
  return line;
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
