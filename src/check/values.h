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
/// Where number `element` of a tensor of this shape stands: 7 in (2, 5) is (1, 2).
Shape index_of(Dim element, const Shape& shape);
/// "d input 0[3] = 0.5 against 0.25", with all digits.
std::string both_values(const std::string& tensor, Dim element, double a, double b);
}  // namespace siglip::inline SIGLIP_FLAVOUR
