// gelu.cu — the CUDA twin of gelu.cpp, where the mathematics stands: one thread for each element.
#include <cmath>
#include "cuda/element.h"
#include "kernels.h"

namespace siglip::inline SIGLIP_FLAVOUR::cuda {
namespace {
constexpr Real sqrt_2_over_pi = Real(0.79788456080286535588), cubic = Real(0.044715);
}  // namespace

__global__ void gelu_forward_element(Real* y, const Real* x, Dim N) {
  const Dim i = element();
  if (i >= N) return;
  const Real xi = x[i];
  y[i] = Real(0.5) * xi * (1 + std::tanh(sqrt_2_over_pi * xi * (1 + cubic * xi * xi)));
}

__global__ void gelu_backward_element(Real* dx, const Real* dy, const Real* x, Dim N) {
  const Dim i = element();
  if (i >= N) return;
  const Real xi = x[i], h = std::tanh(sqrt_2_over_pi * xi * (1 + cubic * xi * xi));
  dx[i] += dy[i] * Real(0.5) * (1 + h + xi * (1 - h * h) * sqrt_2_over_pi * (1 + 3 * cubic * xi * xi));
}

void gelu_forward(Real* y, const Real* x, Dim N) { KERNEL_LAUNCH(gelu_forward_element, element_grid(N), element_threads, y, x, N); }

void gelu_backward(Real* dx, const Real* dy, const Real* x, Dim N) {
  if (dx) KERNEL_LAUNCH(gelu_backward_element, element_grid(N), element_threads, dx, dy, x, N);
}
}  // namespace siglip::inline SIGLIP_FLAVOUR::cuda
