// diagnose.cpp — the mistake under which our numbers become those of the reference is the mistake that it has.
//
// If a part of the chain differs from the reference, every known mistake of that part is planted, one at a time, in a copy of our model; the one
// that leaves the smallest error is the diagnosis, provided that the margin to the next best is clear.
#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <optional>
#include <set>
#include <sstream>
#include "doctor/chain.h"
#include "siglip/error.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
// Relative errors. In float, outputs of a deep tower differ by about 1e-6 between correct implementations; bfloat16 leaves some 1e-3.
constexpr double no_difference = 1e-6, equal = 1e-4, most_left = 2e-2;
constexpr double clear = 10;  // times less error than without the mistake, and than the next best

// One or more entries of the table, planted together.
struct Hypothesis {
  std::string name;
  std::vector<const Mistake*> planted;
  unsigned stages() const {
    unsigned all = 0;
    for (const Mistake* m : planted) all |= m->stage;
    return all;
  }
};

struct Fit {
  Hypothesis hypothesis;
  double error = std::numeric_limits<double>::infinity();
  std::ptrdiff_t place = 0;  // among those that were tried
};

std::string number(double value) {
  std::ostringstream out;
  out.precision(2);
  out << value;
  return out.str();
}

std::string joined(const std::vector<std::string>& words, const char* between) {
  std::string line;
  for (const std::string& word : words) line += (line.empty() ? "" : between) + word;
  return line;
}

std::vector<Finding> merged(const std::vector<Finding>& findings);

class Patient {
 public:
  Patient(const Siglip& model, const Inputs& inputs, const Inputs& prepared, const Reference& reference, bool pairs)
      : chain_(model, inputs, prepared, reference), reference_(reference), pairs_(pairs), mistakes_(known_mistakes()) {}

  std::vector<Finding> diagnose() {
    std::vector<Finding> findings;
    if (const std::optional<Finding> exchanged = exchanged_embeddings()) return {*exchanged};
    for (const Part& part : chain_.parts()) findings.push_back(examine(part));
    return merged(findings);
  }

 private:
  std::optional<Finding> exchanged_embeddings() const;
  Finding examine(const Part& part) const;
  void not_explained(Finding& finding, const std::vector<Fit>& tried, double without) const;
  std::vector<Hypothesis> hypotheses(unsigned stages) const;
  std::vector<Fit> with_pairs(const Part& part, std::vector<Fit> single, double without) const;

  Chain chain_;
  const Reference& reference_;
  bool pairs_;
  std::vector<Mistake> mistakes_;
};

// ---- comparing -------------------------------------------------------------------------------------------------------------------------

double misfit(const Part& part, const Named& ours) {
  double worst = 0;
  for (const auto& [name, theirs] : part.theirs) worst = std::max(worst, relative_error(ours.at(name), theirs));
  return worst;
}

// The first tensor in the chain that is not equal, and its worst element.
std::string first_difference(const Part& part, const Named& all) {
  for (const std::string& name : part.names) {
    const Tensor &theirs = part.theirs.at(name), &ours = all.at(name);
    const double error = relative_error(ours, theirs);
    if (!(error > no_difference * clear)) continue;
    std::ostringstream text;
    if (ours.shape() != theirs.shape()) {
      text << name << " has shape " << theirs.shape() << " where " << ours.shape() << " is right";
      return text.str();
    }
    Dim worst = 0;
    const auto difference = [&](Dim i) { return std::abs(double(ours.data()[i]) - double(theirs.data()[i])); };
    for (Dim i = 1; i < ours.size(); ++i)
      if (difference(i) > difference(worst)) worst = i;
    Shape index(ours.shape().size());
    Dim rest = worst;
    for (std::size_t axis = index.size(); axis-- > 0; rest /= ours.shape()[axis]) index[axis] = rest % ours.shape()[axis];
    text.precision(4);
    text << name << " differs first: relative error " << number(error) << ", at " << index << " it is " << double(theirs.data()[worst])
         << ", right is " << double(ours.data()[worst]);
    return text.str();
  }
  return joined(part.names, ", ") + " differ";
}

