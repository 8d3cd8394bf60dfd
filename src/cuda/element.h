// element.h — kernels that treat each element by itself: one thread each, KERNEL_LAUNCH(add_element, element_grid(N), element_threads, …).
#pragma once
#include "cuda/context.h"

namespace siglip::inline SIGLIP_FLAVOUR::cuda {
constexpr int element_threads = 256;

inline dim3 element_grid(Dim N) { return grid_of(N, element_threads); }

/// The element of this thread; those of the last block may lie beyond the end.
inline __device__ Dim element() { return static_cast<Dim>(blockIdx.x) * element_threads + threadIdx.x; }
}  // namespace siglip::inline SIGLIP_FLAVOUR::cuda
