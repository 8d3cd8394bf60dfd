// loop.cpp — training, from settings to a run folder.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <numeric>
#include <utility>
#include <sys/ioctl.h>
#include <unistd.h>
#include "core/memory.h"
#include "io/checksum.h"
#include "io/json.h"
#include "siglip/error.h"
#include "siglip/loss.h"
#include "siglip/tape.h"
#include "train/evaluate.h"
#include "train/fields.h"
#include "train/first_step.h"
#include "train/progress.h"
#include "train/repeats.h"
#include "train/session.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
std::atomic<bool> stop_requested{false};
using Clock = std::chrono::steady_clock;
double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

// ---- one step --------------------------------------------------------------------------------------------------------------------------

struct PairProbabilities {
  double positive = 0, negative = 0;
};

// The first 256 rows, on the host.
Tensor first_rows(const Tensor& x) {
  const Tensor rows({std::min<Dim>(256, x.rows()), x.columns()});
  x.read(rows.data(), 0, rows.size());
  return rows;
}

// Mean σ(t <u_i, v_j> + b) of matching and of other pairs.
PairProbabilities pair_probabilities(const Tensor& u, const Tensor& v, double t, double b, const std::vector<std::int32_t>& captions) {
  const Dim n = u.rows();
  const Tensor logits = matmul(u, v);
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
  Tensor u, v;
  std::vector<std::int32_t> captions;  // ids
};

// By Samples::text_id.
std::vector<std::int32_t> captions_of(const Session& s, const Batch& batch) {
  std::vector<std::int32_t> ids;
  for (const Dim i : batch.samples) ids.push_back(s.splits[0].samples->text_id(i));
  return ids;
}

StepResult train_step(Session& s, const Batch& batch) {
  const TrainConfig& c = s.config;
  StepResult result;
  LogRow& row = result.row;
  row.step = s.step + 1;
  row.lr = c.lr * rate_at(c, s.step);
  Tensor loss;
  {
    Tape tape;
    const Tensor u = s.model.vision(batch.images), v = s.model.text(batch.tokens);
    const Labels labels = c.positives == "caption" ? Labels{batch.caption_ids, batch.caption_ids} : Labels{};
    loss = c.loss == "softmax" ? softmax_loss(u, v, s.model.log_t)
                               : sigmoid_loss(u, v, s.model.log_t, s.model.b, labels, c.reduction == "mean" ? Reduction::mean : Reduction::per_image);
    tape.backward(loss);
    result.u = u, result.v = v;
  }
  // All numbers that the host wants are read here, where forward and backward have been asked for: a device is waited for once a step.
  std::string worst;
  row.grad_norm = global_grad_norm(s.optimizer.parameters(), &worst);
  row.loss = double(loss.item());
  row.t = std::exp(double(s.model.log_t.item()));
  row.b = c.loss == "softmax" ? 0 : double(s.model.b.item());
  const Tensor u = first_rows(result.u), v = first_rows(result.v);
  if (!std::isfinite(row.loss)) stop_not_finite(s, row.step, "the loss");
  if (!std::isfinite(row.grad_norm)) stop_not_finite(s, row.step, "the gradient of " + worst);
  s.optimizer.step(row.lr, clip_factor(row.grad_norm, c.grad_clip));
  s.optimizer.zero_grad();

  result.captions = captions_of(s, batch);
  std::vector<std::int32_t> labels = result.captions;
  if (c.positives == "diagonal") std::iota(labels.begin(), labels.end(), 0);
  const PairProbabilities p = pair_probabilities(u, v, row.t, row.b, labels);
  row.p_positive = p.positive, row.p_negative = p.negative;
  return result;
}