std::vector<Hypothesis> Patient::hypotheses(unsigned stages) const {
  std::vector<Hypothesis> all;
  for (const Mistake& mistake : mistakes_)
    if (mistake.stage & stages) all.push_back({mistake.name, {&mistake}});
  // A mistake of both towers, where one number shows both.
  const std::size_t singles = all.size();
  for (std::size_t i = 0; i < singles; ++i)
    for (std::size_t j = i + 1; j < singles; ++j)
      if (all[i].name == all[j].name && all[i].stages() != all[j].stages()) all.push_back({all[i].name, {all[i].planted[0], all[j].planted[0]}});
  return all;
}

// Two at a time; with `one` only those that it is part of.
std::vector<Hypothesis> paired(const std::vector<Hypothesis>& singles, const std::string& one) {
  std::vector<Hypothesis> both;
  for (std::size_t i = 0; i < singles.size(); ++i)
    for (std::size_t j = i + 1; j < singles.size(); ++j) {
      const Hypothesis &a = singles[i], &b = singles[j];
      if (a.name == b.name || a.planted.size() + b.planted.size() > 2 || (!one.empty() && a.name != one && b.name != one)) continue;
      both.push_back({a.name + " + " + b.name, {a.planted[0], b.planted[0]}});
    }
  return both;
}

std::vector<Fit> fits(const Part& part, const std::vector<Hypothesis>& tried) {
  std::vector<Fit> results;
  for (const Hypothesis& hypothesis : tried) {
    Trial trial = part.start;
    bool possible = true;
    for (const Mistake* mistake : hypothesis.planted) possible = possible && mistake->plant(trial);
    if (possible) results.push_back({hypothesis, misfit(part, part.ours(trial, hypothesis.stages())), std::ssize(results)});
  }
  std::stable_sort(results.begin(), results.end(), [](const Fit& a, const Fit& b) { return a.error < b.error; });
  return results;
}

// ---- judging ---------------------------------------------------------------------------------------------------------------------------

bool explains(const std::vector<Fit>& fits, double without) {
  return !fits.empty() && fits[0].error <= most_left && fits[0].error * clear <= without;
}

// A second mistake beside the best one, or any two.
std::vector<Fit> Patient::with_pairs(const Part& part, std::vector<Fit> single, double without) const {
  const bool found = explains(single, without);
  if (found ? single[0].error <= no_difference * clear : without <= equal || !pairs_) return single;
  std::vector<Fit> pairs = fits(part, found ? paired(hypotheses(part.stages), single[0].hypothesis.name) : paired(hypotheses(part.stages), ""));
  return explains(pairs, found ? single[0].error : without) ? pairs : single;
}

// All that explain it as well as the best one, in the order they were tried in: which of them is nearest is a matter of rounding.
void name_mistakes(Finding& finding, const std::vector<Fit>& tried, double without) {
  const double floor = std::max(tried[0].error, no_difference / clear);
  finding.level = Finding::mistake;
  finding.error = tried[0].error;
  double next = without;
  std::vector<std::string> whats, advices;
  const auto add = [](std::vector<std::string>& list, const std::string& entry) {
    if (std::find(list.begin(), list.end(), entry) == list.end()) list.push_back(entry);
  };
  const auto end = std::find_if(tried.begin(), tried.end(), [&](const Fit& fit) { return fit.error > clear * floor; });
  if (end != tried.end()) next = std::min(next, end->error);
  std::vector<Fit> alike(tried.begin(), end);
  std::sort(alike.begin(), alike.end(), [](const Fit& a, const Fit& b) { return a.place < b.place; });
  for (const Fit& fit : alike) {
    if (std::find(finding.mistakes.begin(), finding.mistakes.end(), fit.hypothesis.name) != finding.mistakes.end()) continue;
    finding.mistakes.push_back(fit.hypothesis.name);
    std::vector<std::string> what, advice;
    for (const Mistake* m : fit.hypothesis.planted) add(what, m->what), add(advice, m->advice);
    add(whats, joined(what, " and "));
    add(advices, joined(advice, "; "));
  }
  finding.margin = next / floor;
  finding.cause = joined(whats, ", or ") + " (made here too, the error is " + number(finding.error) +
                  (std::isfinite(next) ? ", next best " + number(next) : ", nothing else has this shape") + ")";
  finding.advice = joined(advices, "; or ");
}

