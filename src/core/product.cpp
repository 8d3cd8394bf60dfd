// product.cpp — Eigen's matrix product, compiled here and nowhere else.
#include "core/product.h"
#include "core/eigen.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
// Calls body(a, b) with the factors as Eigen knows them.
template <class Body>
void as_matrices(Factor a, Factor b, Dim I, Dim J, Dim K, const Body& body) {
  if (a.transposed)
    body(matrix(a.x, K, I, a.row).transpose(), matrix(b.x, K, J, b.row));
  else if (b.transposed)
    body(matrix(a.x, I, K, a.row), matrix(b.x, J, K, b.row).transpose());
  else
    body(matrix(a.x, I, K, a.row), matrix(b.x, K, J, b.row));
}
}  // namespace

void product(Real* c, Dim c_row, Factor a, Factor b, Dim I, Dim J, Dim K) {
  as_matrices(a, b, I, J, K, [&](const auto& x, const auto& y) { matrix(c, I, J, c_row).noalias() = x * y; });
}

void add_product(Real* c, Dim c_row, Factor a, Factor b, Dim I, Dim J, Dim K) {
  as_matrices(a, b, I, J, K, [&](const auto& x, const auto& y) { matrix(c, I, J, c_row).noalias() += x * y; });
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
