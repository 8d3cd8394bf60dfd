// reference.h — what another implementation computed, and from what.
#pragma once
#include <map>
#include <string>
#include <vector>
#include "doctor/trial.h"
#include "siglip/doctor.h"

namespace siglip::inline SIGLIP_FLAVOUR {
using Named = std::map<std::string, Tensor>;

struct Reference {
  std::string file;
  Named tensors;  // those that are known by name
  /// Present ones of hidden.TOWER.0, hidden.TOWER.1, …, then of `last`: the order in which they are computed.
  std::vector<std::string> states(const std::string& tower, const std::string& last) const;
  const Tensor* find(const std::string& name) const;
};

/// Reads and checks a reference for this model and these inputs. Throws Error naming file and tensor.
Reference read_reference(const std::string& file, const Siglip& model, const Inputs& inputs);

/// pixel_values and input_ids, each if it is there. Throws Error naming file and tensor.
Inputs read_inputs(const std::string& file, const SiglipConfig& config);

/// The fraction of the numbers that differ; infinite if the shapes do.
double different_share(const Tensor& a, const Tensor& b);

/// ‖a - b‖ / ‖b‖; infinite if the shapes differ or a number is not finite.
double relative_error(const Tensor& a, const Tensor& b);

/// Compares with the reference and says what explains the difference. `prepared`: what this folder makes of the pictures and texts, where
/// they are known, against `inputs`, which the other implementation used; tensors may be undefined.
std::vector<Finding> diagnose(const Siglip& model, const Inputs& inputs, const Inputs& prepared, const Reference& reference, bool pairs);
}  // namespace siglip::inline SIGLIP_FLAVOUR
