// resize.h — what the pages of resampling share.
#pragma once
#include "siglip/data.h"

namespace siglip::inline SIGLIP_FLAVOUR {
constexpr Dim most_image_pixels = 178'956'970;  // of a picture, read or resized: where Pillow refuses one

/// The authors' resize; both sizes are at least 1.
Image resize_two_taps(const Image& image, Dim width, Dim height, int workers);
}  // namespace siglip::inline SIGLIP_FLAVOUR
