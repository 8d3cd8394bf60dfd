// tensors.h — the weights of a folder against its config.json.
#pragma once
#include <string>
#include <vector>
#include "siglip/doctor.h"

namespace siglip::inline SIGLIP_FLAVOUR {
/// Loads the weights into `model`. If they do not fit, each kind of misfit is a finding; otherwise the only finding is that they do.
std::vector<Finding> examine_tensors(const std::string& folder, const Siglip& model);
}  // namespace siglip::inline SIGLIP_FLAVOUR
