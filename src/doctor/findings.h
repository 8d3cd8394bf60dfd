// findings.h — how findings are made.
#pragma once
#include <sstream>
#include <string>
#include <utility>
#include "siglip/doctor.h"

namespace siglip::inline SIGLIP_FLAVOUR {
inline void append(std::vector<Finding>& all, const std::vector<Finding>& more) { all.insert(all.end(), more.begin(), more.end()); }

inline std::string number(double value, int digits = 3) {
  std::ostringstream out;
  out.precision(digits);
  out << value;
  return out.str();
}

inline Finding healthy(std::string about, std::string seen) { return {.about = std::move(about), .seen = std::move(seen)}; }
inline Finding noted(std::string about, std::string seen, std::string cause, std::string advice) {
  return {.level = Finding::note, .about = std::move(about), .seen = std::move(seen), .cause = std::move(cause), .advice = std::move(advice)};
}
inline Finding mistaken(std::string about, std::string name, std::string seen, std::string cause, std::string advice) {
  Finding finding = noted(std::move(about), std::move(seen), std::move(cause), std::move(advice));
  finding.level = Finding::mistake, finding.mistakes = {std::move(name)};
  return finding;
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
