// runner.cpp — looks for a bug in the rows whose names begin with argv[1], or in all. In double: finite differences, the reference
// composition, hygiene. Prints the first thing found; exit status 1 if there is one, 0 if there is none.
#include <algorithm>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>
#include "siglip/check.h"
using namespace siglip;

namespace {
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
    if (const std::vector<std::string> failures = check_case(row, c, 1).failures(); !failures.empty()) {
      std::printf("[%s, %s] %s\n", row.name.c_str(), c.about.c_str(), failures[0].c_str());
      return 1;
    }
  return 0;
}
