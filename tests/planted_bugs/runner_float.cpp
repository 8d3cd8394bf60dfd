// runner_float.cpp — the same in float: numerics, against the double library.
#include <cstdio>
#include <string>
#include "siglip/check.h"
using namespace siglip;

namespace siglip::f64 {
CaseValues evaluate(std::size_t row, std::size_t c, std::uint64_t seed);
}  // namespace siglip::f64

int main(int count, char** words) {
  const std::vector<OpRow> rows = op_table();
  for (std::size_t r = 0; r < rows.size(); ++r)
    for (std::size_t c = 0; c < rows[r].cases.size() && (count < 2 || rows[r].name.starts_with(words[1])); ++c) {
      const Worst w = compare(evaluate(r, c, 5), f64::evaluate(r, c, 5));
      if (w.error <= rows[r].cases[c].float_tolerance) continue;
      std::printf("[%s, %s] in float against double, %s\n", rows[r].name.c_str(), rows[r].cases[c].about.c_str(), to_string(w).c_str());
      return 1;
    }
  return 0;
}
