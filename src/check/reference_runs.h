// reference_runs.h — what this build computes for a reference case: a whole model, the loss alone, a training.
#pragma once
#include <map>
#include <string>
#include <vector>
#include "siglip/checkpoint.h"

namespace siglip::inline SIGLIP_FLAVOUR {
struct Outcome {
  std::map<std::string, Tensor> values;  // by the names of expected.safetensors
  std::map<std::string, Tensor> leaves;  // whose gradients are "grad.NAME"
};

/// Of all that a model gives, what `wanted` names: no tower runs, and nothing is kept or differentiated, without need.
Outcome run_model(const std::string& folder, const std::vector<TensorInfo>& wanted, Device device);
Outcome run_loss(const std::string& folder, Device device);
Outcome run_training(const std::string& folder, Device device);
}  // namespace siglip::inline SIGLIP_FLAVOUR