void Patient::not_explained(Finding& finding, const std::vector<Fit>& tried, double without) const {
  const std::string nearest = tried.empty() ? "" : " (the nearest is " + tried[0].hypothesis.name + ", which leaves " + number(tried[0].error) + ")";
  if (without <= most_left) {
    finding.level = Finding::note;
    finding.cause = "half precision leaves as much, and no known mistake explains it" + nearest;
    finding.advice = "compare in float32 to be sure";
    return;
  }
  finding.level = Finding::mistake;
  finding.mistakes = {"unknown"};
  finding.cause = "no known mistake explains it" + nearest;
  finding.advice = "dump hidden.vision.I and hidden.text.I to see where it begins";
  if (!pairs_) finding.advice += ", or try two mistakes at once with --pairs";
}

Finding Patient::examine(const Part& part) const {
  Finding finding{.about = part.about};
  const Named right = part.ours(part.start, 0);
  const double without = misfit(part, right);
  finding.error = without;
  finding.seen = joined(part.names, ", ") + (part.names.size() > 1 ? " are" : " is") + " as here (relative error " + number(without) + ")";
  if (without <= no_difference) return finding;
  const std::vector<Fit> tried = with_pairs(part, fits(part, hypotheses(part.stages)), without);
  if (explains(tried, without)) {
    finding.seen = first_difference(part, right);
    name_mistakes(finding, tried, without);
  } else if (without > equal) {
    not_explained(finding, tried, without);
    finding.seen = first_difference(part, right);
    if (!(part.stages & (in_pixels | in_ids | in_vision | in_text)))
      finding.advice = "compare with logit = exp(logit_scale) cosine + logit_bias, and with the mean over rows of the summed -log sigmoid(z logit)";
  }
  return finding;
}

// Image embeddings under the name of text embeddings, and the other way round.
std::optional<Finding> Patient::exchanged_embeddings() const {
  const Tensor *u = reference_.find("image_embeds"), *v = reference_.find("text_embeds");
  if (!u || !v || !chain_.healthy().inputs.pixels.defined() || !chain_.healthy().inputs.ids.defined()) return std::nullopt;
  const Tensor images = run_vision(chain_.healthy()).embeds, texts = run_text(chain_.healthy()).embeds;
  Finding finding{.level = Finding::mistake, .about = "embeddings"};
  if (relative_error(images, *v) <= equal && relative_error(texts, *u) <= equal) {
    finding.mistakes = {"embeddings-exchanged"};
    finding.error = std::max(relative_error(images, *v), relative_error(texts, *u));
    finding.margin = relative_error(images, *u) / std::max(finding.error, no_difference / clear);
    finding.seen = "image_embeds are the text tower's, and text_embeds are the image tower's";
    finding.cause = "the towers are exchanged";
    finding.advice = "exchange the two names; scores are then transposed as well";
    return finding;
  }
  if (relative_error(*u, *v) > equal) return std::nullopt;
  finding.mistakes = {"one-tower-twice"};
  finding.seen = "image_embeds and text_embeds are the same numbers, so the scores are symmetric";
  finding.cause = "one tower was run for both";
  finding.advice = "run vision_model on pixels and text_model on ids";
  return finding;
}

// The same mistake in both towers is one mistake.
std::vector<Finding> merged(const std::vector<Finding>& findings) {
  std::vector<Finding> all;
  for (const Finding& finding : findings) {
    const auto same = std::find_if(all.begin(), all.end(), [&](const Finding& f) {
      return finding.level == Finding::mistake && f.mistakes == finding.mistakes && f.mistakes[0] != "unknown";
    });
    if (same == all.end()) {
      all.push_back(finding);
      continue;
    }
    same->about += " and " + finding.about;
    same->error = std::max(same->error, finding.error);
    same->margin = std::min(same->margin, finding.margin);
  }
  return all;
}
}  // namespace

std::vector<Finding> diagnose(const Siglip& model, const Inputs& inputs, const Inputs& prepared, const Reference& reference, bool pairs) {
  std::vector<Finding> findings = Patient(model, inputs, prepared, reference, pairs).diagnose();
  for (Finding& finding : findings) finding.about = "reference, " + finding.about;
  return findings;
}

std::vector<MistakeName> known_mistake_names() {
  std::vector<MistakeName> names;
  std::set<std::string> seen;
  for (const Mistake& mistake : known_mistakes())
    if (seen.insert(mistake.name).second) names.push_back({mistake.name, mistake.what, mistake.advice});
  return names;
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
