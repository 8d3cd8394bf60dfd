// memory.cu — the CUDA twin of memory.cpp: device memory, uploads beside the computing, and the kernels that fill and add.
#include <cstdio>
#include <cstring>
#include <mutex>
#include <vector>
#include "cuda/element.h"
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

// Uploads. A batch should travel while the step before it computes, yet arrive in the order of the compute stream, where its destination may
// still be in use. So it goes from the host's memory to a slot that the device can read by itself (pinned), from there on a stream of its own
// to a slot on the device, and only from there, within the device, into its place.
struct Slot {
  static constexpr std::size_t bytes = std::size_t{8} << 20;
  static constexpr std::size_t most = 16;  // slots; beyond them the host waits
  char *pinned = nullptr, *device = nullptr;
  cudaEvent_t uploaded = nullptr, free = nullptr;

  Slot() {
    check(cudaHostAlloc(reinterpret_cast<void**>(&pinned), bytes, cudaHostAllocDefault), "copy_in", "pinned memory of the host");
    check(cudaMalloc(reinterpret_cast<void**>(&device), bytes), "copy_in", "device memory for uploads");
    check(cudaEventCreateWithFlags(&uploaded, cudaEventDisableTiming), "copy_in", "an event");
    check(cudaEventCreateWithFlags(&free, cudaEventDisableTiming), "copy_in", "an event");
  }
};

class Uploads {
 public:
  void copy(char* to, const char* from, std::size_t bytes) {
    const std::lock_guard lock(mutex_);  // batches are uploaded by the loader's threads
    if (!stream_) check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "copy_in", "a stream");
    for (std::size_t at = 0; at < bytes; at += Slot::bytes) piece(to + at, from + at, bytes - at < Slot::bytes ? bytes - at : Slot::bytes);
  }

 private:
  void piece(char* to, const char* from, std::size_t bytes) {
    const cudaStream_t compute = context().compute;
    const Slot& slot = next();
    std::memcpy(slot.pinned, from, bytes);
    check(cudaMemcpyAsync(slot.device, slot.pinned, bytes, cudaMemcpyHostToDevice, stream_), "copy_in", "host to device");
    check(cudaEventRecord(slot.uploaded, stream_), "copy_in", "an event");
    check(cudaStreamWaitEvent(compute, slot.uploaded, 0), "copy_in", "an event");
    check(cudaMemcpyAsync(to, slot.device, bytes, cudaMemcpyDeviceToDevice, compute), "copy_in", "device to device");
    check(cudaEventRecord(slot.free, compute), "copy_in", "an event");
  }

  // The slot used longest ago if it is free, else a new one, else that one once it is free.
  const Slot& next() {
    if (!slots_.empty()) {
      const std::size_t oldest = (last_ + 1) % slots_.size();
      if (slots_.size() == Slot::most || cudaEventQuery(slots_[oldest].free) == cudaSuccess) {
        check(cudaEventSynchronize(slots_[oldest].free), "copy_in", "waiting for a slot");
        return slots_[last_ = oldest];
      }
      cudaGetLastError();  // "not ready" is no error
    }
    slots_.emplace(slots_.begin() + static_cast<std::ptrdiff_t>(slots_.empty() ? 0 : ++last_));
    return slots_[last_];
  }

  std::mutex mutex_;
  cudaStream_t stream_ = nullptr;
  std::vector<Slot> slots_;  // a ring, in the order of use
  std::size_t last_ = 0;
};

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
    check(status, "obtain_memory", "device memory");
  }
}

void release_memory(void* memory) { cudaFree(memory); }

void memory_left(std::int64_t* free_bytes, std::int64_t* all_bytes) {
  std::size_t left = 0, all = 0;
  context();
  check(cudaMemGetInfo(&left, &all), "memory_left", "free memory");
  *free_bytes = static_cast<std::int64_t>(left);
  *all_bytes = static_cast<std::int64_t>(all);
}

void device_name(char* name, Dim bytes) {
  context();
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
  check(cudaMemcpyAsync(host, memory, bytes, cudaMemcpyDeviceToHost, context().compute), "copy_out", "device to host");
  check(cudaStreamSynchronize(context().compute), "copy_out", "waiting for the kernels launched before");
}

void fill(Real* x, Real value, Dim N) { KERNEL_LAUNCH(fill_element, element_grid(N), element_threads, x, value, N); }

void copy(Real* y, const Real* x, Dim N) {
  if (!N) return;
  check(cudaMemcpyAsync(y, x, static_cast<std::size_t>(N) * sizeof(Real), cudaMemcpyDeviceToDevice, context().compute), "copy", "device to device");
}

void accumulate(Real* y, const Real* x, Dim N) { KERNEL_LAUNCH(accumulate_element, element_grid(N), element_threads, y, x, N); }
void multiply_in_place(Real* x, const Real* s, Dim N) { KERNEL_LAUNCH(multiply_element, element_grid(N), element_threads, x, s, N); }
}  // namespace siglip::inline SIGLIP_FLAVOUR::cuda
