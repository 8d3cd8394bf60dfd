// hygiene.cpp — what every op owes its callers besides right numbers.
#include <bit>
#include <cmath>
#include "check/values.h"
#include "core/pool.h"
#include "kernels.h"
#include "siglip/tape.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
// The first element whose bits differ, with both values; empty if there is none.
std::string first_difference(const std::string& tensor, const std::vector<double>& a, const std::vector<double>& b) {
  for (std::size_t i = 0; i < a.size(); ++i)
    if (std::bit_cast<std::uint64_t>(a[i]) != std::bit_cast<std::uint64_t>(b[i])) return both_values(tensor, static_cast<Dim>(i), a[i], b[i]);
  return "";
}

std::string first_difference(const CaseValues& a, const CaseValues& b) {
  for (std::size_t t = 0; t < a.values.size(); ++t)
    if (const std::string found = first_difference(a.names[t], a.values[t], b.values[t]); !found.empty()) return found;
  return "";
}

// Threads and new memory as they were, whatever happens.
struct Restored {
  int count = threads();
  ~Restored() {
    set_threads(count);
    poison_pool(false);
  }
};

std::vector<double> doubles(const std::vector<Real>& x) { return {x.begin(), x.end()}; }
std::string input(std::size_t i) { return "input " + std::to_string(i); }

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
  for (const Tensor& t : x) all.push_back(doubles(t.grad_to_vector()));
  return all;
}

// A gradient that nobody wants must not be touched, and the others must not notice. Empty if it is so.
std::string with_one_gradient(const OpRow& row, const OpCase& c, std::uint64_t seed, Device device, std::size_t wanted, const CaseValues& all) {
  const Tensors x = draw_inputs(c, seed, device);
  for (std::size_t i = 0; i < x.size(); ++i) x[i].require_grad(i == wanted);
  run(row, c, seed, device, x);
  for (std::size_t i = 0; i < x.size(); ++i)
    if (i != wanted && x[i].has_grad()) return input(i) + " has one, too";
  return first_difference(all.names[1 + wanted], doubles(x[wanted].grad_to_vector()), all.values[1 + wanted]);
}
}  // namespace

std::vector<std::string> hygiene(const OpRow& row, const OpCase& c, std::uint64_t seed, Device device) {
  std::vector<std::string> breaches;
  const auto breach = [&](const std::string& what, const std::string& where) {
    if (!where.empty()) breaches.push_back(what + where);
  };
  const Restored restored;
  set_threads(1);
  const CaseValues one = evaluate(row, c, seed, device);

  set_threads(3);
  breach("3 threads give other bits than 1: ", first_difference(evaluate(row, c, seed, device), one));
  set_threads(restored.count);

  // New memory is filled with NaN: what is not written, or read before it is written, shows.
  poison_pool(true);
  const CaseValues poisoned = evaluate(row, c, seed, device);
  poison_pool(false);
  breach("memory is read before it is written, or not written: ", first_difference(poisoned, one));

  const Tensors x = draw_inputs(c, seed, device), untouched = draw_inputs(c, seed);
  run(row, c, seed, device, x);
  for (std::size_t i = 0; i < x.size(); ++i)
    breach("an input was modified: ", first_difference(input(i), doubles(x[i].to_vector()), doubles(untouched[i].to_vector())));

  const double rounding = sizeof(Real) == 4 ? 2e-6 : 1e-13;  // measured: 2.2e-7 in float
  const auto seeded = gradients(row, c, seed, device, 1, Real(0.5)), twice = gradients(row, c, seed, device, 2, Real(0));
  for (std::size_t i = 0; i < x.size(); ++i) {
    const std::vector<double>& g = one.values[1 + i];
    const double rms = mean_square_root(g);
    // The first element where `got` is not what `expected` makes of the gradient.
    const auto first_off = [&](const std::vector<double>& got, const auto& expected, double scale) -> std::string {
      for (std::size_t k = 0; k < g.size(); ++k)
        if (!(relative_error(got[k], expected(g[k]), scale) <= rounding))
          return both_values(one.names[1 + i], static_cast<Dim>(k), got[k], expected(g[k]));
      return "";
    };
    breach("a gradient is not added to the 0.5 that was there: ", first_off(
                                                                      seeded[i], [](double a) { return a + 0.5; }, rms + 0.5));
    breach("backward twice does not double the gradient: ", first_off(
                                                                twice[i], [](double a) { return 2 * a; }, rms));
    breach("wanting only the gradient of input " + std::to_string(i) + " changes it or touches others: ",
           with_one_gradient(row, c, seed, device, i, one));
  }
  return breaches;
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
