// eval.cpp — siglip eval: do the matching pairs of a data set find each other?
#include <algorithm>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <iostream>
#include <memory>
#include "core/memory.h"
#include "evaluations.h"
#include "io/json.h"
#include "siglip/error.h"
#include "train/fields.h"
#include "train/run_folder.h"
#include "verbs.h"

namespace siglip::tools {
void print_evaluations(std::ostream& out, const std::vector<Evaluation>& evaluations) {
  const bool classes = std::any_of(evaluations.begin(), evaluations.end(), [](const Evaluation& e) { return e.accuracy >= 0; });
  if (classes) {  // whether a class is among the first five of eight says little
    std::vector<std::vector<std::string>> rows{{"split", "pictures", "classes", "accuracy"}};
    for (const Evaluation& e : evaluations)
      rows.push_back({e.split, std::to_string(e.pairs), std::to_string(e.candidates), e.accuracy < 0 ? "-" : fixed(e.accuracy, 3)});
    return print_table(out, rows);
  }
  std::vector<std::vector<std::string>> rows{
      {"split", "queries", "captions", "image to text R@1", "R@5", "R@10", "text to image R@1", "R@5", "R@10"}};
  for (const Evaluation& e : evaluations) {
    std::vector<std::string> row{e.split, std::to_string(e.pairs), std::to_string(e.candidates)};
    for (const Recall& r : {e.image_to_text, e.text_to_image})
      for (double value : {r.r1, r.r5, r.r10}) row.push_back(fixed(value, 3));
    rows.push_back(row);
  }
  print_table(out, rows);
}

namespace {
std::string share(double value) { return std::isnan(value) ? "-" : fixed(value, 3); }

// What each class was taken for, a row a class; of many classes the figures alone.
void print_classes(std::ostream& out, const Evaluation& e, const std::vector<std::string>& names) {
  constexpr std::size_t most_columns = 12;
  const bool whole = names.size() <= most_columns;
  const ClassMatrix matrix = class_matrix(e.predictions, std::ssize(names));
  out << '\n' << e.split << (whole ? ": pictures of each class, and what they were taken for\n" : ": pictures of each class\n");
  std::vector<std::vector<std::string>> rows{{"class"}};
  if (whole) rows[0].insert(rows[0].end(), names.begin(), names.end());
  for (const char* figure : {"precision", "recall", "support"}) rows[0].push_back(figure);
  for (Dim c = 0; c < matrix.classes; ++c) {
    std::vector<std::string> row{names[static_cast<std::size_t>(c)]};
    for (Dim k = 0; whole && k < matrix.classes; ++k) row.push_back(std::to_string(matrix.at(c, k)));
    for (const std::string& figure : {share(matrix.precision(c)), share(matrix.recall(c)), std::to_string(matrix.support(c))}) row.push_back(figure);
    rows.push_back(row);
  }
  print_table(out, rows);
}

std::string csv_cell(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? "\"\"" : std::string(1, c);
  return quoted + '"';
}

// A row a picture: what it is, what it was taken for, and how surely.
std::string predictions_csv(const std::vector<Evaluation>& evaluations, const std::vector<std::string>& names, const Siglip& model) {
  const double t = std::exp(double(model.log_t.item())), b = double(model.b.item());
  const auto name = [&](std::int32_t label) { return csv_cell(names[static_cast<std::size_t>(label)]); };
  std::string csv = "split,image,class,predicted,right,cosine,probability\n";
  for (const Evaluation& e : evaluations)
    for (const Prediction& p : e.predictions)
      csv += csv_cell(e.split) + ',' + csv_cell(p.image) + ',' + name(p.label) + ',' + name(p.predicted) + ',' +
             (p.label == p.predicted ? "1" : "0") + ',' + fixed(p.cosine, 6) + ',' + Json(1 / (1 + std::exp(-(t * p.cosine + b)))).dump() + '\n';
  return csv;
}
}  // namespace

std::string settings_file(const std::string& path) {
  namespace fs = std::filesystem;
  std::error_code none;
  fs::path folder = fs::absolute(path, none).lexically_normal();
  if (!folder.has_filename()) folder = folder.parent_path();  // RUN/best/
  if (folder.filename() == "best" || folder.filename() == "last") folder = folder.parent_path();
  return (folder / "train.json").string();
}

TrainConfig settings_of_run(const std::string& path) {
  TrainConfig config;
  std::error_code none;
  const std::string file = settings_file(path);
  if (std::filesystem::exists(file, none)) read_json(config, read_file(file), file);
  return config;
}

namespace {
struct Settings {
  std::string run, data, split, candidates, image_column, text_column, text_template, csv;
  bool strict = false, no_follow = false, json = false;
  std::string device = "cpu";
  PixelFlags pixels;
  TokenizerOptions tokenizer;
};

// How the run read its data, unless flags say otherwise.
TrainConfig configured(const Settings& s, TrainConfig config) {
  const auto override = [](std::string& setting, const std::string& given) { setting = given.empty() ? setting : given; };
  override(config.data, s.data);
  override(config.candidates, s.candidates);
  override(config.image_column, s.image_column);
  override(config.text_column, s.text_column);
  override(config.text_template, s.text_template);
  if (config.data.empty()) {
    checkpoint_folder(s.run);  // says what is there instead of a run
    throw WrongUse("--data: a folder or table of pictures and texts is expected, got nothing");
  }
  return config;
}

void eval_verb(const Settings& s) {
  const auto start = std::chrono::steady_clock::now();
  const TrainConfig of_run = settings_of_run(s.run), config = configured(s, of_run);
  if (s.data.empty()) require_data(config, settings_file(s.run));
  if (!s.text_template.empty()) as_wrong_use([&] { fill_template(s.text_template, "", "--text-template"); });
  const Candidates candidates = as_wrong_use([&] { return Candidates::parse(config.candidates); });
  const Device device = find_device(s.device, "--device");
  Pretrained model = Pretrained::load(s.run, s.tokenizer);
  s.pixels.apply(model);
  move_to(model.model.parameters(), device);
  const bool trained_on = !of_run.data.empty() && is_same_path(config.data, of_run.data);
  DataOptions options = data_options(config);
  if (!trained_on) options.val_fraction = 0, options.fold = options.folds = 0;  // nothing is held out of it
  options.follow_links = options.follow_links && !s.no_follow;
  DataSet data = read_data(config.data, options);
  for (const std::string& line : remarks(data)) std::cerr << line << '\n';
  if (!trained_on && data.splits.size() == 1 && data.splits[0].name == "train") data.splits[0].name = "all";
  std::error_code none;
  if (!trained_on && !of_run.data.empty() && !std::filesystem::exists(of_run.data, none))
    std::cerr << "note: what the run was trained on, " << of_run.data
              << ", is not there from here. If it is these data, then most of them were seen in "
              << "training: tell the run with  " << program_name() << " train --resume RUN --data " << s.data << '\n';
  if (!s.split.empty()) data.split(s.split);  // says which there are
  if (!s.csv.empty() && data.classes.empty())
    throw WrongUse("--csv: class folders are expected, whose pictures are taken for one class or another, got captions in " + config.data);

  std::vector<NamedSamples> wanted, others;
  for (const Split& split : data.splits) {
    const bool is_wanted = s.split.empty() || split.name == s.split;
    if (!is_wanted && candidates.kind != Candidates::all) continue;
    const auto samples = std::make_shared<const Samples>(split, *model.tokenizer, model.preprocessing, SampleOptions{.strict = s.strict});
    for (const std::string& problem : samples->problems()) std::cerr << "skipped: " << problem << '\n';
    (is_wanted ? wanted : others).push_back({split.name, samples});
  }
  std::size_t pairs = 0;
  for (const std::vector<NamedSamples>& splits : {wanted, others})
    for (const NamedSamples& split : splits) pairs += static_cast<std::size_t>(split.samples->size());
  model.expect(pairs, pairs);
  std::vector<std::string> texts;
  std::vector<std::vector<std::int32_t>> rows;
  for (const std::vector<NamedSamples>& splits : {wanted, others})
    for (const NamedSamples& split : splits)
      for (Dim i = 0; i < split.samples->size(); ++i) texts.push_back(split.samples->pair(i).text), rows.push_back(split.samples->ids(i));
  note_texts(texts, rows, *model.tokenizer);
  const std::vector<Evaluation> evaluations = evaluate(model.model, wanted, others, candidates, class_tokens(data, *model.tokenizer), 0, true);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  if (!s.csv.empty()) write_file(s.csv, predictions_csv(evaluations, data.classes, model.model));
  if (s.json) {
    const std::int64_t device_peak = device == Device::cpu ? 0 : pool_stats(device).peak;
    std::cout << evaluations_json(evaluations, {0, seconds.count(), peak_memory(), device_peak, trained_on ? config.fold : "", data.classes});
    return;
  }
  print_evaluations(std::cout, evaluations);
  for (const Evaluation& e : evaluations)
    if (!e.predictions.empty()) print_classes(std::cout, e, data.classes);
}
}  // namespace

void add_eval(CLI::App& program) {
  CLI::App& verb = add_verb(program, "eval",
                            "Retrieval in both directions on each split of a data set. R@k: the share of queries whose match is among the\n"
                            "first k candidates. Of class folders the accuracy, what each class was taken for, precision, recall and support.",
                            "siglip eval run --data shapes --split val",
                            "split, pairs, candidates, image_to_text and text_to_image {r1, r5, r10}, accuracy (with classes),\n"
                            "  classes [name, precision, recall, support] and confusion (with classes; rows: the right class), splits\n"
                            "  [the same for each split], fold (of a run with --fold), seconds, peak_memory_bytes, device_peak_memory_bytes (with\n"
                            "  --device cuda). The headline is the first split that is not train. Data without splits is one split, all, but\n"
                            "  for what the run was trained on.");
  const auto s = std::make_shared<Settings>();
  verb.add_option("RUN", s->run, "a run folder or a checkpoint folder")->required();
  text_flag(verb, "--data", s->data, "folder or table of pictures and texts; default: what the run was trained on");
  text_flag(verb, "--split", s->split, "only this split; default: all");
  text_flag(verb, "--candidates", s->candidates, "retrieval among: split, all (every split), or groups of N pairs; default: as in training");
  text_flag(verb, "--image-column", s->image_column, "column of a table that names the picture; default: as in training");
  text_flag(verb, "--text-column", s->text_column, "column of a table that holds the caption; default: as in training");
  text_flag(verb, "--text-template", s->text_template, "caption of a class folder, {} is its name; default: as in training");
  text_flag(verb, "--csv", s->csv, "write what each picture of class folders was taken for to this file");
  verb.add_flag("--strict", s->strict, "a picture that cannot be read is an error");
  no_follow_flag(verb, s->no_follow);
  model_pixel_flags(verb, s->pixels);
  device_flag(verb, s->device);
  lower_flag(verb, s->tokenizer);
  json_flag(verb, s->json);
  threads_flag(verb);
  verb.callback([s] { eval_verb(*s); });
}
}  // namespace siglip::tools
