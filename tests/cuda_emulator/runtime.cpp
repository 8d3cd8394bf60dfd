// runtime.cpp — the functions of CUDA's runtime and of cuBLAS that the backend calls, on the emulated device. Streams do everything at once.
#include "core/eigen.h"
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>
#include <utility>
#include "cuda/device.h"

struct EmulatedStream {};
struct EmulatedEvent {
  bool recorded = false;
};
struct EmulatedCublas {
  cudaStream_t stream = nullptr;
  void* workspace = nullptr;
};

namespace {
thread_local cudaError_t last_error = cudaSuccess;

cudaError_t status(cudaError_t value) {
  if (value != cudaSuccess) last_error = value;
  return value;
}

std::atomic<int> living = 0;

template <class T>
cudaError_t make(T** object) {
  *object = new T;
  ++living;
  return cudaSuccess;
}
template <class T>
cudaError_t destroy(T* object) {
  if (!object) return status(cudaErrorInvalidValue);
  delete object;
  --living;
  return cudaSuccess;
}

struct Refusal {
  std::string function;
  int granted = 0, status = 0;
} refusal;

// 0, or what the function is to fail with.
int refused(const char* function) {
  if (refusal.function != function || refusal.granted-- > 0) return 0;
  refusal.function.clear();
  return refusal.status;
}
}  // namespace

#define GIVE_REFUSAL \
  if (const int wanted = refused(__func__)) return status(static_cast<cudaError_t>(wanted))

void emulator::refuse(const char* function, int granted, int status) { refusal = {function, granted, status}; }
int emulator::living_objects() { return living; }

cudaError_t cudaGetLastError() { return std::exchange(last_error, cudaSuccess); }

const char* cudaGetErrorString(cudaError_t value) {
  switch (value) {
    case cudaSuccess:
      return "no error";
    case cudaErrorInvalidValue:
      return "invalid argument";
    case cudaErrorMemoryAllocation:
      return "out of memory";
    case cudaErrorNoDevice:
      return "no CUDA-capable device is detected";
    case cudaErrorInsufficientDriver:
      return "CUDA driver version is insufficient for CUDA runtime version";
  }
  return "unrecognized error code";
}

cudaError_t cudaGetDeviceCount(int* count) {
  GIVE_REFUSAL;
  *count = 1;
  return cudaSuccess;
}
cudaError_t cudaGetDevice(int* device) {
  *device = 0;
  return cudaSuccess;
}
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr, int) {
  *value = 4 << 10;  // the second-level cache: a small device, so that small sizes take the paths of large ones
  return cudaSuccess;
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int) {
  *properties = {"tests/cuda_emulator"};
  return cudaSuccess;
}
cudaError_t cudaMemGetInfo(std::size_t* free_bytes, std::size_t* all_bytes) {
  emulator::memory_info(free_bytes, all_bytes);
  return cudaSuccess;
}

cudaError_t cudaMalloc(void** memory, std::size_t bytes) {
  *memory = emulator::allocate(bytes);
  return status(*memory ? cudaSuccess : cudaErrorMemoryAllocation);
}
cudaError_t cudaFree(void* memory) {
  GIVE_REFUSAL;
  return status(!memory || emulator::release(memory) ? cudaSuccess : cudaErrorInvalidValue);
}
cudaError_t cudaHostAlloc(void** memory, std::size_t bytes, unsigned) {
  GIVE_REFUSAL;
  *memory = std::malloc(bytes);
  if (*memory) ++living;
  return status(*memory ? cudaSuccess : cudaErrorMemoryAllocation);
}

