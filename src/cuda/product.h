// product.h — matrix products on the device, row-major, through cuBLAS.
#pragma once
#include "cuda/context.h"

namespace siglip::inline SIGLIP_FLAVOUR::cuda {
constexpr cudaDataType_t real_type = sizeof(Real) == 4 ? CUDA_R_32F : CUDA_R_64F;

// A number as a factor of products holds it.
__device__ inline void put(Real& to, Real x) { to = x; }
__device__ inline void put(__nv_bfloat16& to, Real x) { to = __float2bfloat16(static_cast<float>(x)); }

/// A factor as it lies in memory: row-major, `row` numbers from one row to the next; of its transpose if `transposed`.
struct Factor {
  const void* data = nullptr;
  Dim row = 0;
  bool transposed = false;
  cudaDataType_t type = real_type;  // or CUDA_R_16BF, for both factors
};

inline Factor transposed(Factor f) {
  f.transposed = !f.transposed;
  return f;
}

/// c = a b + keep c for a (rows, inner), b (inner, columns), c (rows, columns) whose rows start `c_row` numbers apart. keep = 0: what c held
/// does not matter. Nothing happens where a size is 0. Factors are of bf16 where bf16_products() says so, else of Real, of which cuBLAS takes
/// what set_matmul_precision() says. Throws Error, "OP: cuBLAS: …", with the sizes.
void product(const char* op, Real* c, Dim c_row, Factor a, Factor b, Dim rows, Dim columns, Dim inner, Real keep);

/// Whether factors of float are rounded to bf16 now, by rounded(): once each, however often they are used.
bool bf16_products();
/// x (…, row) of N numbers, rounded into `copy`, which has rounded_reals(N).
Factor rounded(Real* copy, const Real* x, Dim row, Dim N);
inline Dim rounded_reals(Dim N) { return blocks(2 * N, 64) * 64 / static_cast<Dim>(sizeof(Real)); }
}  // namespace siglip::inline SIGLIP_FLAVOUR::cuda
