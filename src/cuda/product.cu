// product.cu — one call of cuBLAS, and its precision.
//
// cuBLAS thinks in columns: what lies row-major as (rows, columns) it reads as the transpose. So c = a b is asked for as cᵀ = bᵀ aᵀ, with the
// factors changing places and nothing else.
//
// numerics  f32: float products and sums. tf32, bf16: the factors are rounded to 10 or 7 bits of mantissa inside cuBLAS, sums are float. The
//           same bits on every run: cuBLAS promises that for one stream, one workspace and no atomics, its default
// source    cuBLAS 13 documentation, sections 2.1.4 (reproducibility) and 2.8.12 (cublasGemmEx)
#include "cuda/product.h"
#include <limits>
#include "kernels.h"

namespace siglip::inline SIGLIP_FLAVOUR::cuda {
namespace {
MatmulPrecision precision = MatmulPrecision::f32;

cublasComputeType_t compute_type(cudaDataType_t factors) {
  if (sizeof(Real) == 8) return CUBLAS_COMPUTE_64F;
  if (factors == CUDA_R_16BF || precision == MatmulPrecision::f32) return CUBLAS_COMPUTE_32F;
  return precision == MatmulPrecision::tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F_FAST_16BF;
}

int as_int(const char* op, Dim size) {
  require(size <= std::numeric_limits<int>::max(), op, "matrices of at most 2^31 - 1 rows and columns on a CUDA device, got ", size);
  return static_cast<int>(size);
}
}  // namespace

void matmul_precision(MatmulPrecision wanted) { precision = wanted; }
bool bf16_products() { return sizeof(Real) == 4 && precision == MatmulPrecision::bf16; }

void product(const char* op, Real* c, Dim c_row, Factor a, Factor b, Dim rows, Dim columns, Dim inner, Real keep) {
  if (rows == 0 || columns == 0 || inner == 0) return;
  const Real one = 1;
  const auto operation = [](const Factor& f) { return f.transposed ? CUBLAS_OP_T : CUBLAS_OP_N; };
  const cublasStatus_t status = cublasGemmEx(context().cublas, operation(b), operation(a), as_int(op, columns), as_int(op, rows), as_int(op, inner),
                                             &one, b.data, b.type, as_int(op, b.row), a.data, a.type, as_int(op, a.row), &keep, c, real_type,
                                             as_int(op, c_row), compute_type(a.type), CUBLAS_GEMM_DEFAULT);
  if (status != CUBLAS_STATUS_SUCCESS)
    fail(op, "cuBLAS: ", cublasGetStatusString(status), " (", rows, ", ", inner, ") times (", inner, ", ", columns, ")");
}
}  // namespace siglip::inline SIGLIP_FLAVOUR::cuda
