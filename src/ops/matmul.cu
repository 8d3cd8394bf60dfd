// matmul.cu — the CUDA twin of matmul.cpp, where the mathematics stands: cuBLAS multiplies, and adds to the gradients by itself.
//
// numerics  as set_matmul_precision() says, sums in float; the bias is added after the product
#include "cuda/column_sums.h"
#include "cuda/product.h"
#include "kernels.h"

namespace siglip::inline SIGLIP_FLAVOUR::cuda {
void matmul_forward(Real* y, const Real* x, const Real* w, const Real* bias, Dim N, Dim M, Dim K) {
  if (K == 0) fill(y, 0, N * M);  // a sum of nothing
  product("matmul", y, M, {x, K}, {w, K, true}, N, M, K, 0);
  if (bias) add_rows_forward(y, y, bias, N, M);
}

void matmul_workspace(Dim* reals, Dim, Dim, Dim) { *reals = 0; }

void matmul_backward(Real* dx, Real* dw, Real* dbias, Real*, const Real* dy, const Real* x, const Real* w, Dim N, Dim M, Dim K) {
  if (dx) product("matmul", dx, K, {dy, M}, {w, K}, N, K, M, 1);
  if (dw) product("matmul", dw, K, {dy, M, true}, {x, K}, M, K, N, 1);
  if (dbias) column_sums(dbias, dy, N, M);
}
}  // namespace siglip::inline SIGLIP_FLAVOUR::cuda
