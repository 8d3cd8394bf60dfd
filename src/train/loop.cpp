// loop.cpp — training, from settings to a run folder.
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <map>
#include <numeric>
#include <sys/ioctl.h>
#include <unistd.h>
#include "io/json.h"
#include "siglip/error.h"
#include "siglip/loss.h"
#include "siglip/tape.h"
#include "train/fields.h"
#include "train/first_step.h"
#include "train/progress.h"
#include "train/run_folder.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
std::atomic<bool> stop_requested{false};
using Clock = std::chrono::steady_clock;
double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

std::uint64_t hash(std::uint64_t h, const void* bytes, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) h = (h ^ static_cast<const unsigned char*>(bytes)[i]) * 1099511628211u;  // FNV-1a
  return h;
}

// Everything a run is made of.
struct Session {
  TrainConfig config;
  RunFolder run;
  std::ostream& log;
  DataSet data;
  std::unique_ptr<Tokenizer> tokenizer;
  std::vector<NamedSamples> splits;  // train first
  Siglip model;
  AdamW optimizer;
  Ids class_texts;
  // What a checkpoint adds to the tensors.
  Dim step = 0;
  double moving_loss = 0, best_score = -1, seconds = 0;
  std::vector<Evaluation> best;

  const Samples& train() const { return *splits[0].samples; }
};

Filter filter_of(const TrainConfig& c) { return c.filter == "bilinear" ? Filter::bilinear : Filter::bicubic; }

// ---- setting up ------------------------------------------------------------------------------------------------------------------------

std::vector<NamedSamples> decode(const TrainConfig& config, const DataSet& data, const Tokenizer& tokenizer, Dim image_size, std::ostream& log) {
  std::vector<NamedSamples> splits;
  std::size_t bad = 0;
  for (const Split& split : data.splits) {
    splits.push_back({split.name, std::make_shared<const Samples>(split, tokenizer, image_size, filter_of(config), config.strict)});
    const Samples& samples = *splits.back().samples;
    log << "data: " << samples.size() << " pairs with " << samples.captions() << " distinct captions in " << split.name << '\n';
    for (const std::string& problem : samples.problems())
      if (++bad <= 10) log << "skipped: " << problem << '\n';
  }
  if (bad > 10) log << "skipped: " << bad - 10 << " more pictures, named in skipped.txt\n";
  if (bad) log << "data: " << bad << " pictures could not be read and were left out\n";
  return splits;
}

void write_skipped(const RunFolder& run, const std::vector<NamedSamples>& splits) {
  std::string lines;
  for (const NamedSamples& split : splits)
    for (const std::string& problem : split.samples->problems()) lines += problem + "\n";
  if (!lines.empty()) write_file(run.file("skipped.txt"), lines);
}

// A number that changes when any caption or picture does: resuming on other data is refused.
std::string fingerprint(const std::vector<NamedSamples>& splits) {
  std::uint64_t h = 14695981039346656037u;
  for (const NamedSamples& split : splits)
    for (Dim i = 0; i < split.samples->size(); ++i) {
      const std::vector<std::uint8_t>& pixels = split.samples->picture(i).rgb;
      const std::string& text = split.samples->pair(i).text;
      h = hash(hash(h, pixels.data(), pixels.size()), text.data(), text.size() + 1);
    }
  return std::to_string(h);
}

std::vector<std::string> captions_of(const Split& split) {
  std::vector<std::string> texts;
  for (const Pair& pair : split.pairs) texts.push_back(pair.text);
  return texts;
}

Ids class_tokens(const DataSet& data, const Tokenizer& tokenizer) {
  if (data.classes.empty()) return {};
  std::vector<std::string> texts;
  for (const std::string& name : data.classes) {
    std::string text = data.text_template;
    if (const std::size_t at = text.find("{}"); at != std::string::npos) text.replace(at, 2, name);
    texts.push_back(text);
  }
  return tokenizer.encode(texts);
}

