// report_data.cpp — a finished run as the plain data that the report shows.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <ostream>
#include <set>
#include "io/section.h"
#include "siglip/error.h"
#include "train/evaluate.h"
#include "train/fields.h"
#include "train/run_folder.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
constexpr Dim matrix_pairs = 16, gallery_items = 6, best_shown = 5, confusions_shown = 8;

struct Shown {
  std::string name;
  Samples samples;  // the split whose pairs are shown
  bool held_out;    // not the train split
  const std::set<std::string>& trained_captions;
  Embeddings embeddings;
  double t, b;
  double probability(double cosine) const { return 1 / (1 + std::exp(-(t * cosine + b))); }
};

// The first of each group of equal captions: candidates that can be told apart.
std::vector<Dim> distinct_captions(const Samples& samples) {
  std::set<std::int32_t> seen;
  std::vector<Dim> first;
  for (Dim i = 0; i < samples.size(); ++i)
    if (seen.insert(samples.caption_id(i)).second) first.push_back(i);
  return first;
}

Tensor rows_of(const Tensor& x, const std::vector<Dim>& rows) {
  Tensor y({static_cast<Dim>(rows.size()), x.columns()});
  for (std::size_t r = 0; r < rows.size(); ++r)
    std::copy_n(x.data() + rows[r] * x.columns(), x.columns(), y.data() + static_cast<Dim>(r) * x.columns());
  return y;
}

// `count` indices spread evenly over 0 … n-1.
std::vector<Dim> spread(Dim n, Dim count) {
  std::vector<Dim> picks;
  for (Dim k = 0; k < std::min(n, count); ++k) picks.push_back(k * n / std::min(n, count));
  return picks;
}

std::vector<Dim> queries(const Samples& samples) {
  std::vector<Dim> all;
  for (Dim i = 0; i < samples.size(); ++i)
    if (!samples.pair(i).distractor) all.push_back(i);
  return all;
}

void add_matrix(ReportData& data, const Shown& s) {
  std::vector<Dim> distinct;
  for (Dim i : distinct_captions(s.samples))
    if (!s.samples.pair(i).distractor) distinct.push_back(i);
  const std::vector<Dim> picks = spread(static_cast<Dim>(distinct.size()), matrix_pairs);
  const Dim E = s.embeddings.images.columns();
  for (Dim row : picks) {
    const Dim i = distinct[static_cast<std::size_t>(row)];
    data.matrix_images.push_back(s.samples.picture(i));
    data.matrix_texts.push_back(s.samples.pair(i).text);
    for (Dim column : picks) {
      const Dim j = distinct[static_cast<std::size_t>(column)];
      double cosine = 0;
      for (Dim e = 0; e < E; ++e) cosine += double(s.embeddings.images.data()[i * E + e]) * double(s.embeddings.texts.data()[j * E + e]);
      data.matrix.push_back(s.probability(cosine));
    }
  }
}

std::vector<std::int32_t> caption_ids(const Samples& samples, const std::vector<Dim>& which) {
  std::vector<std::int32_t> ids;
  for (Dim i : which) ids.push_back(samples.caption_id(i));
  return ids;
}

// One query among the candidates of its split.
GalleryItem gallery_item(const Shown& s, Dim i, bool image_query, const std::vector<Dim>& candidates, const Tensor& rows) {
  const Tensor query = rows_of(image_query ? s.embeddings.images : s.embeddings.texts, {i});
  GalleryItem item;
  item.image = s.samples.picture(i), item.text = s.samples.pair(i).text, item.image_query = image_query;
  item.held_out = s.held_out && (image_query || !s.trained_captions.contains(item.text));
  item.rank = ranks(query, rows, caption_ids(s.samples, {i}), caption_ids(s.samples, candidates))[0];
  for (const Match& match : best_matches(query.data(), rows, best_shown)) {
    const Dim j = candidates[static_cast<std::size_t>(match.candidate)];
    const bool right = s.samples.caption_id(j) == s.samples.caption_id(i);
    item.best.push_back({s.samples.picture(j), s.samples.pair(j).text, s.probability(match.cosine), match.cosine, right});
  }
  return item;
}

