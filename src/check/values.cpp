// values.cpp — cases drawn, evaluated and compared.
#include "check/values.h"
#include <algorithm>
#include <cmath>
#include <limits>
#include "siglip/error.h"
#include "siglip/tape.h"

namespace siglip::inline SIGLIP_FLAVOUR {
std::vector<double> draw_values(Dim count, Draw draw, std::uint64_t seed, std::uint64_t stream) {
  Rng random(seed, stream);
  std::vector<double> values(static_cast<std::size_t>(count));
  for (double& x : values) x = double(static_cast<float>(draw.mean + draw.spread * random.normal()));
  return values;
}

Tensor draw_tensor(const Shape& shape, Draw draw, std::uint64_t seed, std::uint64_t stream, Device device) {
  const std::vector<double> values = draw_values(element_count(shape), draw, seed, stream);
  return Tensor::from(shape, std::vector<Real>(values.begin(), values.end()), device);
}

Tensors draw_inputs(const OpCase& c, std::uint64_t seed, Device device) {
  Tensors x;
  for (std::size_t i = 0; i < c.shapes.size(); ++i) {
    const Draw draw = c.draws.empty() ? Draw{} : c.draws[std::min(i, c.draws.size() - 1)];
    x.push_back(draw_tensor(c.shapes[i], draw, seed, i, device).require_grad());
  }
  return x;
}

double mean_square_root(const std::vector<double>& x) {
  double squares = 0;
  for (double a : x) squares += a * a;
  return x.empty() ? 0 : std::sqrt(squares / static_cast<double>(x.size()));
}

Shape index_of(Dim element, const Shape& shape) {
  Shape index(shape.size());
  for (std::size_t axis = shape.size(); axis-- > 0; element /= shape[axis]) index[axis] = element % shape[axis];
  return index;
}

double relative_error(double a, double b, double rms) {
  if (!std::isfinite(a) || !std::isfinite(b)) return std::numeric_limits<double>::infinity();
  const double scale = std::max({std::abs(a), std::abs(b), std::isfinite(rms) ? rms : 0.0, 1e-300});
  return std::abs(a - b) / scale;
}

std::string both_values(const std::string& tensor, Dim element, double a, double b) {
  std::ostringstream out;
  out.precision(17);
  out << tensor << "[" << element << "] = " << a << " against " << b;
  return out.str();
}

CaseValues evaluate(const OpRow& row, const OpCase& c, std::uint64_t seed, Device device, bool reference) {
  const auto doubles = [](const std::vector<Real>& x) { return std::vector<double>(x.begin(), x.end()); };
  const Tensors x = draw_inputs(c, seed, device);
  CaseValues all;
  {
    Tape tape;
    const Tensor y = reference ? row.reference(x, c) : row.call(x, c);
    all.names.push_back("y");
    all.values.push_back(doubles(y.to_vector()));
    tape.backward({y}, {draw_tensor(y.shape(), {}, seed, cotangent_stream, device)});
  }
  for (std::size_t i = 0; i < x.size(); ++i) {
    all.names.push_back("d input " + std::to_string(i));
    all.values.push_back(doubles(x[i].grad_to_vector()));
  }
  return all;
}

CaseValues evaluate(std::size_t row, std::size_t c, std::uint64_t seed) {
  const std::vector<OpRow> rows = op_table();
  return evaluate(rows.at(row), rows.at(row).cases.at(c), seed);
}

namespace {
// Differences of at most `rounding` do not count.
Worst compare_beyond(double rounding, const CaseValues& a, const CaseValues& b) {
  require(a.values.size() == b.values.size(), "compare", "as many tensors on both sides, got ", a.values.size(), " and ", b.values.size());
  Worst worst;
  for (std::size_t t = 0; t < a.values.size(); ++t) {
    require(a.values[t].size() == b.values[t].size(), "compare", a.names[t], " of one size, got ", a.values[t].size(), " and ", b.values[t].size());
    const double rms = std::max(mean_square_root(b.values[t]), 1e-4);  // cotangents are of size 1
    for (std::size_t i = 0; i < a.values[t].size(); ++i) {
      const double error = relative_error(a.values[t][i], b.values[t][i], rms);
      if (std::abs(a.values[t][i] - b.values[t][i]) <= rounding) continue;
      if (!(error <= worst.error)) worst = {error, a.names[t], static_cast<Dim>(i), a.values[t][i], b.values[t][i]};
    }
  }
  return worst;
}
}  // namespace

Worst compare(const CaseValues& a, const CaseValues& b) { return compare_beyond(0, a, b); }

std::string to_string(const Worst& worst) {
  if (worst.tensor.empty()) return "equal";
  std::ostringstream out;
  out.precision(2);
  out << both_values(worst.tensor, worst.element, worst.a, worst.b) << ", relative error " << std::scientific << worst.error;
  return out.str();
}

Worst against_reference(const OpRow& row, const OpCase& c, std::uint64_t seed) {
  constexpr double rounding = 1e-15;  // of a gradient that is zero by construction: a few roundings of numbers near 1 (measured: 5e-16)
  return compare_beyond(rounding, evaluate(row, c, seed), evaluate(row, c, seed, Device::cpu, true));
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
