// session.cpp — a run set up, saved and taken up again.
#include "train/session.h"
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <ostream>
#include <set>
#include <sstream>
#include "core/pool.h"
#include "io/checksum.h"
#include "siglip/error.h"
#include "siglip/ops.h"
#include "train/evaluate.h"
#include "train/evaluation_json.h"
#include "train/fields.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
Preprocessing preprocessing_of(const TrainConfig& c, Dim image_size) {
  return {.image_size = image_size, .resample = c.filter == "bilinear" ? 2 : 3, .picture = {.enough = c.fast_decode ? 2 * image_size : 0}};
}

// ---- setting up ------------------------------------------------------------------------------------------------------------------------

// What a split's evaluation, or its training, will not show by itself.
std::vector<std::string> doubts(const Samples& samples, const std::string& split, const Tokenizer& tokenizer, const TrainConfig& config) {
  std::set<std::string> captions, pictures;
  Dim cut = 0, again = 0;
  for (Dim i = 0; i < samples.size(); ++i) {
    const Pair& pair = samples.pair(i);
    again += !pictures.insert(pair.image).second;
    if (captions.insert(pair.text).second) cut += std::ssize(tokenizer.pieces(pair.text)) >= tokenizer.context();
  }
  std::vector<std::string> all;
  const auto doubt = [&](const auto&... part) {
    std::ostringstream text;
    (text << ... << part);
    all.push_back(text.str());
  };
  if (captions.size() == 1 && samples.size() > 1) doubt(split, " has one caption, which every picture matches: retrieval in it says nothing");
  if (cut > 0)
    doubt(cut, " of ", captions.size(), " captions in ", split, " are longer than ", tokenizer.context() - 1,
          " tokens; the rest is not seen (--context)");
  if (split == "train" && samples.texts() < samples.captions() && config.positives == "caption" && config.loss != "softmax")
    doubt("the model cannot tell ", samples.captions(), " captions in ", split, " apart: by case, marks and what is cut off they are ",
          samples.texts(), ", and in training those count as matches of each other");
  if (split != "train" && samples.size() < 10)
    doubt(split, " has ", samples.size(), " pairs: its figures move in steps of ", 100 / samples.size(), " %");
  if (again > 0)
    doubt(again, " of ", samples.size(), " pairs in ", split,
          " show a picture again under another caption: each counts as a pair of its own, its other captions as wrong ones");
  return all;
}

std::vector<NamedSamples> decode(const TrainConfig& config, const DataSet& data, const Tokenizer& tokenizer, Dim image_size, std::ostream& log) {
  std::vector<NamedSamples> splits;
  std::size_t bad = 0;
  for (const Split& split : data.splits) {
    const auto moves = [&](double setting) { return setting > 0 || (setting == -1 && is_small(std::ssize(split.pairs))); };
    const bool views = split.name == "train" && (moves(config.shift) || moves(config.scale));
    splits.push_back(
        {split.name, std::make_shared<const Samples>(split, tokenizer, preprocessing_of(config, image_size), SampleOptions{config.strict, views})});
    const Samples& samples = *splits.back().samples;
    require_queries(splits.back());
    log << "data: " << samples.size() << " pairs with " << samples.captions() << " distinct captions in " << split.name << '\n';
    for (const std::string& doubt : doubts(samples, split.name, tokenizer, config)) log << "note: " << doubt << '\n';
    for (const std::string& problem : samples.problems())
      if (++bad <= 10) log << "skipped: " << problem << '\n';
  }
  if (bad > 10) log << "skipped: " << bad - 10 << " more pictures, named in skipped.txt\n";
  return splits;
}

// A number that changes when any caption or picture does: resuming on other data is refused.
std::string fingerprint(const std::vector<NamedSamples>& splits) {
  Checksum checksum;
  for (const NamedSamples& split : splits)
    for (Dim i = 0; i < split.samples->size(); ++i) {
      const std::vector<std::uint8_t>& pixels = split.samples->picture(i).rgb;
      const std::string& text = split.samples->pair(i).text;
      checksum.add(pixels.data(), pixels.size());
      checksum.add(text.data(), text.size());
    }
  return checksum.text();
}

std::vector<std::string> captions_of(const Split& split) {
  std::vector<std::string> texts;
  for (const Pair& pair : split.pairs) texts.push_back(pair.text);
  return texts;
}

