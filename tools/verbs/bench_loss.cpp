// bench_loss.cpp — siglip bench loss: the sigmoid loss beside the matrix products that bound it.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>
#include <iostream>
#include <memory>
#include <vector>
#include "core/memory.h"
#include "io/json.h"
#include "loss/loss_products.h"
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
  std::string batch = "4096", device = "cpu", precision = "f32";
  std::int64_t dim = 768, repeat = 3;
  bool json = false;
};

struct Setup {
  Dim B, E, repeat;
  Device device;
  std::string precision;
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

// The rows u and v: on the CPU new ones each time, on a device the same ones sent there again. As in training, the loss makes the memory of their
// gradients itself.
struct Rows {
  Rows(Dim B, Dim E, Device to) : device(to) {
    for (const std::uint64_t stream : {std::uint64_t{0}, std::uint64_t{1}})
      make.push_back([=, on_host = to == Device::cpu ? Tensor() : l2_normalize(random_rows(B, E, stream))] {
        return (on_host.defined() ? on_host.to(to) : l2_normalize(random_rows(B, E, stream))).require_grad();
      });
  }
  Device device;
  std::vector<std::function<Tensor()>> make;
};

// A device is waited for: until the rows are there, and until the last gradient is.
Measured measure_loss(const Rows& rows, bool resident) {
  const Device device = rows.device;
  const Tensor u = rows.make[0](), v = rows.make[1]();
  const Tensor log_t = Tensor::full({1}, static_cast<Real>(std::log(10.0)), device), b = Tensor::full({1}, -10, device);
  log_t.require_grad(), b.require_grad();
  b.item();
  if (resident) {
    trim_pool();
    reset_peak_memory();
  }
  const std::int64_t gradients = 2 * u.size() * static_cast<std::int64_t>(sizeof(Real)), before = peak_memory();
  reset_pool_peak(device);
  const double seconds = seconds_of([&] {
    Tape tape;
    const Tensor loss = sigmoid_loss(u, v, log_t, b);
    tape.backward(loss);
    loss.item();
  });
  return {seconds, pool_stats(device).peak - pool_stats(device).in_use,  // what is in use now is inputs and gradients
          resident ? std::max<std::int64_t>(0, peak_memory() - before - gradients) : 0};
}

// What the loss is held against: on the CPU this build's matrix product, on a device the loss's own three products of each tile, alone.
struct Products {
  double operations;
  std::function<void()> run;
};

Products products_of(const Setup& s, const Rows& rows) {
  if (s.device == Device::cpu) {
    const Tensor x = random_rows(product_edge, product_edge, 2), w = random_rows(product_edge, product_edge, 3);
    return {2 * std::pow(double(product_edge), 3), [x, w] { matmul(x, w); }};
  }
  const Tensor u = rows.make[0](), v = rows.make[1](), last = Tensor::full({1}, 0, s.device);
  return {6 * double(s.B) * double(s.B) * double(s.E), [u, v, last] {
            loss_products(u, v);
            last.item();
          }};
}

Json bench(const Setup& s) {
  const bool on_cpu = s.device == Device::cpu;
  const Rows rows(s.B, s.E, s.device);
  const Products products = products_of(s, rows);
  Measured loss = measure_loss(rows, on_cpu);  // the first round warms up and does not count; memory is new to the process then
  double product_seconds = seconds_of(products.run);
  loss.seconds = INFINITY, product_seconds = INFINITY;
  for (Dim round = 0; round < s.repeat; ++round) {  // in turns: a machine that grows slower does so for both
    const Measured now = measure_loss(rows, false);
    loss = {std::min(loss.seconds, now.seconds), std::max(loss.extra_bytes, now.extra_bytes), std::max(loss.resident_bytes, now.resident_bytes)};
    for (int k = 0; k < 3; ++k) product_seconds = std::min(product_seconds, seconds_of(products.run));
  }
  const double gflops = 6 * double(s.B) * double(s.B) * double(s.E) / loss.seconds * 1e-9;
  const double matmul_gflops = products.operations / product_seconds * 1e-9;
  Json json{{"batch", s.B},
            {"dim", s.E},
            {"device", device_name(s.device)},
            {"precision", s.precision},
            {"threads", threads()},
            {"seconds", loss.seconds},
            {"gflops", gflops},
            {"matmul_gflops", matmul_gflops},
            {"ratio", gflops / matmul_gflops},
            {"extra_bytes", loss.extra_bytes},
            {"peak_memory_bytes", peak_memory()}};
  if (on_cpu) json["resident_extra_bytes"] = loss.resident_bytes;
  return json;
}

void print(const Json& results) {
  std::vector<std::vector<std::string>> rows{
      {"batch", "dim", "device", "precision", "threads", "seconds", "GFLOP/s", "matmul GFLOP/s", "ratio", "extra MiB", "process MiB"}};
  for (const Json& r : results)
    rows.push_back({r["batch"].dump(), r["dim"].dump(), r["device"], r["precision"], r["threads"].dump(), fixed(r["seconds"], 4),
                    fixed(r["gflops"], 1), fixed(r["matmul_gflops"], 1), fixed(r["ratio"], 3), fixed(r["extra_bytes"].get<double>() / (1 << 20), 1),
                    fixed(r["peak_memory_bytes"].get<double>() / (1 << 20), 1)});
  print_table(std::cout, rows);
}

MatmulPrecision named_precision(const std::string& name) {
  if (name == "tf32") return MatmulPrecision::tf32;
  return name == "bf16" ? MatmulPrecision::bf16 : MatmulPrecision::f32;
}

std::vector<std::string> precision_list(const Settings& s) {
  const std::vector<std::string> precisions = split_list(s.precision);
  if (precisions.empty()) throw WrongUse("--precision: at least one of f32, tf32, bf16 is expected, got \"" + s.precision + "\"");
  for (const std::string& p : precisions) {
    if (p != "f32" && p != "tf32" && p != "bf16") throw WrongUse("--precision: f32, tf32 or bf16 is expected, got \"" + p + "\"");
    if (p != "f32" && s.device == "cpu") throw WrongUse("--precision: f32 is expected on the CPU, got " + p + ", which needs --device cuda");
  }
  return precisions;
}

void bench_loss_verb(const Settings& s) {
  const std::vector<std::string> precisions = precision_list(s);
  const std::vector<Dim> batches = batch_list(s.batch, 1 << 22);
  const Device device = find_device(s.device);
  Json results = Json::array();
  for (const Dim B : batches)
    for (const std::string& precision : precisions) {
      set_matmul_precision(device, named_precision(precision));
      results.push_back(bench({B, s.dim, s.repeat, device, precision}));
    }
  if (s.json)
    print_results(results);
  else
    print(results);
}
}  // namespace

