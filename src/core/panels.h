// panels.h — the innermost product, of which all others are made: some rows times a panel of columns, their sums in vector registers.
#pragma once
#include <algorithm>
#include <cstring>
#include "core/blocks.h"

namespace siglip::inline SIGLIP_FLAVOUR {
/// A matrix as its reader steps through it: element (i, k) is at x[i * row + k * column]. One of the two steps is 1.
struct Steps {
  const Real* x;
  Dim row, column;
  Dim in_tile() const { return column == 1 ? row : 1; }  // from a row of a tile to the next
};

/// What a processor's vector registers hold. lanes: numbers in one. panel: columns, two registers full. tile_rows: rows whose sums stay in
/// registers, with room for a row of the panel: enough that no sum waits for the one before (a fused multiply-add gives its result four steps
/// later, and two begin in each), few enough that none is put aside. small_rows: so many rows times a large weight are faster as they lie.
#if defined(__AVX512F__)
constexpr Dim lanes = 64 / sizeof(Real), tile_rows = 12, small_rows = 32;
#elif defined(__AVX__)
constexpr Dim lanes = 32 / sizeof(Real), tile_rows = 6, small_rows = 128;
#else
constexpr Dim lanes = 16 / sizeof(Real), tile_rows = 6, small_rows = 128;
#endif
constexpr Dim panel = 2 * lanes;

/// Tiles of rows that use a panel one after another, before the next panel's turn comes; what each of them fetches of every row of that one.
constexpr Dim pass_tiles = 48 / tile_rows, fetched = std::max<Dim>(1, panel / pass_tiles);

/// Every product over k is a sum of depths of 512, each of them one chain of additions in the order of k: a panel of so many rows stays in a near
/// cache.
constexpr Dim depth = 512;

/// The right factor lies in panels, row after row, the last one filled up with zeros: read in place, its rows would lie a multiple of 4096
/// bytes apart in wide models, and fight for a few lines of the first-level cache.
inline Dim panels_size(Dim K, Dim J) { return blocks(J, panel) * panel * K; }

/// `count` numbers, but `most` of them at most: most often all of them, which the compiler then copies in a few instructions.
template <Dim most>
inline void copy_up_to(Real* to, const Real* from, Dim count) {
  if (count >= most)
    std::memcpy(to, from, most * sizeof(Real));
  else
    std::copy_n(from, count, to);
}

typedef Real Four __attribute__((vector_size(4 * sizeof(Real))));

/// to(k, j) = from(j, k) for four rows j of four: rows of `from` start `from_row` apart, those of `to` `to_row`.
inline void transpose_four(Real* to, Dim to_row, const Real* from, Dim from_row) {
  Four row[4];
  for (Dim j = 0; j < 4; ++j) std::memcpy(&row[j], from + j * from_row, sizeof row[j]);
  const Four left01 = __builtin_shufflevector(row[0], row[1], 0, 4, 1, 5), right01 = __builtin_shufflevector(row[0], row[1], 2, 6, 3, 7);
  const Four left23 = __builtin_shufflevector(row[2], row[3], 0, 4, 1, 5), right23 = __builtin_shufflevector(row[2], row[3], 2, 6, 3, 7);
  const Four column[4] = {__builtin_shufflevector(left01, left23, 0, 1, 4, 5), __builtin_shufflevector(left01, left23, 2, 3, 6, 7),
                          __builtin_shufflevector(right01, right23, 0, 1, 4, 5), __builtin_shufflevector(right01, right23, 2, 3, 6, 7)};
  for (Dim k = 0; k < 4; ++k) std::memcpy(to + k * to_row, &column[k], sizeof column[k]);
}

/// Transposes `width` rows of `from`, K numbers each, into a panel: in strips that lie in the first-level cache while they are written. The next
/// strip is on its way meanwhile: its rows lie too far apart for the processor to foresee it.
inline void pack_transposed(Real* to, const Real* from, Dim from_row, Dim K, Dim width) {
  constexpr Dim strip = 64, line = 64 / sizeof(Real);
  for (Dim begin = 0; begin < K; begin += strip) {
    const Dim end = std::min(K, begin + strip), fours = begin + (end - begin) / 4 * 4;
    for (Dim j = 0; j < width / 4 * 4; j += 4) {
      for (Dim x = j; x < j + 4; ++x)
        for (Dim k = end; k < std::min(K, end + strip); k += line) __builtin_prefetch(from + x * from_row + k);
      for (Dim k = begin; k < fours; k += 4) transpose_four(to + k * panel + j, panel, from + j * from_row + k, from_row);
      for (Dim k = fours; k < end; ++k)
        for (Dim x = j; x < j + 4; ++x) to[k * panel + x] = from[x * from_row + k];
    }
    for (Dim j = width / 4 * 4; j < width; ++j)
      for (Dim k = begin; k < end; ++k) to[k * panel + j] = from[j * from_row + k];
  }
}

/// b (K, J) into `to`, which holds panels_size(K, J).
inline void pack_panels(Real* to, Steps b, Dim K, Dim J) {
  if (J % panel > 0) std::fill_n(to + J / panel * panel * K, panel * K, Real(0));
  if (b.column == 1) {
    for (Dim k = 0; k < K; ++k)
      for (Dim j = 0; j < J; j += panel) copy_up_to<panel>(to + j * K + k * panel, b.x + k * b.row + j, J - j);
  } else {
    for (Dim j = 0; j < J; j += panel) pack_transposed(to + j * K, b.x + j * b.column, b.column, K, std::min(panel, J - j));
  }
}

typedef Real Lanes __attribute__((vector_size(lanes * sizeof(Real))));

/// One rounding where the processor has fused multiply-adds. A function of its own: among a sanitizer's checks a compiler finds product and sum
/// apart, and would fuse them in some tiles and not in others.
inline Lanes multiply_add(Lanes sum, Real a, Lanes b) { return sum + a * b; }

/// What sums are added to, and where the results go: numbers of a tile or a panel, their rows `row` apart.
struct Target {
  Real* x;
  Dim row;
  const Real* base;
  Dim base_row;
  Target from(Dim i) const { return {x + i * row, row, base + i * base_row, base_row}; }
};

/// to(i, j) = base(i, j) + Σ_k a(i, k) b(k, j) for i < rows, j < lanes * registers, k < K, with b a panel; the order of additions over k is
/// 0 … K-1. Meanwhile a share of the panel that follows, at `ahead`, is fetched into the second-level cache: it may lie in main memory, from where
/// its first reader would wait for it.
template <Dim rows, Dim registers>
inline void product_tile(Target to, Steps a, const Real* b, const Real* ahead, Dim K) {
  constexpr Dim line = 64 / sizeof(Real);
  Lanes left[rows] = {}, right[rows] = {};
  const Real* row[rows];
  for (Dim i = 0; i < rows; ++i) {
    row[i] = a.x + i * a.in_tile();
    __builtin_prefetch(to.x + i * to.row, 1);  // on its way while the sums grow
    __builtin_prefetch(to.x + i * to.row + registers * lanes - 1, 1);
  }
  for (Dim k = 0; k < K; ++k) {
    if (k % (line / fetched) == 0) __builtin_prefetch(ahead + k * fetched, 0, 2);
    Lanes b_left, b_right;
    std::memcpy(&b_left, b + k * panel, sizeof b_left);
    if constexpr (registers == 2) std::memcpy(&b_right, b + k * panel + lanes, sizeof b_right);
#pragma GCC unroll 12
    for (Dim i = 0; i < rows; ++i) {
      const Real a_ik = row[i][k * a.column];
      left[i] = multiply_add(left[i], a_ik, b_left);
      if constexpr (registers == 2) right[i] = multiply_add(right[i], a_ik, b_right);
    }
  }
  const auto add = [&to](Dim i, Dim j, Lanes sum) {
    Lanes base;
    std::memcpy(&base, to.base + i * to.base_row + j, sizeof base);
    base += sum;
    std::memcpy(to.x + i * to.row + j, &base, sizeof base);
  };
  for (Dim i = 0; i < rows; ++i) {
    add(i, 0, left[i]);
    if constexpr (registers == 2) add(i, lanes, right[i]);
  }
}

/// The same for any rows <= tile_rows and width <= panel: a panel that is at most half full takes half the time. Writes whole panels.
inline void product_tile(Target to, Steps a, const Real* b, const Real* ahead, Dim K, Dim rows, Dim width) {
  if (rows == tile_rows && width <= lanes) return product_tile<tile_rows, 1>(to, a, b, ahead, K);
  if (rows == tile_rows) return product_tile<tile_rows, 2>(to, a, b, ahead, K);
  Dim i = 0;
  for (; i + 4 <= rows; i += 4) product_tile<4, 2>(to.from(i), {a.x + i * a.in_tile(), a.row, a.column}, b, ahead, K);
  for (; i < rows; ++i) product_tile<1, 2>(to.from(i), {a.x + i * a.in_tile(), a.row, a.column}, b, ahead, K);
}

typedef Real Sums[panel];  // a row of sums, one number for each column of a panel
constexpr Real no_base[panel] = {};

/// What a product's sums are added to: a row for all (null: zeros), or what stands in the result.
struct Base {
  const Real* row = nullptr;
  bool result = false;
};

/// c(i, j) = base + Σ_k a(i, k) b(k, j) for i < I, j < J, k < K; rows of c are contiguous, `c_row` apart. Tiles of a start a.row * tile_rows apart.
inline void panel_product(Real* c, Dim c_row, Steps a, const Real* b, Base base, Dim I, Dim J, Dim K) {
  for (Dim j = 0; j < J; j += panel, b += panel * K) {
    const Dim width = std::min(panel, J - j);
    for (Dim i = 0; i < I; i += tile_rows) {
      const Dim rows = std::min(tile_rows, I - i);
      const Steps a_tile{a.x + i * a.row, a.row, a.column};
      const Real* ahead = b + panel * K + i / tile_rows * fetched * K;
      Target to{c + i * c_row + j, c_row, base.row ? base.row + j : no_base, 0};
      if (base.result) to.base = to.x, to.base_row = to.row;
      if (width == panel) {
        product_tile(to, a_tile, b, ahead, K, rows, width);
      } else {
        Sums sums[tile_rows];
        product_tile({sums[0], panel, no_base, 0}, a_tile, b, ahead, K, rows, width);
        for (Dim r = 0; r < rows; ++r)
          for (Dim x = 0; x < width; ++x) to.x[r * to.row + x] = to.base[r * to.base_row + x] + sums[r][x];
      }
    }
  }
}

/// The transpose into c, for any K: element (i, j) lies at c[j * c_row + i], and bias_i is its first addend where bias is not null. Every tile of
/// rows of a is used for all panels while it is in the first-level cache: for an `a` that is large and read once, a learned weight.
inline void panel_product_transposed(Real* c, Dim c_row, Steps a, const Real* b, const Real* bias, Dim I, Dim J, Dim K) {
  Sums sums[tile_rows];
  for (Dim i = 0; i < I; i += tile_rows) {
    const Dim rows = std::min(tile_rows, I - i);
    for (Dim j = 0; j < J; j += panel) {
      const Dim width = std::min(panel, J - j);
      for (Dim k = 0; k == 0 || k < K; k += depth) {
        const Real* near = b + j * K + k * panel;
        product_tile({sums[0], panel, no_base, 0}, {a.x + i * a.row + k * a.column, a.row, a.column}, near, near, std::min(depth, K - k), rows,
                     width);
        for (Dim x = 0; x < width; ++x) {
          Real* to = c + (j + x) * c_row + i;
          for (Dim r = 0; r < rows; ++r) to[r] = (k > 0 ? to[r] : bias ? bias[i + r] : Real(0)) + sums[r][x];
        }
      }
    }
  }
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