// What this and cudaEventDestroy are refused with is, as on a device, an error of earlier work: the memory and the event are gone all the same.
cudaError_t cudaFreeHost(void* memory) {
  if (!memory) return status(cudaErrorInvalidValue);
  std::free(memory);
  --living;
  GIVE_REFUSAL;
  return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind, cudaStream_t) {
  GIVE_REFUSAL;
  const emulator::Unlocked unlocked;
  const auto fits = [bytes](const void* p, bool on_device) { return on_device ? emulator::bytes_from(p) >= bytes : emulator::bytes_from(p) == 0; };
  if (!fits(to, kind != cudaMemcpyDeviceToHost) || !fits(from, kind != cudaMemcpyHostToDevice)) return status(cudaErrorInvalidValue);
  std::memmove(to, from, bytes);
  return cudaSuccess;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  GIVE_REFUSAL;
  return make(stream);
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  GIVE_REFUSAL;
  return status(stream ? cudaSuccess : cudaErrorInvalidValue);
}
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  return status(stream && event && event->recorded ? cudaSuccess : cudaErrorInvalidValue);
}
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  GIVE_REFUSAL;
  return make(event);
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  const cudaError_t destroyed = destroy(event);
  GIVE_REFUSAL;
  return destroyed;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  if (!event || !stream) return status(cudaErrorInvalidValue);
  event->recorded = true;
  return cudaSuccess;
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) { return status(event ? cudaSuccess : cudaErrorInvalidValue); }

// ---- bfloat16 ---------------------------------------------------------------------------------------------------------------------------------

__nv_bfloat16 __float2bfloat16(float value) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  if (value == value) bits += 0x7fff + (bits >> 16 & 1);
  return {static_cast<std::uint16_t>(bits >> 16)};
}
float __bfloat162float(__nv_bfloat16 value) {
  const std::uint32_t bits = std::uint32_t{value.bits} << 16;
  float wide;
  std::memcpy(&wide, &bits, sizeof wide);
  return wide;
}

// ---- cuBLAS -----------------------------------------------------------------------------------------------------------------------------------

namespace {
std::size_t bytes_of(cudaDataType_t type) { return type == CUDA_R_64F ? 8 : type == CUDA_R_32F ? 4 : 2; }

// Column-major (rows, columns) with `ld` numbers from one column to the next lies within one allocation.
bool lies_on_device(const void* p, cudaDataType_t type, int rows, int columns, int ld) {
  if (rows == 0 || columns == 0) return true;
  return emulator::bytes_from(p) >= (std::size_t(columns - 1) * std::size_t(ld) + std::size_t(rows)) * bytes_of(type);
}

template <class T>
using ColumnMajor = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic>;

float rounded_to(int mantissa_bits, float value) {
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  const int dropped = 23 - mantissa_bits;
  bits = (bits + (1u << (dropped - 1))) >> dropped << dropped;
  std::memcpy(&value, &bits, sizeof bits);
  return value;
}

// op(factor) as the product sees it.
template <class T>
ColumnMajor<T> factor(const void* p, cudaDataType_t type, cublasOperation_t operation, int rows, int columns, int ld, cublasComputeType_t compute) {
  if (operation == CUBLAS_OP_T) std::swap(rows, columns);
  ColumnMajor<T> m(rows, columns);
  for (int c = 0; c < columns; ++c)
    for (int r = 0; r < rows; ++r) {
      const std::size_t at = std::size_t(c) * std::size_t(ld) + std::size_t(r);
      T value;
      if (type == CUDA_R_16BF)
        value = static_cast<T>(__bfloat162float(static_cast<const __nv_bfloat16*>(p)[at]));
      else
        value = static_cast<const T*>(p)[at];
      if (compute == CUBLAS_COMPUTE_32F_FAST_TF32) value = static_cast<T>(rounded_to(10, static_cast<float>(value)));
      m(r, c) = value;
    }
  if (operation == CUBLAS_OP_T) return m.transpose();
  return m;
}

template <class T>
void multiply(cublasOperation_t a_operation, cublasOperation_t b_operation, int m, int n, int k, const void* alpha, const void* a,
              cudaDataType_t a_type, int lda, const void* b, cudaDataType_t b_type, int ldb, const void* beta, void* c, int ldc,
              cublasComputeType_t compute) {
  const ColumnMajor<T> product = factor<T>(a, a_type, a_operation, m, k, lda, compute) * factor<T>(b, b_type, b_operation, k, n, ldb, compute);
  Eigen::Map<ColumnMajor<T>, 0, Eigen::OuterStride<>> result(static_cast<T*>(c), m, n, Eigen::OuterStride<>(ldc));
  const T scale = *static_cast<const T*>(alpha), keep = *static_cast<const T*>(beta);
  if (keep == 0)
    result = scale * product;
  else
    result = scale * product + keep * result;
}
}  // namespace

