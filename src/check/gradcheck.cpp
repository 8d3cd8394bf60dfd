// gradcheck.cpp — the handwritten backward against differences of the forward.
#include <cmath>
#include <limits>
#include "check/plain.h"
#include "check/values.h"
#include "siglip/tape.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
// f'(x) = [45 (f(h) - f(-h)) - 9 (f(2h) - f(-2h)) + (f(3h) - f(-3h))] / 60h + O(h⁶). h is a power of two, so x + kh is exact.
template <class F>
double six_point_derivative(const F& f, double h) {
  return (45 * (f(h) - f(-h)) - 9 * (f(2 * h) - f(-2 * h)) + (f(3 * h) - f(-3 * h))) / (60 * h);
}

double inner(const std::vector<double>& w, const Tensor& y) {
  double sum = 0;
  for (Dim i = 0; i < y.size(); ++i) sum += w[static_cast<std::size_t>(i)] * double(y.data()[i]);
  return sum;
}

void keep_worst(Worst& worst, const Worst& candidate) {
  if (!(candidate.error <= worst.error)) worst = candidate;
}
}  // namespace

Worst gradcheck(const OpRow& row, const OpCase& c, std::uint64_t seed) {
  constexpr Dim most_one_by_one = 4096;
  constexpr int directions = 4;
  const Tensors x = draw_inputs(c, seed);
  Dim elements = 0;
  for (const Tensor& input : x) elements += input.size();
  if (elements > most_one_by_one) {
    const std::vector<double> w = draw_values(row.call(x, c).size(), {}, seed, cotangent_stream);
    const auto weighted = [&] { return plain::weighted_sum(row.call(x, c), [&w](Dim i) { return w[static_cast<std::size_t>(i)]; }); };
    return gradcheck_directions(weighted, x, directions, seed, c.step);
  }

  const CaseValues analytic = evaluate(row, c, seed);
  const std::vector<double> w = draw_values(static_cast<Dim>(analytic.values[0].size()), {}, seed, cotangent_stream);
  Worst worst;
  for (std::size_t input = 0; input < x.size(); ++input) {
    const std::vector<double>& gradient = analytic.values[1 + input];
    const double rms = mean_square_root(gradient);
    for (Dim i = 0; i < x[input].size(); ++i) {
      Real& xi = x[input].data()[i];
      const Real at = xi;
      const double numeric = six_point_derivative(
          [&](double step) {
            xi = static_cast<Real>(double(at) + step);
            const double value = inner(w, row.call(x, c));
            xi = at;
            return value;
          },
          c.step);
      const double a = gradient[static_cast<std::size_t>(i)];
      keep_worst(worst, {relative_error(a, numeric, rms), analytic.names[1 + input], i, a, numeric});
    }
  }
  return worst;
}

Worst gradcheck_directions(const std::function<Tensor()>& loss, const Tensors& parameters, int directions, std::uint64_t seed, double step) {
  for (const Tensor& p : parameters) p.require_grad(), p.zero_grad();
  {
    Tape tape;
    tape.backward(loss());
  }
  std::vector<std::vector<Real>> at;
  for (const Tensor& p : parameters) at.push_back(p.to_vector());
  Worst worst;
  for (int d = 0; d < directions; ++d) {
    std::vector<std::vector<double>> direction;
    double analytic = 0, squares = 0;
    for (std::size_t k = 0; k < parameters.size(); ++k) {
      direction.push_back(draw_values(parameters[k].size(), {}, seed + static_cast<std::uint64_t>(d), k));
      const std::vector<Real> gradient = parameters[k].grad_to_vector();
      for (std::size_t i = 0; i < gradient.size(); ++i) {
        analytic += double(gradient[i]) * direction[k][i];
        squares += double(gradient[i]) * double(gradient[i]);
      }
    }
    const auto move = [&](double h) {
      for (std::size_t k = 0; k < parameters.size(); ++k)
        for (std::size_t i = 0; i < at[k].size(); ++i) parameters[k].data()[i] = static_cast<Real>(double(at[k][i]) + h * direction[k][i]);
    };
    const auto f = [&](double h) {
      move(h);
      return double(loss().item());
    };
    const double numeric = six_point_derivative(f, step);
    move(0);
    // The derivative along a gaussian direction has the gradient's norm for its standard deviation.
    keep_worst(worst, {relative_error(analytic, numeric, std::sqrt(squares)), "direction", d, analytic, numeric});
  }
  return worst;
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
