// bench_tower.cpp — siglip bench tower: embedding pictures or texts, and the rate of the products in it.
#include <chrono>
#include <iostream>
#include <memory>
#include "verbs.h"
#include "verbs/bench_inputs.h"

namespace siglip::tools {
namespace {
struct Settings {
  std::string model = "siglip-base-patch16-224", tower = "vision", batch = "1,8", device = "cpu";
  std::int64_t repeat = 5;
  bool json = false;
};

// Operations of the matrix products alone, for one sequence of T tokens: 2 for each multiply and add.
double block_operations(const EncoderConfig& c, double T) {
  const double C = double(c.width), M = double(c.mlp);
  return double(c.layers) * (2 * T * C * C * 4 + 4 * T * T * C + 4 * T * C * M);
}
double vision_operations(const SiglipConfig& c) {
  const double T = double(c.patches()), C = double(c.vision.width), P = double(c.patch_size);
  const double head = 2 * T * C * C * 2 + 2 * C * C * 2 + 4 * T * C + 4 * C * double(c.vision.mlp);
  return 2 * T * C * 3 * P * P + block_operations(c.vision, T) + head;
}
double text_operations(const SiglipConfig& c) {
  return block_operations(c.text, double(c.context)) + 2 * double(c.text.width) * double(c.projection);
}

double seconds_of(const Siglip& model, bool vision, const BenchInputs& inputs) {
  const auto start = std::chrono::steady_clock::now();
  const Tensor rows = vision ? model.vision(inputs.images) : model.text(inputs.tokens);
  Real first = 0;
  rows.read(&first, 0, 1);  // a device is done when its numbers can be read
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

void bench_tower_verb(const Settings& s) {
  as_wrong_use([&] { require_word(s.tower, {"vision", "text"}, "--tower"); });
  const bool vision = s.tower == "vision";
  const Device device = find_device(s.device, "--device");
  const SiglipConfig config = bench_model(s.model, 32000);  // the text table is looked up, not multiplied: its length changes nothing
  Siglip model(config);
  initialize(model, 1);
  move_to(model.parameters(), device);
  vision ? model.vision.pack() : model.text.pack();
  Json results = Json::array();
  std::vector<std::vector<std::string>> rows{{"model", "tower", "batch", "seconds", "GFLOP/s", "a second"}};
  for (const Dim batch : batch_list(s.batch, 4096)) {
    const BenchInputs inputs = random_inputs(config, batch, device);
    seconds_of(model, vision, inputs);  // buffers are there before the clock starts
    std::vector<double> times;
    for (std::int64_t round = 0; round < s.repeat; ++round) times.push_back(seconds_of(model, vision, inputs));
    const double seconds = median(times), gflops = double(batch) * (vision ? vision_operations(config) : text_operations(config)) / seconds / 1e9;
    results.push_back({{"model", s.model},
                       {"tower", s.tower},
                       {"batch", batch},
                       {"threads", threads()},
                       {"device", device_name(device)},
                       {"seconds", seconds},
                       {"gflops", gflops},
                       {"items_per_second", double(batch) / seconds}});
    rows.push_back({s.model, s.tower, std::to_string(batch), fixed(seconds, 4), fixed(gflops, 0), fixed(double(batch) / seconds, 1)});
  }
  if (s.json)
    print_results(results);
  else
    print_table(std::cout, rows);
}
}  // namespace

void add_bench_tower(CLI::App& bench) {
  CLI::App& verb =
      add_verb(bench, "tower", "Time embedding pictures or texts with random weights of a named shape: the median of --repeat, after one to warm up.",
               "siglip bench tower --model nano --batch 1,8 --repeat 3",
               "model, tower, batch, threads, device, seconds, gflops (of the matrix products), items_per_second (of one batch),\n"
               "  results [the same for each batch]");
  const auto s = std::make_shared<Settings>();
  text_flag(verb, "--model", s->model, "nano, tiny, or a published name");
  text_flag(verb, "--tower", s->tower, "vision or text");
  text_flag(verb, "--batch", s->batch, "pictures or texts at once; a list as in 1,8 measures each");
  whole_flag(verb, "--repeat", s->repeat, 1, 100'000, "rounds, of which the median counts");
  device_flag(verb, s->device);
  json_flag(verb, s->json);
  threads_flag(verb);
  verb.callback([s] { bench_tower_verb(*s); });
}
}  // namespace siglip::tools
