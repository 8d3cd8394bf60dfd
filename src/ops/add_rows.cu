// add_rows.cu — the CUDA twin of add_rows.cpp, where the mathematics stands: one thread for each element, column sums in two stages.
#include "cuda/column_sums.h"
#include "cuda/element.h"
#include "kernels.h"

namespace siglip::inline SIGLIP_FLAVOUR::cuda {
__global__ void add_rows_forward_element(Real* y, const Real* x, const Real* b, Dim N, Dim C) {
  const Dim i = element();
  if (i < N * C) y[i] = x[i] + b[i % C];
}

void add_rows_forward(Real* y, const Real* x, const Real* b, Dim N, Dim C) {
  KERNEL_LAUNCH(add_rows_forward_element, element_grid(N * C), element_threads, y, x, b, N, C);
}

void add_rows_backward(Real* db, const Real* dy, Dim N, Dim C) {
  if (db) column_sums(db, dy, N, C);
}
}  // namespace siglip::inline SIGLIP_FLAVOUR::cuda
