// take_token.cu — the CUDA twin of take_token.cpp, where the mathematics stands: one thread for each element of y.
#include "cuda/element.h"
#include "kernels.h"

namespace siglip::inline SIGLIP_FLAVOUR::cuda {
__global__ void take_token_forward_element(Real* y, const Real* x, Dim B, Dim T, Dim C, Dim t) {
  const Dim i = element();
  if (i < B * C) y[i] = x[(i / C * T + t) * C + i % C];
}

__global__ void take_token_backward_element(Real* dx, const Real* dy, Dim B, Dim T, Dim C, Dim t) {
  const Dim i = element();
  if (i < B * C) dx[(i / C * T + t) * C + i % C] += dy[i];
}

void take_token_forward(Real* y, const Real* x, Dim B, Dim T, Dim C, Dim t) {
  KERNEL_LAUNCH(take_token_forward_element, element_grid(B * C), element_threads, y, x, B, T, C, t);
}

void take_token_backward(Real* dx, const Real* dy, Dim B, Dim T, Dim C, Dim t) {
  if (dx) KERNEL_LAUNCH(take_token_backward_element, element_grid(B * C), element_threads, dx, dy, B, T, C, t);
}
}  // namespace siglip::inline SIGLIP_FLAVOUR::cuda
