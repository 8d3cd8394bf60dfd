// evaluations.h — what train and eval say about a model. In float, like both of them.
#pragma once
#include <iosfwd>
#include <vector>
#include "siglip/train.h"

namespace siglip::tools {
void print_evaluations(std::ostream& out, const std::vector<Evaluation>& evaluations);
/// How a run read its data; the defaults if `path` is no run folder.
TrainConfig settings_of_run(const std::string& path);
DataOptions data_options(const TrainConfig& config);
}  // namespace siglip::tools
