// bench_inputs.h — what the measurements of towers and steps work on.
#pragma once
#include <string>
#include <vector>
#include "io/json.h"
#include "siglip/model.h"

namespace siglip::tools {
/// Random pictures (batch, 3, S, S) and ids (batch, T); the same each time.
struct BenchInputs {
  Tensor images;
  Ids tokens;
};
BenchInputs random_inputs(const SiglipConfig& config, Dim batch, Device device);
/// The shape of a named model with `vocab` words; 0: as the name has it. Throws WrongUse naming --model.
SiglipConfig bench_model(const std::string& name, Dim vocab);
/// f32, tf32 or bf16, with the --device it goes to. Throws WrongUse naming `flag`.
MatmulPrecision precision_flag(const std::string& flag, const std::string& name, const std::string& device);
/// The numbers of "1,8", each from 1 to `most`. Throws WrongUse naming --batch.
std::vector<Dim> batch_list(const std::string& text, Dim most);
/// One measurement's keys, if there is one; and all of them under "results".
void print_results(const Json& results);
double median(std::vector<double> values);
}  // namespace siglip::tools
