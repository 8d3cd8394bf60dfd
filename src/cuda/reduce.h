// reduce.h — sums and maxima over a block of threads, by a fixed tree: the same bits on every run.
#pragma once
#include "cuda/context.h"

namespace siglip::inline SIGLIP_FLAVOUR::cuda {
constexpr int row_threads = 128;  // one block of this many threads for each row
constexpr int warps = row_threads / 32;

/// What `combine` makes of the values of a block of row_threads threads; each thread gets it. partial: `warps` words of shared memory.
template <class T, class Combine>
__device__ T block_reduce(T value, T* partial, Combine combine) {
  for (int lane = 16; lane > 0; lane /= 2) value = combine(value, __shfl_xor_sync(0xffffffffu, value, lane));
  if (threadIdx.x % 32 == 0) partial[threadIdx.x / 32] = value;
  __syncthreads();
  value = partial[0];
  for (int warp = 1; warp < warps; ++warp) value = combine(value, partial[warp]);
  __syncthreads();  // partial may be used again
  return value;
}

struct Larger {
  template <class T>
  __device__ T operator()(T a, T b) const {
    return a > b ? a : b;
  }
};
struct Sum {
  template <class T>
  __device__ T operator()(T a, T b) const {
    return a + b;
  }
};
}  // namespace siglip::inline SIGLIP_FLAVOUR::cuda
