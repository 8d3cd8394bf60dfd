// exif.h — the orientation of a photograph, and where the formats keep it.
#pragma once
#include <string>
#include <string_view>
#include "siglip/data.h"

namespace siglip::inline SIGLIP_FLAVOUR {
/// What a file says beside its pixels; of several notes of a kind the one that Pillow reads.
struct Notes {
  bool has_exif = false;
  std::string exif;     // TIFF, with "Exif\0\0" before it or not
  std::string profile;  // the same as ImageMagick writes it, in hexadecimal digits: read where there is no exif
  std::string xmp;      // XML
  int texts = 0;        // notes of a PNG that were looked into

  void take_jpeg(std::string_view app1);                           // a segment APP1 without its marker and length
  void take_png(std::string_view kind, std::string_view content);  // a chunk: eXIf, tEXt, zTXt, iTXt
};

/// 1 to 8 as EXIF counts them: where the picture's first row and column are to be seen. 1, as it is, also for what cannot be read: a damaged note
/// about a picture is no reason to refuse it. XMP counts where EXIF does not name the tag, as in Pillow's exif_transpose.
int orientation_of(const Notes& notes);
/// The picture turned and mirrored so that it is upright. source  Exif 2.3, tag 274
Image upright(Image image, int orientation);
}  // namespace siglip::inline SIGLIP_FLAVOUR