// Otherwise the system would end the program, without a word, once it has handed out more than there is.
void require_memory(const Siglip& model, Device device) {
  const std::int64_t wanted = 4 * model.parameter_count() * std::int64_t{sizeof(Real)}, there = device_memory(device);
  require(wanted <= there, "--model", "at most the ", size_text(there), " of memory that there are for weights, gradients and two moments, got ",
          size_text(wanted), " for ", model.parameter_count(), " parameters");
}

}  // namespace

void resolve_steps(TrainConfig& c) {
  if (c.warmup < 0) c.warmup = std::min<Dim>(100, c.steps / 10);
  if (c.eval_every == 0) c.eval_every = std::max<Dim>(1, (c.steps + 9) / 10);
  if (c.save_every == 0) c.save_every = c.eval_every;
}

void start_model(Session& s) {
  const TrainConfig& c = s.config;
  s.model = Siglip(s.model.config);
  initialize(s.model, static_cast<std::uint64_t>(c.seed), initial_bias(c, c.batch_size));
  move_to(s.model.parameters(), find_device(c.device, "--device"));
  Parameters trained = s.model.parameters();
  if (c.loss == "softmax") std::erase_if(trained, [](const Parameter& p) { return p.name == "logit_bias"; });  // it has none
  s.optimizer = AdamW(trained, {c.beta1, c.beta2, 1e-8, c.wd});
}

std::string checkpoint_to_resume(const RunFolder& run) {
  std::error_code none;
  for (const char* name : {"last", "best"})
    if (std::filesystem::exists(run.file(name), none)) return run.file(name);
  fail(run.file("last"), "a checkpoint to continue from is expected, got none: the run ended before its first one");
}

Session set_up(TrainConfig config, std::unique_ptr<RunFolder> run, std::ostream& log) {
  const Device device = find_device(config.device, "--device");
  if (config.threads) set_threads(static_cast<int>(config.threads));
  set_matmul_precision(device, find_precision(config.matmul_precision, device));
  const DataSet data = read_data(config.data, data_options(config));
  for (const std::string& line : remarks(data)) log << line << '\n';
  const Split& train = data.split("train");
  std::unique_ptr<Tokenizer> tokenizer =
      run ? read_tokenizer(checkpoint_to_resume(*run)) : learn_words(captions_of(train), model_config(config, 3).context);
  Siglip model(model_config(config, tokenizer->vocab_size()));
  require_memory(model, device);
  if (config.loss == "softmax") config.positives = "diagonal";  // the softmax has one right answer by definition
  const Dim named = std::ssize(train.pairs);
  std::vector<NamedSamples> splits = decode(config, data, *tokenizer, model.config.image_size, log);
  const Dim pairs = splits[0].samples->size();
  if (const std::string chosen = choose_for_data(config, named, pairs); !chosen.empty()) log << chosen << '\n';
  require(config.batch_size <= pairs, "--batch-size", "at most the ", pairs, " usable pairs of train, got ", config.batch_size);
  if (config.steps) resolve_steps(config);

  const Ids classes = class_tokens(data, *tokenizer);
  if (!run) run = std::make_unique<RunFolder>(RunFolder::create(config.out, config.name));
  std::string print = fingerprint(splits);
  Session session{std::move(config), std::move(run), &log,    std::move(tokenizer), std::move(splits),
                  std::move(model),  AdamW({}, {}),  classes, labels_of(data),      std::move(print)};
  start_model(session);
  return session;
}

void write_skipped(const Session& s) {
  std::string lines;
  for (const NamedSamples& split : s.splits)
    for (const std::string& problem : split.samples->problems()) lines += problem + "\n";
  if (!lines.empty()) write_file(s.run->file("skipped.txt"), lines);
}

std::string left_out(const Session& s) {
  std::size_t bad = 0;
  for (const NamedSamples& split : s.splits) bad += split.samples->problems().size();
  if (bad == 0) return "";
  return "data: pictures that could not be read and were left out: " + std::to_string(bad) + ", listed in " + s.run->file("skipped.txt");
}

// ---- checkpoints -----------------------------------------------------------------------------------------------------------------------

