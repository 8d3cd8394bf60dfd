// What the backend does where CUDA refuses: one clear error, nothing leaked, and all goes on.
#include <doctest/doctest.h>
#include <string>
#include "../temporary_folder.h"
#include "cuda/context.h"
#include "cuda/product.h"
#include "cuda/uploads.h"
#include "kernels.h"
#include "siglip/error.h"
#include "siglip/ops.h"
using namespace siglip;

namespace {
// The sentence of a call during which a function of the runtime fails, once.
template <class Call>
std::string said(const char* function, int granted, int status, const Call& call) {
  emulator::refuse(function, granted, status);
  const std::string text = complaint_of(call);
  emulator::refuse("", 0, 0);
  return text;
}

struct Destination {
  Buffer memory{64, Device::cuda};
  std::vector<char> host = std::vector<char>(64, 'x');
  void upload(cuda::Uploads& uploads) const { uploads.copy(static_cast<char*>(memory.data()), host.data(), host.size()); }
  std::vector<char> back() const {
    std::vector<char> got(64);
    cuda::copy_out(got.data(), memory.data(), got.size());
    return got;
  }
};
}  // namespace

TEST_CASE("refusals: no device, and why") {
  CHECK(said("cudaGetDeviceCount", 0, cudaErrorNoDevice, [] { cuda::require_cuda_device(); }) == "no CUDA device");
  CHECK(said("cudaGetDeviceCount", 0, cudaErrorInsufficientDriver, [] { cuda::require_cuda_device(); }) ==
        "no CUDA device: CUDA driver version is insufficient for CUDA runtime version");
  cuda::require_cuda_device();
}

TEST_CASE("refusals: an upload without memory leaks none, and the next one goes") {
  const Destination to;
  const int living = emulator::living_objects();
  const std::int64_t in_use = pool_stats(Device::cuda).in_use;
  {
    cuda::Uploads uploads;
    CHECK(said("cudaHostAlloc", 0, cudaErrorMemoryAllocation, [&] { to.upload(uploads); }) ==
          "copy_in: CUDA: out of memory (1048576 bytes, pinned memory of the host)");
    CHECK(emulator::living_objects() == living + 1);  // its stream
    CHECK(said("cudaEventCreateWithFlags", 1, cudaErrorMemoryAllocation, [&] { to.upload(uploads); }) == "copy_in: CUDA: out of memory (an event)");
    CHECK(emulator::living_objects() == living + 1);
    CHECK(uploads.slots() == 0);
    CHECK(pool_stats(Device::cuda).in_use == in_use);
    to.upload(uploads);
    CHECK(to.back() == to.host);
    CHECK(uploads.slots() == cuda::Uploads::most_slots);
    CHECK(pool_stats(Device::cuda).in_use == in_use + static_cast<std::int64_t>(cuda::Uploads::most_slots * cuda::Uploads::slot_bytes));
    const std::int64_t allocations = pool_stats(Device::cuda).allocations;
    for (std::size_t k = 0; k < 3 * cuda::Uploads::most_slots; ++k) to.upload(uploads);
    CHECK(pool_stats(Device::cuda).allocations == allocations);
    CHECK(said("cudaMemcpyAsync", 1, cudaErrorInvalidValue, [&] { to.upload(uploads); }) ==
          "copy_in: CUDA: invalid argument (64 bytes, device to device)");
  }
  CHECK(pool_stats(Device::cuda).in_use == in_use);
  trim_pool(Device::cuda);
}

TEST_CASE("refusals: where memory for some slots is there, uploads go through those") {
  const Destination to;
  cuda::Uploads uploads;
  emulator::refuse("cudaHostAlloc", 2, cudaErrorMemoryAllocation);
  to.upload(uploads);
  CHECK(uploads.slots() == 2);
  for (int k = 0; k < 5; ++k) to.upload(uploads);
  CHECK(to.back() == to.host);
  CHECK(uploads.slots() == 2);
}

