// resize.cpp — separable resampling in whole numbers, as Pillow and torchvision do it: the same windows, weights, fixed point and rounding.
//
// shapes    image (h, w, 3) bytes → rows needed by the result (h', W, 3) bytes → (H, W, 3) bytes; a pass that keeps the size is left out
// forward   out_x = sum_k a_xk in_k,  a_xk = f((k + 1/2 - c_x) / s) / sum_k …,  c_x = left + (x + 1/2) (right - left) / W
//           s = max(1, (right - left) / W): shrinking widens the filter, so every pixel counts and nothing aliases
// numerics  weights are integers of p fractional bits; each pass rounds to 8 bits. Pillow: p = 22. torchvision: the largest p for which the
//           pass's weights fit 16 bits. |a| sums to less than 2, so 32 bits hold every sum
// speed     lanes of 64 sums that the compiler keeps in vector registers: in the first pass 16 rows of one column (they are laid side by
//           side for it, four bytes a pixel), in the second 64 neighbours of one row
// source    Pillow, Resample.c; PyTorch, UpSampleKernel; Keys 1981 for the cubic
#include <algorithm>
#include <cmath>
#include <cstring>
#include "core/parallel.h"
#include "data/exif.h"
#include "data/resize.h"
#include "siglip/data.h"
#include "siglip/error.h"
#include "siglip/tensor.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
constexpr int pillow_bits = 22;
constexpr Dim lanes = 64, rows_at_once = lanes / 4;

double triangle(double x) {
  x = std::abs(x);
  return x < 1 ? 1 - x : 0;
}
double cubic(double x) {
  constexpr double a = -0.5;
  x = std::abs(x);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}

/// Of each result the first input, how many follow, and their weights.
struct Window {
  Dim begin, count;
  std::size_t weights;  // where they begin in Windows::weights
};
struct Windows {
  std::vector<Window> of;
  std::vector<std::int32_t> weights;
  int bits = pillow_bits;
};

std::int32_t to_fixed(double weight, int bits) {
  return static_cast<std::int32_t>(std::ldexp(weight, bits) + (weight < 0 ? -0.5 : 0.5));  // truncated, as both do it
}

Windows make_windows(Dim in, double low, double high, Dim out, Filter filter, Profile profile) {
  const double step = (high - low) / static_cast<double>(out), scale = std::max(1.0, step), shrink = 1 / scale;
  const double radius = (filter == Filter::bicubic ? 2 : 1) * scale;
  // The box may reach beyond the picture, and so may the window; otherwise it ends at the edge as Pillow's does.
  const Dim first = std::min(Dim{0}, static_cast<Dim>(std::floor(low))), last = std::max(in, static_cast<Dim>(std::ceil(high)));
  Windows windows;
  std::vector<double> all;
  for (Dim x = 0; x < out; ++x) {
    const double center = low + (static_cast<double>(x) + 0.5) * step;
    const Dim begin = std::max(first, static_cast<Dim>(std::floor(center - radius + 0.5)));
    const Dim end = std::min(last, static_cast<Dim>(std::floor(center + radius + 0.5)));
    // Inputs beyond the edge repeat it: their weights are added to the edge's.
    const Dim inner = std::clamp(begin, Dim{0}, in - 1), count = std::clamp(end - 1, Dim{0}, in - 1) - inner + 1;
    const std::size_t at = all.size();
    all.resize(at + static_cast<std::size_t>(count), 0);
    double sum = 0;
    for (Dim k = begin; k < end; ++k) {
      const double w = (filter == Filter::bicubic ? cubic : triangle)((static_cast<double>(k) - center + 0.5) * shrink);
      all[at + static_cast<std::size_t>(std::clamp(k, Dim{0}, in - 1) - inner)] += w;
      sum += w;
    }
    for (std::size_t i = at; i < all.size(); ++i) all[i] /= sum;
    windows.of.push_back({inner, count, at});
  }
  if (profile == Profile::torchvision) {
    const double largest = *std::max_element(all.begin(), all.end());
    windows.bits = 0;
    while (windows.bits < pillow_bits && to_fixed(largest, windows.bits + 1) < 1 << 15) ++windows.bits;
  }
  for (double weight : all) windows.weights.push_back(to_fixed(weight, windows.bits));
  return windows;
}

