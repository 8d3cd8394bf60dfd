// parity_runner.cpp — built in float and in double.
#include "parity_runner.h"
#include <algorithm>
#include <exception>
#include <utility>
#include <vector>
#include "siglip/check.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
// One device against the other, by the largest error of an element: stricter than a mean.
constexpr double limit = sizeof(Real) == 4 ? 1e-4 : 1e-12;

std::string failure(const OpRow& row, const OpCase& c) try {
  if (const Worst w = parity(row, c, 7, Device::cuda); !(w.error <= std::max(limit, sizeof(Real) == 4 ? c.float_tolerance : 0.0)))
    return "CUDA against CPU, " + to_string(w);
  const std::vector<std::string> breaches = hygiene(row, c, 3, Device::cuda);
  return breaches.empty() ? "" : breaches[0];
} catch (const std::exception& e) {
  return e.what();
}

Dim elements(const OpCase& c) {
  Dim count = 0;
  for (const Shape& shape : c.shapes) count += element_count(shape);
  return count;
}
}  // namespace

std::string first_device_failure(const std::string& rows) {
  std::vector<std::pair<OpRow, OpCase>> cases;
  for (const OpRow& row : op_table())
    if (row.name.starts_with(rows))
      for (const OpCase& c : row.cases) cases.emplace_back(row, c);
  if (cases.empty()) return "no row is named " + rows;
  std::stable_sort(cases.begin(), cases.end(), [](const auto& a, const auto& b) { return elements(a.second) < elements(b.second); });
  for (const auto& [row, c] : cases)
    if (const std::string what = failure(row, c); !what.empty()) return "[" + row.name + ", " + c.about + "] " + what;
  return "";
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
