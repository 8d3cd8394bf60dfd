// limits.h — the largest sizes that are believed: beyond every published model, and small enough that no number in a file can ask for more
// memory than a model needs.
#pragma once
#include "siglip/real.h"

namespace siglip::inline SIGLIP_FLAVOUR {
constexpr Dim most_width = 1 << 16, most_layers = 1 << 10, most_mlp = 1 << 20, most_vocab = 1 << 24, most_tokens = 1 << 16, most_pixels = 1 << 14;
// Of the data sets that are made: edges of pictures, scenes of coloured shapes.
constexpr Dim least_shapes_size = 16, least_emoji_size = 8, most_made_size = 1024, most_scenes = 1'000'000;
/// What --threads may say; the system may start fewer.
constexpr Dim most_threads = 4096;
}  // namespace siglip::inline SIGLIP_FLAVOUR
