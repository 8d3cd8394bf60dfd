// character_runs.h — sets of characters as sorted runs, the form of the generated tables.
#pragma once
#include <algorithm>
#include <cstdint>
#include <iterator>
#include "siglip/real.h"

namespace siglip::inline SIGLIP_FLAVOUR {
struct Run {
  std::uint32_t first, last;
};

/// The run that holds c, or null. Runs are in order and do not overlap.
template <class AnyRun, std::size_t n>
const AnyRun* run_of(const AnyRun (&runs)[n], char32_t c) {
  const AnyRun* found = std::lower_bound(std::begin(runs), std::end(runs), c, [](const AnyRun& run, char32_t of) { return run.last < of; });
  return found != std::end(runs) && found->first <= c ? found : nullptr;
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
