// bench_step.cpp — siglip bench step: one training step on data in memory, and where its time goes.
#include <chrono>
#include <iostream>
#include <memory>
#include <numeric>
#include "core/memory.h"
#include "io/json.h"
#include "siglip/error.h"
#include "siglip/loss.h"
#include "siglip/model.h"
#include "siglip/ops.h"
#include "siglip/optim.h"
#include "siglip/tape.h"
#include "train/fields.h"
#include "verbs.h"
#include "verbs/bench_inputs.h"

namespace siglip::tools {
namespace {
struct Settings {
  std::string model = "tiny", device = "cpu", matmul_precision = "f32";
  std::int64_t batch = 256, vocab = 2000, repeat = 10;
  bool json = false;
};

enum Phase { vision, text, loss, backward, optimizer, phases };
constexpr const char* phase_names[phases] = {"vision", "text", "loss", "backward", "optimizer"};
using Seconds = std::array<double, phases>;

// The step of the trainer, with a clock read between its parts. `wait`: a device is waited for at each reading; otherwise at the end alone, and
// the times between say when the host had asked for all, not when it was done.
Seconds step(const Siglip& model, AdamW& adamw, const BenchInputs& data, bool wait) {
  Seconds seconds{};
  auto last = std::chrono::steady_clock::now();
  const auto lap = [&](Phase phase) {
    if (wait || phase == optimizer) model.b.item();
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
  const MatmulPrecision precision = precision_flag("--matmul-precision", s.matmul_precision, s.device);
  const Device device = find_device(s.device, "--device");
  const SiglipConfig config = bench_model(s.model, s.vocab);
  const Siglip model(config);
  initialize(model, 1);
  move_to(model.parameters(), device);
  set_matmul_precision(device, precision);
  const BenchInputs data = random_inputs(config, s.batch, device);
  AdamW adamw(model.parameters(), {});
  const std::int64_t before = pool_stats(device).in_use;
  reset_pool_peak(device);
  for (int warm_up = 0; warm_up < 2; ++warm_up) step(model, adamw, data, false);

  std::vector<double> totals;
  std::array<std::vector<double>, phases> parts;
  for (Dim round = 0; round < s.repeat; ++round) {
    const Seconds whole = step(model, adamw, data, false), seconds = device == Device::cpu ? whole : step(model, adamw, data, true);
    totals.push_back(std::accumulate(whole.begin(), whole.end(), 0.0));
    for (std::size_t phase = 0; phase < phases; ++phase) parts[phase].push_back(seconds[phase]);
  }

  const double seconds = median(totals);
  Json json{{"model", s.model},
            {"batch", s.batch},
            {"threads", threads()},
            {"parameters", model.parameter_count()},
            {"seconds", seconds},
            {"samples_per_second", double(s.batch) / seconds},
            {"device", device_name(device)},
            {"matmul_precision", s.matmul_precision}};
  for (std::size_t phase = 0; phase < phases; ++phase) json["phases"][phase_names[phase]] = median(parts[phase]);
  json["extra_bytes"] = pool_stats(device).peak - before;
  json["peak_memory_bytes"] = peak_memory();
  if (s.json) {
    print_json(json);
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
               "The median of --repeat counts, after two steps to warm up. On a device the phases come from steps of their own, in which it is\n"
               "waited for after each: together they take longer than a step.",
               "siglip bench step --model nano --batch 64 --repeat 3",
               "model, batch, threads, parameters, seconds, samples_per_second, device, matmul_precision,\n"
               "  phases {vision, text, loss, backward, optimizer} seconds, extra_bytes (above model and data), peak_memory_bytes");
  const auto s = std::make_shared<Settings>();
  text_flag(verb, "--model", s->model, "nano, tiny, or a published name");
  whole_flag(verb, "--batch", s->batch, 1, 1 << 20, "pairs");
  whole_flag(verb, "--vocab", s->vocab, 1, 1 << 24, "words of the text tower");
  whole_flag(verb, "--repeat", s->repeat, 1, 100'000, "steps, of which the median counts");
  device_flag(verb, s->device);
  text_flag(verb, "--matmul-precision", s->matmul_precision, "f32, tf32 or bf16: how a CUDA device rounds the factors of matrix products");
  json_flag(verb, s->json);
  threads_flag(verb);
  verb.callback([s] { bench_step_verb(*s); });
}
}  // namespace siglip::tools
