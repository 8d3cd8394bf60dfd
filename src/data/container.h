// container.h — what a picture's file says before it is decoded.
#pragma once
#include <string>
#include <string_view>
#include "data/exif.h"
#include "siglip/real.h"

namespace siglip::inline SIGLIP_FLAVOUR {
enum class Format { jpeg, png, webp, gif, bmp };

struct Container {
  Format format = Format::jpeg;
  Dim width = 0, height = 0;   // as stored
  Dim channels = 0, bits = 8;  // of a pixel, of a channel; a palette's index counts as one channel
  bool rgb = false;            // three colours, no transparency
  Notes notes;                 // EXIF and XMP
  std::size_t largest = 0;     // the most bytes that stb may need in one piece

  // Of a JPEG: Adobe's note on its colours (0 as they are, 1 YCbCr, 2 YCCK), -1 without one; where its first scan begins.
  int adobe = -1;
  std::size_t first_scan = 0;
  // Of a GIF's first frame and of an animated WebP's: its place, and where its data begins and ends in the file.
  struct Frame {
    Dim left = 0, top = 0, width = 0, height = 0;
    std::size_t begin = 0, end = 0;
  } frame;
  // Of a GIF: its palette of three bytes a colour, the index that is transparent, and whether its rows come in four passes.
  std::string_view palette;
  int transparent = -1;
  bool interlaced = false;
  bool has_alpha = false;  // of a BMP: four bytes a pixel, of which the last is transparency

  const char* kind() const {
    constexpr const char* names[] = {"JPEG", "PNG", "WebP", "GIF", "BMP"};
    return names[static_cast<int>(format)];
  }
};

/// Walks the whole file: the decoders ignore checksums, accept files that are cut off, and believe a header's size. Throws Error, "name: …": no
/// picture of these formats, cut off, a wrong checksum, more than most_image_pixels or four times as many bytes of them, less data than they need,
/// tables that harm stb or are not there, scans of a JPEG
/// that go through more than 2^26 blocks in all.
/// Decoding holds up to four times the bytes of the pixels beside the file: a PNG inflated, twice while that grows, unfiltered and de-interlaced;
/// a progressive JPEG with three bytes for each value of each component, and the result.
Container open_container(std::string_view file, const std::string& name);

// The parts of it in container_others.cpp.
void walk_webp(Container& container, std::string_view file, const std::string& name);
void walk_gif(Container& container, std::string_view file, const std::string& name);
void walk_bmp(Container& container, std::string_view file, const std::string& name);
/// Throws Error for sizes as above. least: bytes without which there cannot be so many pixels.
void check_picture_size(const Container& container, Dim least, std::size_t size, const std::string& name);
}  // namespace siglip::inline SIGLIP_FLAVOUR
