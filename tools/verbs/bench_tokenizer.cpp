// bench_tokenizer.cpp — siglip bench tokenizer: loading a tokenizer, and turning texts into ids.
#include <chrono>
#include <iostream>
#include <memory>
#include "siglip/train.h"
#include "verbs.h"
#include "verbs/bench_inputs.h"

namespace siglip::tools {
namespace {
struct Settings {
  std::string folder, texts;
  std::int64_t repeat = 3;
  bool json = false;
};

using Clock = std::chrono::steady_clock;
double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

void bench_tokenizer_verb(const Settings& s) {
  const std::vector<std::string> texts = read_texts(s.texts);
  const Clock::time_point load_start = Clock::now();
  const std::unique_ptr<Tokenizer> tokenizer = read_tokenizer(tokenizer_folder(s.folder));
  const double load_seconds = seconds_since(load_start);

  // Padding is no work: up to the first id of a run that reaches the end, and that one.
  double tokens = 0;
  std::vector<double> times;
  for (std::int64_t round = 0; round < s.repeat; ++round) {
    const Clock::time_point start = Clock::now();
    tokens = 0;
    for (const std::string& text : texts) {
      const std::vector<std::int32_t> ids = tokenizer->encode(text);
      std::size_t length = ids.size();
      while (length > 1 && ids[length - 2] == ids.back()) --length;
      tokens += double(length);
    }
    times.push_back(seconds_since(start));
  }
  const double seconds = median(times), count = double(texts.size());
  if (s.json)
    print_results(Json::array({{{"load_seconds", load_seconds},
                                {"texts", texts.size()},
                                {"seconds", seconds},
                                {"texts_per_second", count / seconds},
                                {"tokens_per_second", tokens / seconds}}}));
  else
    print_table(std::cout,
                {{"texts", "load s", "seconds", "texts/s", "tokens/s"},
                 {std::to_string(texts.size()), fixed(load_seconds, 3), fixed(seconds, 3), fixed(count / seconds, 0), fixed(tokens / seconds, 0)}});
}
}  // namespace

void add_bench_tokenizer(CLI::App& bench) {
  CLI::App& verb = add_verb(bench, "tokenizer", "Time loading a tokenizer and turning texts into ids, on one thread: the median of --repeat.",
                            "siglip bench tokenizer run --texts shapes/val/metadata.jsonl",
                            "load_seconds, texts, seconds, texts_per_second, tokens_per_second (padding not counted), results [the same]");
  const auto s = std::make_shared<Settings>();
  verb.add_option("FOLDER", s->folder, "a run folder, a checkpoint folder, or a folder with tokenizer.json or spiece.model")->required();
  text_flag(verb, "--texts", s->texts, text_files)->required();
  whole_flag(verb, "--repeat", s->repeat, 1, 100'000, "rounds, of which the median counts");
  json_flag(verb, s->json);
  verb.callback([s] { bench_tokenizer_verb(*s); });
}
}  // namespace siglip::tools
