// resize.cpp — separable resampling, as PIL does it: the same windows, weights, fixed point and rounding.
//
// shapes    image (h, w, 3) bytes → rows needed by the result (h', W, 3) bytes → (H, W, 3) bytes
// forward   out_x = sum_k a_xk in_k,  a_xk = f((k + 1/2 - c_x) / s) / sum_k …,  c_x = left + (x + 1/2) (right - left) / W
//           s = max(1, (right - left) / W): shrinking widens the filter, so every pixel counts and nothing aliases
// numerics  weights are integers of 22 fractional bits; each pass rounds to 8 bits. |a| sums to less than 2, so 32 bits hold every sum
// source    Pillow, Resample.c; Keys 1981 for the cubic
#include <algorithm>
#include <cmath>
#include "siglip/data.h"
#include "siglip/error.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
constexpr int fraction_bits = 22;

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
};

Windows make_windows(Dim in, double low, double high, Dim out, Filter filter) {
  const double step = (high - low) / static_cast<double>(out), scale = std::max(1.0, step), shrink = 1 / scale;
  const double radius = (filter == Filter::bicubic ? 2 : 1) * scale;
  // The box may reach beyond the picture, and so may the window; otherwise it ends at the edge as PIL's does.
  const Dim first = std::min(Dim{0}, static_cast<Dim>(std::floor(low))), last = std::max(in, static_cast<Dim>(std::ceil(high)));
  Windows windows;
  std::vector<double> weights;
  for (Dim x = 0; x < out; ++x) {
    const double center = low + (static_cast<double>(x) + 0.5) * step;
    const Dim begin = std::max(first, static_cast<Dim>(std::floor(center - radius + 0.5)));
    const Dim end = std::min(last, static_cast<Dim>(std::floor(center + radius + 0.5)));
    // Inputs beyond the edge repeat it: their weights are added to the edge's.
    const Dim inner = std::clamp(begin, Dim{0}, in - 1), count = std::clamp(end - 1, Dim{0}, in - 1) - inner + 1;
    weights.assign(static_cast<std::size_t>(count), 0);
    double sum = 0;
    for (Dim k = begin; k < end; ++k) {
      const double w = (filter == Filter::bicubic ? cubic : triangle)((static_cast<double>(k) - center + 0.5) * shrink);
      weights[static_cast<std::size_t>(std::clamp(k, Dim{0}, in - 1) - inner)] += w;
      sum += w;
    }
    windows.of.push_back({inner, count, windows.weights.size()});
    for (double w : weights) windows.weights.push_back(static_cast<std::int32_t>(std::lround(std::ldexp(w / sum, fraction_bits))));
  }
  return windows;
}

std::uint8_t to_byte(std::int32_t sum) { return static_cast<std::uint8_t>(std::clamp(sum >> fraction_bits, 0, 255)); }
constexpr std::int32_t half = 1 << (fraction_bits - 1);

/// One row: out (W, 3) from in (w, 3).
void resample_row(std::uint8_t* out, const std::uint8_t* in, const Windows& windows) {
  for (const Window& window : windows.of) {
    const std::int32_t* weights = &windows.weights[window.weights];
    const std::uint8_t* from = in + 3 * window.begin;
    std::int32_t r = half, g = half, b = half;
    for (Dim k = 0; k < window.count; ++k) {
      r += weights[k] * from[3 * k], g += weights[k] * from[3 * k + 1], b += weights[k] * from[3 * k + 2];
    }
    out[0] = to_byte(r), out[1] = to_byte(g), out[2] = to_byte(b);
    out += 3;
  }
}

/// One row of n bytes from window.count rows that lie n bytes apart.
void mix_rows(std::uint8_t* out, std::int32_t* sums, const std::uint8_t* rows, const Window& window, const std::int32_t* weights, Dim n) {
  std::fill(sums, sums + n, half);
  for (Dim k = 0; k < window.count; ++k) {
    const std::uint8_t* row = rows + k * n;
    const std::int32_t weight = weights[k];
    for (Dim i = 0; i < n; ++i) sums[i] += weight * row[i];
  }
  for (Dim i = 0; i < n; ++i) out[i] = to_byte(sums[i]);
}
}  // namespace

Image resize(const Image& image, const Box& box, Dim width, Dim height, Filter filter) {
  constexpr Dim most = Dim{1} << 28;
  require(image.width >= 1 && image.height >= 1 && static_cast<Dim>(image.rgb.size()) == 3 * image.width * image.height, "resize",
          "a picture of at least one pixel is expected, got ", image.width, " x ", image.height, " and ", image.rgb.size(), " bytes");
  require(width >= 1 && height >= 1 && width <= most / height, "resize", "1 to 2^28 pixels are expected, got ", width, " x ", height);
  const double reach = 1e6 + 10 * static_cast<double>(std::max(image.width, image.height));
  require(box.left >= -reach && box.top >= -reach && box.right <= reach && box.bottom <= reach && box.left < box.right && box.top < box.bottom,
          "resize", "a box near the picture is expected, got ", box.left, " ", box.top, " ", box.right, " ", box.bottom);

  const Windows columns = make_windows(image.width, box.left, box.right, width, filter);
  const Windows rows = make_windows(image.height, box.top, box.bottom, height, filter);
  // Windows move downwards, so the rows that are needed lie between the first one's begin and the last one's end.
  const Dim top = rows.of.front().begin, bottom = rows.of.back().begin + rows.of.back().count, n = 3 * width;
  std::vector<std::uint8_t> narrow(static_cast<std::size_t>((bottom - top) * n));
  for (Dim y = top; y < bottom; ++y)
    resample_row(&narrow[static_cast<std::size_t>((y - top) * n)], &image.rgb[static_cast<std::size_t>(3 * y * image.width)], columns);

  Image out{width, height, std::vector<std::uint8_t>(static_cast<std::size_t>(n * height))};
  std::vector<std::int32_t> sums(static_cast<std::size_t>(n));
  for (Dim y = 0; y < height; ++y) {
    const Window& window = rows.of[static_cast<std::size_t>(y)];
    mix_rows(&out.rgb[static_cast<std::size_t>(y * n)], sums.data(), &narrow[static_cast<std::size_t>((window.begin - top) * n)], window,
             &rows.weights[window.weights], n);
  }
  return out;
}

Image resize(const Image& image, Dim width, Dim height, Filter filter) {
  if (width == image.width && height == image.height) return image;
  return resize(image, {0, 0, static_cast<double>(image.width), static_cast<double>(image.height)}, width, height, filter);
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