// A call of cuBLAS that fails within CUDA leaves CUDA's last error behind.
#define GIVE_CUBLAS_REFUSAL                     \
  if (const int wanted = refused(__func__)) {   \
    last_error = cudaErrorInvalidValue;         \
    return static_cast<cublasStatus_t>(wanted); \
  }

cublasStatus_t cublasCreate(cublasHandle_t* handle) {
  make(handle);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasDestroy(cublasHandle_t handle) { return destroy(handle) == cudaSuccess ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_INVALID_VALUE; }
cublasStatus_t cublasSetStream(cublasHandle_t handle, cudaStream_t stream) {
  handle->stream = stream;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasSetWorkspace(cublasHandle_t handle, void* workspace, std::size_t bytes) {
  GIVE_CUBLAS_REFUSAL
  handle->workspace = workspace;
  return emulator::bytes_from(workspace) >= bytes ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_INVALID_VALUE;
}
const char* cublasGetStatusString(cublasStatus_t value) {
  switch (value) {
    case CUBLAS_STATUS_SUCCESS:
      return "CUBLAS_STATUS_SUCCESS";
    case CUBLAS_STATUS_INVALID_VALUE:
      return "CUBLAS_STATUS_INVALID_VALUE";
    case CUBLAS_STATUS_NOT_SUPPORTED:
      return "CUBLAS_STATUS_NOT_SUPPORTED";
  }
  return "unknown";
}

cublasStatus_t cublasGemmEx(cublasHandle_t handle, cublasOperation_t a_operation, cublasOperation_t b_operation, int m, int n, int k,
                            const void* alpha, const void* a, cudaDataType_t a_type, int lda, const void* b, cudaDataType_t b_type, int ldb,
                            const void* beta, void* c, cudaDataType_t c_type, int ldc, cublasComputeType_t compute, cublasGemmAlgo_t) {
  GIVE_CUBLAS_REFUSAL
  if (!handle->stream || !handle->workspace) return CUBLAS_STATUS_INVALID_VALUE;
  const bool a_plain = a_operation == CUBLAS_OP_N, b_plain = b_operation == CUBLAS_OP_N;
  if (m < 0 || n < 0 || k < 0 || lda < std::max(1, a_plain ? m : k) || ldb < std::max(1, b_plain ? k : n) || ldc < std::max(1, m))
    return CUBLAS_STATUS_INVALID_VALUE;
  if (a_type != b_type || (c_type == CUDA_R_64F) != (compute == CUBLAS_COMPUTE_64F) || (a_type == CUDA_R_64F) != (c_type == CUDA_R_64F) ||
      (a_type == CUDA_R_16BF && compute != CUBLAS_COMPUTE_32F) || c_type == CUDA_R_16BF)
    return CUBLAS_STATUS_NOT_SUPPORTED;
  const emulator::Unlocked unlocked;
  if (!lies_on_device(a, a_type, a_plain ? m : k, a_plain ? k : m, lda) || !lies_on_device(b, b_type, b_plain ? k : n, b_plain ? n : k, ldb) ||
      !lies_on_device(c, c_type, m, n, ldc))
    throw std::runtime_error("emulator: cublasGemmEx: a matrix of m = " + std::to_string(m) + ", n = " + std::to_string(n) +
                             ", k = " + std::to_string(k) + " does not lie within an allocation of the device");
  if (c_type == CUDA_R_64F)
    multiply<double>(a_operation, b_operation, m, n, k, alpha, a, a_type, lda, b, b_type, ldb, beta, c, ldc, compute);
  else
    multiply<float>(a_operation, b_operation, m, n, k, alpha, a, a_type, lda, b, b_type, ldb, beta, c, ldc, compute);
  return CUBLAS_STATUS_SUCCESS;
}
