// l2_normalize.cu — the CUDA twin of l2_normalize.cpp, where the mathematics stands: one block for each row, its sum in double by a fixed tree.
#include <cmath>
#include "cuda/reduce.h"
#include "kernels.h"

namespace siglip::inline SIGLIP_FLAVOUR::cuda {
namespace {
constexpr Real smallest_norm = Real(1e-12);
}  // namespace

__global__ void l2_normalize_forward_row(Real* y, Real* norm, const Real* x, Dim C) {
  SHARED(double, partial, warps);
  const Real* xn = x + blockIdx.x * C;
  double squares = 0;
  for (Dim c = threadIdx.x; c < C; c += row_threads) squares += double(xn[c]) * double(xn[c]);
  const Real root = static_cast<Real>(std::sqrt(block_reduce(squares, partial, Sum()))), length = root < smallest_norm ? smallest_norm : root;
  for (Dim c = threadIdx.x; c < C; c += row_threads) y[blockIdx.x * C + c] = xn[c] / length;
  if (threadIdx.x == 0) norm[blockIdx.x] = length;
}

__global__ void l2_normalize_backward_row(Real* dx, const Real* dy, const Real* y, const Real* norm, Dim C) {
  SHARED(double, partial, warps);
  const Real *yn = y + blockIdx.x * C, *dyn = dy + blockIdx.x * C, length = norm[blockIdx.x];
  Real* dxn = dx + blockIdx.x * C;
  double dot = 0;
  if (length > smallest_norm)
    for (Dim c = threadIdx.x; c < C; c += row_threads) dot += double(yn[c]) * double(dyn[c]);
  const Real along = static_cast<Real>(block_reduce(dot, partial, Sum()));
  for (Dim c = threadIdx.x; c < C; c += row_threads) dxn[c] += (dyn[c] - yn[c] * along) / length;
}

void l2_normalize_forward(Real* y, Real* norm, const Real* x, Dim N, Dim C) {
  KERNEL_LAUNCH(l2_normalize_forward_row, grid_of(N, 1), row_threads, y, norm, x, C);
}

void l2_normalize_backward(Real* dx, const Real* dy, const Real* y, const Real* norm, Dim N, Dim C) {
  if (dx) KERNEL_LAUNCH(l2_normalize_backward_row, grid_of(N, 1), row_threads, dx, dy, y, norm, C);
}
}  // namespace siglip::inline SIGLIP_FLAVOUR::cuda