void check_first_step(const TrainConfig& c, const StepResult& result, const Repeats& repeats, Progress& progress) {
  if (c.loss == "softmax") return;
  const double matches = c.positives == "caption" ? 1 + repeats.others : 1, B = double(c.batch_size);
  const Scalars configured{initial_temperature, initial_bias(c, c.batch_size)}, actual{result.row.t, result.row.b};
  const FirstStep check = first_step(result.row.loss, result.u, result.v, configured, actual, matches, c.reduction == "mean" ? B * B : B);
  progress.message(check.text);
  if (!check.warning.empty()) progress.message("warning: " + check.warning);
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
  if (e.accuracy >= 0) {
    out << e.split << ": accuracy " << e.accuracy << " (" << e.predictions.size() << " pictures, " << e.candidates << " classes)";
    return out.str();
  }
  out << e.split << ": image to text R@1 " << e.image_to_text.r1 << " R@5 " << e.image_to_text.r5 << ", text to image R@1 " << e.text_to_image.r1
      << " R@5 " << e.text_to_image.r5 << " (" << e.pairs << " queries, " << e.candidates << " captions)";
  return out.str();
}

// ---- the loop --------------------------------------------------------------------------------------------------------------------------

constexpr Dim train_sample = 512;

std::vector<Evaluation> evaluate_now(const Session& s) {
  const std::vector<NamedSamples> train{s.splits.front()}, others(s.splits.begin() + 1, s.splits.end());
  const Candidates candidates = Candidates::parse(s.config.candidates);
  if (candidates.kind == Candidates::all || others.empty()) return evaluate(s.model, s.splits, {}, candidates, s.class_texts);
  // A sample of train is enough to see the gap to the other splits.
  std::vector<Evaluation> all = evaluate(s.model, train, {}, candidates, s.class_texts, train_sample);
  for (const Evaluation& e : evaluate(s.model, others, {}, candidates, s.class_texts)) all.push_back(e);
  return all;
}

// With classes it is the accuracy: the recall of so few captions says little.
double score(const std::vector<Evaluation>& evaluations) {
  const Evaluation& e = evaluations.size() > 1 ? evaluations[1] : evaluations[0];
  return e.accuracy >= 0 ? e.accuracy : (e.image_to_text.r1 + e.text_to_image.r1) / 2;
}

// Says how the model does, and keeps it if it never did better.
std::vector<Evaluation> evaluate_and_keep_best(Session& s, Progress& progress) {
  const std::vector<Evaluation> evaluations = evaluate_now(s);
  for (const Evaluation& e : evaluations) progress.message("step " + std::to_string(s.step) + "  " + one_line(e));
  if (score(evaluations) >= s.best_score) {  // of equal ones the later: it was trained for longer
    s.best_score = score(evaluations);
    s.best = evaluations;
    save(s, "best");
  }
  return evaluations;
}

struct Watch {
  double before = 0;  // seconds of the sessions before this one
  Clock::time_point start = Clock::now(), step = start;
  double waited = 0;  // for data
  double seconds() const { return std::max(1e-9, seconds_since(start)); }
  double total() const { return before + seconds_since(start); }
};

// Counts the step and shows it.
void count_step(Session& s, LogRow& row, const Watch& watch, Dim first, Progress& progress) {
  const TrainConfig& c = s.config;
  s.moving_loss = s.step == 0 ? row.loss : 0.95 * s.moving_loss + 0.05 * row.loss;
  ++s.step;
  row.samples_per_second = double(c.batch_size) / std::max(1e-9, seconds_since(watch.step));
  row.peak_memory = double(peak_memory());
  const double per_step = watch.seconds() / double(s.step - first);
  progress.step(s.step, row.loss, s.moving_loss, row.samples_per_second, watch.waited / watch.seconds(), per_step * double(c.steps - s.step));
}

TrainResult finish(const Session& s) {
  std::ostream& log = *s.log;
  if (const std::string bad = left_out(s); !bad.empty()) log << bad << '\n';
  TrainResult result{s.run->path(), s.step, s.seconds, s.best, s.step < s.config.steps};
  if (result.interrupted) {
    log << "stopped after step " << s.step << " of " << s.config.steps << "; continue with:  siglip train --resume " << shell_word(s.run->path())
        << '\n';
    return result;
  }
  const Device device = s.model.log_t.device();
  const std::int64_t device_memory = device == Device::cpu ? 0 : pool_stats(device).peak;
  const std::vector<std::string> classes = s.labels.classes ? s.labels.names : std::vector<std::string>();
  write_file(s.run->file("summary.json"), evaluations_json(s.best, {s.step, s.seconds, peak_memory(), device_memory, s.config.fold, classes}));
  result.doubt = doubt_of(s.best, s.config, s.splits[0].samples->size());
  return result;
}

