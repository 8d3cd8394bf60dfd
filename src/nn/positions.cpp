// positions.cpp — the image tower's positions for another grid of patches.
//
// shapes    positions (g g, C) → (g G, C) → (G G, C): columns, then rows, which are weighed the same way
// forward   out_X = sum_k a_k in_clamp(floor(x) + k);  bicubic: x = (X + 1/2) g/G - 1/2, four inputs;  bilinear: x = X (g-1)/(G-1), two
// source    Keys 1981 with a = -0.75, as PyTorch's interpolate has it; scipy.ndimage.zoom of order 1
#include <algorithm>
#include <array>
#include <cmath>
#include "siglip/error.h"
#include "siglip/model.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
/// The inputs of one result and their weights.
struct Taps {
  std::array<Dim, 4> at;
  std::array<double, 4> weight;
};

double cubic(double x) {
  constexpr double a = -0.75;
  x = std::abs(x);
  return x < 1 ? ((a + 2) * x - (a + 3)) * x * x + 1 : x < 2 ? ((a * x - 5 * a) * x + 8 * a) * x - 4 * a : 0;
}

Taps taps(Dim X, Dim g, Dim G, PositionFilter filter) {
  const auto from = static_cast<double>(g), to = static_cast<double>(G), index = static_cast<double>(X);
  const double x = filter == PositionFilter::bicubic ? (index + 0.5) * from / to - 0.5 : G == 1 ? 0 : index * (from - 1) / (to - 1);
  const double first = std::floor(x) - 1;
  Taps all{};
  for (std::size_t k = 0; k < 4; ++k) {
    const double distance = first + static_cast<double>(k) - x;
    all.at[k] = std::clamp(static_cast<Dim>(first) + static_cast<Dim>(k), Dim{0}, g - 1);
    all.weight[k] = filter == PositionFilter::bicubic ? cubic(distance) : std::max(0.0, 1 - std::abs(distance));
  }
  return all;
}

/// out[o][X][i] from in[o][x][i] over the middle axis of (outer, g or G, inner).
std::vector<double> resize_axis(const std::vector<double>& in, Dim outer, Dim g, Dim G, Dim inner, PositionFilter filter) {
  std::vector<double> out(static_cast<std::size_t>(outer * G * inner), 0);
  for (Dim X = 0; X < G; ++X) {
    const Taps of = taps(X, g, G, filter);
    for (Dim o = 0; o < outer; ++o)
      for (std::size_t k = 0; k < 4; ++k)
        for (Dim i = 0; i < inner; ++i)
          out[static_cast<std::size_t>((o * G + X) * inner + i)] += of.weight[k] * in[static_cast<std::size_t>((o * g + of.at[k]) * inner + i)];
  }
  return out;
}
}  // namespace

Tensor resize_positions(const Tensor& positions, Dim grid, PositionFilter filter) {
  require(positions.rank() == 2, "resize_positions", "positions (T, C) are expected, got shape ", positions.shape());
  const Dim C = positions.dim(1), g = std::lround(std::sqrt(static_cast<double>(positions.dim(0))));
  require(g >= 1 && g * g == positions.dim(0), "resize_positions", "the positions of a square grid are expected, got ", positions.dim(0));
  require(grid >= 1 && grid <= 256, "resize_positions", "a grid of 1 to 256 patches an edge is expected, got ", grid);
  const std::vector<Real> given = positions.to_vector();
  const std::vector<double> in(given.begin(), given.end());
  const std::vector<double> wide = resize_axis(in, g, g, grid, C, filter), out = resize_axis(wide, 1, g, grid, grid * C, filter);
  return Tensor::from({grid * grid, C}, std::vector<Real>(out.begin(), out.end()), positions.device());
}

Siglip at_resolution(const Siglip& model, Dim image_size, PositionFilter filter) {
  Siglip other = model;
  other.config.image_size = image_size;
  validate(other.config, "at_resolution");
  if (other.config.grid() != model.config.grid()) other.vision.positions = resize_positions(model.vision.positions, other.config.grid(), filter);
  return other;
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
