// stb.cpp — stb_image and stb_image_write, compiled here and nowhere else.
#include "data/stb.h"
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>

// What a damaged header may make stb ask for is bounded here: it takes a null pointer for "out of memory". That the system had none is
// remembered, since it is no fault of the picture. Memory is cleared, because a JPEG need not have a scan for each component, and a PNG can ask
// for copies of bytes that were not written yet.
static thread_local std::size_t stb_most = 0;
static thread_local bool stb_starved = false;
static void* noticed(void* memory) {
  stb_starved = stb_starved || !memory;
  return memory;
}
static void* stb_malloc(std::size_t bytes) { return bytes > stb_most ? nullptr : noticed(std::calloc(bytes, 1)); }
static void* stb_realloc(void* old, std::size_t before, std::size_t bytes) {
  if (bytes > stb_most) return nullptr;
  void* grown = noticed(std::realloc(old, bytes));
  if (grown && bytes > before) std::memset(static_cast<char*>(grown) + before, 0, bytes - before);
  return grown;
}
// The first chunk of a PNG's data may be empty, and stb then copies no bytes from one null pointer to another, which memcpy does not allow.
static void stb_copy(void* to, const void* from, std::size_t bytes) {
  if (bytes > 0) std::memcpy(to, from, bytes);
}
// The writer does not look at what it gets when an array of its own grows.
static void* stb_grow(void* old, std::size_t bytes) {
  void* grown = std::realloc(old, bytes);
  if (!grown) throw std::bad_alloc();
  return grown;
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wall"
#pragma GCC diagnostic ignored "-Wextra"
#pragma GCC diagnostic ignored "-Wpedantic"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wsign-compare"
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#pragma GCC diagnostic ignored "-Wunused-but-set-variable"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#define STBI_MALLOC(bytes) stb_malloc(bytes)
#define STBI_REALLOC_SIZED(old, before, bytes) stb_realloc(old, before, bytes)
#define STBI_FREE(memory) std::free(memory)
#define STBI_ONLY_JPEG
#define STBI_ONLY_PNG
#define STBI_ONLY_BMP
#define STBI_NO_STDIO
#define STBI_NO_LINEAR
#define STB_IMAGE_STATIC
#define STB_IMAGE_IMPLEMENTATION
#define memcpy stb_copy
#include <stb_image.h>
#undef memcpy
#define STBIW_MALLOC(bytes) std::malloc(bytes)
#define STBIW_REALLOC(old, bytes) stb_grow(old, bytes)
#define STBIW_FREE(memory) std::free(memory)
#define STBI_WRITE_NO_STDIO
#define STB_IMAGE_WRITE_STATIC
#define STB_IMAGE_WRITE_IMPLEMENTATION
#include <stb_image_write.h>
#pragma GCC diagnostic pop

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
constexpr std::size_t header_most = std::size_t{1} << 20;  // stb's tables; a header needs no more

struct Free {
  void operator()(void* memory) const { std::free(memory); }
};

Decoded failed() {
  if (stb_starved) throw std::bad_alloc();
  const char* reason = stbi_failure_reason();
  Decoded none{{}, reason && *reason ? reason : "unknown reason"};
  if (none.problem == "outofmem") none.problem = "more data than a picture of its size holds";  // beyond stb_most
  return none;
}

void allow(std::size_t most) {
  stb_most = most;
  stb_starved = false;
}

/// stbi_info_from_memory() tries one format after the other, and has forgotten the reason of the right one at the end.
bool read_header(std::string_view file, const Container& container, int& width, int& height, int& channels) {
  allow(header_most);
  stbi__context context;
  stbi__start_mem(&context, reinterpret_cast<const stbi_uc*>(file.data()), static_cast<int>(file.size()));
  const auto info = container.format == Format::png ? stbi__png_info : container.format == Format::bmp ? stbi__bmp_info : stbi__jpeg_info;
  return info(&context, &width, &height, &channels);
}

/// Where a segment behind the header is damaged, newer versions of stb give what they have, and only leave the reason.
stbi_uc* load_jpeg(const stbi_uc* bytes, int size, int* width, int* height, int* channels) {
  stbi__context context;
  stbi__start_mem(&context, bytes, size);
  stbi__result_info info;
  stbi__g_failure_reason = nullptr;
  auto* values = static_cast<stbi_uc*>(stbi__jpeg_load(&context, width, height, channels, 0, &info));
  if (values && stbi__g_failure_reason) {
    std::free(values);
    values = nullptr;
  }
  return values;
}

/// stb takes four colours for YCbCr unless Adobe's note says CMYK or YCCK. libjpeg takes them for CMYK without the note, and for YCCK with another,
/// so the file gets a note that says this: a second one counts.
std::string with_adobe_note(std::string_view jpeg, const Container& container) {
  std::string note(
      "\xFF\xEE\0\x0E"
      "Adobe\0\x64\0\0\0\0",
      15);
  note += container.adobe <= 0 ? '\0' : '\2';
  return std::string(jpeg.substr(0, container.first_scan)) + note + std::string(jpeg.substr(container.first_scan));
}
}  // namespace

Decoded stb_decode(std::string_view file, const Container& container, Alpha alpha) {
  std::string noted;
  if (container.format == Format::jpeg && container.channels == 4) file = noted = with_adobe_note(file, container);
  int width = 0, height = 0, channels = 0;
  if (!read_header(file, container, width, height, channels)) return failed();
  height = std::abs(height);  // negative of a BMP that begins at its top
  if (width != container.width || height != container.height)
    return {{}, "a header of another size, " + std::to_string(width) + " x " + std::to_string(height)};

  allow(container.largest);
  const auto* bytes = reinterpret_cast<const stbi_uc*>(file.data());
  const int size = static_cast<int>(file.size());
  const std::unique_ptr<stbi_uc[], Free> values(container.format == Format::jpeg ? load_jpeg(bytes, size, &width, &height, &channels)
                                                                                 : stbi_load_from_memory(bytes, size, &width, &height, &channels, 0));
  if (!values) return failed();
  if (container.format == Format::bmp && !container.has_alpha) alpha = Alpha::drop;  // stb takes a fourth byte that means nothing for it
  return {flattened(values.get(), width, height, channels, alpha), ""};
}

std::string stb_inflated(std::string_view packed) {
  allow(std::size_t{1} << 20);
  int size = 0;
  const std::unique_ptr<char[], Free> text(stbi_zlib_decode_malloc(packed.data(), static_cast<int>(packed.size()), &size));
  if (!text && stb_starved) throw std::bad_alloc();
  return text ? std::string(text.get(), static_cast<std::size_t>(size)) : "";
}

std::string stb_png(const std::uint8_t* rgb, Dim width, Dim height) {
  std::string file;
  auto append = [](void* to, void* bytes, int size) {
    static_cast<std::string*>(to)->append(static_cast<char*>(bytes), static_cast<std::size_t>(size));
  };
  const int w = static_cast<int>(width), h = static_cast<int>(height);
  return stbi_write_png_to_func(append, &file, w, h, 3, rgb, 3 * w) ? file : std::string();
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
