// blocks.h — cutting a count into blocks.
#pragma once
#include "siglip/real.h"

namespace siglip::inline SIGLIP_FLAVOUR {
/// Blocks of at most `size` that cover 0 … count-1.
constexpr Dim blocks(Dim count, Dim size) { return (count + size - 1) / size; }
}  // namespace siglip::inline SIGLIP_FLAVOUR
