// bench_loss.cpp — siglip bench loss: the sigmoid loss beside this build's own matrix product.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <iostream>
#include <memory>
#include <vector>
#include "core/memory.h"
#include "io/json.h"
#include "siglip/loss.h"
#include "siglip/ops.h"
#include "siglip/rng.h"
#include "siglip/tape.h"
#include "verbs.h"
#include "verbs/bench_inputs.h"

namespace siglip::tools {
namespace {
constexpr Dim product_edge = 2048;

struct Settings {
  std::string batch = "4096";
  std::int64_t dim = 768, repeat = 3;
  bool json = false;
};

Tensor random_rows(Dim rows, Dim columns, std::uint64_t stream) {
  const Tensor x({rows, columns});
  Rng rng(1, stream);
  for (Dim i = 0; i < x.size(); ++i) x.data()[i] = static_cast<Real>(rng.normal());
  return x;
}

template <class Call>
double seconds_of(const Call& call) {
  const auto start = std::chrono::steady_clock::now();
  call();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

struct Measured {
  double seconds = 0;
  std::int64_t extra_bytes = 0;     // above inputs and gradients, of our own buffers
  std::int64_t resident_bytes = 0;  // the same, as the system sees it: with the product's packing buffers, code and stacks
};

// New tensors each time, as in training: then the loss makes the gradients' memory itself.
Measured measure_loss(Dim B, Dim E, bool resident) {
  const Tensor u = l2_normalize(random_rows(B, E, 0)), v = l2_normalize(random_rows(B, E, 1));
  const Tensor log_t = Tensor::full({1}, static_cast<Real>(std::log(10.0))), b = Tensor::full({1}, -10);
  for (const Tensor& x : {u, v, log_t, b}) x.require_grad();
  for (const Tensor& x : {u, v}) x.data();
  if (resident) {
    trim_pool();
    reset_peak_memory();
  }
  const std::int64_t gradients = 2 * u.size() * static_cast<std::int64_t>(sizeof(Real)), before = peak_memory();
  reset_pool_peak();
  const double seconds = seconds_of([&] {
    Tape tape;
    tape.backward(sigmoid_loss(u, v, log_t, b));
  });
  return {seconds, pool_stats().peak - pool_stats().in_use,  // what is in use now is inputs and gradients
          resident ? std::max<std::int64_t>(0, peak_memory() - before - gradients) : 0};
}

Json bench(Dim B, Dim E, Dim repeat) {
  const Tensor x = random_rows(product_edge, product_edge, 2), w = random_rows(product_edge, product_edge, 3);
  Measured loss = measure_loss(B, E, true);  // the first round warms up and does not count; memory is new to the process then
  double product_seconds = seconds_of([&] { matmul(x, w); });
  loss.seconds = INFINITY, product_seconds = INFINITY;
  for (Dim round = 0; round < repeat; ++round) {  // in turns: a machine that grows slower does so for both
    const Measured now = measure_loss(B, E, false);
    loss = {std::min(loss.seconds, now.seconds), std::max(loss.extra_bytes, now.extra_bytes), std::max(loss.resident_bytes, now.resident_bytes)};
    for (int k = 0; k < 3; ++k) product_seconds = std::min(product_seconds, seconds_of([&] { matmul(x, w); }));
  }
  const double gflops = 6 * double(B) * double(B) * double(E) / loss.seconds * 1e-9;
  const double matmul_gflops = 2 * std::pow(double(product_edge), 3) / product_seconds * 1e-9;
  return {{"batch", B},
          {"dim", E},
          {"threads", threads()},
          {"seconds", loss.seconds},
          {"gflops", gflops},
          {"matmul_gflops", matmul_gflops},
          {"ratio", gflops / matmul_gflops},
          {"extra_bytes", loss.extra_bytes},
          {"resident_extra_bytes", loss.resident_bytes},
          {"peak_memory_bytes", peak_memory()}};
}

void print(const Json& results) {
  std::vector<std::vector<std::string>> rows{
      {"batch", "dim", "threads", "seconds", "GFLOP/s", "matmul GFLOP/s", "ratio", "extra MiB", "process MiB"}};
  for (const Json& r : results)
    rows.push_back({r["batch"].dump(), r["dim"].dump(), r["threads"].dump(), fixed(r["seconds"], 4), fixed(r["gflops"], 1),
                    fixed(r["matmul_gflops"], 1), fixed(r["ratio"], 3), fixed(r["extra_bytes"].get<double>() / (1 << 20), 1),
                    fixed(r["peak_memory_bytes"].get<double>() / (1 << 20), 1)});
  print_table(std::cout, rows);
}

void bench_loss_verb(const Settings& s) {
  Json results = Json::array();
  for (Dim B : batch_list(s.batch, 1 << 22)) results.push_back(bench(B, s.dim, s.repeat));
  if (s.json)
    print_results(results);
  else
    print(results);
}
}  // namespace

void add_bench_loss(CLI::App& bench) {
  CLI::App& verb =
      add_verb(bench, "loss",
               "Time the sigmoid loss, forward and backward, on random unit rows, in turns with this build's matrix product at 2048^3.\n"
               "The best of --repeat counts; 6 B^2 E operations a call. Extra memory: above inputs and gradients.",
               "siglip bench loss --batch 1024 --dim 64",
               "batch, dim, threads, seconds, gflops, matmul_gflops, ratio, extra_bytes, resident_extra_bytes, peak_memory_bytes (of one batch),\n"
               "  results [the same for each batch]");
  const auto s = std::make_shared<Settings>();
  text_flag(verb, "--batch", s->batch, "pairs; a list as in 4096,8192 measures each");
  whole_flag(verb, "--dim", s->dim, 1, 1 << 16, "embedding width E");
  whole_flag(verb, "--repeat", s->repeat, 1, 1000, "rounds, of which the best counts");
  json_flag(verb, s->json);
  threads_flag(verb);
  verb.callback([s] { bench_loss_verb(*s); });
}
}  // namespace siglip::tools
