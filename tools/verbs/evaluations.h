// evaluations.h — what train and eval say about a model. In float, like both of them.
#pragma once
#include <iosfwd>
#include <vector>
#include "siglip/train.h"

namespace siglip::tools {
void print_evaluations(std::ostream& out, const std::vector<Evaluation>& evaluations);
/// The settings of a run, for its folder or that of its checkpoint `best` or `last`; the defaults if `path` is neither.
TrainConfig settings_of_run(const std::string& path);
/// Where these stand: RUN/train.json.
std::string settings_file(const std::string& path);
}  // namespace siglip::tools
