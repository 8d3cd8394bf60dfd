// train.cpp — siglip train.
#include <atomic>
#include <csignal>
#include <cstdint>
#include <ctime>
#include <iostream>
#include <memory>
#include "evaluations.h"
#include "io/json.h"
#include "siglip/error.h"
#include "siglip/train.h"
#include "train/fields.h"
#include "verbs.h"

namespace siglip::tools {
namespace {
struct Settings {
  std::string config, resume;
  std::vector<std::string> sets, flags;  // key=value
  bool json = false;
};

// A flag for each setting. What is given becomes key=value, with the value checked here, so that the message names the flag.
void add_fields(CLI::App& verb, const std::shared_ptr<Settings>& s) {
  TrainConfig defaults;
  each_field(defaults, [&](const char* name, auto& value, const char* help) {
    using Value = std::remove_reference_t<decltype(value)>;
    const std::string flag = flag_of(name);
    if (help == kept_by_train) return;
    const auto give = [s, key = std::string(name)](const std::string& text) { s->flags.push_back(key + "=" + text); };
    if constexpr (std::is_same_v<Value, bool>)
      verb.add_flag_callback(
          flag, [give] { give("true"); }, help);
    else if constexpr (std::is_same_v<Value, std::string>)
      verb.add_option_function<std::string>(flag, give, help)->type_name("TEXT")->default_str(value);
    else if constexpr (std::is_same_v<Value, Dim>)
      verb.add_option_function<std::string>(
              flag, [give, flag](const std::string& text) { give(std::to_string(parse_whole(flag, text))); }, help)
          ->type_name("N")
          ->default_str(std::to_string(value));
    else
      verb.add_option_function<std::string>(
              flag, [give, flag](const std::string& text) { give(Json(parse_real(flag, text)).dump()); }, help)
          ->type_name("NUMBER")
          ->default_str(Json(value).dump());
  });
}

std::string complaint(const TrainConfig& config) {
  try {
    validate(config);
  } catch (const Error& e) {
    return e.what();
  }
  return "";
}

// Defaults, then the file, then --set, then flags.
TrainConfig configured(const Settings& s) {
  TrainConfig config, without_file;
  if (!s.config.empty()) read_json(config, read_file(s.config, 1 << 20), s.config);
  as_wrong_use([&] {
    for (TrainConfig* c : {&config, &without_file})
      for (const std::vector<std::string>* part : {&s.sets, &s.flags})
        for (const std::string& assignment : *part) set(*c, assignment);
  });
  // What is wrong without the file as well is not the file's.
  const std::string wrong = complaint(config);
  if (!wrong.empty() && wrong != complaint(without_file)) validate(config, s.config);
  if (!wrong.empty()) throw WrongUse(wrong);
  return config;
}

TrainResult resumed(const Settings& s) {
  if (!s.config.empty()) throw WrongUse("--config: a run that is resumed keeps its configuration, got " + s.config);
  std::vector<std::string> changes = s.sets;
  changes.insert(changes.end(), s.flags.begin(), s.flags.end());
  as_wrong_use([&] {
    TrainConfig any;
    for (const std::string& change : changes) set(any, change);
  });
  return resume(s.resume, changes, std::cerr);
}

std::atomic<std::int64_t> first_signal{0};  // when it came, in milliseconds; 0: not yet
static_assert(decltype(first_signal)::is_always_lock_free, "a signal handler may take no lock");

// timeout and some shells send one signal twice, to a process and to its group: what follows within a second is the same one.
void stop_or_end(int signal) {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  const std::int64_t time = std::int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000 + 1;
  std::int64_t first = 0;
  if (first_signal.compare_exchange_strong(first, time)) return request_stop();
  if (time - first < 1000) return;
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

// The first Ctrl-C finishes the step and saves; a second one ends at once, as if nobody had listened. SIGTERM, and SIGHUP of a terminal that was
// closed, do the same. nohup has SIGHUP ignored, and so it stays.
void listen_for_signals() {
  struct sigaction action {};
  action.sa_handler = stop_or_end;
  action.sa_flags = SA_RESTART;
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction before {};
    const bool ignored = sigaction(signal, nullptr, &before) == 0 && before.sa_handler == SIG_IGN;
    if (signal != SIGHUP || !ignored) sigaction(signal, &action, nullptr);
  }
}

void train_verb(const Settings& s) {
  listen_for_signals();
  const TrainResult result = s.resume.empty() ? train(configured(s), std::cerr) : resumed(s);
  if (result.interrupted) {
    if (s.json) print_json(Json{{"run", result.run}, {"stopped_at", result.steps}});
    return;
  }
  std::cerr << "done: " << result.steps << " steps in " << fixed(result.seconds, 1) << " s; the best checkpoint's evaluation:\n";
  print_evaluations(std::cerr, result.evaluations);
  const std::vector<std::string> commands = report(result.run, std::cerr, program_name());
  if (!result.doubt.empty())
    std::cerr << "warning: " << result.doubt << '\n';
  else
    for (const std::string& command : commands) std::cerr << "try next: " << command << '\n';
  if (s.json) std::cout << read_file(result.run + "/summary.json");
}
}  // namespace

void add_train(CLI::App& program) {
  CLI::App& verb = add_verb(program, "train",
                            "Train a model on pairs of pictures and texts. Settings count in this order: defaults, --config, --set, flags.\n"
                            "Ctrl-C, SIGTERM or SIGHUP finishes the step and saves; a second one, a second later or more, ends at once. results.csv\n"
                            "and log.jsonl have a row a step; p_positive and p_negative there are the mean probabilities of matching and of other\n"
                            "pairs among the first 256 of the batch.",
                            "siglip train --data shapes --model nano --steps 60 --batch-size 64 --out run",
                            "RUN/summary.json: split, pairs, candidates, image_to_text and text_to_image {r1, r5, r10}, accuracy (with classes),\n"
                            "  classes [name, precision, recall, support] and confusion (with classes), splits [the same for each split], steps,\n"
                            "  fold (with --fold), seconds, peak_memory_bytes; after Ctrl-C: run, stopped_at");
  const auto s = std::make_shared<Settings>();
  add_fields(verb, s);
  text_flag(verb, "--config", s->config, "a JSON file of settings, named as here with _ for -");
  verb.add_option("--set", s->sets, "one more setting, key=value; may be repeated")->type_name("KEY=VALUE")->allow_extra_args(false);
  text_flag(verb, "--resume", s->resume,
            "continue this run folder, or latest (the newest below runs/train), to the bits of a run that was never interrupted; more --steps\n"
            "than it had begin a new schedule");
  json_flag(verb, s->json);
  verb.callback([s] { train_verb(*s); });
}
}  // namespace siglip::tools
