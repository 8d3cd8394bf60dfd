// hygiene.cpp — what every op owes its callers besides right numbers.
#include <cmath>
#include <cstring>
#include "check/values.h"
#include "core/pool.h"
#include "kernels.h"
#include "siglip/tape.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
bool same_bits(const CaseValues& a, const CaseValues& b) {
  for (std::size_t t = 0; t < a.values.size(); ++t)
    if (std::memcmp(a.values[t].data(), b.values[t].data(), a.values[t].size() * sizeof(double)) != 0) return false;
  return true;
}

void run(const OpRow& row, const OpCase& c, std::uint64_t seed, Device device, const Tensors& x) {
  Tape tape;
  const Tensor y = row.call(x, c);
  tape.backward({y}, {draw_tensor(y.shape(), {}, seed, cotangent_stream, device)});
}

// Runs the op `times` times on the same inputs, whose gradients start at `seed_value`, and gives the gradients.
std::vector<std::vector<double>> gradients(const OpRow& row, const OpCase& c, std::uint64_t seed, Device device, int times, Real seed_value) {
  const Tensors x = draw_inputs(c, seed, device);
  for (const Tensor& t : x) LAUNCH(device, fill, t.grad(), seed_value, t.size());
  for (int time = 0; time < times; ++time) run(row, c, seed, device, x);
  std::vector<std::vector<double>> all;
  for (const Tensor& t : x) {
    const std::vector<Real> g = t.grad_to_vector();
    all.emplace_back(g.begin(), g.end());
  }
  return all;
}

// A gradient that nobody wants must not be touched, and the others must not notice.
bool works_with_one_gradient(const OpRow& row, const OpCase& c, std::uint64_t seed, Device device, std::size_t wanted, const CaseValues& all) {
  const Tensors x = draw_inputs(c, seed, device);
  for (std::size_t i = 0; i < x.size(); ++i) x[i].require_grad(i == wanted);
  run(row, c, seed, device, x);
  for (std::size_t i = 0; i < x.size(); ++i)
    if (i != wanted && x[i].has_grad()) return false;
  const std::vector<Real> g = x[wanted].grad_to_vector();
  return std::vector<double>(g.begin(), g.end()) == all.values[1 + wanted];
}
}  // namespace

std::vector<std::string> hygiene(const OpRow& row, const OpCase& c, std::uint64_t seed, Device device) {
  std::vector<std::string> breaches;
  const int threads_before = threads();
  set_threads(1);
  const CaseValues one = evaluate(row, c, seed, device);

  set_threads(3);
  if (!same_bits(one, evaluate(row, c, seed, device))) breaches.push_back("3 threads give other bits than 1");
  set_threads(threads_before);

  // New memory is filled with NaN: what is not written, or read before it is written, shows.
  poison_pool(true);
  const CaseValues poisoned = evaluate(row, c, seed, device);
  poison_pool(false);
  if (!same_bits(one, poisoned)) breaches.push_back("memory is read before it is written, or not written: " + to_string(compare(poisoned, one)));

  const Tensors x = draw_inputs(c, seed, device), untouched = draw_inputs(c, seed);
  run(row, c, seed, device, x);
  for (std::size_t i = 0; i < x.size(); ++i)
    if (x[i].to_vector() != untouched[i].to_vector()) breaches.push_back("input " + std::to_string(i) + " was modified");

  const double rounding = sizeof(Real) == 4 ? 1e-5 : 1e-13;
  const auto seeded = gradients(row, c, seed, device, 1, Real(0.5)), twice = gradients(row, c, seed, device, 2, Real(0));
  for (std::size_t i = 0; i < x.size(); ++i) {
    const std::vector<double>& g = one.values[1 + i];
    const double rms = mean_square_root(g);
    for (std::size_t k = 0; k < g.size(); ++k) {
      if (!(relative_error(seeded[i][k], g[k] + 0.5, rms + 0.5) <= rounding)) {
        breaches.push_back("the gradient of input " + std::to_string(i) + " is not added to what was there, element " + std::to_string(k));
        break;
      }
      if (!(relative_error(twice[i][k], 2 * g[k], rms) <= rounding)) {
        breaches.push_back("backward twice does not double the gradient of input " + std::to_string(i) + ", element " + std::to_string(k));
        break;
      }
    }
    if (!works_with_one_gradient(row, c, seed, device, i, one))
      breaches.push_back("wanting only the gradient of input " + std::to_string(i) + " changes it or touches others");
  }
  return breaches;
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
