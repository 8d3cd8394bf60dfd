// faulty.cu — kernels with one fault each, as CUDA on a device would run without a word. emulator_test.cpp asserts what is said of them.
#include "faulty.h"
#include "cuda/device.h"

namespace faulty {
constexpr int threads = 64;

__global__ void sum_neighbours(float* y, const float* x) {  // the barrier between writing and reading is missing
  SHARED(float, all, threads);
  all[threadIdx.x] = x[threadIdx.x];  // written
  y[threadIdx.x] = all[threadIdx.x] + all[(threadIdx.x + 33) % threads];
}
void missing_barrier(float* y, const float* x, int) { KERNEL_LAUNCH(sum_neighbours, 1, threads, y, x); }

__global__ void write_past_global(float* y, int N) { y[threadIdx.x + 1] = static_cast<float>(N); }
void step_past_global(float* y, const float*, int N) { KERNEL_LAUNCH(write_past_global, 1, static_cast<unsigned>(N), y, N); }

__global__ void read_past_global(float* y, const float* x) { y[threadIdx.x] = x[threadIdx.x + 1]; }
void read_past_the_end(float* y, const float* x, int N) { KERNEL_LAUNCH(read_past_global, 1, static_cast<unsigned>(N), y, x); }

__global__ void write_past_shared(float* y, const float* x) {
  SHARED(float, all, threads);  // too short
  all[threadIdx.x + 1] = x[threadIdx.x];
  __syncthreads();
  y[threadIdx.x] = all[threadIdx.x];
}
void step_past_shared(float* y, const float* x, int) { KERNEL_LAUNCH(write_past_shared, 1, threads, y, x); }

__global__ void barrier_for_some(float* y, const float* x) {
  if (threadIdx.x < 40) __syncthreads();
  y[threadIdx.x] = x[threadIdx.x];
}
void divergent_barrier(float* y, const float* x, int) { KERNEL_LAUNCH(barrier_for_some, 1, threads, y, x); }

__global__ void two_barriers(float* y, const float* x) {
  if (threadIdx.x % 2)
    __syncthreads();  // the odd
  else
    __syncthreads();  // the even
  y[threadIdx.x] = x[threadIdx.x];
}
void different_barriers(float* y, const float* x, int) { KERNEL_LAUNCH(two_barriers, 1, threads, y, x); }

__global__ void add_to_first(float* y, const float* x) { y[0] += x[blockIdx.x]; }
void two_blocks_on_one_word(float* y, const float* x, int N) { KERNEL_LAUNCH(add_to_first, static_cast<unsigned>(N), 1, y, x); }

__global__ void read_unwritten(float* y) {
  SHARED(float, all, threads);
  y[threadIdx.x] = all[threadIdx.x];
}
void uninitialised_read(float* y, const float*, int) { KERNEL_LAUNCH(read_unwritten, 1, threads, y); }

__global__ void shuffle_in_half(float* y, const float* x) {
  float sum = x[threadIdx.x];
  if (threadIdx.x % 32 < 16) sum += __shfl_xor_sync(0xffffffffu, sum, 1);
  y[threadIdx.x] = sum;
}
void wrong_shuffle(float* y, const float* x, int) { KERNEL_LAUNCH(shuffle_in_half, 1, threads, y, x); }

__global__ void ask_outside_mask(float* y, const float* x) {
  float value = x[threadIdx.x];
  if (threadIdx.x % 32 < 16) value = __shfl_sync(0x0000ffffu, value, 20);
  y[threadIdx.x] = value;
}
void shuffle_outside_mask(float* y, const float* x, int) { KERNEL_LAUNCH(ask_outside_mask, 1, threads, y, x); }

__global__ void copy_element(float* y, const float* x) { y[threadIdx.x] = x[threadIdx.x]; }
void host_pointer(float* y, const float*, int) {
  static const float on_the_host[threads] = {};
  KERNEL_LAUNCH(copy_element, 1, threads, y, on_the_host);
}
void too_many_threads(float* y, const float* x, int) { KERNEL_LAUNCH(copy_element, 1, 2048, y, x); }

__global__ void want_much(float* y) {
  SHARED(float, all, 16384);
  all[threadIdx.x] = 0;
  y[threadIdx.x] = all[threadIdx.x];
}
void too_much_shared_memory(float* y, const float*, int) { KERNEL_LAUNCH(want_much, 1, threads, y); }

void host_touches_device(float* y, const float* x, int) { y[0] = x[0]; }

__global__ void reverse_block(float* y, const float* x) {  // right: what it says is nothing
  SHARED(float, all, threads);
  all[threadIdx.x] = x[threadIdx.x];
  __syncthreads();
  float value = all[threads - 1 - threadIdx.x];
  value += __shfl_xor_sync(0xffffffffu, value, 1);
  y[threadIdx.x] = value;
}
void nothing(float* y, const float* x, int) { KERNEL_LAUNCH(reverse_block, 1, threads, y, x); }
}  // namespace faulty
