// product.cu — one call of cuBLAS, and its precision.
//
// cuBLAS thinks in columns: what lies row-major as (rows, columns) it reads as the transpose. So c = a b is asked for as cᵀ = bᵀ aᵀ, with the
// factors changing places and nothing else.
//
// numerics  f32: float products and sums. tf32: cuBLAS takes 10 bits of mantissa of each factor; bf16: we round them to 7 beforehand, since its
//           own mode for that is a permission and no promise. Sums are float. The same bits on every run: cuBLAS promises that for one stream, one
//           workspace and no atomics, its default
// source    cuBLAS 13 documentation, sections 2.1.4 (reproducibility) and 2.8.12 (cublasGemmEx)
#include "cuda/product.h"
#include <limits>
#include "kernels.h"

namespace siglip::inline SIGLIP_FLAVOUR::cuda {
namespace {
MatmulPrecision precision = MatmulPrecision::f32;

constexpr int round_threads = 256;

cublasComputeType_t compute_type(cudaDataType_t factors) {
  if (sizeof(Real) == 8) return CUBLAS_COMPUTE_64F;
  return factors != CUDA_R_16BF && precision == MatmulPrecision::tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
}

int as_int(const char* op, Dim size) {
  require(size <= std::numeric_limits<int>::max(), op, "matrices of at most 2^31 - 1 rows and columns on a CUDA device, got ", size);
  return static_cast<int>(size);
}
}  // namespace

void matmul_precision(MatmulPrecision wanted) { precision = wanted; }
bool bf16_products() { return sizeof(Real) == 4 && precision == MatmulPrecision::bf16; }

__global__ void round_element(__nv_bfloat16* y, const Real* x, Dim N) {
  const Dim i = static_cast<Dim>(blockIdx.x) * round_threads + threadIdx.x;
  if (i < N) put(y[i], x[i]);
}

Factor rounded(Real* copy, const Real* x, Dim row, Dim N) {
  auto* y = reinterpret_cast<__nv_bfloat16*>(copy);
  KERNEL_LAUNCH(round_element, grid_of(N, round_threads), round_threads, y, x, N);
  return {y, row, false, CUDA_R_16BF};
}

void product(const char* op, Real* c, Dim c_row, Factor a, Factor b, Dim rows, Dim columns, Dim inner, Real keep) {
  if (rows == 0 || columns == 0 || inner == 0) return;
  require(a.type == b.type && (a.type == CUDA_R_16BF) == bf16_products(), op, "both factors in the precision of products");
  const Real one = 1;
  const auto operation = [](const Factor& f) { return f.transposed ? CUBLAS_OP_T : CUBLAS_OP_N; };
  const cublasStatus_t status = cublasGemmEx(cublas(), operation(b), operation(a), as_int(op, columns), as_int(op, rows), as_int(op, inner), &one,
                                             b.data, b.type, as_int(op, b.row), a.data, a.type, as_int(op, a.row), &keep, c, real_type,
                                             as_int(op, c_row), compute_type(a.type), CUBLAS_GEMM_DEFAULT);
  check(status, op, rows, " x ", inner, " times ", inner, " x ", columns);
}
}  // namespace siglip::inline SIGLIP_FLAVOUR::cuda
