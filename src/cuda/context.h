// context.h — what the CUDA backend keeps for the life of the process: a stream, cuBLAS, scratch memory; and how its errors are told.
#pragma once
#include <cstddef>
#include <initializer_list>
#include <limits>
#include <type_traits>
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

/// The same of cuBLAS, "OP: cuBLAS: CUBLAS_STATUS_NOT_SUPPORTED (part part)".
template <class... Part>
void check(cublasStatus_t status, const char* op, const Part&... part) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  cudaGetLastError();  // what cuBLAS leaves there is not the next launch's
  fail(op, "cuBLAS: ", cublasGetStatusString(status), " (", part..., ")");
}

struct Launch {
  const char* kernel;
  dim3 grid, block;
  const char* arguments;  // as the page writes them: "y, x, C"
};
/// An argument of a launch: whole numbers are sizes, the rest is not told.
struct Argument {
  bool is_size;
  Dim size = 0;
  template <class T>
  Argument(const T& value) : is_size(std::is_integral_v<T> && !std::is_same_v<T, bool>) {
    if constexpr (std::is_integral_v<T>) size = static_cast<Dim>(value);
  }
};
/// The same after a launch: an impossible grid, a kernel that this device cannot run. "softmax_forward_row: CUDA: invalid argument (C = 4; a grid
/// of (3, 1, 1) blocks of (128, 1, 1) threads)".
void check_launch(const Launch& launch, std::initializer_list<Argument> arguments);

/// Blocks of `size` threads that cover N elements.
inline dim3 grid_of(Dim N, Dim size) {
  const Dim count = blocks(N, size);
  require(count <= std::numeric_limits<int>::max(), "CUDA", "a grid of at most 2^31 - 1 blocks, got ", count);
  return dim3(static_cast<unsigned>(count));
}
}  // namespace siglip::inline SIGLIP_FLAVOUR::cuda
