// scale.cu — the CUDA twin of scale.cpp, where the mathematics stands: one thread for each element; the sum of ds in two stages, in double.
#include "cuda/dot.h"
#include "cuda/element.h"
#include "kernels.h"

namespace siglip::inline SIGLIP_FLAVOUR::cuda {
__global__ void scale_forward_element(Real* y, const Real* x, const Real* s, Dim N) {
  const Dim i = element();
  if (i < N) y[i] = *s * x[i];
}

__global__ void scale_backward_element(Real* dx, const Real* dy, const Real* s, Dim N) {
  const Dim i = element();
  if (i < N) dx[i] += *s * dy[i];
}

__global__ void scale_backward_add(Real* ds, const double* sum) { *ds += static_cast<Real>(*sum); }

void scale_forward(Real* y, const Real* x, const Real* s, Dim N) {
  KERNEL_LAUNCH(scale_forward_element, element_grid(N), element_threads, y, x, s, N);
}

void scale_backward(Real* dx, Real* ds, const Real* dy, const Real* x, const Real* s, Dim N) {
  if (dx) KERNEL_LAUNCH(scale_backward_element, element_grid(N), element_threads, dx, dy, s, N);
  if (!ds) return;
  double* sum = static_cast<double*>(scratch());
  dot(sum, dy, x, N);
  KERNEL_LAUNCH(scale_backward_add, 1, 1, ds, sum);
}
}  // namespace siglip::inline SIGLIP_FLAVOUR::cuda
