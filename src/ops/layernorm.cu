// layernorm.cu — the CUDA twin of layernorm.cpp, where the mathematics stands: one block for each row, its sums by fixed trees. dgamma and dbeta
// are summed column by column over shares of the rows, and the shares are added in order.
#include <cmath>
#include "cuda/column_sums.h"
#include "cuda/reduce.h"
#include "kernels.h"

namespace siglip::inline SIGLIP_FLAVOUR::cuda {
__global__ void layernorm_forward_row(Real* y, Real* mean, Real* rstd, const Real* x, const Real* gamma, const Real* beta, Dim C, Real eps) {
  SHARED(Real, partial, warps);
  SHARED(double, partial_sums, warps);
  const Real* xn = x + blockIdx.x * C;
  Real* yn = y + blockIdx.x * C;
  double sum = 0;
  Real squares = 0;
  for (Dim c = threadIdx.x; c < C; c += row_threads) sum += double(xn[c]);
  const Real m = static_cast<Real>(block_reduce(sum, partial_sums, Sum()) / double(C));
  for (Dim c = threadIdx.x; c < C; c += row_threads) squares += (xn[c] - m) * (xn[c] - m);
  const Real r = 1 / std::sqrt(block_reduce(squares, partial, Sum()) / static_cast<Real>(C) + eps);
  for (Dim c = threadIdx.x; c < C; c += row_threads) yn[c] = (xn[c] - m) * r * gamma[c] + beta[c];
  if (threadIdx.x == 0) mean[blockIdx.x] = m, rstd[blockIdx.x] = r;
}

__global__ void layernorm_backward_row(Real* dx, const Real* dy, const Real* mean, const Real* rstd, const Real* x, const Real* gamma, Dim C) {
  SHARED(Real, partial, warps);
  const Real *xn = x + blockIdx.x * C, *dyn = dy + blockIdx.x * C, m = mean[blockIdx.x], r = rstd[blockIdx.x];
  Real* dxn = dx + blockIdx.x * C;
  Real sum_g = 0, sum_gh = 0;
  for (Dim c = threadIdx.x; c < C; c += row_threads) {
    sum_g += dyn[c] * gamma[c];
    sum_gh += dyn[c] * gamma[c] * ((xn[c] - m) * r);
  }
  sum_g = block_reduce(sum_g, partial, Sum()) / static_cast<Real>(C);
  sum_gh = block_reduce(sum_gh, partial, Sum()) / static_cast<Real>(C);
  for (Dim c = threadIdx.x; c < C; c += row_threads) dxn[c] += r * (dyn[c] * gamma[c] - sum_g - (xn[c] - m) * r * sum_gh);
}

// One thread for each column of each share of the rows.
__global__ void layernorm_backward_share(Real* dgamma_shares, Real* dbeta_shares, const Real* dy, const Real* mean, const Real* rstd, const Real* x,
                                         Dim rows, Dim N, Dim C) {
  const Dim c = static_cast<Dim>(blockIdx.y) * row_threads + threadIdx.x, begin = blockIdx.x * rows, end = begin + rows < N ? begin + rows : N;
  if (c >= C) return;
  Real dgamma = 0, dbeta = 0;
  for (Dim n = begin; n < end; ++n) {
    dgamma += dy[n * C + c] * ((x[n * C + c] - mean[n]) * rstd[n]);
    dbeta += dy[n * C + c];
  }
  dgamma_shares[blockIdx.x * C + c] = dgamma;
  dbeta_shares[blockIdx.x * C + c] = dbeta;
}

void layernorm_forward(Real* y, Real* mean, Real* rstd, const Real* x, const Real* gamma, const Real* beta, Dim N, Dim C, Real eps) {
  KERNEL_LAUNCH(layernorm_forward_row, grid_of(N, 1), row_threads, y, mean, rstd, x, gamma, beta, C, eps);
}

void layernorm_workspace(Dim* reals, Dim N, Dim C) { *reals = 2 * blocks(N, share_rows(N)) * C; }

void layernorm_backward(Real* dx, Real* dgamma, Real* dbeta, Real* workspace, const Real* dy, const Real* mean, const Real* rstd, const Real* x,
                        const Real* gamma, Dim N, Dim C) {
  if (dx) KERNEL_LAUNCH(layernorm_backward_row, grid_of(N, 1), row_threads, dx, dy, mean, rstd, x, gamma, C);
  if (!dgamma && !dbeta) return;
  const Dim rows = share_rows(N), count = blocks(N, rows);
  Real *dgamma_shares = workspace, *dbeta_shares = workspace + count * C;
  const dim3 grid(grid_of(N, rows).x, grid_of(C, row_threads).x);
  KERNEL_LAUNCH(layernorm_backward_share, grid, row_threads, dgamma_shares, dbeta_shares, dy, mean, rstd, x, rows, N, C);
  if (dgamma) add_shares(dgamma, dgamma_shares, count, C);
  if (dbeta) add_shares(dbeta, dbeta_shares, count, C);
}
}  // namespace siglip::inline SIGLIP_FLAVOUR::cuda
