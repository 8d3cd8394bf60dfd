// small_product.h — products too small for Eigen's own packing and blocking to pay: one head of attention, a few rows times a weight.
#pragma once
#include <algorithm>
#include <cstring>
#include "core/parallel.h"

namespace siglip::inline SIGLIP_FLAVOUR {
/// A matrix as its reader steps through it: element (i, k) is at x[i * row + k * column]. One of the two steps is 1.
struct Steps {
  const Real* x;
  Dim row, column;
};

/// What a processor's vector registers hold. panel: columns, two registers full (four of SSE). tile_rows: rows whose sums stay in registers: enough
/// that none waits for the one before, few enough that none is put aside. small_rows: so many rows times a large weight are faster here than in
/// Eigen, whose tiles for AVX-512 are the larger ones.
#if defined(__AVX512F__)
constexpr Dim panel = 128 / sizeof(Real), tile_rows = 8, small_rows = 32;
#elif defined(__AVX__)
constexpr Dim panel = 64 / sizeof(Real), tile_rows = 6, small_rows = 128;
#else
constexpr Dim panel = 64 / sizeof(Real), tile_rows = 2, small_rows = 128;
#endif

/// The right factor lies in panels, row after row, the last one filled up with zeros: read in place, its rows would lie a multiple of 4096
/// bytes apart in wide models, and fight for a few lines of the first-level cache.
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

/// A row of sums, one number for each column of a panel.
template <Dim width>
struct Lanes {
  typedef Real type __attribute__((vector_size(width * sizeof(Real))));
};
typedef Real Sums[panel];

/// sums(i, j) = Σ_k a(i, k) b(k, j) for i < rows, j < width, k < K, with b a panel; the order of additions over k is 0 … K-1.
template <Dim rows, Dim width>
inline void product_tile(Sums* sums, Steps a, const Real* b, Dim K) {
  typename Lanes<width>::type sum[rows] = {};
  const auto add_up = [&](const auto& row_at) {
    for (Dim k = 0; k < K; ++k) {
      typename Lanes<width>::type b_k;
      std::memcpy(&b_k, b + k * panel, sizeof b_k);
#pragma GCC unroll 8
      for (Dim i = 0; i < rows; ++i) sum[i] += row_at(i, k) * b_k;
    }
  };
  if (a.column == 1) {
    const Real* row[rows];
    for (Dim i = 0; i < rows; ++i) row[i] = a.x + i * a.row;
    add_up([&](Dim i, Dim k) { return row[i][k]; });
  } else {
    add_up([&](Dim i, Dim k) { return a.x[k * a.column + i]; });
  }
  for (Dim i = 0; i < rows; ++i) std::memcpy(sums[i], &sum[i], sizeof sum[i]);
}

/// The same for any rows <= tile_rows and width <= panel: a panel that is at most half full takes half the time.
inline void product_tile(Sums* sums, Steps a, const Real* b, Dim K, Dim rows, Dim width) {
  if (rows == tile_rows && width <= panel / 2) return product_tile<tile_rows, panel / 2>(sums, a, b, K);
  if (rows == tile_rows) return product_tile<tile_rows, panel>(sums, a, b, K);
  Dim i = 0;
  for (; i + 4 <= rows; i += 4) product_tile<4, panel>(sums + i, {a.x + i * a.row, a.row, a.column}, b, K);
  for (; i < rows; ++i) product_tile<1, panel>(sums + i, {a.x + i * a.row, a.row, a.column}, b, K);
}

/// c(i, j) = or += Σ_k a(i, k) b(k, j) for i < I, j < J, k < K, with b in panels; rows of c are contiguous, `c_row` apart.
template <bool add>
inline void small_product(Real* c, Dim c_row, Steps a, const Real* b, Dim I, Dim J, Dim K) {
  Sums sums[tile_rows];
  for (Dim j = 0; j < J; j += panel, b += panel * K) {
    const Dim width = std::min(panel, J - j);
    for (Dim i = 0; i < I; i += tile_rows) {
      const Dim rows = std::min(tile_rows, I - i);
      product_tile(sums, {a.x + i * a.row, a.row, a.column}, b, K, rows, width);
      for (Dim r = 0; r < rows; ++r) {
        Real* to = c + (i + r) * c_row + j;
        for (Dim x = 0; x < width; ++x) to[x] = add ? to[x] + sums[r][x] : sums[r][x];
      }
    }
  }
}

/// The transpose into c: element (i, j) lies at c[j * c_row + i], and bias_i is its first addend where bias is not null. Every tile of rows of a is
/// used for all panels while it is in the first-level cache: for an `a` that is large and read once, a learned weight.
inline void small_product_transposed(Real* c, Dim c_row, Steps a, const Real* b, const Real* bias, Dim I, Dim J, Dim K) {
  Sums sums[tile_rows];
  for (Dim i = 0; i < I; i += tile_rows) {
    const Dim rows = std::min(tile_rows, I - i);
    for (Dim j = 0; j < J; j += panel) {
      const Dim width = std::min(panel, J - j);
      product_tile(sums, {a.x + i * a.row, a.row, a.column}, b + j * K, K, rows, width);
      for (Dim x = 0; x < width; ++x) {
        Real* to = c + (j + x) * c_row + i;
        for (Dim r = 0; r < rows; ++r) to[r] = bias ? bias[i + r] + sums[r][x] : sums[r][x];
      }
    }
  }
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