namespace {
Json json_of(const Session& s) {
  Json best = Json::array();
  for (const Evaluation& e : s.best) best.push_back(json_of(e));
  return {{"version", 3},
          {"step", s.step},
          {"adam_steps", s.optimizer.steps()},
          {"moving_loss", s.moving_loss},
          {"best_score", s.best_score},
          {"seconds", s.seconds},
          {"data_fingerprint", s.fingerprint},
          {"config", parse_json(to_json(s.config), "config")},
          {"best", std::move(best)}};
}

void require_finite(const Session& s, const Parameters& tensors) {
  for (const Parameter& p : tensors) {
    const Tensor host = p.value.device() == Device::cpu ? p.value : p.value.to(Device::cpu);
    const bool finite = std::all_of(host.data(), host.data() + host.size(), [](Real x) { return std::isfinite(x); });
    if (!finite) stop_not_finite(s, s.step, p.name);
  }
}

// train.json can be edited between two sessions. Where the data lies, the run is called and it computes may change: the data have their
// fingerprint. Where a new schedule begins, the checkpoint is still one of the old.
void require_same_config(const TrainConfig& config, Dim step, const Section& saved, const std::string& run) {
  const bool continued = config.schedule_start == step;
  const Json now = parse_json(to_json(config), "config"), defaults = parse_json(to_json({}), "defaults");
  for (const auto& [key, value] : saved.json.items())
    if (!now.contains(key)) fail(saved.file, "settings of a run are expected in config, got ", brief(key));
  for (const auto& [key, value] : now.items()) {
    const bool free = may_change(key) || key == "data" || key == "out" || key == "name" || key == "strict" ||
                      (continued && (key == "steps" || key == "schedule_start" || key == "schedule_rate"));
    const Json* begun = saved.find(key.c_str());
    if (!begun) begun = &defaults.at(key);  // the run is older than the setting
    if (!free && *begun != value) fail(run + "/train.json", key, " = ", brief(*begun), " as the run began with is expected, got ", brief(value));
  }
}

void read_state(Session& s, const Section& state) {
  const std::string& path = state.file;
  if (!state.find("version") || *state.find("version") != 3) state.refuse("version", "3");
  require_same_config(s.config, state.count("step"), state.section("config"), s.run->path());
  const std::string print = state.text("data_fingerprint");
  require(print == s.fingerprint, path, "the data the run began with is expected (fingerprint ", print, "), got other pictures or captions (",
          s.fingerprint, ")");
  s.step = state.count("step");
  require(s.step >= 0 && s.step <= s.config.steps, path, "a step from 0 to ", s.config.steps, " is expected, got ", s.step);
  const Dim adam_steps = state.count("adam_steps");
  require(adam_steps == s.step, path, "adam_steps = step = ", s.step, " is expected, got ", adam_steps);
  s.optimizer.set_steps(s.step);
  s.moving_loss = state.real("moving_loss");
  s.best_score = state.real("best_score");
  s.seconds = state.real("seconds");
  for (const Section& e : state.sections("best")) s.best.push_back(evaluation_of(e));
  require(s.best.empty() == (s.best_score < 0) && (s.step < s.config.steps || !s.best.empty()), path,
          "the best evaluation is expected once there was one, got ", s.best.size(), " splits and best_score = ", s.best_score, " at step ", s.step);
}
}  // namespace

void stop_not_finite(const Session& s, Dim step, const std::string& what) {
  std::error_code none;
  std::string good = "none yet";
  for (const char* name : {"best", "last"})  // `last` rather than `best`: that is where --resume goes on
    if (std::filesystem::exists(s.run->file(name), none)) good = s.run->file(name);
  fail("train", "step ", step, ": ", what, " is not finite; the last good checkpoint is ", good,
       "; a lower --lr, a longer --warmup or --grad-clip 1 may help");
}

void save(const Session& s, const char* name) {
  require_finite(s, s.model.parameters());
  require_finite(s, s.optimizer.state());
  FolderWriter folder(s.run->file(name));
  write_safetensors(folder.path() + "/model.safetensors", s.model.parameters());
  write_config(folder.path(), s.model.config);
  s.tokenizer->save(folder.path());
  write_preprocessing(folder.path(), preprocessing_of(s.config, s.model.config.image_size));
  write_labels(folder.path(), s.labels);
  write_safetensors(folder.path() + "/training_state.safetensors", s.optimizer.state());
  write_file(folder.path() + "/training_state.json", json_of(s).dump(2) + "\n");
  write_checksums(folder.path());
  folder.commit();
}

void load_state(Session& s) {
  const std::string folder = checkpoint_to_resume(*s.run);
  read_state(s, read_section(folder + "/training_state.json"));
  load_parameters(folder, s.model.parameters());
  const SafetensorsFile file(folder + "/training_state.safetensors");
  require(file.tensors().size() == s.optimizer.state().size(), folder, "a training state of ", s.optimizer.state().size(),
          " tensors is expected, got ", file.tensors().size());
  for (const Parameter& p : s.optimizer.state()) file.read_into(p.name, p.value);
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
