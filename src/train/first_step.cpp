// first_step.cpp — the loss that B, t, b and the mean cosine demand, and what is likely wrong where it is another.
#include "train/first_step.h"
#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>
#include <sstream>
#include <vector>
#include "siglip/loss.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
std::vector<double> mean_row(const Tensor& x) {
  const std::vector<Real> values = x.to_vector();
  const std::size_t E = static_cast<std::size_t>(x.columns());
  std::vector<double> mean(E);
  for (std::size_t i = 0; i < values.size(); ++i) mean[i % E] += double(values[i]) / double(x.rows());
  return mean;
}

// Between the means of two sets of rows it is the mean over all pairs.
double dot(const std::vector<double>& a, const std::vector<double>& b) { return std::inner_product(a.begin(), a.end(), b.begin(), 0.0); }

// The variance of the cosines of the first pictures with the first texts.
double cosine_variance(const Tensor& u, const Tensor& v) {
  const std::vector<Real> a = u.to_vector(), b = v.to_vector();
  const Dim n = std::min<Dim>(256, u.rows()), E = u.columns();
  double sum = 0, squares = 0;
  for (Dim i = 0; i < n; ++i)
    for (Dim j = 0; j < n; ++j) {
      const auto row = a.begin() + i * E;
      const double cosine = std::inner_product(row, row + E, b.begin() + j * E, 0.0);
      sum += cosine, squares += cosine * cosine;
    }
  const double count = double(n * n), mean = sum / count;
  return std::max(0.0, squares / count - mean * mean);
}

// The length of a row that is farthest from 1.
double worst_length(const Tensor& x) {
  const std::vector<Real> values = x.to_vector();
  double worst = 1;
  for (Dim n = 0; n < x.rows(); ++n) {
    double squares = 0;
    for (Dim c = 0; c < x.columns(); ++c) squares += std::pow(double(values[static_cast<std::size_t>(n * x.columns() + c)]), 2);
    if (!(std::abs(std::sqrt(squares) - 1) <= std::abs(worst - 1))) worst = std::sqrt(squares);
  }
  return worst;
}

// Healthy starts have |mean cosine| up to 0.15, and up to 0.99 within a tower.
constexpr double large_cosine = 0.5;
bool same_rows(double square_of_mean) { return square_of_mean > 1 - 1e-5; }

bool near(double a, double b) { return std::abs(a - b) <= 0.05 * std::abs(b); }
bool same(double a, double b) { return std::abs(a - b) <= 1e-5 * std::max(1.0, std::abs(b)); }  // t comes of a rounded log_t

bool is_unit(double length) { return std::abs(length - 1) <= 1e-3; }

const char* likely_cause(double measured, double expected, double B, double divisor) {
  if (near(measured, expected / B) || near(measured, expected * B)) return "divided by B² instead of B, or the reverse";
  if (near(measured, B * std::numbers::ln2 * B / divisor)) return "all logits are 0 (bias missing)";
  return "labels off, or cosines far from a bell curve (check initialisation and inputs)";
}
}  // namespace

FirstStep first_step(double measured, const Tensor& u, const Tensor& v, Scalars configured, Scalars actual, double positives, double divisor) {
  const double B = double(u.rows()), t = configured.t, b = configured.b;
  const std::vector<double> mean_u = mean_row(u), mean_v = mean_row(v);
  const double length_u = worst_length(u), length_v = worst_length(v);
  FirstStep check;
  check.measured = measured;
  check.mean_cosine = dot(mean_u, mean_v);
  const auto loss_at = [&](double cosine) { return initial_sigmoid_loss(u.rows(), t * cosine + b, positives) * B / divisor; };
  // The loss is curved, so cosines that spread raise its mean: the mean over a Gaussian of that variance, by Gauss and Hermite's three points.
  const double spread = std::sqrt(3 * cosine_variance(u, v));
  check.expected = (loss_at(check.mean_cosine - spread) + 4 * loss_at(check.mean_cosine) + loss_at(check.mean_cosine + spread)) / 6;
  std::ostringstream text;
  text.precision(4);
  text << "first step: loss " << measured << ", expected " << check.expected << " from B = " << u.rows() << ", t = " << t << ", b = " << b
       << " and a mean cosine of " << check.mean_cosine << " (" << loss_at(0) << " if all were 0)";
  check.text = text.str();

  std::ostringstream warning;
  warning.precision(4);
  if (!same(actual.t, t) || !same(actual.b, b)) {
    warning << "the model starts with t = " << actual.t << " and b = " << actual.b << ", not with the t = " << t << " and b = " << b
            << " of its settings";
  } else if (!is_unit(length_u) || !is_unit(length_v)) {
    const double length = is_unit(length_u) ? length_v : length_u;
    warning << "embeddings of " << (is_unit(length_u) ? "texts" : "pictures") << " are not unit rows, one has the length " << length
            << "; likely: " << (length < 1e-3 ? "the tower gives nothing but zeros" : "normalisation is missing or done twice");
  } else if (!near(measured, check.expected)) {
    warning << "the first loss is more than 5 % from what B, t and b demand; likely: " << likely_cause(measured, check.expected, B, divisor);
  } else if (std::abs(check.mean_cosine) > large_cosine) {
    warning << "pictures and texts lie along one line before anything is learned (mean cosine " << check.mean_cosine
            << "); likely: both towers give nearly one embedding for everything (check initialisation and inputs)";
  } else if (same_rows(dot(mean_u, mean_u)) || same_rows(dot(mean_v, mean_v))) {
    warning << "all " << (same_rows(dot(mean_u, mean_u)) ? "pictures" : "texts")
            << " of the first batch have one embedding; likely: they are all alike, or the tower ignores its input";
  }
  check.warning = warning.str();
  return check;
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
