// classify.cpp — siglip classify: which of these labels fits each picture?
#include <cmath>
#include <iostream>
#include <memory>
#include <optional>
#include <string_view>
#include "evaluations.h"
#include "io/json.h"
#include "siglip/error.h"
#include "siglip/train.h"
#include "verbs.h"

namespace siglip::tools {
namespace {
struct Settings {
  std::string run, labels, labels_file;
  std::optional<std::string> text_template;
  std::vector<std::string> images;
  std::int64_t top = 0;
  bool skip_bad = false, no_follow = false, json = false;
  std::string device = "cpu";
  PixelFlags pixels;
  TokenizerOptions tokenizer;
};

// Before anything is loaded.
void check(const Settings& s) {
  if (!s.labels.empty() && !s.labels_file.empty()) throw WrongUse("--labels: either --labels or --labels-file is expected, got both");
  if (s.text_template) as_wrong_use([&] { fill_template(*s.text_template, "", "--template"); });
}

// Those that are given, else those that the run was trained on.
std::vector<std::string> labels_of(const Settings& s, const Pretrained& model) {
  if (s.labels.empty() && s.labels_file.empty()) {
    if (model.labels.names.empty())
      throw WrongUse("--labels: either --labels or --labels-file is expected, since " + model.folder + " keeps no labels of its own, got neither");
    return model.labels.names;
  }
  std::vector<std::string> labels = s.labels.empty() ? read_texts(s.labels_file) : split_list(s.labels);
  for (std::string& label : labels) label = trimmed(label);
  std::erase_if(labels, [](const std::string& label) { return label.empty(); });
  if (labels.empty())
    throw WrongUse("--labels: at least one label is expected, got " +
                   (s.labels.empty() ? "only blank lines in " + s.labels_file : "\"" + s.labels + "\""));
  return labels;
}

// "a photo of a cat" of "a photo of a {}".
bool is_filled(const std::string& text_template, const std::string& label) {
  const std::size_t at = text_template.find("{}");
  const std::string_view before = std::string_view(text_template).substr(0, at), after = std::string_view(text_template).substr(at + 2);
  return label.size() > before.size() + after.size() && label.starts_with(before) && label.ends_with(after);
}

// The text of each label: as --template says, else as in the training of the model, where a label may have it already.
std::vector<std::string> captions_of(const std::vector<std::string>& labels, const Settings& s, const Pretrained& model) {
  const std::string text_template = s.text_template.value_or(model.labels.text_template);
  std::vector<std::string> captions;
  bool filled = false;
  const bool of_user = !s.labels.empty() || !s.labels_file.empty();
  for (const std::string& label : labels) {
    const bool as_it_is = !s.text_template && of_user && is_filled(text_template, label);
    captions.push_back(as_it_is ? label : fill_template(text_template, label, "--template"));
    filled = filled || !as_it_is;
  }
  if (!s.text_template && filled && text_template != "{}")
    std::cerr << "note: each label is put into the template of the training, " << brief(text_template)
              << "; --template '{}' leaves labels as they are\n";
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
  check(s);
  const Device device = find_device(s.device, "--device");
  Pretrained model = Pretrained::load(s.run, s.tokenizer);
  const std::vector<std::string> labels = labels_of(s, model), captions = captions_of(labels, s, model);
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
  const bool chosen = !s.labels.empty() || !s.labels_file.empty() || model.labels.classes;
  const Dim count = std::ssize(labels), top = std::min(count, s.top ? s.top : chosen ? count : 5);
  Json json = Json::array();
  std::vector<std::vector<std::string>> rows{{"image", "rank", "label", "probability", "cosine", "logit"}};
  const auto add = [&](const std::string& path, const Real* image) {
    Json results = Json::array();
    int rank = 0;
    for (const Answer& a : answers(image, texts, labels, t, b, top)) {
      ++rank;
      rows.push_back({path, std::to_string(rank), a.label, probability_text(a.probability), fixed(a.cosine, 4), fixed(a.logit, 2)});
      results.push_back({{"rank", rank}, {"label", a.label}, {"probability", a.probability}, {"cosine", a.cosine}, {"logit", a.logit}});
    }
    json.push_back({{"image", path}, {"results", results}});
  };
  Pictures pictures(model.preprocessing, s.skip_bad);
  pictures.each_batch(files, [&](const std::vector<std::string>& paths, const std::vector<Image>& images) {
    const Tensor embedded = model.embed(images);
    for (std::size_t i = 0; i < paths.size(); ++i) add(paths[i], embedded.data() + static_cast<Dim>(i) * embedded.columns());
  });
  if (s.json)
    print_json(json);
  else
    print_table(std::cout, rows);
  pictures.finish();
}
}  // namespace

void add_classify(CLI::App& program) {
  CLI::App& verb =
      add_verb(program, "classify",
               "Rank labels for each picture. The probability is the sigmoid of t * cosine + b: each label is judged alone, so they need not\n"
               "sum to 1. A run knows the classes and the template, or the captions, that it was trained on: they are used unless others are\n"
               "given.",
               "siglip classify run --labels \"a small red circle, a large blue star\" shapes/val/00000.png",
               "[image, results [rank, label, probability, cosine, logit]]");
  const auto s = std::make_shared<Settings>();
  verb.add_option("RUN", s->run, "a run folder or a checkpoint folder")->required();
  verb.add_option("IMAGE", s->images, "pictures, or folders of them")->required();
  text_flag(verb, "--labels", s->labels, "labels, separated by commas; default: those that RUN was trained on");
  text_flag(verb, "--labels-file", s->labels_file, text_files);
  verb.add_option("--template", s->text_template, "the caption of a label, {} is the label; default: as RUN was trained, else {}")->type_name("TEXT");
  whole_flag(verb, "--top", s->top, 0, 1'000'000, "only the best N labels; 0: all, or of a run's captions the best 5");
  skip_bad_flag(verb, s->skip_bad);
  no_follow_flag(verb, s->no_follow);
  model_pixel_flags(verb, s->pixels);
  device_flag(verb, s->device);
  lower_flag(verb, s->tokenizer);
  json_flag(verb, s->json);
  threads_flag(verb);
  verb.callback([s] { classify_verb(*s); });
}
}  // namespace siglip::tools
