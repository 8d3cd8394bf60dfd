// parity_runner.h — both backends over the table of ops: what is computed, and what every op owes its callers on either device.
#pragma once
#include <string>
#include "siglip/real.h"

namespace siglip::inline SIGLIP_FLAVOUR {
constexpr Dim any_size = Dim(1) << 60;
/// The first thing that is wrong on Device::cuda in the rows whose names begin with `rows`; empty if nothing is. Small cases first. Without
/// hygiene values and gradients alone are compared, once. Cases of more than `most_elements` are left out.
std::string first_device_failure(const std::string& rows, bool with_hygiene, Dim most_elements = any_size);
}  // namespace siglip::inline SIGLIP_FLAVOUR
#ifndef SIGLIP_DOUBLE
namespace siglip::f64 {
std::string first_device_failure(const std::string& rows, bool with_hygiene, Dim most_elements = any_size);
}
#endif
