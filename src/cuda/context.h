// context.h — what the CUDA backend keeps for the life of the process: a stream, cuBLAS, scratch memory; and how its errors are told.
#pragma once
#include <cstddef>
#include "core/blocks.h"
#include "cuda/device.h"
#include "siglip/error.h"
#include "siglip/real.h"

namespace siglip::inline SIGLIP_FLAVOUR::cuda {
/// Made when the first memory is taken, on the device that CUDA calls current.
struct Context {
  cudaStream_t compute = nullptr;  // every kernel, in the order of the calls
  Dim l2_bytes = 0;                // second-level cache
  Dim tile_edge = 0;               // of the losses, for measurements; 0: as the cache says
};
Context& context();

/// For what a kernel needs between its own launches; the next kernel may write over it. Of the pool, since the first kernel that wanted it.
void* scratch();
constexpr std::size_t scratch_bytes = std::size_t{1} << 20;

/// On the compute stream, with a workspace of the pool, since the first product.
cublasHandle_t cublas();

/// Throws NoBackend where there is none: "no CUDA device", and CUDA's own words if it has others to say.
void require_cuda_device();

/// Throws Error, "OP: CUDA: out of memory (what)", unless the call succeeded.
void check(cudaError_t status, const char* op, const char* what);
void check(cudaError_t status, const char* op, std::size_t bytes, const char* what);  // "… (4096 bytes, what)"
/// The same after a launch: an impossible grid, a kernel that this device cannot run.
void check_launch(const char* kernel, dim3 grid, dim3 block);

/// Blocks of `size` threads that cover N elements.
inline dim3 grid_of(Dim N, Dim size) { return dim3(static_cast<unsigned>(blocks(N, size))); }
}  // namespace siglip::inline SIGLIP_FLAVOUR::cuda
