// device_ops.cpp — every op, on a device and on the CPU.
#include <algorithm>
#include <cmath>
#include <limits>
#include "check/device_match.h"
#include "check/values.h"
#include "siglip/error.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
constexpr std::uint64_t seed = 11;

DeviceMatch match_of(const Pairing& tensor, double limit, double least_rms) {
  DeviceMatch match;
  match.tensor = tensor.name;
  match.limit = limit;
  double squares = 0, largest = -1;
  for (std::size_t i = 0; i < tensor.expected.size(); ++i) {
    const double a = tensor.got[i], b = tensor.expected[i];
    const double difference = std::isfinite(a) && std::isfinite(b) ? std::abs(a - b) : std::numeric_limits<double>::infinity();
    squares += difference * difference;
    if (difference > largest) largest = difference, match.element = static_cast<Dim>(i), match.got = a, match.expected = b;
  }
  const double rms = std::max(mean_square_root(tensor.expected), least_rms);
  if (squares > 0) match.error = squares / (double(tensor.expected.size()) * rms * rms);
  if (!std::isfinite(squares)) match.error = std::numeric_limits<double>::infinity();
  return match;
}
}  // namespace

DeviceMatch worst_match(const std::string& what, const std::string& about, const std::vector<Pairing>& tensors, double limit, double share) {
  const double least = share > 0 ? 1e-4 : std::numeric_limits<double>::min();
  double largest = 0;
  for (const Pairing& tensor : tensors)
    if (tensor.gradient) largest = std::max(largest, mean_square_root(tensor.expected));
  DeviceMatch worst;
  worst.error = -1;
  for (const Pairing& tensor : tensors) {
    require(tensor.got.size() == tensor.expected.size(), what, about, ": ", tensor.name, " has ", tensor.expected.size(), " elements, got ",
            tensor.got.size());
    const DeviceMatch match = match_of(tensor, limit, std::max(least, tensor.gradient ? share * largest : 0));
    if (!(match.error <= worst.error)) worst = match;
  }
  worst.what = what, worst.about = about;
  return worst;
}

DeviceMatch parity(Device device, const OpRow& row, const OpCase& c) {
  const CaseValues expected = evaluate(row, c, seed);
  CaseValues got;
  try {
    got = evaluate(row, c, seed, device);
  } catch (const NoBackend&) {
    throw;
  } catch (const std::exception& e) {
    fail(row.name, c.about, ": ", e.what());
  }
  std::vector<Pairing> tensors;
  for (std::size_t i = 0; i < expected.names.size(); ++i) tensors.push_back({expected.names[i], got.values.at(i), expected.values[i], i > 0});
  return worst_match(row.name, c.about, tensors);
}

std::vector<DeviceMatch> ops_across_devices(Device device, const std::string& op) {
  std::vector<DeviceMatch> matches;
  for (const OpRow& row : op_table()) {
    if (!op.empty() && row.name != op) continue;
    for (const OpCase& c : row.cases) matches.push_back(parity(device, row, c));
  }
  require(!matches.empty(), "ops_across_devices", "the name of an op is expected, got \"", op, "\"");
  return matches;
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
