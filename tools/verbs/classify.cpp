// classify.cpp — siglip classify: which of these labels fits each picture?
#include <cmath>
#include <iostream>
#include <memory>
#include "evaluations.h"
#include "io/json.h"
#include "siglip/error.h"
#include "siglip/train.h"
#include "verbs.h"

namespace siglip::tools {
namespace {
struct Settings {
  std::string run, labels, labels_file, text_template = "{}";
  std::vector<std::string> images;
  std::int64_t top = 0;
  bool skip_bad = false, no_follow = false, json = false;
  std::string device = "cpu";
  PixelFlags pixels;
  TokenizerOptions tokenizer;
};

std::vector<std::string> labels_of(const Settings& s) {
  if (s.labels.empty() == s.labels_file.empty())
    throw WrongUse("--labels: either --labels or --labels-file is expected, got " + std::string(s.labels.empty() ? "neither" : "both"));
  std::vector<std::string> labels = s.labels.empty() ? read_texts(s.labels_file) : split_list(s.labels);
  for (std::string& label : labels) label = trimmed(label);
  std::erase_if(labels, [](const std::string& label) { return label.empty(); });
  if (labels.empty())
    throw WrongUse("--labels: at least one label is expected, got " +
                   (s.labels.empty() ? "only blank lines in " + s.labels_file : "\"" + s.labels + "\""));
  return labels;
}

std::vector<std::string> captions_of(const std::vector<std::string>& labels, const std::string& text_template) {
  std::vector<std::string> captions;
  try {
    for (const std::string& label : labels) captions.push_back(fill_template(text_template, label, "--template"));
  } catch (const Error& e) {
    throw WrongUse(e.what());
  }
  return captions;
}

struct Answer {
  std::string label;
  double probability, cosine, logit;
};

// The best labels of one picture: p = σ(t cosine + b). Each label is judged alone, so the probabilities need not sum to 1.
std::vector<Answer> answers(const Real* image, const Tensor& texts, const std::vector<std::string>& labels, double t, double b, Dim top) {
  std::vector<Answer> best;
  for (const Match& match : best_matches(image, texts, top)) {
    const double logit = t * match.cosine + b;
    best.push_back({labels[static_cast<std::size_t>(match.candidate)], 1 / (1 + std::exp(-logit)), match.cosine, logit});
  }
  return best;
}

std::string probability_text(double p) { return p >= 1e-3 ? fixed(p, 4) : scientific(p); }

void classify_verb(const Settings& s) {
  const std::vector<std::string> labels = labels_of(s), captions = captions_of(labels, s.text_template);
  const Device device = find_device(s.device, "--device");
  Pretrained model = Pretrained::load(s.run, s.tokenizer);
  s.pixels.apply(model);
  move_to(model.model.parameters(), device);
  const std::vector<std::string> files = picture_files(s.images, !s.no_follow);
  model.expect(files.size(), captions.size());
  if (settings_of_run(s.run).loss == "softmax")
    std::cerr << "note: this model was trained with the softmax loss, which leaves b untrained: ranks mean something, probabilities do not\n";
  note_texts(captions, token_rows(captions, *model.tokenizer), *model.tokenizer);
  const double t = std::exp(double(model.model.log_t.item())), b = double(model.model.b.item());
  require(std::isfinite(t) && std::isfinite(b), model.folder, "a finite temperature and bias are expected, got t = ", t, " and b = ", b);
  const Tensor texts = model.embed(captions);
  const Dim count = std::ssize(labels), top = s.top ? std::min(s.top, count) : count;
  Json json = Json::array();
  std::vector<std::vector<std::string>> rows{{"image", "rank", "label", "probability", "cosine", "logit"}};
  Pictures pictures(model.preprocessing, s.skip_bad);
  for (const std::string& path : files) {
    std::optional<Image> picture = pictures.read(path);
    if (!picture) continue;
    const Tensor image = model.embed(std::vector<Image>{std::move(*picture)});
    Json results = Json::array();
    int rank = 0;
    for (const Answer& a : answers(image.data(), texts, labels, t, b, top)) {
      ++rank;
      rows.push_back({path, std::to_string(rank), a.label, probability_text(a.probability), fixed(a.cosine, 4), fixed(a.logit, 2)});
      results.push_back({{"rank", rank}, {"label", a.label}, {"probability", a.probability}, {"cosine", a.cosine}, {"logit", a.logit}});
    }
    json.push_back({{"image", path}, {"results", results}});
  }
  pictures.finish();
  if (s.json)
    print_json(json);
  else
    print_table(std::cout, rows);
}
}  // namespace

void add_classify(CLI::App& program) {
  CLI::App& verb =
      add_verb(program, "classify",
               "Rank labels for each picture. The probability is the sigmoid of t * cosine + b: each label is judged alone, so they need not\n"
               "sum to 1.",
               "siglip classify run --labels \"a small red circle, a large blue star\" shapes/val/00000.png",
               "[image, results [rank, label, probability, cosine, logit]]");
  const auto s = std::make_shared<Settings>();
  verb.add_option("RUN", s->run, "a run folder or a checkpoint folder")->required();
  verb.add_option("IMAGE", s->images, "pictures, or folders of them")->required();
  text_flag(verb, "--labels", s->labels, "labels, separated by commas");
  text_flag(verb, "--labels-file", s->labels_file, text_files);
  text_flag(verb, "--template", s->text_template, "the caption of a label, {} is the label");
  whole_flag(verb, "--top", s->top, 0, 1'000'000, "only the best N labels; 0: all");
  verb.add_flag("--skip-bad", s->skip_bad, "a picture that cannot be read is named and left out, not an error");
  no_follow_flag(verb, s->no_follow);
  model_pixel_flags(verb, s->pixels);
  device_flag(verb, s->device);
  lower_flag(verb, s->tokenizer);
  json_flag(verb, s->json);
  threads_flag(verb);
  verb.callback([s] { classify_verb(*s); });
}
}  // namespace siglip::tools
