// exif.h — the orientation of a photograph.
#pragma once
#include <string_view>
#include "siglip/data.h"

namespace siglip::inline SIGLIP_FLAVOUR {
/// 1 to 8 as EXIF counts them: where the picture's first row and column are to be seen. 1, as it is, also for what cannot be read: a damaged note
/// about a picture is no reason to refuse it.
int exif_orientation(std::string_view tiff);
/// The picture turned and mirrored so that it is upright. source  Exif 2.3, tag 274
Image upright(Image image, int orientation);
}  // namespace siglip::inline SIGLIP_FLAVOUR
