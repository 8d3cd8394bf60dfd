// reference.cpp — what others computed, against what this build computes: found, run, compared, judged.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <span>
#include "check/reference_runs.h"
#include "check/values.h"
#include "io/json.h"
#include "siglip/check.h"
#include "siglip/error.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace fs = std::filesystem;
namespace {
constexpr double infinity = std::numeric_limits<double>::infinity();

bool is_there(const fs::path& path) {
  std::error_code none;
  return fs::exists(path, none);
}
bool is_case(const fs::path& folder) { return is_there(folder / "inputs.safetensors") && is_there(folder / "expected.safetensors"); }

// ---- what is judged, and the most it may be --------------------------------------------------------------------------------------------

struct Limit {
  const char* prefix;
  double TensorMatch::*error;
  const char* judged;
  double single, twofold;  // against float32 numbers; double against double
};
// Beside each: measured at worst with `siglip parity data/goldens`, in float; with --double.
constexpr Limit limits[] = {
    {"image_embeds", &TensorMatch::max_abs, "max_abs", 1e-5, 1e-10},  // 5.4e-7; 1.3e-15
    {"text_embeds", &TensorMatch::max_abs, "max_abs", 1e-5, 1e-10},   // 4.8e-7; 6.1e-16
    {"logits_per_", &TensorMatch::max_abs, "max_abs", 1e-4, 1e-10},   // 1.8e-5; 3.9e-14, where t = 117
    {"hidden.", &TensorMatch::l2_rel, "l2_rel", 1e-5, 1e-10},         // 8.3e-7; 1.3e-15
    {"grad.", &TensorMatch::l2_rel, "l2_rel", 1e-4, 1e-10},           // 1.0e-5; 3.9e-14
    {"losses", &TensorMatch::max_rel, "max_rel", 1e-5, 1e-10},        // 2.2e-7; 3.8e-16
    {"loss", &TensorMatch::max_rel, "max_rel", 1e-5, 1e-10},          // 1.1e-6; 1.1e-15
    {"grad_norms", &TensorMatch::max_rel, "max_rel", 1e-4, 1e-10},    // 9.1e-7; 1.3e-15
    {"weight.", &TensorMatch::l2_rel, "l2_rel", 1e-4, 1e-10},         // 1.3e-7; 2.0e-16, but for key biases
};

// A softmax does not change when all keys move alike, so the gradient of a key bias is 0 but for rounding; Adam divides rounding by rounding,
// and moves the bias by up to lr a step in any direction. PyTorch's own float and double part by 2e-3 there.
constexpr double free_weight_limit = 1e-2;  // 4.6e-3; in double 1.9e-11, within the common limit
bool is_key_bias(const std::string& name) { return name.ends_with("k_proj.bias") || name.ends_with("in_proj_bias[k]"); }

void judge(TensorMatch& match, bool twofold) {
  for (const Limit& limit : limits) {
    if (!match.tensor.starts_with(limit.prefix)) continue;
    match.judged = limit.judged;
    match.error = match.*limit.error;
    match.limit = twofold ? limit.twofold : limit.single;
    if (!twofold && match.tensor.starts_with("weight.") && is_key_bias(match.tensor)) match.limit = free_weight_limit;
    return;
  }
}

// ---- comparing -------------------------------------------------------------------------------------------------------------------------

double norm(std::span<const Real> x) {
  double squares = 0;
  for (const Real a : x) squares += double(a) * double(a);
  return std::sqrt(squares);
}

double root_mean_square(std::span<const Real> x) { return x.empty() ? 0 : norm(x) / std::sqrt(double(x.size())); }

// Elements of a tensor that are judged together: all of them, but the fused bias of queries, keys and values by thirds, of which the keys' is free.
struct Part {
  std::string name;
  std::size_t first, size;
};
std::vector<Part> parts_of(const std::string& name, std::size_t size) {
  if (!name.starts_with("weight.") || !name.ends_with("in_proj_bias") || size % 3 != 0) return {{"", 0, size}};
  return {{"[q]", 0, size / 3}, {"[k]", size / 3, size / 3}, {"[v]", size / 3 * 2, size / 3}};
}

// Gradients that are zero by construction (of a key bias, of queries where there is one key) are rounding alone, in any implementation: below
// 1e-5 of the `typical` rms, a gradient is measured against that. Typical is 0 for what is no gradient.
TensorMatch compare(const std::string& name, const Shape& shape, std::span<const Real> all_got, std::span<const Real> all_expected, const Part& part,
                    double typical) {
  const std::span<const Real> got = all_got.subspan(part.first, part.size), expected = all_expected.subspan(part.first, part.size);
  constexpr double tiny = 1e-300;  // nothing against nothing is equal
  TensorMatch match;
  match.tensor = name + part.name;
  match.error = infinity;  // until it is judged
  const double rms = root_mean_square(expected);
  std::size_t at_abs = 0, at_rel = 0;
  double squares = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    const double a = double(got[i]), b = double(expected[i]);
    const double difference = std::isfinite(a) && std::isfinite(b) ? std::abs(a - b) : infinity;
    const double relative = std::isfinite(difference) && std::isfinite(rms) ? difference / std::max({std::abs(b), rms, tiny}) : infinity;
    if (difference > match.max_abs) match.max_abs = difference, at_abs = i;
    if (relative > match.max_rel) match.max_rel = relative, at_rel = i;
    squares += difference * difference;
  }
  const double size = std::max(rms < 1e-5 * typical ? typical : rms, tiny);
  match.l2_rel = std::isfinite(rms) ? std::sqrt(squares / std::max<double>(1, double(got.size()))) / size : infinity;
  const auto place = [&](std::size_t i) {
    return got.empty() ? Place{} : Place{index_of(static_cast<Dim>(part.first + i), shape), double(got[i]), double(expected[i])};
  };
  match.at_max_abs = place(at_abs), match.at_max_rel = place(at_rel);
  return match;
}

