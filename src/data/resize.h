// resize.h — what the pages of resampling share.
#pragma once
#include "siglip/data.h"

namespace siglip::inline SIGLIP_FLAVOUR {
constexpr Dim most_image_pixels = Dim{1} << 26;  // of a picture, read or resized

/// The authors' resize; both sizes are at least 1.
Image resize_two_taps(const Image& image, Dim width, Dim height, int workers);
}  // namespace siglip::inline SIGLIP_FLAVOUR
