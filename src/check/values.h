// values.h — inputs of a case, drawn the same in float and in double.
#pragma once
#include "siglip/check.h"
#include "siglip/rng.h"

namespace siglip::inline SIGLIP_FLAVOUR {
/// mean + spread * gaussian, rounded to float, so that both builds start from the same numbers.
std::vector<double> draw_values(Dim count, Draw draw, std::uint64_t seed, std::uint64_t stream);
Tensor draw_tensor(const Shape& shape, Draw draw, std::uint64_t seed, std::uint64_t stream, Device device = Device::cpu);
/// All inputs of a case, gradients wanted.
Tensors draw_inputs(const OpCase& c, std::uint64_t seed, Device device = Device::cpu);
constexpr std::uint64_t cotangent_stream = 1000;
double mean_square_root(const std::vector<double>& x);
/// |a - b| / max(|a|, |b|, rms); infinity if one is not finite.
double relative_error(double a, double b, double rms);
}  // namespace siglip::inline SIGLIP_FLAVOUR
