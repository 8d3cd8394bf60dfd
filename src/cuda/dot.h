// dot.h — Σ a_i b_i in double.
#pragma once
#include "siglip/real.h"

namespace siglip::inline SIGLIP_FLAVOUR::cuda {
/// sum = Σ a_i b_i over N elements, summed in double; `sum` lies on the device. Uses the scratch memory but for its first double, where `sum`
/// may lie.
void dot(double* sum, const Real* a, const Real* b, Dim N);
}  // namespace siglip::inline SIGLIP_FLAVOUR::cuda
