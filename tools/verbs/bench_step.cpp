// bench_step.cpp — siglip bench step: one training step on data in memory, and where its time goes.
#include <chrono>
#include <iostream>
#include <memory>
#include "core/memory.h"
#include "io/json.h"
#include "siglip/error.h"
#include "siglip/loss.h"
#include "siglip/model.h"
#include "siglip/optim.h"
#include "siglip/tape.h"
#include "verbs.h"
#include "verbs/bench_inputs.h"

namespace siglip::tools {
namespace {
struct Settings {
  std::string model = "tiny";
  std::int64_t batch = 256, vocab = 2000, repeat = 10;
  bool json = false;
};

enum Phase { vision, text, loss, backward, optimizer, phases };
constexpr const char* phase_names[phases] = {"vision", "text", "loss", "backward", "optimizer"};
using Seconds = std::array<double, phases>;

// The step of the trainer, with a clock read between its parts.
Seconds step(const Siglip& model, AdamW& adamw, const BenchInputs& data) {
  Seconds seconds{};
  auto last = std::chrono::steady_clock::now();
  const auto lap = [&](Phase phase) {
    const auto now = std::chrono::steady_clock::now();
    seconds[phase] = std::chrono::duration<double>(now - last).count();
    last = now;
  };
  {
    Tape tape;
    const Tensor u = model.vision(data.images);
    lap(vision);
    const Tensor v = model.text(data.tokens);
    lap(text);
    const Tensor L = sigmoid_loss(u, v, model.log_t, model.b);
    lap(loss);
    tape.backward(L);
    lap(backward);
  }
  adamw.step(1e-3, clip_factor(global_grad_norm(adamw.parameters()), 1));
  adamw.zero_grad();
  lap(optimizer);
  return seconds;
}

void bench_step_verb(const Settings& s) {
  const SiglipConfig config = bench_model(s.model, s.vocab);
  const Siglip model(config);
  initialize(model, 1);
  const BenchInputs data = random_inputs(config, s.batch);
  AdamW adamw(model.parameters(), {});
  const std::int64_t before = pool_stats().in_use;
  reset_pool_peak();
  for (int warm_up = 0; warm_up < 2; ++warm_up) step(model, adamw, data);

  std::vector<double> totals;
  std::array<std::vector<double>, phases> parts;
  for (Dim round = 0; round < s.repeat; ++round) {
    const Seconds seconds = step(model, adamw, data);
    double total = 0;
    for (std::size_t phase = 0; phase < phases; ++phase) parts[phase].push_back(seconds[phase]), total += seconds[phase];
    totals.push_back(total);
  }

  const double seconds = median(totals);
  Json json{{"model", s.model},     {"batch", s.batch},
            {"threads", threads()}, {"parameters", model.parameter_count()},
            {"seconds", seconds},   {"samples_per_second", double(s.batch) / seconds}};
  for (std::size_t phase = 0; phase < phases; ++phase) json["phases"][phase_names[phase]] = median(parts[phase]);
  json["extra_bytes"] = pool_stats().peak - before;
  json["peak_memory_bytes"] = peak_memory();
  if (s.json) {
    std::cout << json.dump(2) << '\n';
    return;
  }
  std::vector<std::vector<std::string>> rows{{"phase", "seconds", "share"}};
  for (std::size_t phase = 0; phase < phases; ++phase)
    rows.push_back({phase_names[phase], fixed(median(parts[phase]), 4), fixed(100 * median(parts[phase]) / seconds, 0) + "%"});
  rows.push_back({"step", fixed(seconds, 4), "100%"});
  print_table(std::cout, rows);
  std::cout << s.model << ", " << with_commas(model.parameter_count()) << " parameters, " << s.batch << " pairs, " << threads()
            << " threads: " << fixed(double(s.batch) / seconds, 0) << " samples/s, process " << fixed(double(peak_memory()) / (1 << 20), 0)
            << " MiB\n";
}
}  // namespace

void add_bench_step(CLI::App& bench) {
  CLI::App& verb =
      add_verb(bench, "step",
               "Time training steps on random pictures and ids in memory: forward, sigmoid loss, backward, clipping, AdamW.\n"
               "The median of --repeat counts, after two steps to warm up.",
               "siglip bench step --model nano --batch 64 --repeat 3",
               "model, batch, threads, parameters, seconds, samples_per_second, phases {vision, text, loss, backward, optimizer} seconds,\n"
               "  extra_bytes (above model and data), peak_memory_bytes");
  const auto s = std::make_shared<Settings>();
  text_flag(verb, "--model", s->model, "nano, tiny, or a published name");
  whole_flag(verb, "--batch", s->batch, 1, 1 << 20, "pairs");
  whole_flag(verb, "--vocab", s->vocab, 1, 1 << 24, "words of the text tower");
  whole_flag(verb, "--repeat", s->repeat, 1, 100'000, "steps, of which the median counts");
  json_flag(verb, s->json);
  threads_flag(verb);
  verb.callback([s] { bench_step_verb(*s); });
}
}  // namespace siglip::tools
