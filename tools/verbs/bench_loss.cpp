// bench_loss.cpp — siglip bench loss: the sigmoid loss beside the matrix products that bound it.
#include <algorithm>
#include <bit>
#include <chrono>
#include <cmath>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <vector>
#include "core/memory.h"
#include "io/json.h"
#include "loss/loss_products.h"
#include "siglip/error.h"
#include "siglip/loss.h"
#include "siglip/ops.h"
#include "siglip/tape.h"
#include "verbs.h"
#include "verbs/bench_inputs.h"

namespace siglip::tools {
namespace {
constexpr Dim product_edge = 2048;                   // of the square products on the CPU
constexpr Dim square_edge = 8192, most_edge = 8192;  // and of those on a device; of a tile

struct Settings {
  std::string batch = "4096", device = "cpu", precision = "f32", edge = "0";
  std::int64_t dim = 768, repeat = 3;
  bool json = false;
};

struct Setup {
  Dim B, E, repeat;
  Device device;
  std::string precision;
  Dim edge;
  std::int64_t lasting_bytes = 0;  // see there
};

// From -1 to 1, evenly, by a hash of the place (MurmurHash3's last steps): tools/reference/bench_cuda.py makes the very same rows.
Tensor random_rows(Dim rows, Dim columns, std::uint32_t stream) {
  const Tensor x({rows, columns});
  for (Dim i = 0; i < x.size(); ++i) {
    std::uint32_t h = static_cast<std::uint32_t>(i) + stream * 0x9e3779b9u;
    h = (h ^ h >> 16) * 0x85ebca6bu;
    h = (h ^ h >> 13) * 0xc2b2ae35u;
    x.data()[i] = static_cast<Real>((h ^ h >> 16) >> 8) * Real(0x1p-23) - 1;
  }
  return x;
}

template <class Call>
double seconds_of(const Call& call) {
  const auto start = std::chrono::steady_clock::now();
  call();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// What came out, so that it can be compared: with itself of another round, and with other programs.
struct Results {
  double loss = 0, du_norm = 0, dv_norm = 0, dlog_t = 0, db = 0;
  std::uint64_t bits = 0;  // of all gradients
};

struct Measured {
  double seconds = 0;
  std::int64_t extra_bytes = 0;     // above inputs and gradients, of our own buffers
  std::int64_t resident_bytes = 0;  // the same, as the system sees it: with the product's packing buffers, code and stacks
};

// The rows u and v: on the CPU new ones each time, on a device the same ones sent there again. As in training, the loss makes the memory of their
// gradients itself.
struct Rows {
  Rows(Dim B, Dim E, Device to) : device(to) {
    for (const std::uint32_t stream : {0u, 1u})
      make.push_back([=, on_host = to == Device::cpu ? Tensor() : l2_normalize(random_rows(B, E, stream))] {
        return (on_host.defined() ? on_host.to(to) : l2_normalize(random_rows(B, E, stream))).require_grad();
      });
  }
  Device device;
  std::vector<std::function<Tensor()>> make;
};

// ‖dx‖; its bits join those that were there. On the CPU without a copy, which would count as memory.
double norm_of_gradient(const Tensor& x, std::uint64_t& bits) {
  const std::vector<Real> copied = x.device() == Device::cpu ? std::vector<Real>() : x.grad_to_vector();
  const Real* d = x.device() == Device::cpu ? x.grad() : copied.data();
  double squares = 0;
  for (Dim i = 0; i < x.size(); ++i) {
    squares += double(d[i]) * double(d[i]);
    bits = (bits ^ std::bit_cast<std::uint32_t>(d[i])) * 0x100000001b3u;  // as FNV-1a has it, of words
  }
  return std::sqrt(squares);
}

// A device is waited for: until the rows are there, and until the last gradient is.
Measured measure_loss(const Rows& rows, bool resident, Results* results = nullptr) {
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
  double value = 0;
  const double seconds = seconds_of([&] {
    Tape tape;
    const Tensor loss = sigmoid_loss(u, v, log_t, b);
    tape.backward(loss);
    value = double(loss.item());
  });
  const std::int64_t resident_bytes = resident ? std::max<std::int64_t>(0, peak_memory() - before - gradients) : 0;
  const std::int64_t extra_bytes = pool_stats(device).peak - pool_stats(device).in_use;  // what is in use now is inputs and gradients
  if (results) {
    std::uint64_t bits = 0xcbf29ce484222325u;
    const double du = norm_of_gradient(u, bits), dv = norm_of_gradient(v, bits);
    norm_of_gradient(log_t, bits), norm_of_gradient(b, bits);
    *results = {value, du, dv, double(log_t.grad_to_vector()[0]), double(b.grad_to_vector()[0]), bits};
  }
  return {seconds, extra_bytes, resident_bytes};
}

// What the loss is held against: on the CPU this build's matrix product, on a device the loss's own three products of each tile, alone. About as
// many operations as the loss takes, so that both last as long: where others use the machine too, the best of short samples is the better one.
struct Products {
  double operations;
  std::function<void()> run;
};

Products products_of(const Setup& s, const Rows& rows) {
  const double loss_operations = 6 * double(s.B) * double(s.B) * double(s.E);
  if (s.device == Device::cpu) {
    const Tensor x = random_rows(product_edge, product_edge, 2), w = random_rows(product_edge, product_edge, 3);
    const double once = 2 * std::pow(double(product_edge), 3);
    const double times = std::max(1.0, std::round(loss_operations / once));
    return {times * once, [x, w, times] {
              for (double k = 0; k < times; ++k) matmul(x, w);
            }};
  }
  const Tensor u = rows.make[0](), v = rows.make[1](), last = Tensor::full({1}, 0, s.device);
  return {loss_operations, [u, v, last] {
            loss_products(u, v);
            last.item();
          }};
}

// What the loss takes of the device for good, the workspace of cuBLAS: in use once its tensors are gone. The slots of uploads are not the loss's.
std::int64_t lasting_bytes(Device device) {
  if (device == Device::cpu) return 0;
  Tensor::from({1}, {0}, device);
  const std::int64_t uploads = pool_stats(device).in_use;
  measure_loss(Rows(1, 1, device), false);
  return pool_stats(device).in_use - uploads;
}

// Of a device's products in this precision at their best: 8192 x 8192 x 8192, twelve of them, whose factors are rounded once.
double square_gflops(Device device, Dim repeat) {
  const Rows rows(2 * square_edge, square_edge, device);
  set_tile_edge(device, square_edge);
  const Products products = products_of({2 * square_edge, square_edge, repeat, device, "", square_edge}, rows);
  double seconds = INFINITY;
  for (Dim round = 0; round < 1 + repeat; ++round) seconds = std::min(seconds, seconds_of(products.run));  // the first is slower, and no minimum
  set_tile_edge(device, 0);
  return products.operations / seconds * 1e-9;
}

Json bench(const Setup& s) {
  const bool on_cpu = s.device == Device::cpu;
  set_tile_edge(s.device, s.edge);
  const Rows rows(s.B, s.E, s.device);
  const Products products = products_of(s, rows);
  Results first, last;
  Measured loss = measure_loss(rows, on_cpu, &first);  // the first round warms up and does not count; memory is new to the process then
  double product_seconds = seconds_of(products.run);
  loss.seconds = INFINITY, product_seconds = INFINITY;
  for (Dim round = 0; round < s.repeat; ++round) {  // in turns: a machine that grows slower does so for both
    const Measured now = measure_loss(rows, false, round + 1 == s.repeat ? &last : nullptr);
    loss = {std::min(loss.seconds, now.seconds), std::max(loss.extra_bytes, now.extra_bytes), std::max(loss.resident_bytes, now.resident_bytes)};
    product_seconds = std::min(product_seconds, seconds_of(products.run));
  }
  set_tile_edge(s.device, 0);
  require(first.bits == last.bits && first.loss == last.loss, "bench loss", "the same bits of two rounds on the same rows, got a loss of ",
          first.loss, " and ", last.loss, ", and gradients of norm ", first.du_norm, " and ", last.du_norm);
  const double gflops = 6 * double(s.B) * double(s.B) * double(s.E) / loss.seconds * 1e-9;
  const double matmul_gflops = products.operations / product_seconds * 1e-9;
  Json json{{"batch", s.B},
            {"dim", s.E},
            {"device", device_name(s.device)},
            {"precision", s.precision},
            {"edge", s.edge},
            {"threads", threads()},
            {"seconds", loss.seconds},
            {"gflops", gflops},
            {"matmul_gflops", matmul_gflops},
            {"ratio", gflops / matmul_gflops},
            {"loss", first.loss},
            {"du_norm", first.du_norm},
            {"dv_norm", first.dv_norm},
            {"dlog_t", first.dlog_t},
            {"db", first.db},
            {"extra_bytes", loss.extra_bytes + s.lasting_bytes},
            {"peak_memory_bytes", peak_memory()}};
  if (on_cpu) json["resident_extra_bytes"] = loss.resident_bytes;
  return json;
}

void print(const Json& results) {
  std::vector<std::vector<std::string>> rows{
      {"batch", "dim", "device", "precision", "threads", "seconds", "GFLOP/s", "matmul GFLOP/s", "ratio", "loss", "extra MiB", "process MiB"}};
  for (const Json& r : results)
    rows.push_back({r["batch"].dump(), r["dim"].dump(), r["device"], r["precision"], r["threads"].dump(), fixed(r["seconds"], 4),
                    fixed(r["gflops"], 1), fixed(r["matmul_gflops"], 1), fixed(r["ratio"], 3), fixed(r["loss"], 5),
                    fixed(r["extra_bytes"].get<double>() / (1 << 20), 1), fixed(r["peak_memory_bytes"].get<double>() / (1 << 20), 1)});
  print_table(std::cout, rows);
}

using Precisions = std::vector<std::pair<std::string, MatmulPrecision>>;

Precisions precision_list(const Settings& s) {
  Precisions precisions;
  for (const std::string& name : split_list(s.precision)) precisions.emplace_back(name, precision_flag("--precision", name, s.device));
  if (precisions.empty()) throw WrongUse("--precision: at least one of f32, tf32, bf16 is expected, got \"" + s.precision + "\"");
  return precisions;
}

std::vector<Dim> edge_list(const Settings& s) {
  std::vector<Dim> edges;
  for (const std::string& text : split_list(s.edge)) {
    edges.push_back(parse_whole("--edge", text));
    if (edges.back() % 16 != 0 || edges.back() < 0 || edges.back() > most_edge)
      throw WrongUse("--edge: 0 or multiples of 16 up to " + std::to_string(most_edge) + " are expected, got " + text);
    if (edges.back() != 0 && s.device == "cpu") throw WrongUse("--edge: 0 is expected on the CPU, got " + text + ", which needs --device cuda");
  }
  if (edges.empty()) throw WrongUse("--edge: at least one number is expected, got \"" + s.edge + "\"");
  return edges;
}

void bench_loss_verb(const Settings& s) {
  const Precisions precisions = precision_list(s);
  const std::vector<Dim> batches = batch_list(s.batch, 1 << 22), edges = edge_list(s);
  const Device device = find_device(s.device, "--device");
  const std::int64_t lasting = lasting_bytes(device);
  std::map<std::string, double> squares;
  Json results = Json::array();
  for (const Dim B : batches)
    for (const auto& [name, precision] : precisions)
      for (const Dim edge : edges) {
        set_matmul_precision(device, precision);
        Json result = bench({B, s.dim, s.repeat, device, name, edge, lasting});
        if (device != Device::cpu) {
          if (!squares.contains(name)) squares[name] = square_gflops(device, s.repeat);
          result["square_gflops"] = squares[name];
          result["square_ratio"] = result["gflops"].get<double>() / squares[name];
        }
        results.push_back(result);
      }
  if (s.json)
    print_results(results);
  else
    print(results);
}
}  // namespace

void add_bench_loss(CLI::App& bench) {
  CLI::App& verb = add_verb(
      bench, "loss",
      "Time the sigmoid loss, forward and backward, on random unit rows, in turns with as many operations of matrix products: on the CPU\n"
      "this build's at 2048^3, on a CUDA device the loss's own three of each tile, with nothing between them, and 8192^3. The best of\n"
      "--repeat counts.\n"
      "6 B^2 E operations a call. The first round and the last must give the same bits. Extra memory: above inputs and gradients\n"
      "(and, on a CUDA device, above the 16 MiB of slots that uploads go through).",
      "siglip bench loss --batch 1024 --dim 64",
      "batch, dim, device, precision, edge, threads, seconds, gflops, matmul_gflops, ratio, loss, du_norm, dv_norm, dlog_t, db, extra_bytes,\n"
      "  square_gflops and square_ratio (on a CUDA device), resident_extra_bytes (on the CPU), peak_memory_bytes (of one batch in one\n"
      "  precision and edge), results [the same for each]");
  const auto s = std::make_shared<Settings>();
  text_flag(verb, "--batch", s->batch, "pairs; a list as in 4096,8192 measures each");
  whole_flag(verb, "--dim", s->dim, 1, 1 << 16, "embedding width E");
  device_flag(verb, s->device);
  text_flag(verb, "--precision", s->precision, "of products on a CUDA device: f32, tf32 or bf16; a list as in bf16,f32 measures each");
  text_flag(verb, "--edge", s->edge,
            "of the loss's tiles on a CUDA device, a multiple of 16; 0: as its cache says; a list as in 2560,4096 measures each");
  whole_flag(verb, "--repeat", s->repeat, 1, 1000, "rounds, of which the best counts");
  json_flag(verb, s->json);
  threads_flag(verb);
  verb.callback([s] { bench_loss_verb(*s); });
}
}  // namespace siglip::tools