void add_bench_loss(CLI::App& bench) {
  CLI::App& verb =
      add_verb(bench, "loss",
               "Time the sigmoid loss, forward and backward, on random unit rows, in turns with matrix products: on the CPU this build's at 2048^3,\n"
               "on a CUDA device the loss's own three of each tile, with nothing between them. The best of --repeat counts; 6 B^2 E operations\n"
               "a call. Extra memory: above inputs and gradients.",
               "siglip bench loss --batch 1024 --dim 64",
               "batch, dim, device, precision, threads, seconds, gflops, matmul_gflops, ratio, extra_bytes, resident_extra_bytes (on the CPU),\n"
               "  peak_memory_bytes (of one batch in one precision), results [the same for each batch and precision]");
  const auto s = std::make_shared<Settings>();
  text_flag(verb, "--batch", s->batch, "pairs; a list as in 4096,8192 measures each");
  whole_flag(verb, "--dim", s->dim, 1, 1 << 16, "embedding width E");
  device_flag(verb, s->device);
  text_flag(verb, "--precision", s->precision, "of products on a CUDA device: f32, tf32 or bf16; a list as in bf16,f32 measures each");
  whole_flag(verb, "--repeat", s->repeat, 1, 1000, "rounds, of which the best counts");
  json_flag(verb, s->json);
  threads_flag(verb);
  verb.callback([s] { bench_loss_verb(*s); });
}
}  // namespace siglip::tools