// Settings that stand for "decide for me" get their numbers.
void resolve(TrainConfig& c, Dim samples) {
  if (c.loss == "softmax") c.positives = "diagonal";  // the softmax has one right answer by definition
  if (c.steps == 0) c.steps = static_cast<Dim>(std::ceil((c.epochs > 0 ? c.epochs : 30) * double(Loader::steps_per_epoch(samples, c.batch_size))));
  if (c.warmup < 0) c.warmup = std::min<Dim>(100, c.steps / 10);
  if (c.eval_every == 0) c.eval_every = std::max<Dim>(1, (c.steps + 9) / 10);
  if (c.save_every == 0) c.save_every = c.eval_every;
}

Session set_up(TrainConfig config, RunFolder run, const Tokenizer* known_tokenizer, std::ostream& log) {
  if (config.threads) set_threads(static_cast<int>(config.threads));
  DataSet data = read_data(config.data, {config.image_column, config.text_column, config.text_template, config.val_fraction});
  std::unique_ptr<Tokenizer> tokenizer;
  const Dim context = model_config(config, 3).context;
  if (known_tokenizer)
    tokenizer = read_tokenizer(run.file("last"));
  else
    tokenizer = learn_words(captions_of(data.split("train")), context);
  const SiglipConfig shape = model_config(config, tokenizer->vocab_size());
  std::vector<NamedSamples> splits = decode(config, data, *tokenizer, shape.image_size, log);
  write_skipped(run, splits);
  require(config.batch_size <= splits[0].samples->size(), "--batch-size", "at most the ", splits[0].samples->size(), " usable pairs of train, got ",
          config.batch_size);
  resolve(config, splits[0].samples->size());
  Siglip model(shape);
  initialize(model, static_cast<std::uint64_t>(config.seed), initial_bias(config, config.batch_size));
  Parameters trained = model.parameters();
  if (config.loss == "softmax") std::erase_if(trained, [](const Parameter& p) { return p.name == "logit_bias"; });  // it has none
  AdamW optimizer(trained, {config.beta1, config.beta2, 1e-8, config.wd});
  Ids classes = class_tokens(data, *tokenizer);
  return {std::move(config),
          std::move(run),
          log,
          std::move(data),
          std::move(tokenizer),
          std::move(splits),
          std::move(model),
          std::move(optimizer),
          classes,
          0,
          0,
          -1,
          0,
          {}};
}

// ---- checkpoints -----------------------------------------------------------------------------------------------------------------------

Json json_of(const Session& s) {
  return {{"version", 1},
          {"step", s.step},
          {"adam_steps", s.optimizer.steps()},
          {"moving_loss", s.moving_loss},
          {"best_score", s.best_score},
          {"seconds", s.seconds},
          {"data_fingerprint", fingerprint(s.splits)},
          {"best", s.best.empty() ? Json() : Json::parse(evaluations_json(s.best, 0, 0, 0))["splits"]}};
}

void save(const Session& s, const char* name, bool with_training_state) {
  FolderWriter folder(s.run.file(name));
  write_safetensors(folder.path() + "/model.safetensors", s.model.parameters());
  write_config(folder.path(), s.model.config);
  s.tokenizer->save(folder.path());
  write_preprocessing(folder.path(), {s.model.config.image_size, filter_of(s.config) == Filter::bilinear ? 2 : 3});
  if (with_training_state) {
    write_safetensors(folder.path() + "/training_state.safetensors", s.optimizer.state());
    write_file(folder.path() + "/training_state.json", json_of(s).dump(2) + "\n");
  }
  folder.commit();
}

Recall recall_of(const Json& json, Dim queries, Dim candidates) { return {json.at("r1"), json.at("r5"), json.at("r10"), queries, candidates}; }

