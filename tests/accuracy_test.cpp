// The vectorised exp, tanh and log1p that every page relies on, measured over their whole float range against double.
#include <doctest/doctest.h>
#include <bit>
#include <cmath>
#include <limits>
#include "core/eigen.h"
#include "worst.h"
using namespace siglip;

namespace {
// |got - exact| in units of the last place that a float near `exact` has.
double units_in_the_last_place(float got, double exact) {
  if (!std::isfinite(exact) || std::abs(exact) > double(std::numeric_limits<float>::max())) return std::isfinite(got) ? HUGE_VAL : 0;
  if (!std::isfinite(got)) return HUGE_VAL;
  int exponent = 0;
  std::frexp(std::max(std::abs(exact), double(std::numeric_limits<float>::min())), &exponent);
  return std::abs(double(got) - exact) / std::ldexp(1.0, exponent - 24);
}

struct Largest {
  double error = 0;
  float at = 0;
};

// Every 1000th float of the range, in rows as the pages compute them, each element once on the vector path and some on the scalar one.
template <class Vectorised, class Exact>
Largest largest_error(float low, float high, const Vectorised& vectorised, const Exact& exact) {
  constexpr int width = 131;
  Eigen::Array<float, Eigen::Dynamic, 1> x(width), y(width);
  Largest worst;
  int filled = 0;
  const auto flush = [&] {
    y.head(filled) = vectorised(x.head(filled));
    for (int i = 0; i < filled; ++i)
      if (const double before = worst.error; keep_worst(worst.error, units_in_the_last_place(y[i], exact(double(x[i])))), worst.error != before)
        worst.at = x[i];
    filled = 0;
  };
  for (std::uint64_t bits = 0; bits <= 0xffffffffu; bits += 1000) {
    const float value = std::bit_cast<float>(static_cast<std::uint32_t>(bits));
    if (!(value >= low && value <= high)) continue;
    x[filled++] = value;
    if (filled == width) flush();
  }
  if (filled) flush();
  return worst;
}
}  // namespace

TEST_CASE("accuracy: exp, tanh and log1p as the pages use them") {
  const float everything = std::numeric_limits<float>::max();
  // exp(x - max x) and exp(-|l|): arguments up to 0. Below -87.3 results would be subnormal; there the vectorised one stays near the smallest
  // normal number, so what counts is the difference itself.
  const Largest exp = largest_error(
      -87.3f, 0.0f, [](const auto& x) { return x.exp(); }, [](double x) { return std::exp(x); });
  const Largest tanh = largest_error(
      -everything, everything, [](const auto& x) { return x.tanh(); }, [](double x) { return std::tanh(x); });
  // log1p(e) of e = exp(-|l|): arguments from 0 to 1.
  const Largest log1p = largest_error(
      0.0f, 1.0f, [](const auto& x) { return x.log1p(); }, [](double x) { return std::log1p(x); });
  MESSAGE("units in the last place: exp ", exp.error, " at ", exp.at, "; tanh ", tanh.error, " at ", tanh.at, "; log1p ", log1p.error, " at ",
          log1p.at);
  CHECK(exp.error <= 6);    // measured, clang 14 and g++ 12 alike: 4.33 with AVX2 and FMA, 1.22 without
  CHECK(tanh.error <= 6);   // 4.40, 5.20
  CHECK(log1p.error <= 3);  // 1.78, 1.78

  Eigen::Array<float, 8, 1> far;
  far << -87.31f, -88.0f, -90.0f, -103.0f, -104.0f, -1e3f, -1e30f, -everything;
  const Eigen::Array<float, 8, 1> smallest = far.exp();
  for (int i = 0; i < 8; ++i) CHECK(std::abs(double(smallest[i]) - std::exp(double(far[i]))) <= double(std::numeric_limits<float>::min()));
}