/// 64 sums of weight times byte, rounded to bytes: taps of `count` weights, the bytes of each `stride` after those of the one before.
void weigh(std::uint8_t* __restrict out, const std::uint8_t* __restrict in, Dim stride, const std::int32_t* weights, Dim count, int bits) {
  std::int32_t sums[lanes];
  for (std::int32_t& sum : sums) sum = 1 << (bits - 1);
  for (Dim k = 0; k < count; ++k, in += stride) {
    const std::int32_t weight = weights[k];
    for (Dim i = 0; i < lanes; ++i) sums[i] += weight * in[i];
  }
  for (Dim i = 0; i < lanes; ++i) out[i] = static_cast<std::uint8_t>(std::clamp(sums[i] >> bits, 0, 255));
}

/// Rows of `stride` bytes, so many that the second pass may read 64 at a time.
struct Rows {
  Dim count = 0, stride = 0;
  std::vector<std::uint8_t> bytes;
  Rows(Dim n, Dim width) : count(n), stride((3 * width + lanes - 1) / lanes * lanes), bytes(static_cast<std::size_t>(n * stride)) {}
  std::uint8_t* row(Dim y) { return &bytes[static_cast<std::size_t>(y * stride)]; }
};

/// Up to 16 rows of the first pass. tile: four bytes a pixel, pixel (x, row) at 4 (16 x + row).
void narrow_rows(Rows& to, Dim first, const Image& image, Dim top, const Windows& columns, std::vector<std::uint8_t>& tile) {
  const Dim count = std::min(rows_at_once, to.count - first), left = columns.of.front().begin;
  const Dim right = columns.of.back().begin + columns.of.back().count;
  for (Dim row = 0; row < count; ++row) {
    const std::uint8_t* from = &image.rgb[static_cast<std::size_t>(3 * ((top + first + row) * image.width + left))];
    std::uint8_t* pixel = &tile[static_cast<std::size_t>(4 * row)];
    for (Dim x = left; x < right; ++x, from += 3, pixel += lanes) pixel[0] = from[0], pixel[1] = from[1], pixel[2] = from[2];
  }
  std::uint8_t pixels[lanes];
  for (Dim x = 0; x < std::ssize(columns.of); ++x) {
    const Window& window = columns.of[static_cast<std::size_t>(x)];
    weigh(pixels, &tile[static_cast<std::size_t>((window.begin - left) * lanes)], lanes, &columns.weights[window.weights], window.count,
          columns.bits);
    std::uint8_t* out = to.row(first) + 3 * x;
    for (Dim row = 0; row < count; ++row) std::memcpy(out + row * to.stride, pixels + 4 * row, 3);
  }
}

/// One row of the result.
void mix_rows(std::uint8_t* out, const std::uint8_t* rows, Dim stride, const Window& window, const Windows& windows, Dim n) {
  std::uint8_t bytes[lanes];
  for (Dim at = 0; at < n; at += lanes) {
    weigh(bytes, rows + at, stride, &windows.weights[window.weights], window.count, windows.bits);
    std::memcpy(out + at, bytes, static_cast<std::size_t>(std::min(lanes, n - at)));
  }
}

void check(const Image& image, const Box& box, Dim width, Dim height) {
  require(image.width >= 1 && image.height >= 1 && static_cast<Dim>(image.rgb.size()) == 3 * image.width * image.height, "resize",
          "a picture of at least one pixel is expected, got ", image.width, " x ", image.height, " and ", image.rgb.size(), " bytes");
  require(width >= 1 && height >= 1 && width <= most_image_pixels / height, "resize", "1 to ", most_image_pixels, " pixels are expected, got ", width,
          " x ", height);
  const double reach = 1e6 + 10 * static_cast<double>(std::max(image.width, image.height));
  require(box.left >= -reach && box.top >= -reach && box.right <= reach && box.bottom <= reach && box.left < box.right && box.top < box.bottom,
          "resize", "a box near the picture is expected, got ", box.left, " ", box.top, " ", box.right, " ", box.bottom);
}

