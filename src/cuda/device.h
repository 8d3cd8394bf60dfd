// device.h — the words in which a .cu page differs from plain CUDA, so that tests/cuda_emulator can stand in for this file.
#pragma once
#include <cublas_v2.h>
#include <cuda_bf16.h>
#include <cuda_runtime.h>

// KERNEL_LAUNCH(softmax_forward_row, grid, block, y, x, C): on the compute stream. A grid without blocks is no launch; a refused launch is an
// Error naming the kernel and its sizes.
#define KERNEL_LAUNCH(kernel, grid, block, ...)                          \
  do {                                                                   \
    const dim3 grid_(grid), block_(block);                               \
    if (grid_.x == 0 || grid_.y == 0 || grid_.z == 0) break;             \
    kernel<<<grid_, block_, 0, context().compute>>>(__VA_ARGS__);        \
    check_launch({#kernel, grid_, block_, #__VA_ARGS__}, {__VA_ARGS__}); \
  } while (false)

// An array in the shared memory of a block.
#define SHARED(type, name, count) __shared__ type name[count]

// Before a loop whose count is known: its steps one after another, so that arrays it counts through can be registers.
#define UNROLL _Pragma("unroll")

// a b, rounded by itself: nvcc would join it with a sum that follows and round once. For what is made twice and must be the same number.
inline __device__ float rounded_product(float a, float b) { return __fmul_rn(a, b); }
inline __device__ double rounded_product(double a, double b) { return __dmul_rn(a, b); }

// 1/x, off by two units in the last place at most for x from 1 to 2.
inline __device__ float reciprocal(float x) { return __fdividef(1.0f, x); }
inline __device__ double reciprocal(double x) { return 1 / x; }
