// memory.cu — the CUDA twin of memory.cpp: device memory, and the kernels that fill and add.
#include <cstdio>
#include "cuda/element.h"
#include "cuda/uploads.h"
#include "kernels.h"

namespace siglip::inline SIGLIP_FLAVOUR::cuda {
namespace {
__global__ void fill_element(Real* x, Real value, Dim N) {
  const Dim i = element();
  if (i < N) x[i] = value;
}

__global__ void accumulate_element(Real* y, const Real* x, Dim N) {
  const Dim i = element();
  if (i < N) y[i] += x[i];
}

__global__ void multiply_element(Real* x, const Real* s, Dim N) {
  const Dim i = element();
  if (i < N) x[i] *= s[0];
}

// Never destroyed, like the context.
Uploads& uploads() {
  static Uploads& u = *new Uploads;
  return u;
}
}  // namespace

void obtain_memory(void** memory, std::size_t bytes) {
  context();
  *memory = nullptr;
  const cudaError_t status = cudaMalloc(memory, bytes);
  if (status == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    *memory = nullptr;
  } else {
    check(status, "obtain_memory", bytes, "device memory");
  }
}

void release_memory(void* memory) { check(cudaFree(memory), "release_memory", "device memory"); }

void memory_left(std::int64_t* free_bytes, std::int64_t* all_bytes) {
  std::size_t left = 0, all = 0;
  context();
  check(cudaMemGetInfo(&left, &all), "memory_left", "free memory");
  *free_bytes = static_cast<std::int64_t>(left);
  *all_bytes = static_cast<std::int64_t>(all);
}

// Asked of the driver alone: a device whose memory is full has a name, too.
void device_name(char* name, Dim bytes) {
  int device = 0;
  cudaDeviceProp properties;
  check(cudaGetDevice(&device), "device_name", "the current device");
  check(cudaGetDeviceProperties(&properties, device), "device_name", "its properties");
  std::snprintf(name, static_cast<std::size_t>(bytes), "%s", properties.name);
}

void copy_in(void* memory, const void* host, std::size_t bytes) {
  if (bytes) uploads().copy(static_cast<char*>(memory), static_cast<const char*>(host), bytes);
}

// The one place where the host waits for the device, and where it hears of a kernel that failed underway.
void copy_out(void* host, const void* memory, std::size_t bytes) {
  if (!bytes) return;
  check(cudaMemcpyAsync(host, memory, bytes, cudaMemcpyDeviceToHost, context().compute), "copy_out", bytes, "device to host");
  check(cudaStreamSynchronize(context().compute), "copy_out", bytes,
        "waiting for the kernels launched before; with CUDA_LAUNCH_BLOCKING=1 the one that failed is named");
}

void fill(Real* x, Real value, Dim N) { KERNEL_LAUNCH(fill_element, element_grid(N), element_threads, x, value, N); }

void copy(Real* y, const Real* x, Dim N) {
  if (!N) return;
  const std::size_t bytes = static_cast<std::size_t>(N) * sizeof(Real);
  check(cudaMemcpyAsync(y, x, bytes, cudaMemcpyDeviceToDevice, context().compute), "copy", bytes, "device to device");
}

void accumulate(Real* y, const Real* x, Dim N) { KERNEL_LAUNCH(accumulate_element, element_grid(N), element_threads, y, x, N); }
void multiply_in_place(Real* x, const Real* s, Dim N) { KERNEL_LAUNCH(multiply_element, element_grid(N), element_threads, x, s, N); }
}  // namespace siglip::inline SIGLIP_FLAVOUR::cuda
