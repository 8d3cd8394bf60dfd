// container.h — what a picture's file says before it is decoded.
#pragma once
#include <string>
#include <string_view>
#include "siglip/real.h"

namespace siglip::inline SIGLIP_FLAVOUR {
struct Container {
  bool png = false;            // else JPEG
  Dim width = 0, height = 0;   // as stored
  Dim channels = 0, bits = 8;  // of a pixel, of a channel; a palette's index counts as one channel
  bool rgb = false;            // three colours, no transparency
  std::string_view exif;       // its TIFF structure, empty if there is none
  std::size_t largest = 0;     // the most bytes that stb may need in one piece
  const char* kind() const { return png ? "PNG" : "JPEG"; }
};

/// Walks the whole file: stb ignores checksums, accepts files that are cut off, and believes a header's size. Throws Error, "name: …": no PNG or
/// JPEG, cut off, a wrong checksum, more than 2^26 pixels or 2^28 bytes of them, less data than they need, tables that harm stb or are not there,
/// scans of a JPEG that go through more than 2^25 blocks in all.
/// Decoding holds up to four times the bytes of the pixels beside the file: a PNG inflated, twice while that grows, unfiltered and de-interlaced;
/// a progressive JPEG with three bytes for each value of each component, and the result.
Container open_container(std::string_view file, const std::string& name);
}  // namespace siglip::inline SIGLIP_FLAVOUR
