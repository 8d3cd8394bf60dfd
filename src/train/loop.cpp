// loop.cpp — training, from settings to a run folder.
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <numeric>
#include <sys/ioctl.h>
#include <unistd.h>
#include "core/memory.h"
#include "io/checksum.h"
#include "io/json.h"
#include "siglip/error.h"
#include "siglip/loss.h"
#include "siglip/tape.h"
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
  row.lr = c.lr * cosine_rate(s.step, c.warmup, c.steps);
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
  out << e.split << ": image to text R@1 " << e.image_to_text.r1 << " R@5 " << e.image_to_text.r5 << ", text to image R@1 " << e.text_to_image.r1
      << " R@5 " << e.text_to_image.r5 << " (" << e.pairs << " queries, " << e.candidates << " captions)";
  if (e.accuracy >= 0) out << ", zero-shot accuracy " << e.accuracy;
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

double score(const std::vector<Evaluation>& evaluations) {
  const Evaluation& e = evaluations.size() > 1 ? evaluations[1] : evaluations[0];
  return (e.image_to_text.r1 + e.text_to_image.r1) / 2;
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
  write_file(s.run->file("summary.json"), evaluations_json(s.best, s.step, s.seconds, peak_memory(), device_memory));
  return result;
}

TrainResult run_loop(Session& s) {
  const TrainConfig& c = s.config;
  RunLog run_log(*s.run, s.step);
  LoaderOptions options;
  options.batch_size = c.batch_size, options.seed = static_cast<std::uint64_t>(c.seed), options.first_step = s.step;
  options.augmentation = {c.shift, c.scale, c.flip}, options.device = s.model.log_t.device();
  Loader loader(s.splits[0].samples, options);
  Progress progress(*s.log, progress_options(*s.log, c.steps));
  Watch watch{s.seconds};
  const Dim first = s.step;
  Dim saved = first > 0 ? first : -1;
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
  write_file(s.run->file("train.json"), to_json(s.config));
  write_skipped(s);
  log << "run: " << s.run->path() << ", " << s.config.model << " with " << s.model.parameter_count() << " parameters, " << s.config.steps
      << " steps of " << s.config.batch_size << " pairs, " << threads() << " threads" << on_device(s.config) << '\n';
  return run_loop(s);
}

TrainResult resume(const std::string& run, const std::vector<std::string>& changes, std::ostream& log) {
  stop_requested = false;
  auto folder = std::make_unique<RunFolder>(RunFolder::open(run));
  const std::string path = folder->file("train.json");
  TrainConfig config;
  read_json(config, read_file(path), path);
  validate(config, path);
  const TrainConfig begun = config;
  const Json before = parse_json(to_json(begun), path);
  for (const std::string& change : changes) set(config, change);
  const Json after = parse_json(to_json(config), path);
  for (const auto& [key, value] : after.items())
    require(value == before[key] || may_change(key), "--resume", "a run keeps ", key, " = ", brief(before[key]), ", got ", brief(value), " (only ",
            changeable_settings(), " may change)");
  validate(config);
  if (config.data == begun.data) require_data(config, path);
  const std::string last = folder->file("last");
  std::error_code none;
  require(std::filesystem::exists(last, none), last, "a checkpoint to continue from is expected, got none: the run ended before its first one");
  verify_checksums(last);
  Session s = set_up(config, std::move(folder), log);
  load_state(s);  // says if the data are others
  write_skipped(s);
  if (config.data != begun.data) {  // the data have moved: report and eval will look for them there
    TrainConfig moved = begun;
    moved.data = config.data;
    write_file(path, to_json(moved));
  }
  log << "run: " << s.run->path() << " continues after step " << s.step << " of " << s.config.steps << on_device(s.config) << '\n';
  return run_loop(s);
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
