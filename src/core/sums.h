// sums.h — sums of many numbers in double: in sixteen lanes, so that no addition waits for the one before, and always in the same order.
#pragma once
#include "core/eigen.h"

namespace siglip::inline SIGLIP_FLAVOUR {
constexpr Dim sum_lanes = 16;
using DoubleLanes = Eigen::Array<double, sum_lanes, 1>;
using RealLanes = Eigen::Map<const Eigen::Array<Real, sum_lanes, 1>>;

/// Σ_i x_i, i < N
inline double sum_in_double(const Real* x, Dim N) {
  DoubleLanes lanes = DoubleLanes::Zero();
  Dim i = 0;
  for (; i + sum_lanes <= N; i += sum_lanes) lanes += RealLanes(x + i).cast<double>();
  double sum = lanes.sum();
  for (; i < N; ++i) sum += double(x[i]);
  return sum;
}

/// Σ_i x_i y_i, i < N
inline double dot_in_double(const Real* x, const Real* y, Dim N) {
  DoubleLanes lanes = DoubleLanes::Zero();
  Dim i = 0;
  for (; i + sum_lanes <= N; i += sum_lanes) lanes += RealLanes(x + i).cast<double>() * RealLanes(y + i).cast<double>();
  double sum = lanes.sum();
  for (; i < N; ++i) sum += double(x[i]) * double(y[i]);
  return sum;
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
