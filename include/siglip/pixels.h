// pixels.h — how a picture becomes the numbers a model gets: what preprocessor_config.json says, and what it leaves open.
#pragma once
#include <array>
#include <string>
#include "siglip/real.h"

namespace siglip::inline SIGLIP_FLAVOUR {
enum class Filter { bilinear, bicubic };  // triangle of radius 1; cubic of radius 2 with a = -0.5

/// Whose resize. The published models were trained and are used with different ones, and their logits visibly move between them.
///   pil          Pillow 11's: widens the filter when shrinking (anti-aliasing), 22-bit weights, 8 bits between the passes. The released
///                SigLIP (bicubic) and SigLIP 2 (bilinear) folders in transformers 4, and in transformers 5 without torchvision
///   pil13        Pillow 13's: the same, but the vertical pass comes first where the height shrinks by more than twice the pixels that the
///                width does; a level more or less in some pixels of tall pictures
///   torchvision  the same filters, weights of at most 15 bits and a sign. transformers 5 with torchvision, and ...ImageProcessorFast before
///   big_vision   the authors' TensorFlow one: bilinear between two pixels, no anti-aliasing, truncated to 8 bits
/// All are bit for bit those of Pillow 11.1 and 13.0, torchvision 0.29 (on a processor with AVX2) and TensorFlow 2.21.
enum class Profile { pil, pil13, torchvision, big_vision };
std::string name_of(Profile profile);
/// Throws Error, naming `where`, for another word than these.
Profile parse_profile(const std::string& text, const std::string& where);

/// What happens to transparency: on white, as transformers 5 does it, or forgotten, as Pillow's convert("RGB") and transformers 4 do it.
enum class Alpha { white, drop };
Alpha parse_alpha(const std::string& text, const std::string& where);

struct PictureOptions {
  bool exif = true;  // turn the picture as its EXIF orientation says; big_vision and code that opens files with Pillow alone do not
  Alpha alpha = Alpha::white;
  bool only_rgb = false;  // refuse what is not stored as three colours (do_convert_rgb: false)
  Dim enough = 0;         // above 0: a JPEG may be decoded smaller, to edges of at least so many pixels (libjpeg-turbo only; Pillow's draft())
};

/// preprocessor_config.json. Each step can be left out; the result is (value * rescale_factor - mean) / std.
struct Preprocessing {
  Dim image_size = 224;
  int resample = 3;  // 2 bilinear, 3 bicubic (Pillow's numbers)
  Profile profile = Profile::pil;
  bool resize = true, rescale = true, normalize = true;
  double rescale_factor = 1.0 / 255;
  std::array<double, 3> mean = {0.5, 0.5, 0.5}, deviation = {0.5, 0.5, 0.5};  // image_mean, image_std
  PictureOptions picture = {};

  Filter filter() const { return resample == 2 ? Filter::bilinear : Filter::bicubic; }
};

/// What each of the 256 values of a channel becomes. The steps and roundings are those of transformers, so the floats are too: pil scales in
/// double, rounds, and normalises in float; torchvision scales mean and std instead of the pixels.
class PixelTable {
 public:
  PixelTable() : PixelTable(Preprocessing{}) {}
  explicit PixelTable(const Preprocessing& preprocessing);
  float operator()(std::size_t channel, std::uint8_t value) const { return values_[channel][value]; }

 private:
  std::array<std::array<float, 256>, 3> values_;
};
}  // namespace siglip::inline SIGLIP_FLAVOUR
