// add.cu — the CUDA twin of add.cpp, where the mathematics stands: one thread for each element.
#include "cuda/element.h"
#include "kernels.h"

namespace siglip::inline SIGLIP_FLAVOUR::cuda {
__global__ void add_forward_element(Real* z, const Real* x, const Real* y, Dim N) {
  const Dim i = element();
  if (i < N) z[i] = x[i] + y[i];
}

void add_forward(Real* z, const Real* x, const Real* y, Dim N) { KERNEL_LAUNCH(add_forward_element, element_grid(N), element_threads, z, x, y, N); }
}  // namespace siglip::inline SIGLIP_FLAVOUR::cuda
