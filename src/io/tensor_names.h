// tensor_names.h — what the names of a checkpoint's tensors say of how it was saved, and of what.
#pragma once
#include <optional>
#include <string>
#include <vector>
#include "siglip/checkpoint.h"

namespace siglip::inline SIGLIP_FLAVOUR {
/// The names as the model itself has them: the parts _orig_mod (torch.compile), module (DistributedDataParallel), _fsdp_wrapped_module and
/// _checkpoint_wrapped_module are left out wherever they are, and whatever stands before the model if all names have it, as "model." or "siglip.".
/// As they came, if two would become one.
std::vector<std::string> unwrapped(const std::vector<std::string>& names);

/// A checkpoint that is no model of pictures and texts: one cause, where a list of missing tensors would hide it.
struct OtherModel {
  std::string name, what, cure;  // "classification-head"; clauses
};
std::optional<OtherModel> other_model(const std::vector<std::string>& names);
/// The same by model_type of config.json.
std::optional<OtherModel> other_model(const std::string& model_type);
/// Throws Error with what and cure if the weights are of one.
void refuse_other_model(const Weights& weights);
}  // namespace siglip::inline SIGLIP_FLAVOUR
