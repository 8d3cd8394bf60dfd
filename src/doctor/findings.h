// findings.h — how findings are made.
#pragma once
#include <string>
#include <utility>
#include "siglip/doctor.h"

namespace siglip::inline SIGLIP_FLAVOUR {
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
