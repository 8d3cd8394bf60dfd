// chain.cpp — what each link gives, with and without a mistake.
#include "doctor/chain.h"
#include "siglip/error.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
Tensor as_tensor(const Ids& ids) {
  const std::vector<std::int32_t> values = ids.to_vector();
  return Tensor::from(ids.shape(), std::vector<Real>(values.begin(), values.end()));
}

// The tensors of these names out of what a tower gives.
Named select(const std::vector<std::string>& names, const Trace& trace) {
  Named selected;
  for (const std::string& name : names)
    selected.emplace(name, name.starts_with("hidden.") ? trace.hidden[std::stoul(name.substr(name.rfind('.') + 1))] : trace.embeds);
  return selected;
}
}  // namespace

Chain::Chain(const Siglip& model, const Inputs& inputs, const Inputs& prepared, const Reference& reference)
    : healthy_(healthy_trial(model, inputs)), unprepared_(healthy_trial(model, prepared)), reference_(reference) {}

std::vector<Part> Chain::parts() {
  std::vector<Part> all;
  const Inputs &theirs = healthy_.inputs, &ours = unprepared_.inputs;
  if (theirs.pixels.defined() && ours.pixels.defined()) all.push_back(input_part("pixel_values", in_pixels, theirs.pixels));
  if (theirs.ids.defined() && ours.ids.defined()) all.push_back(input_part("input_ids", in_ids, as_tensor(theirs.ids)));
  for (const Tower tower : {Tower::vision, Tower::text}) {
    const bool vision = tower == Tower::vision;
    std::vector<std::string> names = vision ? reference_.states("vision", "image_embeds") : reference_.states("text", "text_embeds");
    if (vision && !healthy_.model.config.vision_head) std::erase(names, "image_embeds");
    if (!names.empty()) all.push_back(tower_part(tower, names));
  }
  std::vector<std::string> names;
  for (const char* name : {"logits_per_text", "logits_per_image"})
    if (reference_.find(name)) names.push_back(name);
  if (!names.empty() && has_images()) {
    all.push_back(part("scores", names, stages_of_logits(names[0])));
    all.back().ours = [this](const Trial& trial, unsigned touched) {
      const Tensor by_text = logits(trial, touched);
      return Named{{"logits_per_text", by_text}, {"logits_per_image", transposed(by_text)}};
    };
    choose_rows(all.back());
  }
  if (reference_.find("loss") && (!names.empty() || has_images())) {
    all.push_back(part("loss", {"loss"}, in_loss | (names.empty() ? stages_of_logits("loss") : 0)));
    const Tensor given = names.empty()                   ? Tensor()
                         : names[0] == "logits_per_text" ? *reference_.find(names[0])
                                                         : transposed(*reference_.find(names[0]));
    all.back().ours = [this, given](const Trial& trial, unsigned touched) {
      const double loss = loss_of(trial.scoring, given.defined() ? given : logits(trial, touched));
      return Named{{"loss", Tensor::full(reference_.find("loss")->shape(), static_cast<Real>(loss))}};
    };
  }
  return all;
}

std::vector<std::string> Chain::beyond_the_model() const {
  std::vector<std::string> names;
  if (healthy_.model.config.vision_head) return names;
  const auto add = [&](const char* name, bool known) {
    if (reference_.find(name) && !known) names.push_back(name);
  };
  add("image_embeds", false);
  add("logits_per_text", has_images());
  add("logits_per_image", has_images());
  add("loss", has_images() || reference_.find("logits_per_text") || reference_.find("logits_per_image"));
  return names;
}

Part Chain::part(const std::string& about, const std::vector<std::string>& names, unsigned stages) const {
  Part made{about, names, {}, stages, healthy_, {}};
  for (const std::string& name : names)
    if (const Tensor* theirs = reference_.find(name)) made.theirs.emplace(name, *theirs);
  return made;
}

Part Chain::input_part(const char* name, unsigned stage, const Tensor& theirs) const {
  Part made = part(name, {name}, stage);
  made.theirs.emplace(name, theirs);
  made.start = unprepared_;
  made.exact = stage == in_ids;
  made.ours = [name, stage](const Trial& trial, unsigned) {
    return Named{{name, stage == in_pixels ? trial.inputs.pixels : as_tensor(trial.inputs.ids)}};
  };
  return made;
}

Part Chain::tower_part(Tower tower, const std::vector<std::string>& names) const {
  need(tower == Tower::vision ? healthy_.inputs.pixels.defined() : healthy_.inputs.ids.defined(), tower, names.back());
  Part made = tower == Tower::vision ? part("image tower", names, in_pixels | in_vision) : part("text tower", names, in_ids | in_text);
  made.ours = [names, run = tower == Tower::vision ? run_vision : run_text](const Trial& trial, unsigned) { return select(names, run(trial)); };
  return made;
}

// Those of a tower too, if the reference does not hold its embeddings.
unsigned Chain::stages_of_logits(const std::string& name) const {
  unsigned stages = in_logits;
  if (!reference_.find("image_embeds")) need(healthy_.inputs.pixels.defined(), Tower::vision, name), stages |= in_pixels | in_vision;
  if (!reference_.find("text_embeds")) need(healthy_.inputs.ids.defined(), Tower::text, name), stages |= in_ids | in_text;
  return stages;
}

void Chain::need(bool there, Tower tower, const std::string& name) const {
  const bool vision = tower == Tower::vision;
  require(there, reference_.file, vision ? "pixel_values" : "input_ids", " are needed to compare ", name, ", got none: give --inputs or ",
          vision ? "--image" : "--text");
}

Tensor Chain::logits(const Trial& trial, unsigned touched) {
  const Tensor u = embeds(trial, Tower::vision, touched & (in_pixels | in_vision)), v = embeds(trial, Tower::text, touched & (in_ids | in_text));
  return logits_per_text(trial.scoring, u, v);
}

// Embeddings may have been written down before they were brought to length 1, and scored after: a mistake of the embeddings, none of the scores.
void Chain::choose_rows(const Part& scores) {
  const auto misfit = [&](bool unit_rows) {
    unit_rows_ = unit_rows;
    return relative_error(scores.ours(healthy_, 0).at(scores.names[0]), scores.theirs.at(scores.names[0]));
  };
  const double as_given = misfit(false), normalised = misfit(true);
  unit_rows_ = normalised * 10 < as_given;
}

Tensor Chain::embeds(const Trial& trial, Tower tower, bool touched) {
  const bool vision = tower == Tower::vision;
  if (const Tensor* given = reference_.find(vision ? "image_embeds" : "text_embeds")) return unit_rows_ ? l2_normalize(*given) : *given;
  const auto run = vision ? run_vision : run_text;
  if (touched) return run(trial).embeds;
  Tensor& kept = vision ? images_ : texts_;
  if (!kept.defined()) kept = run(healthy_).embeds;
  return kept;
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
