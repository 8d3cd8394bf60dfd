// dot.cu — one block for each share of the elements, then one that adds the shares. Borders follow from N alone and every sum is a fixed tree,
// so the bits are the same on every run and on every device.
#include "cuda/dot.h"
#include "cuda/reduce.h"

namespace siglip::inline SIGLIP_FLAVOUR::cuda {
namespace {
constexpr Dim smallest_share = 8192, most_shares = 1024;
}  // namespace

__global__ void dot_share(double* shares, const Real* a, const Real* b, Dim size, Dim N) {
  SHARED(double, partial, warps);
  const Dim begin = blockIdx.x * size, end = begin + size < N ? begin + size : N;
  double sum = 0;
  for (Dim i = begin + threadIdx.x; i < end; i += row_threads) sum += double(a[i]) * double(b[i]);
  sum = block_reduce(sum, partial, Sum());
  if (threadIdx.x == 0) shares[blockIdx.x] = sum;
}

__global__ void dot_total(double* sum, const double* shares, Dim count) {
  SHARED(double, partial, warps);
  double total = 0;
  for (Dim k = threadIdx.x; k < count; k += row_threads) total += shares[k];
  total = block_reduce(total, partial, Sum());
  if (threadIdx.x == 0) *sum = total;
}

void dot(double* sum, const Real* a, const Real* b, Dim N) {
  static_assert((1 + most_shares) * sizeof(double) <= scratch_bytes);
  double* shares = static_cast<double*>(scratch()) + 1;
  const Dim size = N > smallest_share * most_shares ? blocks(N, most_shares) : smallest_share, count = blocks(N, size);
  KERNEL_LAUNCH(dot_share, grid_of(count, 1), row_threads, shares, a, b, size, N);
  KERNEL_LAUNCH(dot_total, 1, row_threads, sum, shares, count);
}
}  // namespace siglip::inline SIGLIP_FLAVOUR::cuda
