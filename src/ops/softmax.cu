// softmax.cu — the CUDA twin of softmax.cpp, where the mathematics stands: one block for each row, its maximum and its sums by fixed trees.
#include <cmath>
#include "cuda/reduce.h"
#include "kernels.h"

namespace siglip::inline SIGLIP_FLAVOUR::cuda {
__global__ void softmax_forward_row(Real* y, const Real* x, Dim C) {
  SHARED(Real, partial, warps);
  const Real* xn = x + blockIdx.x * C;
  Real* yn = y + blockIdx.x * C;
  Real m = xn[0], sum = 0;
  for (Dim c = threadIdx.x; c < C; c += row_threads) m = Larger()(m, xn[c]);
  m = block_reduce(m, partial, Larger());
  for (Dim c = threadIdx.x; c < C; c += row_threads) sum += yn[c] = std::exp(xn[c] - m);
  sum = block_reduce(sum, partial, Sum());
  for (Dim c = threadIdx.x; c < C; c += row_threads) yn[c] /= sum;
}

__global__ void softmax_backward_row(Real* dx, const Real* dy, const Real* y, Dim C) {
  SHARED(Real, partial, warps);
  const Real *dyn = dy + blockIdx.x * C, *yn = y + blockIdx.x * C;
  Real* dxn = dx + blockIdx.x * C;
  Real dot = 0;
  for (Dim c = threadIdx.x; c < C; c += row_threads) dot += dyn[c] * yn[c];
  dot = block_reduce(dot, partial, Sum());
  for (Dim c = threadIdx.x; c < C; c += row_threads) dxn[c] += yn[c] * (dyn[c] - dot);
}

void softmax_forward(Real* y, const Real* x, Dim N, Dim C) { KERNEL_LAUNCH(softmax_forward_row, grid_of(N, 1), row_threads, y, x, C); }

void softmax_backward(Real* dx, const Real* dy, const Real* y, Dim N, Dim C) {
  if (dx) KERNEL_LAUNCH(softmax_backward_row, grid_of(N, 1), row_threads, dx, dy, y, C);
}
}  // namespace siglip::inline SIGLIP_FLAVOUR::cuda
