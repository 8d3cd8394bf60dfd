// patch_embedding.cu — the CUDA twin of patch_embedding.cpp, where the mathematics stands: one thread for each number of a patch. Patches share no
// pixel, so no two threads add to one.
#include "cuda/element.h"
#include "kernels.h"

namespace siglip::inline SIGLIP_FLAVOUR::cuda {
namespace {
// Where in the images (B, 3, S, S) element i of the patches (B, T, 3PP) comes from.
__device__ Dim pixel_of(Dim i, Dim S, Dim P) {
  const Dim G = S / P, column = i % P, row = i / P % P, channel = i / (P * P) % 3, patch = i / (3 * P * P);
  const Dim b = patch / (G * G), g = patch % (G * G) / G, h = patch % G;
  return ((b * 3 + channel) * S + g * P + row) * S + h * P + column;
}

Dim patch_elements(Dim B, Dim S, Dim P) { return B * (S / P) * (S / P) * 3 * P * P; }
}  // namespace

__global__ void patchify_forward_element(Real* y, const Real* x, Dim S, Dim P, Dim N) {
  const Dim i = element();
  if (i < N) y[i] = x[pixel_of(i, S, P)];
}

__global__ void patchify_backward_element(Real* dx, const Real* dy, Dim S, Dim P, Dim N) {
  const Dim i = element();
  if (i < N) dx[pixel_of(i, S, P)] += dy[i];
}

void patchify_forward(Real* y, const Real* x, Dim B, Dim S, Dim P) {
  const Dim N = patch_elements(B, S, P);
  KERNEL_LAUNCH(patchify_forward_element, element_grid(N), element_threads, y, x, S, P, N);
}

void patchify_backward(Real* dx, const Real* dy, Dim B, Dim S, Dim P) {
  const Dim N = patch_elements(B, S, P);
  if (dx) KERNEL_LAUNCH(patchify_backward_element, element_grid(N), element_threads, dx, dy, S, P, N);
}
}  // namespace siglip::inline SIGLIP_FLAVOUR::cuda
