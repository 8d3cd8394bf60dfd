// device_large.cpp — what the table of ops leaves out because it is small: losses of many tiles, products in every precision, and whether two runs
// give the same bits.
#include <cmath>
#include <cstring>
#include "check/device_match.h"
#include "check/values.h"
#include "loss/loss_products.h"
#include "siglip/error.h"
#include "siglip/loss.h"
#include "siglip/ops.h"
#include "siglip/tape.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
constexpr std::uint64_t seed = 21;

// The least that rounding allows, with room. A factor rounded to 7 bits of mantissa is off by 1.5e-3 of itself (root of the mean square), to 10 bits
// by 2e-4, and by 7e-4 where hardware cuts them off; an element of a product has two of them, and its square is what is measured: 4e-6 and 1e-7 to
// 3e-6.
struct Mode {
  MatmulPrecision precision;
  const char* name;
  double limit;
};
constexpr Mode modes[] = {{MatmulPrecision::f32, "f32", device_limit}, {MatmulPrecision::tf32, "tf32", 1e-5}, {MatmulPrecision::bf16, "bf16", 1e-4}};

struct Problem {
  const char* op;
  std::vector<Shape> shapes;
  std::function<Tensor(const Tensors&)> call;
};

Tensor unit_rows(Dim B, Dim E, std::uint64_t stream, const Tensor& near = {}) {
  Tensor x = draw_tensor({B, E}, {0, near.defined() ? 2 / std::sqrt(double(E)) : 1}, seed, stream);
  return l2_normalize(near.defined() ? add(x, near) : x);
}

// Pairs that are alike by half (<u_i, v_i> ≈ 0.45), and with t = 10, b = -5 about as much gradient from all the others as from them: an error in
// either shows in every tensor, and none of them is what is left of larger numbers.
Tensors inputs_of(const Problem& p) {
  if (std::strcmp(p.op, "matmul") == 0) return {draw_tensor(p.shapes[0], {}, seed, 0), draw_tensor(p.shapes[1], {}, seed, 1)};
  const Dim B = p.shapes[0][0], E = p.shapes[0][1];
  const Tensor u = unit_rows(B, E, 0);
  Tensors x{u, unit_rows(B, E, 1, u), Tensor::full({1}, static_cast<Real>(std::log(10.0)))};
  if (p.shapes.size() == 4) x.push_back(Tensor::full({1}, -5));
  return x;
}

std::vector<Pairing> results(const Problem& p, const Tensors& inputs, Device device) {
  const auto doubles = [](const std::vector<Real>& x) { return std::vector<double>(x.begin(), x.end()); };
  Tensors x;
  for (const Tensor& input : inputs) x.push_back(input.to(device).require_grad());
  Tape tape;
  const Tensor y = p.call(x);
  std::vector<Pairing> all{{"y", doubles(y.to_vector()), {}}};
  tape.backward({y}, {draw_tensor(y.shape(), {1, 0.5}, seed, cotangent_stream, device)});
  for (std::size_t i = 0; i < x.size(); ++i) all.push_back({"d input " + std::to_string(i), doubles(x[i].grad_to_vector()), {}, true});
  return all;
}

// The first number that has other bits the second time.
DeviceMatch repeated(const std::string& what, const std::string& about, const std::vector<Pairing>& once, const std::vector<Pairing>& twice) {
  DeviceMatch match{what, about + ", two runs", once[0].name};
  for (std::size_t i = 0; i < once.size(); ++i)
    for (std::size_t k = 0; k < once[i].got.size(); ++k)
      if (std::memcmp(&once[i].got[k], &twice[i].got[k], sizeof(double)) != 0)
        return {what, about + ", two runs", once[i].name, INFINITY, 0, static_cast<Dim>(k), twice[i].got[k], once[i].got[k]};
  return match;
}

// Back to what it was, whatever happens.
struct Restored {
  Device device;
  ~Restored() {
    set_matmul_precision(device, MatmulPrecision::f32);
    set_tile_edge(device, 0);
  }
};

Labels captions_twice(Dim B, Device device) {
  std::vector<std::int32_t> images, texts;
  for (Dim i = 0; i < B; ++i) images.push_back(static_cast<std::int32_t>(i / 2)), texts.push_back(static_cast<std::int32_t>((i + 1) % B / 2));
  return {Ids({B}, images, device), Ids({B}, texts, device)};
}
}  // namespace

std::vector<DeviceMatch> large_across_devices(Device device, const std::string& op, Dim pairs, Dim edge) {
  const auto sigmoid = [](const Tensors& x) { return sigmoid_loss(x[0], x[1], x[2], x[3]); };
  const auto by_ids = [](const Tensors& x) { return sigmoid_loss(x[0], x[1], x[2], x[3], captions_twice(x[0].dim(0), x[0].device())); };
  const auto softmax = [](const Tensors& x) { return softmax_loss(x[0], x[1], x[2]); };
  const auto product = [](const Tensors& x) { return matmul(x[0], x[1]); };
  const std::vector<Problem> problems{{"sigmoid_loss", {{pairs, 768}, {}, {}, {}}, sigmoid},
                                      {"sigmoid_loss", {{pairs, 75}, {}, {}, {}}, sigmoid},  // rows that no vector of memory divides
                                      {"sigmoid_loss_ids", {{pairs, 72}, {}, {}, {}}, by_ids},
                                      {"softmax_loss", {{pairs, 72}, {}, {}}, softmax},
                                      {"matmul", {{pairs, 768}, {75, 768}}, product}};
  const Restored restored{device};
  set_tile_edge(device, edge);
  std::vector<DeviceMatch> matches;
  for (const Problem& p : problems) {
    if (!op.empty() && op != p.op) continue;
    const Tensors inputs = inputs_of(p);
    const std::vector<Pairing> expected = results(p, inputs, Device::cpu);
    for (const Mode& mode : modes) {
      if (sizeof(Real) == 8 && mode.precision != MatmulPrecision::f32) continue;
      set_matmul_precision(device, mode.precision);
      std::vector<Pairing> tensors = results(p, inputs, device);
      const std::string about =
          std::to_string(pairs) + (p.shapes.size() == 2 ? " rows of " : " pairs of ") + std::to_string(p.shapes[0][1]) + ", " + mode.name;
      matches.push_back(repeated(p.op, about, tensors, results(p, inputs, device)));
      for (std::size_t i = 0; i < tensors.size(); ++i) tensors[i].expected = expected[i].got;
      matches.push_back(worst_match(p.op, about, tensors, mode.limit, 0));
    }
  }
  return matches;
}

std::vector<std::string> hygiene_on(Device device, const std::string& op) {
  std::vector<std::string> breaches;
  for (const OpRow& row : op_table()) {
    if (!op.empty() && row.name != op) continue;
    for (const OpCase& c : row.cases)
      for (const std::string& breach : hygiene(row, c, seed, device)) breaches.push_back(row.name + ", " + c.about + ": " + breach);
  }
  return breaches;
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
