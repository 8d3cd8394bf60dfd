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
#include <tuple>
#include <utility>
#include "check/values.h"
#include "data/decode.h"
#include "doctor/chain.h"
#include "doctor/findings.h"
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

std::string short_number(double value) { return number(value, 2); }

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
    if (const std::vector<std::string> names = chain_.beyond_the_model(); !names.empty())
      findings.push_back(noted("image embeddings", joined(names, ", ") + (names.size() > 1 ? " were" : " was") + " not compared",
                               "vision_use_head is false, so this model has no image embedding", "compare hidden.vision.I"));
    return merged(findings);
  }

 private:
  std::optional<Finding> exchanged_embeddings() const;
  Finding examine(const Part& part) const;
  void not_explained(Finding& finding, const Part& part, const std::vector<Fit>& tried, double without) const;
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
  for (const auto& [name, theirs] : part.theirs)
    worst = std::max(worst, part.exact ? different_share(ours.at(name), theirs) : relative_error(ours.at(name), theirs));
  return worst;
}

// The first tensor in the chain that is not equal, and its worst element.
std::string first_difference(const Part& part, const Named& all) {
  for (const std::string& name : part.names) {
    const Tensor &theirs = part.theirs.at(name), &ours = all.at(name);
    const double error = relative_error(ours, theirs);
    if (!(error > (part.exact ? 0 : no_difference * clear))) continue;
    std::ostringstream text;
    if (ours.shape() != theirs.shape()) {
      text << name << " has shape " << theirs.shape() << " where " << ours.shape() << " is right";
      return text.str();
    }
    Dim worst = 0, different = 0;
    const auto difference = [&](Dim i) { return std::abs(double(ours.data()[i]) - double(theirs.data()[i])); };
    for (Dim i = 0; i < ours.size(); ++i) {
      const bool first = part.exact && difference(i) > 0 && different == 0;
      if (first || (!part.exact && difference(i) > difference(worst))) worst = i;
      different += difference(i) > 0;
    }
    text.precision(part.exact ? 9 : 4);
    text << name;
    if (part.exact)
      text << " differs in " << different << " of " << ours.size() << " ids, first";
    else
      text << " differs first: relative error " << short_number(error) << ",";
    text << " at " << index_of(worst, ours.shape()) << " it is " << double(theirs.data()[worst]) << ", right is " << double(ours.data()[worst]);
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
  if (found ? single[0].error <= (part.exact ? 0 : no_difference * clear) : (!part.exact && without <= equal) || !pairs_) return single;
  std::vector<Fit> pairs = fits(part, found ? paired(hypotheses(part.stages), single[0].hypothesis.name) : paired(hypotheses(part.stages), ""));
  return explains(pairs, found ? single[0].error : without) ? pairs : single;
}

bool is_variant(const Fit& fit) {
  return std::all_of(fit.hypothesis.planted.begin(), fit.hypothesis.planted.end(), [](const Mistake* m) { return m->variant; });
}

// All that explain it as well as the best one, in the order they were tried in: which of them is nearest is a matter of rounding.
void name_mistakes(Finding& finding, const std::vector<Fit>& tried, double without) {
  const double floor = std::max(tried[0].error, no_difference / clear);
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
  finding.level = std::all_of(alike.begin(), alike.end(), is_variant) ? Finding::note : Finding::mistake;
  for (const Fit& fit : alike) {
    if (std::find(finding.mistakes.begin(), finding.mistakes.end(), fit.hypothesis.name) != finding.mistakes.end()) continue;
    finding.mistakes.push_back(fit.hypothesis.name);
    std::vector<std::string> what, advice;
    for (const Mistake* m : fit.hypothesis.planted) add(what, m->what), add(advice, m->advice);
    add(whats, joined(what, " and "));
    add(advices, joined(advice, "; "));
  }
  finding.margin = next / floor;
  finding.cause = joined(whats, ", or ") + " (made here too, the error is " + short_number(finding.error) +
                  (std::isfinite(next) ? ", next best " + short_number(next) : ", nothing else has this shape") + ")";
  finding.advice = joined(advices, "; or ");
}

// What leaves a small difference without being a mistake, and how to be sure.
std::pair<std::string, std::string> small_cause(const Part& part) {
  const Inputs& inputs = part.start.inputs;
  const bool pixels = part.stages == in_pixels, files = part.stages & in_pixels && !inputs.images.empty();
  const std::string resize = "another library's resize", decoder = "another JPEG decoder than " + jpeg_decoder() + " or " + resize;
  if (pixels)
    return {(inputs.jpeg ? decoder : resize) + " leaves as much",
            std::string(inputs.jpeg ? "save the picture as PNG and compare again" : "compare with Pillow's resize") +
                "; if their pixel_values are given with --inputs, the towers are compared without this difference"};
  if (files && inputs.jpeg)
    return {"half precision, " + decoder + " leaves as much", "give their pixel_values with --inputs, and compare in float32"};
  return {"half precision leaves as much", "compare in float32 to be sure"};
}

// What to dump next: nothing that is there already.
std::string advice_for_tower(const Part& part) {
  const char* states = part.stages & (in_pixels | in_vision) ? "hidden.vision." : "hidden.text.";
  const bool there = std::any_of(part.names.begin(), part.names.end(), [&](const std::string& name) { return name.starts_with(states); });
  return there ? "look at what makes the tensor that differs first" : "dump " + std::string(states) + "I to see where it begins";
}

// Embeddings that are right but for their lengths or their order: of each row of theirs, where the nearest of ours is.
std::string rows_alike(const Part& part, const Named& right) {
  const std::string& name = part.names.back();
  const auto found = part.theirs.find(name);
  if (!name.ends_with("_embeds") || found == part.theirs.end() || found->second.shape() != right.at(name).shape()) return "";
  const Tensor theirs = l2_normalize(found->second), ours = l2_normalize(right.at(name));
  const Tensor cosines = matmul(theirs, ours);
  const Dim N = theirs.dim(0);
  std::set<Dim> met;
  bool same_order = true;
  for (Dim i = 0; i < N; ++i) {
    const Real* row = cosines.data() + i * N;
    const Dim nearest = std::max_element(row, row + N) - row;
    if (!(row[i] > 1 - equal)) same_order = false;
    if (!(row[nearest] > 1 - equal)) return "";
    met.insert(row[i] > 1 - equal ? i : nearest);
  }
  if (same_order) return "; each row of " + name + " points where ours does, and only its length is another: it was divided by something else";
  return std::ssize(met) == N ? "; the rows of " + name + " are ours in another order" : "";
}

// Their scores as A cosine + C, if that is what they are; else nothing. Least squares over all of them.
std::string linear_scores(const Part& part, const Named& right) {
  const auto found = part.theirs.find(part.names[0]);
  if (part.about != "scores" || found == part.theirs.end() || found->second.shape() != right.at(part.names[0]).shape()) return "";
  const Tensor &theirs = found->second, &ours = right.at(part.names[0]);
  const double t = part.start.scoring.t, b = part.start.scoring.b, n = double(ours.size());
  const auto cosine = [&](Dim i) { return (double(ours.data()[i]) - b) / t; };
  double x = 0, y = 0, xx = 0, xy = 0, yy = 0;
  for (Dim i = 0; i < ours.size(); ++i) x += cosine(i) / n, y += double(theirs.data()[i]) / n;
  for (Dim i = 0; i < ours.size(); ++i) {
    const double dx = cosine(i) - x, dy = double(theirs.data()[i]) - y;
    xx += dx * dx, xy += dx * dy, yy += dy * dy;
  }
  if (ours.size() < 3 || xx == 0 || yy == 0 || 1 - xy * xy / (xx * yy) > equal) return "";
  const double A = xy / xx, C = y - A * x;
  return "; they are " + number(A, 4) + " cosine " + (C < 0 ? "- " : "+ ") + number(std::abs(C), 4) + " where " + number(t, 4) + " cosine " +
         (b < 0 ? "- " : "+ ") + number(std::abs(b), 4) + " is right";
}

void Patient::not_explained(Finding& finding, const Part& part, const std::vector<Fit>& tried, double without) const {
  const bool near = !tried.empty() && tried[0].error * 2 <= without;
  const std::string nearest = near ? " (the nearest is " + tried[0].hypothesis.name + ", which leaves " + short_number(tried[0].error) + ")" : "";
  if (without <= most_left && !part.exact) {
    finding.level = Finding::note;
    std::tie(finding.cause, finding.advice) = small_cause(part);
    finding.cause += ", and no known mistake explains it" + nearest;
    return;
  }
  finding.level = Finding::mistake;
  finding.mistakes = {"unknown"};
  finding.cause = "no known mistake explains it" + nearest;
  finding.advice = part.stages == in_pixels ? "compare with what `siglip preprocess` writes"
                   : part.stages == in_ids  ? "compare with what `siglip tokenize` prints"
                   : part.stages & (in_pixels | in_ids | in_vision | in_text)
                       ? advice_for_tower(part)
                       : "compare with logit = exp(logit_scale) cosine + logit_bias, and with the mean over rows of the summed -log sigmoid(z logit)";
  if (!pairs_) finding.advice += ", or try two mistakes at once with --pairs";
}

Finding Patient::examine(const Part& part) const {
  Finding finding{.about = part.about};
  const Named right = part.ours(part.start, 0);
  const double without = misfit(part, right);
  finding.error = without;
  finding.seen = joined(part.names, ", ") + (part.names.size() > 1 ? " are" : " is") + " as here (relative error " + short_number(without) + ")";
  if (without <= (part.exact ? 0 : no_difference)) return finding;
  const std::vector<Fit> tried = with_pairs(part, fits(part, hypotheses(part.stages)), without);
  if (explains(tried, without)) {
    finding.seen = first_difference(part, right);
    name_mistakes(finding, tried, without);
  } else if (part.exact || without > equal) {
    not_explained(finding, part, tried, without);
    finding.seen = first_difference(part, right);
    finding.cause += linear_scores(part, right) + rows_alike(part, right);
  }
  return finding;
}

// Image embeddings under the name of text embeddings, and the other way round.
std::optional<Finding> Patient::exchanged_embeddings() const {
  const Tensor *u = reference_.find("image_embeds"), *v = reference_.find("text_embeds");
  if (!u || !v || !chain_.healthy().inputs.pixels.defined() || !chain_.healthy().inputs.ids.defined() || !chain_.healthy().model.config.vision_head)
    return std::nullopt;
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
