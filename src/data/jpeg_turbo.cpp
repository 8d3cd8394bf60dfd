// jpeg_turbo.cpp — JPEG through libjpeg-turbo with the settings that Pillow uses, so that the pixels are Pillow's bit for bit: the accurate integer
// transform, smooth upsampling, and its way from CMYK to red green blue.
#include <algorithm>
#include <csetjmp>
#include <cstddef>
#include <cstdio>
#include <new>
#include <vector>
#include "data/decode.h"
// libjpeg's headers use FILE and size_t, and include neither's.
#include <jpeglib.h>
// jpeglib.h first
#include <jerror.h>

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
/// libjpeg gives up by not returning: it jumps out of the functions below that call it. None of them has anything to destroy.
struct Decoder {
  jpeg_decompress_struct jpeg = {};
  jpeg_error_mgr errors = {};
  jpeg_source_mgr source = {};
  std::jmp_buf escape = {};
  char problem[JMSG_LENGTH_MAX] = "";

  Decoder() = default;
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;
  ~Decoder() { jpeg_destroy_decompress(&jpeg); }
};

[[noreturn]] void give_up(j_common_ptr jpeg) {
  auto* decoder = static_cast<Decoder*>(jpeg->client_data);
  jpeg->err->format_message(jpeg, decoder->problem);
  std::longjmp(decoder->escape, 1);
}
/// Damage that can be decoded around is no error, as it is none to Pillow.
void ignore_warning(j_common_ptr, int) {}

/// The file is in memory: whoever wants more than there is has come to an end that should not be.
boolean no_more(j_decompress_ptr jpeg) {
  ERREXIT(jpeg, JERR_INPUT_EOF);
  return FALSE;
}
void skip(j_decompress_ptr jpeg, long bytes) {
  if (bytes <= 0) return;
  const auto count = static_cast<std::size_t>(bytes);
  if (count > jpeg->src->bytes_in_buffer) no_more(jpeg);
  jpeg->src->next_input_byte += count, jpeg->src->bytes_in_buffer -= count;
}
void nothing(j_decompress_ptr) {}

/// Up to the first scan; false if that cannot be read.
bool read_header(Decoder& decoder, const unsigned char* bytes, std::size_t size) {
  jpeg_decompress_struct& jpeg = decoder.jpeg;
  jpeg.err = jpeg_std_error(&decoder.errors);
  decoder.errors.error_exit = give_up;
  decoder.errors.emit_message = ignore_warning;
  jpeg.client_data = &decoder;
  if (setjmp(decoder.escape)) return false;
  jpeg_create_decompress(&jpeg);  // which keeps err and client_data
  decoder.source = {bytes, size, nothing, no_more, skip, jpeg_resync_to_restart, nothing};
  jpeg.src = &decoder.source;
  jpeg_read_header(&jpeg, TRUE);
  return true;
}

/// Rows of `stride` bytes to `to`; false if the picture cannot be decoded.
bool read_rows(Decoder& decoder, unsigned char* to, std::size_t stride) {
  jpeg_decompress_struct& jpeg = decoder.jpeg;
  if (setjmp(decoder.escape)) return false;
  jpeg_start_decompress(&jpeg);
  while (jpeg.output_scanline < jpeg.output_height) {
    unsigned char* row = to + jpeg.output_scanline * stride;
    jpeg_read_scanlines(&jpeg, &row, 1);
  }
  return true;
}

/// The sizes that the settings lead to; false if libjpeg does not go along.
bool plan(Decoder& decoder, unsigned shrink, J_COLOR_SPACE colors) {
  decoder.jpeg.scale_num = 1, decoder.jpeg.scale_denom = shrink;
  decoder.jpeg.out_color_space = colors;
  if (setjmp(decoder.escape)) return false;
  jpeg_calc_output_dimensions(&decoder.jpeg);
  return true;
}

/// As Pillow's draft(): 8, 4, 2 or 1, so that both edges keep `enough` pixels.
unsigned shrink_for(const Container& container, Dim enough) {
  unsigned shrink = 8;
  while (shrink > 1 && (enough < 1 || std::min(container.width, container.height) / enough < static_cast<Dim>(shrink))) shrink /= 2;
  return shrink;
}

/// Stored inverted, whatever wrote it; a x b / 255 is rounded.
void cmyk_to_rgb(std::uint8_t* rgb, const unsigned char* cmyk, std::size_t pixels) {
  for (std::size_t i = 0; i < pixels; ++i, cmyk += 4)
    for (std::size_t c = 0; c < 3; ++c) {
      const int ink = (255 - cmyk[c]) * cmyk[3] + 128;
      *rgb++ = static_cast<std::uint8_t>(cmyk[3] - ((ink + (ink >> 8)) >> 8));
    }
}

Decoded failed(const Decoder& decoder) {
  if (decoder.errors.msg_code == JERR_OUT_OF_MEMORY) throw std::bad_alloc();
  return {{}, decoder.problem};
}
}  // namespace

Decoded decode_jpeg(std::string_view file, const Container& container, Dim enough) {
  Decoder decoder;
  if (!read_header(decoder, reinterpret_cast<const unsigned char*>(file.data()), file.size())) return failed(decoder);
  const jpeg_decompress_struct& jpeg = decoder.jpeg;
  if (static_cast<Dim>(jpeg.image_width) != container.width || static_cast<Dim>(jpeg.image_height) != container.height)
    return {{}, "a header of another size, " + std::to_string(jpeg.image_width) + " x " + std::to_string(jpeg.image_height)};
  if (jpeg.num_components != 1 && jpeg.num_components != 3 && jpeg.num_components != 4) return {{}, std::to_string(jpeg.num_components) + " colours"};
  const bool four = jpeg.num_components == 4;
  if (!plan(decoder, shrink_for(container, enough), four ? JCS_CMYK : JCS_RGB)) return failed(decoder);

  const std::size_t pixels = std::size_t{jpeg.output_width} * jpeg.output_height;
  Decoded decoded{{static_cast<Dim>(jpeg.output_width), static_cast<Dim>(jpeg.output_height), std::vector<std::uint8_t>(3 * pixels)}, ""};
  std::vector<std::uint8_t> cmyk(four ? 4 * pixels : 0);
  if (!read_rows(decoder, four ? cmyk.data() : decoded.image.rgb.data(), (four ? 4 : 3) * std::size_t{jpeg.output_width})) return failed(decoder);
  if (four) cmyk_to_rgb(decoded.image.rgb.data(), cmyk.data(), pixels);
  return decoded;
}

#define SIGLIP_TEXT_OF(value) #value
#define SIGLIP_TEXT(macro) SIGLIP_TEXT_OF(macro)
std::string jpeg_decoder() { return "libjpeg-turbo " SIGLIP_TEXT(LIBJPEG_TURBO_VERSION); }
}  // namespace siglip::inline SIGLIP_FLAVOUR