LoaderOptions loader_options(const Session& s) {
  const TrainConfig& c = s.config;
  LoaderOptions options;
  options.batch_size = c.batch_size, options.seed = static_cast<std::uint64_t>(c.seed), options.first_step = s.step;
  options.augmentation = {c.shift, c.scale, c.flip}, options.device = s.model.log_t.device();
  return options;
}

// How many steps fit into --minutes, from the seconds that some steps and an evaluation take now. What they taught is forgotten, so that warm-up and
// schedule are those of a run of so many steps.
void decide_steps(Session& s) {
  TrainConfig& c = s.config;
  const TrainConfig asked = c;
  const Clock::time_point start = Clock::now();
  c.steps = 1'000'000, c.warmup = 0;
  std::vector<double> seconds;
  {
    Loader loader(s.splits[0].samples, loader_options(s));
    constexpr std::size_t fewest = 4, most = 50;
    while (!stop_requested && (seconds.size() < fewest || (seconds.size() < most && seconds_since(start) < 0.6 * c.minutes))) {
      const Clock::time_point step = Clock::now();
      train_step(s, loader.next());
      seconds.push_back(seconds_since(step));
    }
  }
  const Clock::time_point evaluation = Clock::now();
  evaluate_now(s);
  const double an_evaluation = seconds_since(evaluation), left = 60 * c.minutes - seconds_since(start);
  std::nth_element(seconds.begin(), seconds.begin() + std::ssize(seconds) / 2, seconds.end());
  const double a_step = seconds.empty() ? 1 : seconds[seconds.size() / 2];
  const double steps = asked.eval_every ? left / (a_step + an_evaluation / double(asked.eval_every)) : (left - 10 * an_evaluation) / a_step;
  c = asked;
  c.steps = static_cast<Dim>(std::clamp(steps, 10.0, 1e9));
  resolve_steps(c);
  start_model(s);
  *s.log << "--minutes " << c.minutes << ": a step takes " << a_step << " s here and an evaluation " << an_evaluation << " s, so there will be "
         << c.steps << " steps\n";
}

TrainResult run_loop(Session& s) {
  const TrainConfig& c = s.config;
  RunLog run_log(*s.run, s.step);
  Loader loader(s.splits[0].samples, loader_options(s));
  Progress progress(*s.log, progress_options(*s.log, c.steps));
  Watch watch{s.seconds};
  const Dim first = s.step;
  Dim saved = first > 0 && checkpoint_to_resume(*s.run) == s.run->file("last") ? first : -1;
  const auto save_last = [&] {
    s.seconds = watch.total();
    run_log.flush();
    save(s, "last");
    saved = s.step;
  };
  bool repeats_told = false;

  while (s.step < c.steps && !stop_requested) {
    watch.step = Clock::now();
    const Batch batch = loader.next();
    watch.waited += batch.wait_seconds;
    StepResult result = train_step(s, batch);
    const Repeats repeats = repeats_told ? Repeats{} : count_repeats(result.captions);
    if (repeats.others > 0) progress.message(repeats_message(repeats, result.row.step, c)), repeats_told = true;
    if (s.step == 0) check_first_step(c, result, repeats, progress);
    count_step(s, result.row, watch, first, progress);

    const bool last = s.step == c.steps;
    s.seconds = watch.total();
    std::vector<Evaluation> evaluations;
    if (last || s.step % c.eval_every == 0) evaluations = evaluate_and_keep_best(s, progress);
    run_log.write(result.row, evaluations);
    if (last || s.step % c.save_every == 0) save_last();
  }
  if (saved != s.step) save_last();  // asked to stop between checkpoints, perhaps before the first step
  progress.finish();
  return finish(s);
}

