// case_check.cpp — what it takes for a case to pass: one rule for the verb, the tests and the planted bugs.
#include "siglip/check.h"

namespace siglip::inline SIGLIP_FLAVOUR {
CaseCheck check_case(const OpRow& row, const OpCase& c, std::uint64_t seed) {
  CaseCheck check{gradcheck(row, c, seed), {}, hygiene(row, c, seed)};
  if (row.reference) check.reference = against_reference(row, c, seed);
  return check;
}

std::vector<std::string> CaseCheck::failures() const {
  std::vector<std::string> lines;
  // Not "greater": NaN fails.
  if (!(difference.error <= difference_limit)) lines.push_back("against finite differences: " + to_string(difference));
  if (!(reference.error <= reference_limit)) lines.push_back("against its reference: " + to_string(reference));
  lines.insert(lines.end(), breaches.begin(), breaches.end());
  return lines;
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
