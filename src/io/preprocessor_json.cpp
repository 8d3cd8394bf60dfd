// preprocessor_json.cpp — how pictures become numbers, as transformers' SiglipImageProcessor reads and writes it.
//
// transformers 4 keeps it in preprocessor_config.json; SiglipProcessor of transformers 5 saves it within processor_config.json, under
// "image_processor", and believes that one where both are there. A processor_config.json without the key is an old one: it says nothing here.
#include "io/preprocessor_json.h"
#include <algorithm>
#include <cmath>
#include <filesystem>
#include "core/limits.h"
#include "siglip/pixels.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
constexpr const char *own_file = "/preprocessor_config.json", *shared_file = "/processor_config.json", *key_within = "image_processor";

bool is_there(const std::string& path) {
  std::error_code none;
  return std::filesystem::exists(std::filesystem::symlink_status(path, none));
}

constexpr const char* key_of_profile = "resize_profile";

Profile profile_of(const Section& root) {
  Profile profile = Profile::pil;
  if (const Json* type = root.find("image_processor_type"); type && !type->is_null()) {
    if (*type == "Siglip2ImageProcessor" || *type == "Siglip2ImageProcessorFast")
      root.refuse("image_processor_type", "one of pictures of a fixed size (\"SiglipImageProcessor\"; NaFlex models are not supported)");
    if (*type == "SiglipImageProcessorFast")
      profile = Profile::torchvision;
    else if (*type != "SiglipImageProcessor" && *type != "SiglipImageProcessorPil")
      root.refuse("image_processor_type", "\"SiglipImageProcessor\" or \"SiglipImageProcessorFast\"");
  }
  const Json* named = root.find(key_of_profile);
  if (!named) return profile;
  if (!named->is_string()) root.refuse(key_of_profile, "a profile's name");
  return parse_profile(named->get<std::string>(), root.file + ": " + root.prefix + key_of_profile);
}

// An absent step is done; null is what transformers takes it for, no.
bool is_done(const Section& root, const char* step) {
  const Json* value = root.find(step);
  return !value || root.flag(step, false);
}

int resample_of(const Section& root, Profile profile) {
  const Json* resample = root.find("resample");
  if (profile == Profile::big_vision) {
    root.only("resample", 2);
    return 2;
  }
  if (!resample || resample->is_null()) return 3;
  if (*resample != 2 && *resample != 3) root.refuse("resample", "2 (bilinear) or 3 (bicubic)");
  return resample->get<int>();
}

// {"height": S, "width": S} or [S, S]. One number is the shortest edge of a picture that keeps its aspect, in transformers' words too.
Dim size_of(const Section& root) {
  Dim absent = 224;
  const Json* size = root.find("size");
  if (!size || size->is_null()) return absent;
  Section section{Json::object(), root.file, root.prefix + "size."};
  if (size->is_array() && size->size() == 2) {
    section.json = {{"height", (*size)[0]}, {"width", (*size)[1]}};
  } else {
    if (!size->is_object()) root.refuse("size", "an object of height and width (one number would keep the picture's aspect)");
    section.json = *size;
    if (!section.find("height") || !section.find("width") || section.json.size() != 2) root.refuse("size", "height and width, nothing else");
  }
  const Dim height = section.whole("height", absent, most_pixels);
  if (section.whole("width", absent, most_pixels) != height) section.refuse("width", "the height");
  return height;
}

// Three numbers, or one for all three channels.
std::array<double, 3> channels_of(const Section& root, const char* key, bool divisor) {
  std::array<double, 3> values = {0.5, 0.5, 0.5};
  const Json* json = root.find(key);
  if (!json || json->is_null()) return values;
  const auto fits = [&](const Json& value) {
    return value.is_number() && std::isfinite(value.get<double>()) && std::abs(value.get<double>()) < 1e30 &&
           !(divisor && std::abs(value.get<double>()) < 1e-30);
  };
  const bool three = json->is_array() && json->size() == 3 && std::all_of(json->begin(), json->end(), fits);
  if (!three && !fits(*json)) root.refuse(key, divisor ? "one number or three, none of them 0" : "one number or three");
  for (std::size_t c = 0; c < 3; ++c) values[c] = (three ? (*json)[c] : *json).get<double>();
  return values;
}
}  // namespace

bool has_preprocessing(const std::string& folder) { return is_there(folder + own_file) || is_there(folder + shared_file); }

Section preprocessing_section(const std::string& folder) {
  if (is_there(folder + shared_file)) {
    const Section processor = read_section(folder + shared_file);
    if (const Json* within = processor.find(key_within); within && !within->is_null()) return processor.section(key_within);
  }
  if (!is_there(folder + own_file)) fail(folder, "preprocessor_config.json, or processor_config.json with image_processor, is expected, got neither");
  return read_section(folder + own_file);
}

Preprocessing read_preprocessing(const std::string& folder) {
  const Section root = preprocessing_section(folder);
  Preprocessing p;
  p.profile = profile_of(root);
  p.resample = resample_of(root, p.profile);
  p.image_size = size_of(root);
  p.resize = is_done(root, "do_resize");
  p.rescale = is_done(root, "do_rescale");
  p.normalize = is_done(root, "do_normalize");
  p.picture.only_rgb = !root.flag("do_convert_rgb", true);
  for (const char* step : {"do_center_crop", "do_pad"})
    if (root.flag(step, false)) root.refuse(step, "false");
  p.mean = channels_of(root, "image_mean", false);
  p.deviation = channels_of(root, "image_std", true);
  if (const Json* factor = root.find("rescale_factor"); factor && !factor->is_null()) {
    p.rescale_factor = root.number("rescale_factor", p.rescale_factor);
    if (!(p.rescale_factor > 1e-30 && p.rescale_factor < 1e30)) root.refuse("rescale_factor", "a number above 0");
  }
  return p;
}

void write_preprocessing(const std::string& folder, const Preprocessing& p) {
  const Json json = {{"image_processor_type", p.profile == Profile::torchvision ? "SiglipImageProcessorFast" : "SiglipImageProcessor"},
                     {key_of_profile, name_of(p.profile)},
                     {"do_convert_rgb", !p.picture.only_rgb},
                     {"do_resize", p.resize},
                     {"size", {{"height", p.image_size}, {"width", p.image_size}}},
                     {"resample", p.resample},
                     {"do_rescale", p.rescale},
                     {"rescale_factor", p.rescale_factor},
                     {"do_normalize", p.normalize},
                     {"image_mean", p.mean},
                     {"image_std", p.deviation}};
  write_file(folder + own_file, json.dump(2) + "\n");
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
