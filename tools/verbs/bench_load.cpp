// bench_load.cpp — siglip bench load: how soon a checkpoint answers, and how much of it is in memory by then.
#include <chrono>
#include <iostream>
#include <memory>
#include "core/memory.h"
#include "io/json.h"
#include "siglip/train.h"
#include "verbs.h"

namespace siglip::tools {
namespace {
struct Settings {
  std::string folder, text;
  bool json = false;
};

// Seconds that `call` took, and by how much the most memory that the system counted grew.
struct Cost {
  double seconds;
  std::int64_t bytes;
};
template <class Call>
Cost cost_of(const Call& call) {
  reset_peak_memory();
  const std::int64_t before = peak_memory();
  const auto start = std::chrono::steady_clock::now();
  call();
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return {seconds, peak_memory() - before};
}

void bench_load_verb(const Settings& s) {
  std::unique_ptr<Pretrained> model;
  const Cost load = cost_of([&] { model = std::make_unique<Pretrained>(Pretrained::load(s.folder)); });
  const Cost text = cost_of([&] { model->embed(std::vector<std::string>{s.text}); });
  const SiglipConfig& c = model->model.config;
  const Image gray{c.image_size, c.image_size, std::vector<std::uint8_t>(static_cast<std::size_t>(3 * c.image_size * c.image_size), 128)};
  const Cost picture = c.vision_head ? cost_of([&] { model->embed(std::vector<Image>{gray}); }) : Cost{0, 0};
  const std::int64_t weights = model->model.parameter_count() * static_cast<std::int64_t>(sizeof(Real));
  const double seconds = load.seconds + text.seconds + picture.seconds;
  if (s.json) {
    const Json json = {{"load_seconds", load.seconds},
                       {"load_bytes", load.bytes},
                       {"text_seconds", text.seconds},
                       {"text_bytes", text.bytes},
                       {"image_seconds", picture.seconds},
                       {"image_bytes", picture.bytes},
                       {"parameter_bytes", weights},
                       {"threads", threads()},
                       {"seconds", seconds}};
    print_json(json);
    return;
  }
  std::vector<std::vector<std::string>> rows{{"", "seconds", "bytes"}};
  for (const auto& [what, cost] :
       {std::pair{"load", load}, {"first text", text}, {"first picture", picture}, {"together", {seconds, load.bytes + text.bytes + picture.bytes}}})
    rows.push_back({what, fixed(cost.seconds, 3), with_commas(cost.bytes)});
  print_table(std::cout, rows);
  std::cout << "all parameters would take " << with_commas(weights) << " bytes\n";
}
}  // namespace

void add_bench_load(CLI::App& bench) {
  CLI::App& verb =
      add_verb(bench, "load",
               "Time loading a checkpoint, its first text and its first picture, each once and as the file cache is now. Bytes are what the\n"
               "system counts more as this process's memory, pages of mapped files included: a text brings none of the image tower in.",
               "siglip bench load run",
               "load_seconds, load_bytes, text_seconds, text_bytes, image_seconds, image_bytes (0 for a model without a head),\n"
               "  parameter_bytes, threads, seconds (of all three)");
  const auto s = std::make_shared<Settings>();
  s->text = "a photo of a cat";
  verb.add_option("FOLDER", s->folder, "a run folder or a checkpoint folder")->required();
  text_flag(verb, "--text", s->text, "the text");
  json_flag(verb, s->json);
  threads_flag(verb);
  verb.callback([s] { bench_load_verb(*s); });
}
}  // namespace siglip::tools
