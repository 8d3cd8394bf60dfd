// memory.h — what the system counts as memory of this process.
#pragma once
#include <cstdint>
#include "siglip/real.h"

namespace siglip::inline SIGLIP_FLAVOUR {
/// Most resident bytes of this process since its start, or since reset_peak_memory() where the system can forget (Linux).
std::int64_t peak_memory();
void reset_peak_memory();
}  // namespace siglip::inline SIGLIP_FLAVOUR