// The rms of the typical gradient: the median over all that this build has, however few of them the case holds.
double typical_gradient(const Outcome& outcome) {
  std::vector<double> all;
  for (const auto& [name, leaf] : outcome.leaves)
    if (const double rms = root_mean_square(leaf.grad_to_vector()); std::isfinite(rms)) all.push_back(rms);
  if (all.empty()) return 0;
  const auto middle = all.begin() + std::ssize(all) / 2;
  std::nth_element(all.begin(), middle, all.end());
  return *middle;
}

Outcome run(const std::string& folder, const SafetensorsFile& expected, Device device) {
  if (is_there(folder + "/train.json")) return run_training(folder, device);
  if (is_there(folder + "/loss.json")) return run_loss(folder, device);
  return run_model(folder, expected.tensors(), device);
}

// What is wrong with a case names it.
Outcome named_run(const std::string& folder, const SafetensorsFile& expected, Device device) {
  try {
    return run(folder, expected, device);
  } catch (const NoBackend&) {
    throw;
  } catch (const Error& e) {
    const std::string said = e.what();
    throw Error(said.find(folder) == std::string::npos ? folder + ": " + said : said);
  }
}
}  // namespace

std::vector<std::string> reference_cases(const std::string& given) {
  const std::string path = given.substr(0, std::max<std::size_t>(1, given.find_last_not_of('/') + 1));
  if (is_case(path)) return {path};
  std::vector<std::string> cases;
  std::error_code error;
  for (fs::recursive_directory_iterator entry(path, error), end; !error && entry != end; entry.increment(error))
    if (is_case(entry->path())) cases.push_back(entry->path().string());
  if (error) fail(path, "a folder that can be read is expected, got: ", error.message());
  require(!cases.empty(), path, "a folder with inputs.safetensors and expected.safetensors, or with such folders in it, is expected, got none");
  std::sort(cases.begin(), cases.end());
  return cases;
}

std::vector<TensorMatch> run_reference_case(const std::string& folder, Device device) {
  const std::string twofold = folder + "/expected_f64.safetensors";
  const std::string path = sizeof(Real) == 8 && is_there(twofold) ? twofold : folder + "/expected.safetensors";
  const SafetensorsFile expected(path);
  require(!expected.tensors().empty(), path, "at least one tensor is expected, got none");
  const Outcome outcome = named_run(folder, expected, device);
  const double typical = typical_gradient(outcome);

  std::vector<TensorMatch> matches;
  for (const TensorInfo& info : expected.tensors()) {
    const bool gradient = info.name.starts_with("grad.");
    const std::map<std::string, Tensor>& place = gradient ? outcome.leaves : outcome.values;
    const auto found = place.find(gradient ? info.name.substr(5) : info.name);
    require(found != place.end(), path, "tensors that this case gives are expected, got ", brief(info.name));
    const Tensor& ours = found->second;
    const bool one_number = ours.size() == 1 && element_count(info.shape) == 1;  // PyTorch's loss has no axis
    require(info.shape == ours.shape() || one_number, path, "tensor ", brief(info.name), " has shape ", ours.shape(), ", got ", info.shape);
    const std::vector<Real> got = gradient ? ours.grad_to_vector() : ours.to_vector();
    const std::vector<Real> theirs = expected.read(info.name).to_vector();
    for (const Part& part : parts_of(info.name, got.size())) {
      matches.push_back(compare(info.name, info.shape, got, theirs, part, gradient ? typical : 0));
      judge(matches.back(), sizeof(Real) == 8 && info.dtype == "F64");
    }
  }
  return matches;
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