/// Rows are shared among `workers` threads; each byte is computed by itself, so their number does not matter.
Image resample(const Image& image, const Box& box, Dim width, Dim height, Filter filter, Profile profile, int workers) {
  const bool whole_rows = box.left == 0 && box.right == static_cast<double>(image.width) && width == image.width;
  const bool whole_columns = box.top == 0 && box.bottom == static_cast<double>(image.height) && height == image.height;
  const Windows rows = make_windows(image.height, box.top, box.bottom, height, filter, profile);
  // Windows move downwards, so the rows that are needed lie between the first one's begin and the last one's end.
  const Dim top = rows.of.front().begin, bottom = rows.of.back().begin + rows.of.back().count, n = 3 * width;
  Rows narrow(bottom - top, width);
  if (whole_rows) {
    for (Dim y = top; y < bottom; ++y) std::memcpy(narrow.row(y - top), &image.rgb[static_cast<std::size_t>(y * n)], static_cast<std::size_t>(n));
  } else {
    const Windows columns = make_windows(image.width, box.left, box.right, width, filter, profile);
    const Dim seen = columns.of.back().begin + columns.of.back().count - columns.of.front().begin;
    std::vector<std::vector<std::uint8_t>> tiles(static_cast<std::size_t>(workers),
                                                 std::vector<std::uint8_t>(static_cast<std::size_t>(seen * lanes)));
    parallel_for(blocks(narrow.count, rows_at_once), workers,
                 [&](Dim block, Dim slot) { narrow_rows(narrow, block * rows_at_once, image, top, columns, tiles[static_cast<std::size_t>(slot)]); });
  }

  Image out{width, height, std::vector<std::uint8_t>(static_cast<std::size_t>(n * height))};
  parallel_for(height, workers, [&](Dim y, Dim) {
    const Window& window = rows.of[static_cast<std::size_t>(y)];
    std::uint8_t* to = &out.rgb[static_cast<std::size_t>(y * n)];
    if (whole_columns)
      std::memcpy(to, narrow.row(y - top), static_cast<std::size_t>(n));
    else
      mix_rows(to, narrow.row(window.begin - top), narrow.stride, window, rows, n);
  });
  return out;
}
}  // namespace

Image resize(const Image& image, const Box& box, Dim width, Dim height, Filter filter) {
  check(image, box, width, height);
  return resample(image, box, width, height, filter, Profile::pil, 1);
}

Image resize(const Image& image, Dim width, Dim height, Filter filter, Profile profile) {
  const Box all{0, 0, static_cast<double>(image.width), static_cast<double>(image.height)};
  check(image, all, width, height);
  if (width == image.width && height == image.height) return image;
  // A small picture is done before threads are awake. Inside of a parallel loop over pictures there is one thread anyway.
  constexpr Dim worth_threads = Dim{1} << 19;
  const int workers = image.width * image.height >= worth_threads ? threads() : 1;
  if (profile == Profile::big_vision) {
    require(filter == Filter::bilinear, "resize", "the profile big_vision with the bilinear filter is expected, got bicubic");
    return resize_two_taps(image, width, height, workers);
  }
  const bool rows_first = height < image.height && image.height - height > 2 * (image.width - width);
  if (profile == Profile::pil13 && rows_first) {
    constexpr int transposed = 5;  // as EXIF counts
    const Box turned{0, 0, all.bottom, all.right};
    return upright(resample(upright(image, transposed), turned, height, width, filter, profile, workers), transposed);
  }
  return resample(image, all, width, height, filter, profile, workers);
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
