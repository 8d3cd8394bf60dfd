// context.h — what the CUDA backend keeps for the life of the process: a stream, cuBLAS, scratch memory; and how its errors are told.
#pragma once
#include <cstddef>
#include "cuda/device.h"
#include "siglip/error.h"
#include "siglip/real.h"

namespace siglip::inline SIGLIP_FLAVOUR::cuda {
/// Made when the first kernel is launched, on the device that CUDA calls current.
struct Context {
  cudaStream_t compute = nullptr;  // every kernel, in the order of the calls
  cublasHandle_t cublas = nullptr;
  void* scratch = nullptr;  // for what a kernel needs between its own launches; the next kernel may write over it
  int l2_bytes = 0;         // second-level cache
};
constexpr std::size_t scratch_bytes = std::size_t{1} << 20;

/// Throws NoBackend, "no CUDA device", where there is none.
Context& context();

/// Throws Error, "OP: CUDA: out of memory (what)", unless the call succeeded.
void check(cudaError_t status, const char* op, const char* what);
/// The same after a launch: an impossible grid, a kernel that this device cannot run.
void check_launch(const char* kernel, dim3 grid, dim3 block);

/// Blocks of `size` threads that cover N elements.
inline dim3 grid_of(Dim N, Dim size) { return dim3(static_cast<unsigned>((N + size - 1) / size)); }
}  // namespace siglip::inline SIGLIP_FLAVOUR::cuda
