#include "train/first_step.h"
#include <cmath>
#include <numbers>
#include <sstream>
#include <vector>
#include "siglip/loss.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
// The mean of <u_i, v_j> over all pairs is the product of the means.
double mean_cosine(const Tensor& u, const Tensor& v) {
  const Dim B = u.rows(), E = u.columns();
  const std::vector<Real> us = u.to_vector(), vs = v.to_vector();
  double cosine = 0;
  for (Dim e = 0; e < E; ++e) {
    double mean_u = 0, mean_v = 0;
    for (Dim i = 0; i < B; ++i) {
      mean_u += double(us[static_cast<std::size_t>(i * E + e)]) / double(B);
      mean_v += double(vs[static_cast<std::size_t>(i * E + e)]) / double(B);
    }
    cosine += mean_u * mean_v;
  }
  return cosine;
}

double longest_row_error(const Tensor& x) {
  const std::vector<Real> values = x.to_vector();
  double worst = 0;
  for (Dim n = 0; n < x.rows(); ++n) {
    double squares = 0;
    for (Dim c = 0; c < x.columns(); ++c) squares += std::pow(double(values[static_cast<std::size_t>(n * x.columns() + c)]), 2);
    worst = std::max(worst, std::abs(std::sqrt(squares) - 1));
  }
  return worst;
}

bool near(double a, double b) { return std::abs(a - b) <= 0.05 * std::abs(b); }
}  // namespace

FirstStep first_step(double measured, const Tensor& u, const Tensor& v, double t, double b, double positives, double divisor) {
  const double B = double(u.rows());
  FirstStep check;
  check.measured = measured;
  check.mean_cosine = mean_cosine(u, v);
  check.expected = initial_sigmoid_loss(u.rows(), t * check.mean_cosine + b, positives) * B / divisor;
  std::ostringstream text;
  text.precision(4);
  text << "first step: loss " << measured << ", expected " << check.expected << " from B = " << u.rows() << ", t = " << t << ", b = " << b
       << " and a mean cosine of " << check.mean_cosine;
  check.text = text.str();
  if (near(measured, check.expected)) return check;

  std::ostringstream causes;
  causes << "the first loss is more than 5 % from what B, t and b demand; ";
  if (longest_row_error(u) > 1e-3 || longest_row_error(v) > 1e-3)
    causes << "likely: embeddings are not unit rows (normalisation missing or done twice)";
  else if (near(measured, check.expected / B) || near(measured, check.expected * B))
    causes << "likely: divided by B² instead of B, or the reverse";
  else if (near(measured, B * std::numbers::ln2 * B / divisor))
    causes << "likely: all logits are 0 (bias missing, or embeddings all zero)";
  else
    causes << "likely: cosines spread widely (check initialisation and inputs), bias or temperature not as configured, or labels off";
  check.warning = causes.str();
  return check;
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
