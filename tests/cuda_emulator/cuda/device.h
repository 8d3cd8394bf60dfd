// device.h — stands in for src/cuda/device.h: the host compiler builds the .cu pages with it, and emulator.cpp runs their kernels. What of
// CUDA and cuBLAS the pages use is declared here, with CUDA's own names, values of our own.
#pragma once
#include <cmath>
#include <cstddef>
#include <cstdint>
#include "../emulator.h"

#define __global__
#define __device__

#define threadIdx emulator::thread_index()
#define blockIdx emulator::block_index()

#define KERNEL_LAUNCH(kernel, grid, block, ...) emulator::launch(#kernel, kernel, grid, block, __VA_ARGS__)
#define SHARED(type, name, count) type* name = static_cast<type*>(emulator::shared_memory((count) * sizeof(type), __FILE__, __LINE__))

#define UNROLL
template <class T>
[[gnu::noinline]] T rounded_product(T a, T b) {  // no compiler joins a product with the sum of its caller
  return a * b;
}
template <class T>
T reciprocal(T x) {
  return 1 / x;
}

// ---- what threads of a block say to each other -----------------------------------------------------------------------------------------

inline void __syncthreads(emulator::Place place = emulator::Place::current()) { emulator::barrier(place); }
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int lanes, emulator::Place place = emulator::Place::current()) {
  return emulator::exchange(mask, value, emulator::lane() ^ static_cast<unsigned>(lanes), place);
}
template <class T>
T __shfl_sync(unsigned mask, T value, int from, emulator::Place place = emulator::Place::current()) {
  return emulator::exchange(mask, value, static_cast<unsigned>(from) % 32, place);
}

// ---- the runtime ------------------------------------------------------------------------------------------------------------------------

enum cudaError_t { cudaSuccess, cudaErrorInvalidValue, cudaErrorMemoryAllocation, cudaErrorInsufficientDriver, cudaErrorNoDevice };
enum cudaMemcpyKind { cudaMemcpyHostToDevice, cudaMemcpyDeviceToHost, cudaMemcpyDeviceToDevice };
enum cudaDeviceAttr { cudaDevAttrL2CacheSize };
struct EmulatedStream;
struct EmulatedEvent;
using cudaStream_t = EmulatedStream*;
using cudaEvent_t = EmulatedEvent*;
constexpr unsigned cudaStreamNonBlocking = 1, cudaEventDisableTiming = 2, cudaHostAllocDefault = 0;

cudaError_t cudaGetLastError();
const char* cudaGetErrorString(cudaError_t status);
cudaError_t cudaGetDeviceCount(int* count);
cudaError_t cudaGetDevice(int* device);
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int device);
struct cudaDeviceProp {
  char name[256];
};
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int device);
cudaError_t cudaMemGetInfo(std::size_t* free_bytes, std::size_t* all_bytes);
cudaError_t cudaMalloc(void** memory, std::size_t bytes);
cudaError_t cudaFree(void* memory);
cudaError_t cudaHostAlloc(void** memory, std::size_t bytes, unsigned flags);
cudaError_t cudaFreeHost(void* memory);
cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind, cudaStream_t stream);
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags);
cudaError_t cudaStreamSynchronize(cudaStream_t stream);
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags);
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags);
cudaError_t cudaEventDestroy(cudaEvent_t event);
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream);
cudaError_t cudaEventSynchronize(cudaEvent_t event);

// ---- cuBLAS ----------------------------------------------------------------------------------------------------------------------------

enum cublasStatus_t { CUBLAS_STATUS_SUCCESS, CUBLAS_STATUS_INVALID_VALUE, CUBLAS_STATUS_NOT_SUPPORTED };
enum cublasOperation_t { CUBLAS_OP_N, CUBLAS_OP_T };
enum cudaDataType_t { CUDA_R_32F, CUDA_R_64F, CUDA_R_16BF };
enum cublasComputeType_t { CUBLAS_COMPUTE_32F, CUBLAS_COMPUTE_64F, CUBLAS_COMPUTE_32F_FAST_TF32 };
enum cublasGemmAlgo_t { CUBLAS_GEMM_DEFAULT };
struct EmulatedCublas;
using cublasHandle_t = EmulatedCublas*;

cublasStatus_t cublasCreate(cublasHandle_t* handle);
cublasStatus_t cublasDestroy(cublasHandle_t handle);
cublasStatus_t cublasSetStream(cublasHandle_t handle, cudaStream_t stream);
cublasStatus_t cublasSetWorkspace(cublasHandle_t handle, void* workspace, std::size_t bytes);
const char* cublasGetStatusString(cublasStatus_t status);
cublasStatus_t cublasGemmEx(cublasHandle_t handle, cublasOperation_t a_operation, cublasOperation_t b_operation, int m, int n, int k,
                            const void* alpha, const void* a, cudaDataType_t a_type, int lda, const void* b, cudaDataType_t b_type, int ldb,
                            const void* beta, void* c, cudaDataType_t c_type, int ldc, cublasComputeType_t compute, cublasGemmAlgo_t algorithm);

// ---- bfloat16: the upper half of a float, rounded to nearest, ties to even ---------------------------------------------------------------

struct __nv_bfloat16 {
  std::uint16_t bits;
};
__nv_bfloat16 __float2bfloat16(float value);
float __bfloat162float(__nv_bfloat16 value);
