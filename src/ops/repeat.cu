// repeat.cu — the CUDA twin of repeat.cpp, where the mathematics stands: one thread for each element, column sums in two stages.
#include "cuda/column_sums.h"
#include "cuda/element.h"
#include "kernels.h"

namespace siglip::inline SIGLIP_FLAVOUR::cuda {
__global__ void repeat_forward_element(Real* y, const Real* x, Dim B, Dim N) {
  const Dim i = element();
  if (i < B * N) y[i] = x[i % N];
}

void repeat_forward(Real* y, const Real* x, Dim B, Dim N) { KERNEL_LAUNCH(repeat_forward_element, element_grid(B * N), element_threads, y, x, B, N); }

void repeat_backward(Real* dx, const Real* dy, Dim B, Dim N) {
  if (dx) column_sums(dx, dy, B, N);
}
}  // namespace siglip::inline SIGLIP_FLAVOUR::cuda
