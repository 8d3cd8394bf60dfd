// parity_runner.cpp — built in float and in double.
#include "parity_runner.h"
#include <algorithm>
#include <exception>
#include <sstream>
#include <utility>
#include <vector>
#include "siglip/check.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
std::string text(double x) {
  std::ostringstream out;
  out << x;
  return out.str();
}

std::string failure(const OpRow& row, const OpCase& c, bool with_hygiene) try {
  if (const DeviceMatch m = parity(Device::cuda, row, c); !(m.error <= m.limit))
    return "CUDA against CPU, " + m.tensor + "[" + std::to_string(m.element) + "] = " + text(m.got) + " against " + text(m.expected) +
           ", normalised mean square error " + text(m.error);
  if (!with_hygiene) return "";
  const std::vector<std::string> breaches = hygiene(row, c, 3, Device::cuda);
  return breaches.empty() ? "" : breaches[0];
} catch (const std::exception& e) {
  return e.what();
}

// Hygiene runs a case about ten times; fibers are slow, and what it looks for shows in small cases.
constexpr Dim hygiene_elements = 200;

Dim elements(const OpCase& c) {
  Dim count = 0;
  for (const Shape& shape : c.shapes) count += element_count(shape);
  return count;
}
}  // namespace

std::string first_device_failure(const std::string& rows, bool with_hygiene, Dim most_elements) {
  std::vector<std::pair<OpRow, OpCase>> cases;
  for (const OpRow& row : op_table())
    if (row.name.starts_with(rows))
      for (const OpCase& c : row.cases)
        if (elements(c) <= most_elements) cases.emplace_back(row, c);
  if (cases.empty()) return "no row is named " + rows;
  std::stable_sort(cases.begin(), cases.end(), [](const auto& a, const auto& b) { return elements(a.second) < elements(b.second); });
  for (const auto& [row, c] : cases)
    if (const std::string what = failure(row, c, with_hygiene && elements(c) <= hygiene_elements); !what.empty())
      return "[" + row.name + ", " + c.about + "] " + what;
  return "";
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
