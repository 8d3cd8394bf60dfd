// stb.cpp — stb_image and stb_image_write, compiled here and nowhere else.
#include "data/stb.h"
#include <cstdlib>
#include <cstring>
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

StbPicture failed() {
  if (stb_starved) throw std::bad_alloc();
  StbPicture picture;
  picture.problem = stbi_failure_reason() ? stbi_failure_reason() : "unknown reason";
  if (picture.problem == "outofmem") picture.problem = "more data than a picture of its size holds";  // beyond stb_most
  return picture;
}

void allow(std::size_t most) {
  stb_most = most;
  stb_starved = false;
}
}  // namespace

void StbPicture::Free::operator()(std::uint8_t* memory) const { stbi_image_free(memory); }

StbPicture stb_header(const std::uint8_t* bytes, std::size_t size, bool png) {
  allow(header_most);
  int width = 0, height = 0, channels = 0;
  stbi__context context;
  stbi__start_mem(&context, bytes, static_cast<int>(size));
  // stbi_info_from_memory() tries one format after the other, and has forgotten the reason of the right one at the end.
  const auto info = png ? stbi__png_info : stbi__jpeg_info;
  if (!info(&context, &width, &height, &channels)) return failed();
  return {width, height, channels, {}, {}};
}

StbPicture stb_decode(const std::uint8_t* bytes, std::size_t size, std::size_t most) {
  allow(most);
  int width = 0, height = 0, channels = 0;
  stbi_uc* values = stbi_load_from_memory(bytes, static_cast<int>(size), &width, &height, &channels, 0);
  if (!values) return failed();
  return {width, height, channels, std::unique_ptr<std::uint8_t[], StbPicture::Free>(values), {}};
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