void load_state(Session& s) {
  const std::string folder = s.run.file("last"), path = folder + "/training_state.json";
  const Json state = parse_json(read_file(path), path);
  try {
    require(state.at("version") == 1, path, "version 1 is expected, got ", state.at("version").dump());
    const std::string now = fingerprint(s.splits);
    require(state.at("data_fingerprint") == now, path, "the data the run began with is expected (fingerprint ",
            state.at("data_fingerprint").get<std::string>(), "), got other pictures or captions (", now, ")");
    s.step = state.at("step");
    s.moving_loss = state.at("moving_loss");
    s.best_score = state.at("best_score");
    s.seconds = state.at("seconds");
    s.optimizer.set_steps(state.at("adam_steps"));
    if (state.at("best").is_array())
      for (const Json& e : state.at("best")) {
        const Dim pairs = e.at("pairs"), candidates = e.at("candidates");
        s.best.push_back({e.at("split"), pairs, candidates, recall_of(e.at("image_to_text"), pairs, candidates),
                          recall_of(e.at("text_to_image"), pairs, candidates), e.value("accuracy", -1.0)});
      }
  } catch (const Json::exception& e) {
    fail(path, "a training state as train writes it is expected, got: ", e.what());
  }
  load_parameters(folder, s.model.parameters());
  const SafetensorsFile file(folder + "/training_state.safetensors");
  require(file.tensors().size() == s.optimizer.state().size(), folder, "a training state of ", s.optimizer.state().size(),
          " tensors is expected, got ", file.tensors().size());
  for (const Parameter& p : s.optimizer.state()) file.read_into(p.name, p.value);
}

// ---- one step --------------------------------------------------------------------------------------------------------------------------

struct PairProbabilities {
  double positive = 0, negative = 0;
};

// Mean σ(t <u_i, v_j> + b) of matching and of other pairs, among the first 256 of a batch.
PairProbabilities pair_probabilities(const Tensor& u, const Tensor& v, double t, double b, const std::vector<std::int32_t>& captions) {
  const Dim n = std::min<Dim>(256, u.rows()), E = u.columns();
  Tensor logits({n, n});
  {
    const Tensor us = Tensor::from({n, E}, std::vector<Real>(u.data(), u.data() + n * E)),
                 vs = Tensor::from({n, E}, std::vector<Real>(v.data(), v.data() + n * E));
    logits = matmul(us, vs);
  }
  double sums[2] = {}, counts[2] = {};
  for (Dim i = 0; i < n; ++i)
    for (Dim j = 0; j < n; ++j) {
      const bool match = captions[static_cast<std::size_t>(i)] == captions[static_cast<std::size_t>(j)];
      sums[match] += 1 / (1 + std::exp(-(t * double(logits.data()[i * n + j]) + b)));
      counts[match] += 1;
    }
  return {sums[1] / std::max(1.0, counts[1]), sums[0] / std::max(1.0, counts[0])};
}

struct StepResult {
  LogRow row;
  double positives = 1;  // matches for each image
  Tensor u, v;
};

[[noreturn]] void stop_not_finite(const Session& s, const std::string& what) {
  std::error_code none;
  const bool saved = std::filesystem::exists(s.run.file("last"), none);
  fail("train", "step ", s.step + 1, ": ", what, " is not finite; the last good checkpoint is ", saved ? s.run.file("last") : "none yet",
       "; a lower --lr, a longer --warmup or --grad-clip 1 may help");
}

StepResult train_step(Session& s, const Batch& batch) {
  const TrainConfig& c = s.config;
  StepResult result;
  LogRow& row = result.row;
  row.step = s.step + 1;
  row.lr = c.lr * cosine_rate(s.step, c.warmup, c.steps);
  row.t = std::exp(double(s.model.log_t.item()));
  row.b = c.loss == "softmax" ? 0 : double(s.model.b.item());
  {
    Tape tape;
    const Tensor u = s.model.vision(batch.images), v = s.model.text(batch.tokens);
    const Labels labels = c.positives == "caption" ? Labels{batch.caption_ids, batch.caption_ids} : Labels{};
    const Tensor loss = c.loss == "softmax"
                            ? softmax_loss(u, v, s.model.log_t)
                            : sigmoid_loss(u, v, s.model.log_t, s.model.b, labels, c.reduction == "mean" ? Reduction::mean : Reduction::per_image);
    row.loss = double(loss.item());
    if (!std::isfinite(row.loss)) stop_not_finite(s, "the loss");
    tape.backward(loss);
    result.u = u, result.v = v;
  }
  std::string worst;
  row.grad_norm = global_grad_norm(s.optimizer.parameters(), &worst);
  if (!std::isfinite(row.grad_norm)) stop_not_finite(s, "the gradient of " + worst);
  s.optimizer.step(row.lr, clip_factor(row.grad_norm, c.grad_clip));
  s.optimizer.zero_grad();

  std::vector<std::int32_t> captions = batch.caption_ids.to_vector();
  if (c.positives == "diagonal") std::iota(captions.begin(), captions.end(), 0);
  const PairProbabilities p = pair_probabilities(result.u, result.v, row.t, row.b, captions);
  row.p_positive = p.positive, row.p_negative = p.negative;
  std::map<std::int32_t, double> count;
  for (std::int32_t id : captions) ++count[id];
  double matches = 0;
  for (const auto& [id, n] : count) matches += n * n;
  result.positives = matches / double(c.batch_size);
  return result;
}

