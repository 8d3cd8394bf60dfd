// matmul.cu — the CUDA twin of matmul.cpp, where the mathematics stands: cuBLAS multiplies, and adds to the gradients by itself.
//
// numerics  as set_matmul_precision() says, sums in float; the bias is added after the product. bf16: x, w and dy are rounded into the workspace
#include "cuda/column_sums.h"
#include "cuda/product.h"
#include "kernels.h"

namespace siglip::inline SIGLIP_FLAVOUR::cuda {
namespace {
// Factors as products take them: where they lie, or rounded, one after another, in the workspace.
struct Factors {
  Real* workspace;
  Factor operator()(const Real* x, Dim N, Dim row) {
    if (!bf16_products()) return {x, row};
    Real* copy = workspace;
    workspace += rounded_reals(N * row);
    return rounded(copy, x, row, N * row);
  }
};
}  // namespace

void matmul_workspace(Dim* forward, Dim* backward, Dim N, Dim M, Dim K) {
  *forward = bf16_products() ? rounded_reals(N * K) + rounded_reals(M * K) : 0;
  *backward = bf16_products() ? *forward + rounded_reals(N * M) : 0;
}

// cuBLAS reads w as it lies.
void matmul_packed_size(Dim* size, Dim, Dim) { *size = 0; }
void matmul_pack(Real*, const Real*, Dim, Dim) {}

void matmul_forward(Real* y, Real* workspace, const Real* x, const Real* w, const Real*, const Real* bias, Dim N, Dim M, Dim K) {
  Factors factor{workspace};
  const Factor fx = factor(x, N, K), fw = factor(w, M, K);
  product("matmul", y, M, fx, transposed(fw), N, M, K, 0);
  if (bias) add_rows_forward(y, y, bias, N, M);
}

void matmul_backward(Real* dx, Real* dw, Real* dbias, Real* workspace, const Real* dy, const Real* x, const Real* w, Dim N, Dim M, Dim K) {
  Factors factor{workspace};
  const Factor fdy = dx || dw ? factor(dy, N, M) : Factor{};
  if (dx) product("matmul", dx, K, fdy, factor(w, M, K), N, K, M, 1);
  if (dw) product("matmul", dw, K, transposed(fdy), factor(x, N, K), M, K, N, 1);
  if (dbias) column_sums(dbias, dy, N, M);
}
}  // namespace siglip::inline SIGLIP_FLAVOUR::cuda