// ", on NVIDIA H200 with tf32 products"; nothing on the CPU.
std::string on_device(const TrainConfig& c) {
  if (c.device == "cpu") return "";
  return ", on " + device_name(find_device(c.device, "--device")) + " with " + c.matmul_precision + " products";
}
}  // namespace

void request_stop() noexcept { stop_requested = true; }

TrainResult train(const TrainConfig& config, std::ostream& log) {
  stop_requested = false;
  validate(config);
  require_apart(config);
  Session s = set_up(config, nullptr, log);  // asks for the device first
  if (s.config.steps == 0) decide_steps(s);
  write_file(s.run->file("train.json"), to_json(s.config));
  write_skipped(s);
  log << "run: " << s.run->path() << ", " << s.config.model << " with " << s.model.parameter_count() << " parameters, " << s.config.steps
      << " steps of " << s.config.batch_size << " pairs, " << threads() << " threads" << on_device(s.config) << '\n';
  return run_loop(s);
}

namespace {
// The settings of a run with the changes that it allows.
TrainConfig changed(const TrainConfig& begun, const std::vector<std::string>& changes, const std::string& path) {
  TrainConfig config = begun;
  const Json before = parse_json(to_json(begun), path);
  for (const std::string& change : changes) set(config, change);
  const Json after = parse_json(to_json(config), path);
  for (const auto& [key, value] : after.items())
    require(value == before[key] || may_change(key) || key == "steps", "--resume", "a run keeps ", key, " = ", brief(before[key]), ", got ",
            brief(value), " (only ", changeable_settings(), ")");
  validate(config);
  if (config.data == begun.data) require_data(config, path);
  return config;
}

// More steps than the run was to have: a schedule of its own leads from the last rate up to lr, and down to 0.
void extend(Session& s, Dim steps) {
  TrainConfig& c = s.config;
  require(steps > c.steps, "--steps", "more than the run's ", c.steps, " steps are expected, got ", steps);
  // Of a schedule that has not taken a step yet, the last rate is the one it began from.
  const double rate = s.step > c.schedule_start ? rate_at(c, s.step - 1) : c.schedule_rate;
  c.schedule_start = s.step, c.schedule_rate = rate, c.steps = steps;
  *s.log << "schedule: a new one from step " << s.step + 1 << " to " << steps << ": from the last rate, " << c.lr * rate << ", up to " << c.lr
         << ", then down to 0\n";
}
}  // namespace

TrainResult resume(const std::string& run, const std::vector<std::string>& changes, std::ostream& log) {
  stop_requested = false;
  auto folder = std::make_unique<RunFolder>(RunFolder::open(run));
  const std::string path = folder->file("train.json");
  TrainConfig begun;
  read_json(begun, read_file(path), path);
  validate(begun, path);
  TrainConfig config = changed(begun, changes, path);
  const Dim steps = std::exchange(config.steps, begun.steps);
  const std::string checkpoint = checkpoint_to_resume(*folder);
  verify_checksums(checkpoint);
  Session s = set_up(config, std::move(folder), log);
  load_state(s);  // says if the data are others
  write_skipped(s);
  if (steps != begun.steps) extend(s, steps);
  TrainConfig kept = begun;  // report and eval look for the data where they are now; threads and device are this session's alone
  kept.data = s.config.data, kept.steps = s.config.steps, kept.schedule_start = s.config.schedule_start, kept.schedule_rate = s.config.schedule_rate;
  if (to_json(kept) != to_json(begun)) write_file(path, to_json(kept));
  if (!checkpoint.ends_with("last")) log << "note: the run has no last checkpoint, so it goes on from " << checkpoint << '\n';
  log << "run: " << s.run->path() << " continues after step " << s.step << " of " << s.config.steps << on_device(s.config) << '\n';
  return run_loop(s);
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
