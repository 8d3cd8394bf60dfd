// schedule.cpp — the learning rate over the steps: up in a straight line, down along a cosine.
#include <algorithm>
#include <cmath>
#include <numbers>
#include "siglip/optim.h"

namespace siglip::inline SIGLIP_FLAVOUR {
double cosine_rate(Dim step, Dim warmup, Dim total) {
  const double at = double(step), start = double(warmup), span = std::max(1.0, double(total) - start);
  const double progress = std::clamp((at - start) / span, 0.0, 1.0);
  const double warm = warmup > 0 ? std::min(1.0, at / start) : 1.0;
  return 0.5 * (1 + std::cos(std::numbers::pi * progress)) * warm;
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
