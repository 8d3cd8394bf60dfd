// product.h — matrix products on the CPU, row-major.
#pragma once
#include "siglip/real.h"

namespace siglip::inline SIGLIP_FLAVOUR {
/// A factor as it lies in memory: row-major, `row` numbers from one row to the next; of its transpose if `transposed`.
struct Factor {
  const Real* x;
  Dim row;
  bool transposed = false;
};

inline Factor transposed(Factor f) { return {f.x, f.row, !f.transposed}; }

/// Rows of c, whole tiles, for which a part of a is near; columns of c whose part of b is packed at once (of a transposed a: twice as many). Who
/// cuts c for threads cuts it there.
constexpr Dim product_rows = 48, product_columns = 192;

/// A factor (K, J) as products read it, for one that is used again and again: its numbers, and the first column that is meant, where a panel begins.
struct PackedFactor {
  const Real* x;
  Dim J, first = 0;
};
/// Writes columns `first` to `last` of b, panels of them, into a packed factor (K, J), which holds panels_size(K, J).
void pack(Real* packed, Factor b, Dim K, Dim J, Dim first, Dim last);

/// c = a b for a (I, K), b (K, J), c (I, J) whose rows start `c_row` numbers apart; bias (J) is added to every row where it is not null. On the
/// calling thread: who wants more of them cuts c by the problem's sizes.
void product(Real* c, Dim c_row, Factor a, Factor b, Dim I, Dim J, Dim K, const Real* bias = nullptr);
void packed_product(Real* c, Dim c_row, Factor a, PackedFactor b, Dim I, Dim J, Dim K, const Real* bias = nullptr);  // the same bits
/// c += a b
void add_product(Real* c, Dim c_row, Factor a, Factor b, Dim I, Dim J, Dim K);
}  // namespace siglip::inline SIGLIP_FLAVOUR
