// device_match.h — tensors of one device beside those of the CPU, and how far apart they are.
#pragma once
#include <string>
#include <vector>
#include "siglip/check.h"

namespace siglip::inline SIGLIP_FLAVOUR {
/// The most that the normalised mean square error may be: float, double.
constexpr double device_limit = sizeof(Real) == 4 ? 1e-10 : 1e-24;

/// The same tensor of both.
struct Pairing {
  std::string name;
  std::vector<double> got, expected;
  bool gradient = false;
};
/// The one with the largest Σ (got - expected)² / Σ expected².
/// A gradient that is zero by construction (of a key bias, of queries where there is one key) is rounding alone, on any device: a gradient is
/// measured against at least `share` of the largest rms of the gradients, and everything against at least an rms of 1e-4 if share is not 0.
DeviceMatch worst_match(const std::string& what, const std::string& about, const std::vector<Pairing>& tensors, double limit = device_limit,
                        double share = 0.01);

/// The losses on `pairs` pairs in tiles of `edge` (0: as the device has it) and a product, in every precision of products: against the CPU's, and
/// again for the same bits. Empty for an op that is none of them.
std::vector<DeviceMatch> large_across_devices(Device device, const std::string& op, Dim pairs, Dim edge);
/// The breaches of hygiene() of every case of an op, or of all.
std::vector<std::string> hygiene_on(Device device, const std::string& op);
}  // namespace siglip::inline SIGLIP_FLAVOUR
