// pixels.cpp — from 8-bit pictures to the floats that a model gets.
#include "siglip/pixels.h"
#include "core/parallel_try.h"
#include "siglip/data.h"
#include "siglip/error.h"

namespace siglip::inline SIGLIP_FLAVOUR {
std::string name_of(Profile profile) {
  switch (profile) {
    case Profile::pil:
      return "pil";
    case Profile::pil13:
      return "pil13";
    case Profile::torchvision:
      return "torchvision";
    default:
      return "big_vision";
  }
}

Profile parse_profile(const std::string& text, const std::string& where) {
  for (Profile profile : {Profile::pil, Profile::pil13, Profile::torchvision, Profile::big_vision})
    if (text == name_of(profile)) return profile;
  fail(where, "pil, pil13, torchvision or big_vision is expected, got \"", text, "\"");
}

Alpha parse_alpha(const std::string& text, const std::string& where) {
  require(text == "white" || text == "drop", where, "white or drop is expected, got \"", text, "\"");
  return text == "white" ? Alpha::white : Alpha::drop;
}

PixelTable::PixelTable(const Preprocessing& p) {
  for (std::size_t c = 0; c < 3; ++c) {
    const bool scaled_moments = p.profile == Profile::torchvision && p.rescale && p.normalize;
    const float inverse = scaled_moments ? static_cast<float>(1 / p.rescale_factor) : 1.0f;
    const float mean = static_cast<float>(p.mean[c]) * inverse, deviation = static_cast<float>(p.deviation[c]) * inverse;
    for (std::size_t v = 0; v < 256; ++v) {
      float value = static_cast<float>(v);
      if (p.rescale && p.profile == Profile::torchvision && !scaled_moments)
        value *= static_cast<float>(p.rescale_factor);
      else if (p.rescale && !scaled_moments)
        value = static_cast<float>(static_cast<double>(v) * p.rescale_factor);
      if (p.normalize) {
        value -= mean;
        value /= deviation;
      }
      values_[c][v] = value;
    }
  }
}

void to_reals(Real* out, const Image& image, const PixelTable& table) {
  const Dim pixels = image.width * image.height;
  const std::uint8_t* rgb = image.rgb.data();
  for (std::size_t c = 0; c < 3; ++c)
    for (Dim i = 0; i < pixels; ++i) *out++ = table(c, rgb[3 * i + static_cast<Dim>(c)]);
}

Tensor to_tensor(const std::vector<Image>& images, const PixelTable& table) {
  require(!images.empty(), "to_tensor", "at least one picture is expected, got none");
  const Dim size = images[0].width;
  for (const Image& image : images)
    require(image.width == size && image.height == size, "to_tensor", "pictures of ", size, " x ", size, " are expected, got ", image.width, " x ",
            image.height);
  const Tensor out({static_cast<Dim>(images.size()), 3, size, size});
  Real* to = out.data();
  parallel_for(static_cast<Dim>(images.size()), [&](Dim i) { to_reals(to + i * 3 * size * size, images[static_cast<std::size_t>(i)], table); });
  return out;
}

Image squash(const Image& image, const Preprocessing& p, const std::string& name) {
  if (p.resize) return resize(image, p.image_size, p.image_size, p.filter(), p.profile);
  require(image.width == p.image_size && image.height == p.image_size, name, "a picture of ", p.image_size, " x ", p.image_size,
          " is expected, because do_resize is false, got ", image.width, " x ", image.height);
  return image;
}

Tensor pixel_values(std::span<const Image> images, const Preprocessing& preprocessing) {
  std::vector<Image> squashed(images.size());
  parallel_try(std::ssize(images),
               [&](Dim i) { squashed[static_cast<std::size_t>(i)] = squash(images[static_cast<std::size_t>(i)], preprocessing, "pixel_values"); });
  return to_tensor(squashed, PixelTable(preprocessing));
}

Tensor read_pixel_values(const std::vector<std::string>& paths, const Preprocessing& preprocessing) {
  require(!paths.empty(), "read_pixel_values", "at least one picture is expected, got none");
  const Dim size = preprocessing.image_size;
  const Tensor out({std::ssize(paths), 3, size, size});
  const PixelTable table(preprocessing);
  Real* to = out.data();
  parallel_try(std::ssize(paths), [&](Dim i) {
    const std::string& path = paths[static_cast<std::size_t>(i)];
    to_reals(to + i * 3 * size * size, squash(read_image(path, preprocessing.picture), preprocessing, path), table);
  });
  return out;
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
