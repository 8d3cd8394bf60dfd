// small_product.h — products too small for Eigen's packing to pay: one head of attention.
#pragma once
#include <algorithm>
#include "siglip/real.h"

namespace siglip::inline SIGLIP_FLAVOUR {
/// A matrix as its reader steps through it: element (i, k) is at x[i * row + k * column].
struct Steps {
  const Real* x;
  Dim row, column;
};

/// c(i, j) = or += Σ_k a(i, k) b(k, j) for i < I, j < J, k < K. Rows of b and c are contiguous, `b_row` and `c_row` apart.
/// A tile of 4 x 16 sums stays in registers; the order of additions over k is 0 … K-1 for every element.
template <bool add, Dim rows, Dim columns>
inline void product_tile(Real* c, Dim c_row, Steps a, const Real* b, Dim b_row, Dim K) {
  Real sum[rows][columns] = {};
  for (Dim k = 0; k < K; ++k)
    for (Dim i = 0; i < rows; ++i) {
      const Real a_ik = a.x[i * a.row + k * a.column];
      for (Dim j = 0; j < columns; ++j) sum[i][j] += a_ik * b[k * b_row + j];
    }
  for (Dim i = 0; i < rows; ++i)
    for (Dim j = 0; j < columns; ++j) c[i * c_row + j] = add ? c[i * c_row + j] + sum[i][j] : sum[i][j];
}

template <bool add, Dim columns>
inline void product_columns(Real* c, Dim c_row, Steps a, const Real* b, Dim b_row, Dim I, Dim K) {
  Dim i = 0;
  for (; i + 4 <= I; i += 4) product_tile<add, 4, columns>(c + i * c_row, c_row, {a.x + i * a.row, a.row, a.column}, b, b_row, K);
  for (; i < I; ++i) product_tile<add, 1, columns>(c + i * c_row, c_row, {a.x + i * a.row, a.row, a.column}, b, b_row, K);
}

template <bool add>
inline void small_product(Real* c, Dim c_row, Steps a, const Real* b, Dim b_row, Dim I, Dim J, Dim K) {
  Dim j = 0;
  for (; j + 16 <= J; j += 16) product_columns<add, 16>(c + j, c_row, a, b + j, b_row, I, K);
  for (; j + 4 <= J; j += 4) product_columns<add, 4>(c + j, c_row, a, b + j, b_row, I, K);
  for (; j < J; ++j) product_columns<add, 1>(c + j, c_row, a, b + j, b_row, I, K);
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