TEST_CASE("refusals: a copy back, a piece of memory given back") {
  const Tensor x = Tensor::full({3}, 2, Device::cuda);
  CHECK(said("cudaMemcpyAsync", 0, cudaErrorInvalidValue, [&] { x.to_vector(); }) == "copy_out: CUDA: invalid argument (12 bytes, device to host)");
  CHECK(said("cudaStreamSynchronize", 0, cudaErrorInvalidValue, [&] { x.to_vector(); }) ==
        "copy_out: CUDA: invalid argument (12 bytes, waiting for the kernels launched before; with CUDA_LAUNCH_BLOCKING=1 the one that failed is "
        "named)");
  CHECK(x.to_vector()[2] == 2);

  { Tensor({12345}, Device::cuda).data(); }
  const std::int64_t reserved = pool_stats(Device::cuda).reserved;
  CHECK(said("cudaFree", 0, cudaErrorInvalidValue, [] { trim_pool(Device::cuda); }) == "release_memory: CUDA: invalid argument (device memory)");
  trim_pool(Device::cuda);  // what was refused is not tried again
  CHECK(pool_stats(Device::cuda).reserved < reserved);
  CHECK(pool_stats(Device::cuda).reserved == pool_stats(Device::cuda).in_use);
}

TEST_CASE("refusals: a launch is told with its sizes") {
  const auto refused = [](const char* names, std::initializer_list<cuda::Argument> arguments) {
    emulator::refuse("cudaMemcpyAsync", 0, cudaErrorInvalidValue);
    cudaMemcpyAsync(nullptr, nullptr, 0, cudaMemcpyHostToDevice, nullptr);  // what a launch that is refused leaves behind
    emulator::refuse("", 0, 0);
    return complaint_of([&] { cuda::check_launch({"some_kernel", dim3(3), dim3(128, 2), names}, arguments); });
  };
  const Real* x = nullptr;
  const Dim C = 5;
  const Real eps = 0.5;
  CHECK(refused("x, C, eps, tiles(C, 2), true", {x, C, eps, 7u, true}) ==
        "some_kernel: CUDA: invalid argument (C = 5, tiles(C, 2) = 7; a grid of (3, 1, 1) blocks of (128, 2, 1) threads)");
  CHECK(refused("x + 1, eps", {x + 1, eps}) == "some_kernel: CUDA: invalid argument (a grid of (3, 1, 1) blocks of (128, 2, 1) threads)");
  cuda::check_launch({"some_kernel", dim3(3), dim3(1), "x"}, {x});  // told once
  CHECK(complaint_of([] { cuda::grid_of(Dim{1} << 40, 128); }) == "CUDA: a grid of at most 2^31 - 1 blocks, got 8589934592");
  CHECK(cuda::grid_of((Dim{1} << 31) - 1, 1).x == 0x7fffffffu);
}

TEST_CASE("refusals: a product of more rows than cuBLAS counts, and one of factors that do not fit") {
  const Tensor x = Tensor::full({2, 2}, 1, Device::cuda);
  const cuda::Factor real{x.data(), 2}, bf16{x.data(), 2, false, CUDA_R_16BF};
  CHECK(complaint_of([&] { cuda::product("op", x.data(), 2, real, real, Dim{1} << 31, 2, 2, 0); }) ==
        "op: matrices of at most 2^31 - 1 rows and columns on a CUDA device, got 2147483648");
  CHECK(complaint_of([&] { cuda::product("op", x.data(), 2, real, bf16, 2, 2, 2, 0); }) == "op: both factors in the precision of products");
  CHECK(complaint_of([&] { cuda::product("op", x.data(), 2, bf16, bf16, 2, 2, 2, 0); }) == "op: both factors in the precision of products");
}

TEST_CASE("refusals: what a library or a destructor leaves behind is not the next launch's") {
  const auto launch = [] { cuda::check_launch({"some_kernel", dim3(3), dim3(1), ""}, {}); };
  const Tensor x = Tensor::full({2, 3}, 1, Device::cuda), w = Tensor::full({4, 3}, 1, Device::cuda);
  CHECK(said("cublasGemmEx", 0, CUBLAS_STATUS_NOT_SUPPORTED, [&] { matmul(x, w); }) ==
        "matmul: cuBLAS: CUBLAS_STATUS_NOT_SUPPORTED (2 x 3 times 3 x 4)");
  launch();
  for (const char* function : {"cudaFreeHost", "cudaEventDestroy"}) {
    const Destination to;
    const int living = emulator::living_objects();
    CHECK(said(function, 0, cudaErrorInvalidValue, [&] {
            cuda::Uploads uploads;
            to.upload(uploads);
          }) == "nothing");
    CHECK(emulator::living_objects() == living + 1);  // the stream
    launch();
  }
}