void add_gallery(ReportData& data, const Shown& s) {
  std::vector<Dim> everything(static_cast<std::size_t>(s.samples.size()));
  for (std::size_t i = 0; i < everything.size(); ++i) everything[i] = static_cast<Dim>(i);
  const std::vector<Dim> captions = distinct_captions(s.samples), asked = queries(s.samples);
  const Tensor texts = rows_of(s.embeddings.texts, captions);
  for (Dim pick : spread(static_cast<Dim>(asked.size()), gallery_items)) {
    const Dim i = asked[static_cast<std::size_t>(pick)];
    data.gallery.push_back(gallery_item(s, i, true, captions, texts));
    data.gallery.push_back(gallery_item(s, i, false, everything, s.embeddings.images));
  }
}

// Pictures whose best wrong caption beats the right one by most.
void add_confusions(ReportData& data, const Shown& s) {
  const std::vector<Dim> captions = distinct_captions(s.samples);
  const Tensor texts = rows_of(s.embeddings.texts, captions);
  std::vector<std::pair<double, Confusion>> all;
  const Dim E = texts.columns();
  for (Dim i : queries(s.samples)) {
    const Real* u = s.embeddings.images.data() + i * E;
    for (const Match& match : best_matches(u, texts, 2)) {
      const Dim j = captions[static_cast<std::size_t>(match.candidate)];
      if (s.samples.caption_id(j) == s.samples.caption_id(i)) continue;
      double right = 0;
      for (Dim e = 0; e < E; ++e) right += double(u[e]) * double(s.embeddings.texts.data()[i * E + e]);
      if (match.cosine > right)
        all.push_back({match.cosine - right,
                       {s.samples.picture(i), s.samples.pair(i).text, s.samples.pair(j).text, s.probability(right), s.probability(match.cosine)}});
      break;
    }
  }
  std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  for (std::size_t k = 0; k < std::min<std::size_t>(all.size(), confusions_shown); ++k) data.confusions.push_back(all[k].second);
}

// What the pictures of the split are taken for; those of other splits are not asked.
void add_classes(ReportData& data, const Shown& s, const DataSet& set, const Pretrained& model) {
  EmbeddedSplit split{"", {}, s.embeddings};
  for (Dim i = 0; i < s.samples.size(); ++i) {
    split.pairs.push_back(s.samples.pair(i));
    if (s.samples.pair(i).distractor) split.pairs.back().label = -1;
  }
  data.classes = set.classes;
  data.class_split = s.name;
  data.class_counts = class_matrix(predictions(split, model.model.text(class_tokens(set, *model.tokenizer))), std::ssize(set.classes)).counts;
}

std::string percent(double x) {
  std::ostringstream out;
  out.setf(std::ios::fixed);
  out.precision(1);
  out << 100 * x << "\u00a0%";  // a space at which no line breaks
  return out.str();
}

std::string rounded(double x, int digits) {
  std::ostringstream out;
  out.setf(std::ios::fixed);
  out.precision(digits);
  out << x;
  return out.str();
}

// The split that is shown. If a query searches among all splits, the others' pairs join as distractors.
Split with_candidates(const DataSet& set, std::size_t shown, const TrainConfig& config) {
  Split split = set.splits[shown];
  if (Candidates::parse(config.candidates).kind != Candidates::all) return split;
  for (std::size_t k = 0; k < set.splits.size(); ++k)
    for (Pair pair : k == shown ? std::vector<Pair>() : set.splits[k].pairs) {
      pair.distractor = true;
      split.pairs.push_back(std::move(pair));
    }
  return split;
}

// After how many steps a checkpoint was saved.
Dim step_of(const std::string& checkpoint) { return read_section(checkpoint + "/training_state.json").count("step"); }

