// faulty_main.cpp — runs one launch of faulty.cu by name. Prints what the emulator says of it and ends with 1; with 0 and "y ends in …" if it
// says nothing.
#include <cstdio>
#include <cstring>
#include <exception>
#include <vector>
#include "cuda/device.h"
#include "faulty.h"

int main(int count, char** words) {
  constexpr int N = 64;
  try {
    void *x = nullptr, *y = nullptr;
    cudaStream_t stream = nullptr;
    cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking);
    cudaMalloc(&x, N * sizeof(float));
    cudaMalloc(&y, N * sizeof(float));
    std::vector<float> values(N);
    for (int i = 0; i < N; ++i) values[static_cast<std::size_t>(i)] = 1.0f / static_cast<float>(i + 3);
    cudaMemcpyAsync(x, values.data(), N * sizeof(float), cudaMemcpyHostToDevice, stream);
    cudaMemcpyAsync(y, values.data(), N * sizeof(float), cudaMemcpyHostToDevice, stream);

    bool known = false;
#define LAUNCH(name) \
  if (count == 2 && std::strcmp(words[1], #name) == 0) known = true, faulty::name(static_cast<float*>(y), static_cast<const float*>(x), N);
    FAULTY_LAUNCHES(LAUNCH)
#undef LAUNCH
    if (!known) return std::printf("no such launch\n"), 2;
    cudaMemcpyAsync(values.data(), y, N * sizeof(float), cudaMemcpyDeviceToHost, stream);
    std::printf("y ends in %g\n", static_cast<double>(values.back()));
    return 0;
  } catch (const std::exception& e) {
    std::printf("%s\n", e.what());
    return 1;
  }
}
