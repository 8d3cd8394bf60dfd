// column_sums.cu — one thread for each column of each share of the rows, then one for each column that adds the shares in order. Which rows a
// share has follows from the sizes alone, so the bits are the same on every run and on every device.
#include "cuda/column_sums.h"
#include "cuda/element.h"

namespace siglip::inline SIGLIP_FLAVOUR::cuda {
namespace {
constexpr int threads = 128;
}  // namespace

__global__ void column_sums_share(Real* shares, const Real* x, Dim rows, Dim N, Dim width, Dim C) {
  const Dim c = static_cast<Dim>(blockIdx.x) * threads + threadIdx.x, begin = blockIdx.y * rows, end = begin + rows < N ? begin + rows : N;
  if (c >= width) return;
  Real sum = 0;
  for (Dim n = begin; n < end; ++n) sum += x[n * C + c];
  shares[blockIdx.y * width + c] = sum;
}

__global__ void column_sums_add(Real* sum, const Real* shares, Dim count, Dim C) {
  const Dim c = element();
  if (c >= C) return;
  Real total = 0;
  for (Dim k = 0; k < count; ++k) total += shares[k * C + c];
  sum[c] += total;
}

void add_shares(Real* sum, const Real* shares, Dim count, Dim C) {
  KERNEL_LAUNCH(column_sums_add, element_grid(C), element_threads, sum, shares, count, C);
}

// As many columns at a time as the scratch memory holds of one share, as many shares as it holds of them.
void column_sums(Real* sum, const Real* x, Dim N, Dim C) {
  constexpr Dim room = static_cast<Dim>(scratch_bytes / sizeof(Real));
  Real* shares = static_cast<Real*>(scratch());
  for (Dim first = 0; first < C; first += room) {
    const Dim width = C - first < room ? C - first : room, most = room / width;
    const Dim rows = share_rows(N) * most < N ? blocks(N, most) : share_rows(N), count = blocks(N, rows);
    const dim3 grid(grid_of(width, threads).x, static_cast<unsigned>(count));
    KERNEL_LAUNCH(column_sums_share, grid, threads, shares, x + first, rows, N, width, C);
    add_shares(sum + first, shares, count, width);
  }
}
}  // namespace siglip::inline SIGLIP_FLAVOUR::cuda
