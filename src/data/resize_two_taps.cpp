// resize_two_taps.cpp — resampling as big_vision does it: TensorFlow's bilinear resize without anti-aliasing, then truncation to 8 bits.
//
// shapes    image (h, w, 3) bytes → (H, W, 3) bytes
// forward   x = (X + 1/2) w/W - 1/2,  l = floor(x);  top = in_l + (in_{l+1} - in_l) (x - l) in the row above, so below;
//           out = trunc(top + (below - top) (y - floor(y))); neighbours beyond the edge are the edge
// numerics  in float, every product and sum rounded by itself: this page is compiled without contraction to fused multiply-adds
// source    TensorFlow, resize_bilinear_op (half_pixel_centers); big_vision, pp/ops_image.py
#include <algorithm>
#include <cmath>
#include "core/parallel.h"
#include "data/resize.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
/// The two inputs of a result, and how far it lies from the first.
struct Neighbours {
  Dim low, high;
  float part;
};

std::vector<Neighbours> neighbours(Dim in, Dim out) {
  std::vector<Neighbours> of;
  const float scale = static_cast<float>(in) / static_cast<float>(out);
  for (Dim x = 0; x < out; ++x) {
    const float at = (static_cast<float>(x) + 0.5f) * scale - 0.5f, below = std::floor(at);
    of.push_back({std::max(static_cast<Dim>(below), Dim{0}), std::min(static_cast<Dim>(std::ceil(at)), in - 1), at - below});
  }
  return of;
}

float between(float a, float b, float part) { return a + (b - a) * part; }
}  // namespace

Image resize_two_taps(const Image& image, Dim width, Dim height, int workers) {
  const std::vector<Neighbours> columns = neighbours(image.width, width), rows = neighbours(image.height, height);
  Image out{width, height, std::vector<std::uint8_t>(static_cast<std::size_t>(3 * width * height))};
  parallel_for(height, workers, [&](Dim y, Dim) {
    const Neighbours& row = rows[static_cast<std::size_t>(y)];
    const std::uint8_t* upper = &image.rgb[static_cast<std::size_t>(3 * row.low * image.width)];
    const std::uint8_t* lower = &image.rgb[static_cast<std::size_t>(3 * row.high * image.width)];
    std::uint8_t* to = &out.rgb[static_cast<std::size_t>(3 * y * width)];
    for (const Neighbours& column : columns)
      for (Dim c = 0; c < 3; ++c) {
        const Dim left = 3 * column.low + c, right = 3 * column.high + c;
        const float top = between(upper[left], upper[right], column.part), bottom = between(lower[left], lower[right], column.part);
        *to++ = static_cast<std::uint8_t>(between(top, bottom, row.part));
      }
  });
  return out;
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
