// product.cpp — c = a b, cut so that every number is read from a near cache most of the time.
//
// For each block of columns of c, and each depth of 512: b goes into panels, which stay in the second-level cache while the rows of a pass by, 48 at
// a time. The innermost loops are those of panels.h: a tile of rows, whose numbers are read where they lie, times a panel. A transposed `a` is
// copied into tiles first: there its numbers lie a row apart.
//
// numerics  each element is the sum of depths of 512, each of them one chain of additions in the order of k: the blocks decide nothing else, so
//           equal rows give equal bits wherever they lie, and so does a factor that was packed before
#include <memory>
#include <new>
#include "core/panels.h"
#include "core/product.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
static_assert(product_rows == pass_tiles * tile_rows && product_columns % panel == 0);

// A transposed `a` goes into tiles once for each block of columns: of these there are then half as many.
Dim columns_at_once(Factor a) { return a.transposed ? 2 * product_columns : product_columns; }

// What a thread packs into: taken at its first product, kept until it ends.
struct Packed {
  static constexpr std::align_val_t alignment{64};
  struct Free {
    void operator()(Real* memory) const { ::operator delete[](memory, alignment); }
  };
  static constexpr Dim panels_end = depth * 2 * product_columns, end = panels_end + depth * product_rows;
  std::unique_ptr<Real, Free> memory{static_cast<Real*>(::operator new[](end * sizeof(Real), alignment))};
  Real* panels() const { return memory.get(); }
  Real* tiles() const { return memory.get() + panels_end; }
};
const Packed& this_thread() {
  thread_local const Packed packed;
  return packed;
}

// a from (i, k) on
Steps steps(Factor a, Dim i, Dim k) {
  if (a.transposed) return {a.x + k * a.row + i, 1, a.row};
  return {a.x + i * a.row + k, a.row, 1};
}

// What multiply() asks for: panels of b, packed when they are wanted.
auto packing(Factor b) {
  return [b](Dim k, Dim j, Dim deep, Dim columns) {
    pack_panels(this_thread().panels(), steps(b, k, j), deep, columns);
    return this_thread().panels();
  };
}

// Rows of a transposed factor, (I, K), in tiles: within a tile, numbers of one k lie side by side.
Steps pack_tiles(Real* to, Steps a, Dim I, Dim K) {
  for (Dim k = 0; k < K; ++k)
    for (Dim i = 0; i < I; i += tile_rows) copy_up_to<tile_rows>(to + i * K + k * tile_rows, a.x + k * a.column + i, I - i);
  return {to, K, tile_rows};
}

// panels(k, j, deep, columns): columns j on, rows k on of b in panels.
template <typename Panels>
void multiply(Real* c, Dim c_row, Factor a, const Panels& panels, Base base, Dim I, Dim J, Dim K) {
  for (Dim j = 0; j < J; j += columns_at_once(a)) {
    const Dim columns = std::min(columns_at_once(a), J - j);
    for (Dim k = 0; k == 0 || k < K; k += depth) {
      const Dim deep = std::min(depth, K - k);
      const Base from{base.row ? base.row + j : nullptr, base.result || k > 0};
      const Real* near = panels(k, j, deep, columns);
      for (Dim i = 0; i < I; i += product_rows) {
        const Dim rows = std::min(product_rows, I - i);
        const Steps a_rows = a.transposed ? pack_tiles(this_thread().tiles(), steps(a, i, k), rows, deep) : steps(a, i, k);
        panel_product(c + i * c_row + j, c_row, a_rows, near, from, rows, columns, deep);
      }
    }
  }
}
}  // namespace

// Depths lie one after another, each in panels of all columns.
void pack(Real* packed, Factor b, Dim K, Dim J, Dim first, Dim last) {
  for (Dim k = 0; k < K; k += depth) {
    const Dim deep = std::min(depth, K - k);
    pack_panels(packed + panels_size(k, J) + first * deep, steps(b, k, first), deep, last - first);
  }
}

void packed_product(Real* c, Dim c_row, Factor a, PackedFactor b, Dim I, Dim J, Dim K, const Real* bias) {
  const auto panels = [b](Dim k, Dim j, Dim deep, Dim) { return b.x + panels_size(k, b.J) + (b.first + j) * deep; };
  multiply(c, c_row, a, panels, {.row = bias}, I, J, K);
}

void product(Real* c, Dim c_row, Factor a, Factor b, Dim I, Dim J, Dim K, const Real* bias) {
  multiply(c, c_row, a, packing(b), {.row = bias}, I, J, K);
}

void add_product(Real* c, Dim c_row, Factor a, Factor b, Dim I, Dim J, Dim K) { multiply(c, c_row, a, packing(b), {.result = true}, I, J, K); }
}  // namespace siglip::inline SIGLIP_FLAVOUR
