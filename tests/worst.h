// worst.h — the largest of many errors, among which no NaN is lost.
#pragma once
#include <limits>

/// worst = max(worst, error); infinity, for good, once an error is not a number.
inline void keep_worst(double& worst, double error) {
  if (error <= worst) return;
  worst = error > worst ? error : std::numeric_limits<double>::infinity();
}