// What equal captions in a batch cost, said once.
void report_duplicates(const Session& s, double positives, Progress& progress) {
  if (positives <= 1 || s.config.loss == "softmax") return;
  std::ostringstream text;
  text.precision(3);
  text << "captions repeat: " << positives - 1 << " other pairs of a batch share an image's caption on average; "
       << (s.config.positives == "caption" ? "they count as matches (--positives caption)"
                                           : "each is trained as a negative of itself (--positives diagonal)");
  progress.message(text.str());
}

ProgressOptions progress_options(const std::ostream& log, Dim total) {
  ProgressOptions options;
  options.total = total;
  options.terminal = &log == &std::cerr && isatty(STDERR_FILENO);
  const char* no_color = std::getenv("NO_COLOR");
  options.color = options.terminal && !(no_color && *no_color);
  winsize size{};
  if (options.terminal && ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 20) options.width = size.ws_col;
  return options;
}

std::string one_line(const Evaluation& e) {
  std::ostringstream out;
  out.setf(std::ios::fixed);
  out.precision(3);
  out << e.split << ": image to text R@1 " << e.image_to_text.r1 << " R@5 " << e.image_to_text.r5 << ", text to image R@1 " << e.text_to_image.r1
      << " R@5 " << e.text_to_image.r5 << " (" << e.pairs << " queries, " << e.candidates << " captions)";
  if (e.accuracy >= 0) out << ", zero-shot accuracy " << e.accuracy;
  return out.str();
}

// ---- the loop --------------------------------------------------------------------------------------------------------------------------

constexpr Dim train_sample = 512;

std::vector<Evaluation> evaluate_now(Session& s) {
  const std::vector<NamedSamples> train{s.splits.front()}, others(s.splits.begin() + 1, s.splits.end());
  const Candidates candidates = Candidates::parse(s.config.candidates);
  std::vector<Evaluation> all;
  if (candidates.kind == Candidates::all || others.empty()) {
    all = evaluate(s.model, s.splits, {}, candidates, s.class_texts, 0);
    return all;
  }
  // A sample of train is enough to see the gap to the other splits.
  all = evaluate(s.model, train, {}, candidates, s.class_texts, train_sample);
  for (const Evaluation& e : evaluate(s.model, others, {}, candidates, s.class_texts)) all.push_back(e);
  return all;
}

double score(const std::vector<Evaluation>& evaluations) {
  const Evaluation& e = evaluations.size() > 1 ? evaluations[1] : evaluations[0];
  return (e.image_to_text.r1 + e.text_to_image.r1) / 2;
}

