// product.h — matrix products on the device, row-major, through cuBLAS.
#pragma once
#include "cuda/context.h"

namespace siglip::inline SIGLIP_FLAVOUR::cuda {
constexpr cudaDataType_t real_type = sizeof(Real) == 4 ? CUDA_R_32F : CUDA_R_64F;

/// A factor as it lies in memory: row-major, `row` numbers from one row to the next; of its transpose if `transposed`.
struct Factor {
  const void* data = nullptr;
  Dim row = 0;
  bool transposed = false;
  cudaDataType_t type = real_type;  // or CUDA_R_16BF, for both factors
};

/// c = a b + keep c for a (rows, inner), b (inner, columns), c (rows, columns) whose rows start `c_row` numbers apart. keep = 0: what c held
/// does not matter. Nothing happens where a size is 0. Factors of Real are rounded as set_matmul_precision() says. Throws Error, "OP: cuBLAS: …",
/// with the sizes.
void product(const char* op, Real* c, Dim c_row, Factor a, Factor b, Dim rows, Dim columns, Dim inner, Real keep);

/// Whether factors of float are rounded to bf16 now. Who uses a factor several times rounds it once and hands it over as CUDA_R_16BF.
bool bf16_products();
}  // namespace siglip::inline SIGLIP_FLAVOUR::cuda
