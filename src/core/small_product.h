// small_product.h — products too small for Eigen's own packing and blocking to pay: one head of attention.
#pragma once
#include <algorithm>
#include <cstring>
#include "core/parallel.h"

namespace siglip::inline SIGLIP_FLAVOUR {
/// A matrix as its reader steps through it: element (i, k) is at x[i * row + k * column].
struct Steps {
  const Real* x;
  Dim row, column;
};

/// The right factor lies in panels of 16 columns, row after row, the last one filled up with zeros: read in place, its rows would lie a multiple
/// of 4096 bytes apart in wide models, and fight for a few lines of the first-level cache.
constexpr Dim panel = 16;
inline Dim panels_size(Dim K, Dim J) { return blocks(J, panel) * panel * K; }

/// b (K, J) into `to`, which holds panels_size(K, J).
inline void pack_panels(Real* to, Steps b, Dim K, Dim J) {
  for (Dim first = 0; first < J; first += panel, to += panel * K) {
    const Real* from = b.x + first * b.column;
    const Dim width = std::min(panel, J - first);
    if (width < panel) std::fill_n(to, panel * K, Real(0));
    if (b.column == 1) {
      for (Dim k = 0; k < K; ++k) std::copy_n(from + k * b.row, width, to + k * panel);
    } else {
      for (Dim j = 0; j < width; ++j)
        for (Dim k = 0; k < K; ++k) to[k * panel + j] = from[k * b.row + j * b.column];
    }
  }
}

/// A row of sums, one number for each column of a panel, and rows that stay in registers: enough that none waits for the one before.
typedef Real Lanes __attribute__((vector_size(panel * sizeof(Real))));
#ifdef __AVX512F__
constexpr Dim tile_rows = 8;
#else
constexpr Dim tile_rows = 4;
#endif

template <bool add, Dim rows>
inline void product_tile(Real* c, Dim c_row, Steps a, const Real* b, Dim K, Dim width) {
  Lanes sum[rows] = {};
  for (Dim k = 0; k < K; ++k) {
    Lanes b_k;
    std::memcpy(&b_k, b + k * panel, sizeof b_k);
#pragma GCC unroll 8
    for (Dim i = 0; i < rows; ++i) sum[i] += a.x[i * a.row + k * a.column] * b_k;
  }
  Real sums[rows][panel];
  std::memcpy(sums, sum, sizeof sums);
  for (Dim i = 0; i < rows; ++i)
    for (Dim j = 0; j < width; ++j) c[i * c_row + j] = add ? c[i * c_row + j] + sums[i][j] : sums[i][j];
}

/// c(i, j) = or += Σ_k a(i, k) b(k, j) for i < I, j < J, k < K, with b in panels; rows of c are contiguous, `c_row` apart. The order of additions
/// over k is 0 … K-1 for every element.
template <bool add>
inline void small_product(Real* c, Dim c_row, Steps a, const Real* b, Dim I, Dim J, Dim K) {
  for (Dim j = 0; j < J; j += panel, b += panel * K) {
    const Dim width = std::min(panel, J - j);
    Dim i = 0;
    for (; i + tile_rows <= I; i += tile_rows)
      product_tile<add, tile_rows>(c + i * c_row + j, c_row, {a.x + i * a.row, a.row, a.column}, b, K, width);
    for (; i < I; ++i) product_tile<add, 1>(c + i * c_row + j, c_row, {a.x + i * a.row, a.row, a.column}, b, K, width);
  }
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
