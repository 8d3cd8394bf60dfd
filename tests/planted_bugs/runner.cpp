// runner.cpp — looks for a bug in the rows whose names begin with argv[1], or in all. In double: the reference composition, finite
// differences, hygiene. Prints the first thing found; exit status 1 if there is one, 0 if there is none.
#include <algorithm>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>
#include "siglip/check.h"
using namespace siglip;

namespace {
std::string first_failure(const OpRow& row, const OpCase& c) {
  if (row.reference)
    if (const Worst w = against_reference(row, c, 2); !(w.error <= 1e-12)) return "against the composition, " + to_string(w);
  if (const Worst w = gradcheck(row, c, 1); !(w.error <= 1e-9)) return "against finite differences, " + to_string(w);
  const auto breaches = hygiene(row, c, 3);
  return breaches.empty() ? "" : breaches[0];
}

Dim elements(const OpCase& c) {
  Dim count = 0;
  for (const Shape& shape : c.shapes) count += element_count(shape);
  return count;
}
}  // namespace

int main(int count, char** words) {
  std::vector<std::pair<OpRow, OpCase>> cases;
  for (const OpRow& row : op_table())
    if (count < 2 || row.name.starts_with(words[1]))
      for (const OpCase& c : row.cases) cases.emplace_back(row, c);
  if (cases.empty()) return std::printf("no such row\n"), 2;

  // Small cases first: most bugs show there, and the runner is not optimised.
  std::stable_sort(cases.begin(), cases.end(), [](const auto& a, const auto& b) { return elements(a.second) < elements(b.second); });
  for (const auto& [row, c] : cases)
    if (const std::string failure = first_failure(row, c); !failure.empty()) {
      std::printf("[%s, %s] %s\n", row.name.c_str(), c.about.c_str(), failure.c_str());
      return 1;
    }
  return 0;
}
