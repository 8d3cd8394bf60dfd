// bench_pictures.cpp — siglip bench inputs: how fast pictures become what the image tower gets.
#include <algorithm>
#include <chrono>
#include <iostream>
#include <memory>
#include <numeric>
#include "core/parallel_try.h"
#include "io/json.h"
#include "siglip/data.h"
#include "siglip/tensor.h"
#include "verbs.h"
#include "verbs/bench_inputs.h"

namespace siglip::tools {
namespace {
struct Settings {
  std::vector<std::string> images;
  PixelFlags pixels;
  std::int64_t rounds = 3;
  bool json = false;
};

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Seconds of one pass over all pictures, and those that all threads spent on each part.
struct Pass {
  double wall = 0, decode = 0, resize = 0;
};

Pass pass_over(const std::vector<std::string>& files, const Preprocessing& p) {
  const PixelTable table(p);
  std::vector<Pass> of(files.size());
  const auto start = std::chrono::steady_clock::now();
  parallel_try(std::ssize(files), [&](Dim i) {
    const auto at = static_cast<std::size_t>(i);
    auto since = std::chrono::steady_clock::now();
    const Image image = read_image(files[at], p.picture);
    of[at].decode = seconds_since(since);
    since = std::chrono::steady_clock::now();
    std::vector<Real> reals(static_cast<std::size_t>(3 * p.image_size * p.image_size));
    to_reals(reals.data(), squash(image, p, files[at]), table);
    of[at].resize = seconds_since(since);
  });
  Pass all;
  all.wall = seconds_since(start);
  for (const Pass& one : of) all.decode += one.decode, all.resize += one.resize;
  return all;
}

void bench_inputs_verb(const Settings& s) {
  const std::vector<std::string> files = picture_files(s.images);
  const Preprocessing p = s.pixels.applied_to({});
  pass_over(files, p);  // the file cache is warm, and the threads are awake
  std::vector<double> wall, decode, resize;
  for (std::int64_t round = 0; round < s.rounds; ++round) {
    const Pass pass = pass_over(files, p);
    wall.push_back(pass.wall), decode.push_back(pass.decode), resize.push_back(pass.resize);
  }
  const auto count = static_cast<double>(files.size());
  const double per_second = count / median(wall), decode_ms = 1e3 * median(decode) / count, resize_ms = 1e3 * median(resize) / count;
  if (s.json) {
    const Json json = {{"pictures", files.size()}, {"pictures_per_second", per_second}, {"decode_ms", decode_ms}, {"resize_ms", resize_ms},
                       {"threads", threads()},     {"decoders", picture_decoders()}};
    std::cout << json.dump(2) << '\n';
    return;
  }
  print_table(std::cout,
              {{"pictures", "pictures/s", "decode, ms", "resize, ms", "threads"},
               {with_commas(std::ssize(files)), fixed(per_second, 1), fixed(decode_ms, 2), fixed(resize_ms, 2), std::to_string(threads())}});
  std::cout << picture_decoders() << '\n';
}
}  // namespace

void add_bench_inputs(CLI::App& bench) {
  CLI::App& verb = add_verb(bench, "inputs",
                            "Time reading, decoding and resizing pictures: the median of --rounds passes over them, after one to warm up.\n"
                            "Milliseconds are those of one thread for one picture; resizing ends with the numbers that a model gets.",
                            "siglip bench inputs shapes/val", "pictures, pictures_per_second, decode_ms, resize_ms, threads, decoders");
  const auto s = std::make_shared<Settings>();
  verb.add_option("IMAGE", s->images, "pictures, or folders of them")->required();
  pixel_flags(verb, s->pixels);
  whole_flag(verb, "--rounds", s->rounds, 1, 1000, "passes");
  json_flag(verb, s->json);
  threads_flag(verb);
  verb.callback([s] { bench_inputs_verb(*s); });
}
}  // namespace siglip::tools
