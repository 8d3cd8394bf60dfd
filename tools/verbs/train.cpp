// train.cpp — siglip train.
#include <algorithm>
#include <csignal>
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
    std::string flag = std::string("--") + name;
    std::replace(flag.begin(), flag.end(), '_', '-');
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

// What is wrong with a setting of the command line is wrong use, not a failure.
template <class Call>
void as_wrong_use(const Call& call) {
  try {
    call();
  } catch (const Error& e) {
    throw WrongUse(e.what());
  }
}

// Defaults, then the file, then --set, then flags.
TrainConfig configured(const Settings& s) {
  TrainConfig config;
  if (!s.config.empty()) read_json(config, read_file(s.config, 1 << 20), s.config);
  as_wrong_use([&] {
    for (const std::string& assignment : s.sets) set(config, assignment);
    for (const std::string& assignment : s.flags) set(config, assignment);
    validate(config);
  });
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

// The first Ctrl-C finishes the step and saves; the second ends at once, as if nobody had listened.
void listen_for_ctrl_c() {
  struct sigaction action {};
  action.sa_handler = [](int) { request_stop(); };
  action.sa_flags = static_cast<int>(SA_RESETHAND);
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

void train_verb(const Settings& s) {
  listen_for_ctrl_c();
  const TrainResult result = s.resume.empty() ? train(configured(s), std::cerr) : resumed(s);
  if (result.interrupted) return;
  std::cerr << "done: " << result.steps << " steps in " << fixed(result.seconds, 1) << " s; the best checkpoint's evaluation:\n";
  print_evaluations(std::cerr, result.evaluations);
  for (const std::string& command : report(result.run, std::cerr, program_name())) std::cerr << "try next: " << command << '\n';
  if (s.json) std::cout << read_file(result.run + "/summary.json");
}
}  // namespace

void add_train(CLI::App& program) {
  CLI::App& verb = add_verb(program, "train",
                            "Train a model on pairs of pictures and texts. Settings count in this order: defaults, --config, --set, flags.\n"
                            "Ctrl-C finishes the step and saves; a second one ends at once.",
                            "siglip train --data shapes --model nano --steps 60 --batch-size 64 --out run",
                            "RUN/summary.json: split, pairs, candidates, image_to_text and text_to_image {r1, r5, r10}, accuracy (with classes),\n"
                            "  splits [the same for each split], steps, seconds, peak_memory_bytes");
  const auto s = std::make_shared<Settings>();
  add_fields(verb, s);
  text_flag(verb, "--config", s->config, "a JSON file of settings, named as here with _ for -");
  verb.add_option("--set", s->sets, "one more setting, key=value; may be repeated")->type_name("KEY=VALUE")->allow_extra_args(false);
  text_flag(verb, "--resume", s->resume, "continue this run folder, or latest, to the bits of a run that was never interrupted");
  json_flag(verb, s->json);
  verb.callback([s] { train_verb(*s); });
}
}  // namespace siglip::tools