TrainResult run_loop(Session& s) {
  const TrainConfig& c = s.config;
  stop_requested = false;
  RunLog run_log(s.run, s.step);
  LoaderOptions options;
  options.batch_size = c.batch_size, options.seed = static_cast<std::uint64_t>(c.seed), options.first_step = s.step;
  options.augmentation = {c.shift, c.scale, c.flip};
  Loader loader(s.splits[0].samples, options);
  Progress progress(s.log, progress_options(s.log, c.steps));
  const Clock::time_point start = Clock::now();
  const double seconds_before = s.seconds;
  const Dim first = s.step;
  double waited = 0;
  Clock::time_point step_start = Clock::now();

  while (s.step < c.steps && !stop_requested) {
    const Batch batch = loader.next();
    waited += batch.wait_seconds;
    StepResult result = train_step(s, batch);
    LogRow& row = result.row;
    if (s.step == 0) {
      report_duplicates(s, result.positives, progress);
      if (c.loss == "sigmoid") {
        const FirstStep check = first_step(row.loss, result.u, result.v, row.t, row.b, result.positives,
                                           c.reduction == "mean" ? double(c.batch_size * c.batch_size) : double(c.batch_size));
        progress.message(check.text);
        if (!check.warning.empty()) progress.message("warning: " + check.warning);
      }
    }
    s.moving_loss = s.step == 0 ? row.loss : 0.95 * s.moving_loss + 0.05 * row.loss;
    ++s.step;
    s.seconds = seconds_before + seconds_since(start);
    row.samples_per_second = double(c.batch_size) / std::max(1e-9, seconds_since(step_start));
    row.peak_memory = double(peak_memory());
    const double per_step = seconds_since(start) / double(s.step - first);
    progress.step(s.step, row.loss, s.moving_loss, row.samples_per_second, waited / std::max(1e-9, seconds_since(start)),
                  per_step * double(c.steps - s.step));

    const bool last = s.step == c.steps;
    std::vector<Evaluation> evaluations;
    if (last || s.step % c.eval_every == 0) {
      evaluations = evaluate_now(s);
      for (const Evaluation& e : evaluations) progress.message("step " + std::to_string(s.step) + "  " + one_line(e));
      if (score(evaluations) > s.best_score) {
        s.best_score = score(evaluations);
        s.best = evaluations;
        save(s, "best", false);
      }
    }
    run_log.write(row, evaluations);
    s.seconds = seconds_before + seconds_since(start);
    if (last || stop_requested || s.step % c.save_every == 0) save(s, "last", true);
    step_start = Clock::now();
  }
  progress.finish();

  TrainResult result{s.run.path(), s.step, s.seconds, s.best, s.step < c.steps};
  if (result.interrupted) {
    s.log << "stopped after step " << s.step << " of " << c.steps << "; continue with:  siglip train --resume " << s.run.path() << '\n';
    return result;
  }
  write_file(s.run.file("summary.json"), evaluations_json(s.best, s.step, s.seconds, peak_memory()));
  return result;
}
}  // namespace

void request_stop() noexcept { stop_requested = true; }

TrainResult train(const TrainConfig& config, std::ostream& log) {
  validate(config);
  read_data(config.data, {config.image_column, config.text_column, config.text_template, config.val_fraction});  // before a folder is made
  Session s = set_up(config, RunFolder::create(config.out), nullptr, log);
  write_file(s.run.file("train.json"), to_json(s.config));
  log << "run: " << s.run.path() << ", " << s.config.model << " with " << s.model.parameter_count() << " parameters, " << s.config.steps
      << " steps of " << s.config.batch_size << " pairs, " << threads() << " threads\n";
  return run_loop(s);
}

TrainResult resume(const std::string& run, const std::vector<std::string>& changes, std::ostream& log) {
  RunFolder folder = RunFolder::open(run);
  TrainConfig config, changed;
  const std::string path = folder.file("train.json");
  read_json(config, read_file(path), path);
  changed = config;
  for (const std::string& change : changes) set(changed, change);
  TrainConfig kept = config;
  kept.threads = changed.threads, kept.save_every = changed.save_every;
  if (to_json(kept) != to_json(changed)) {
    const Json before = Json::parse(to_json(kept)), after = Json::parse(to_json(changed));
    for (const auto& [key, value] : after.items())
      require(value == before[key], "--resume", "a run keeps ", key, " = ", before[key].dump(), ", got ", value.dump(),
              " (only threads and save_every may change)");
  }
  validate(changed);
  const std::unique_ptr<Tokenizer> tokenizer = read_tokenizer(folder.file("last"));
  Session s = set_up(changed, std::move(folder), tokenizer.get(), log);
  load_state(s);
  log << "run: " << s.run.path() << " continues after step " << s.step << " of " << s.config.steps << '\n';
  return run_loop(s);
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