void add_facts(ReportData& data, const TrainConfig& config, const Siglip& model, double t, double b) {
  data.facts.push_back({"model", config.model});
  data.facts.push_back({"parameters", rounded(double(model.parameter_count()) / 1e6, 2) + " M"});
  data.facts.push_back({"loss", config.loss});
  if (!data.log.empty()) {
    double rate = 0;
    for (const LogRow& row : data.log) rate += row.samples_per_second / double(data.log.size());
    data.facts.push_back({"steps", std::to_string(data.log.back().step)});
    data.facts.push_back({"pairs a step", std::to_string(config.batch_size)});
    data.facts.push_back({"throughput", rounded(rate, 0) + " pairs/s"});
    data.facts.push_back({"peak memory", rounded(data.log.back().peak_memory / 1048576, 0) + " MiB"});
  }
  data.facts.push_back({"checkpoint shown", "after step " + std::to_string(data.shown_step)});
  for (auto e = data.evaluations.rbegin(); e != data.evaluations.rend(); ++e) {
    if (e->step != data.shown_step) continue;
    if (e->accuracy >= 0)
      data.facts.push_back({e->split + " accuracy", percent(e->accuracy)});
    else
      data.facts.push_back({e->split + " R@1, image to text / text to image", percent(e->image_to_text.r1) + " / " + percent(e->text_to_image.r1)});
  }
  if (!config.fold.empty()) data.facts.push_back({"held out", "part " + config.fold});
  data.facts.push_back({"temperature t", rounded(t, 2)});
  data.facts.push_back({"bias b", rounded(b, 2)});
}
}  // namespace

std::vector<std::string> next_commands(const std::string& program, const std::string& run, const DataSet& data) {
  const Split& split = data.splits.size() > 1 ? data.splits[1] : data.splits[0];
  std::vector<std::string> commands;
  if (!data.classes.empty()) {  // the run knows them
    commands.push_back(program + " classify " + shell_word(run) + " " + shell_word(split.pairs[0].image));
    commands.push_back(program + " inspect " + shell_word(run));
    return commands;
  }
  // A picture with its caption among three others. A caption with a comma would be cut into two labels.
  std::string image, labels;
  std::set<std::string> chosen;
  for (const Pair& pair : split.pairs) {
    if (chosen.size() == 4) break;
    if (pair.text.find_first_of(",\n") != std::string::npos || !chosen.insert(pair.text).second) continue;
    if (image.empty()) image = pair.image;
    labels += (labels.empty() ? "" : ", ") + pair.text;
  }
  if (!image.empty()) commands.push_back(program + " classify " + shell_word(run) + " --labels " + shell_word(labels) + " " + shell_word(image));
  commands.push_back(program + " inspect " + shell_word(run));
  return commands;
}

std::vector<std::string> report(const std::string& path, std::ostream& log, const std::string& program) {
  const std::string run = run_path(path), config_path = run + "/train.json";
  TrainConfig config;
  read_json(config, read_file(config_path), config_path);
  require_data(config, config_path);
  const RunHistory history = read_history(run);
  const DataSet set = read_data(config.data, data_options(config));

  ReportData data;
  data.title = run;
  data.log = history.log, data.evaluations = history.evaluations;
  data.config_json = read_file(config_path);
  data.next_commands = next_commands(program, run, set);
  const std::string checkpoint = checkpoint_folder(run);
  const Pretrained model = Pretrained::load(checkpoint);
  data.shown_step = step_of(checkpoint);
  const double t = std::exp(double(model.model.log_t.item())), b = config.loss == "softmax" ? 0 : double(model.model.b.item());
  add_facts(data, config, model.model, t, b);
  if (const std::string skipped = run + "/skipped.txt"; std::filesystem::exists(skipped)) {
    const std::string lines = read_file(skipped);
    data.facts.push_back({"pictures that could not be read", std::to_string(std::count(lines.begin(), lines.end(), '\n'))});
  }
  std::set<std::string> trained_captions;
  for (const Pair& pair : set.split("train").pairs) trained_captions.insert(pair.text);
  for (std::size_t k = set.splits.size() > 1 ? 1 : 0; k < set.splits.size(); ++k) {
    Samples samples(with_candidates(set, k, config), *model.tokenizer, model.preprocessing);
    Embeddings embeddings = embed(model.model, samples);
    const Shown shown{set.splits[k].name, std::move(samples), k > 0, trained_captions, std::move(embeddings), t, b};
    if (data.class_counts.empty() && !set.classes.empty()) add_classes(data, shown, set, model);
    if (data.matrix.empty()) add_matrix(data, shown);
    add_gallery(data, shown);
    add_confusions(data, shown);
  }
  write_report(run + "/report.html", data);
  log << "report: " << run << "/report.html\n";
  return data.next_commands;
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
