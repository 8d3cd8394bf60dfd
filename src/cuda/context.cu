// context.cu — the device, its streams and libraries, made once; what the backend says when CUDA refuses.
#include "cuda/context.h"
#include <string>
#include "kernels.h"

namespace siglip::inline SIGLIP_FLAVOUR::cuda {
namespace {
constexpr std::size_t cublas_workspace_bytes = std::size_t{32} << 20;  // what cuBLAS asks for on Hopper; ours, so that it never allocates

Context make_context() {
  int devices = 0;
  if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) {
    cudaGetLastError();  // told as NoBackend, not left for the next call
    throw NoBackend("no CUDA device");
  }
  Context c;
  int device = 0;
  check(cudaGetDevice(&device), "context", "the current device");
  check(cudaDeviceGetAttribute(&c.l2_bytes, cudaDevAttrL2CacheSize, device), "context", "the size of the second-level cache");
  check(cudaStreamCreateWithFlags(&c.compute, cudaStreamNonBlocking), "context", "a stream");
  check(cudaMalloc(&c.scratch, scratch_bytes), "context", "scratch memory");
  void* workspace = nullptr;
  check(cudaMalloc(&workspace, cublas_workspace_bytes), "context", "the workspace of cuBLAS");
  const auto check_cublas = [](cublasStatus_t status, const char* what) {
    if (status != CUBLAS_STATUS_SUCCESS) throw Error(std::string("context: cuBLAS: ") + cublasGetStatusString(status) + " (" + what + ")");
  };
  check_cublas(cublasCreate(&c.cublas), "its handle");
  check_cublas(cublasSetStream(c.cublas, c.compute), "its stream");
  check_cublas(cublasSetWorkspace(c.cublas, workspace, cublas_workspace_bytes), "its workspace");
  return c;
}
}  // namespace

// Never destroyed: a Tensor with static lifetime may outlive it, and the driver cleans up after the process.
Context& context() {
  static Context& c = *new Context(make_context());
  return c;
}

void check(cudaError_t status, const char* op, const char* what) {
  if (status == cudaSuccess) return;
  cudaGetLastError();
  throw Error(std::string(op) + ": CUDA: " + cudaGetErrorString(status) + " (" + what + ")");
}

void check_launch(const char* kernel, dim3 grid, dim3 block) {
  const cudaError_t status = cudaGetLastError();
  if (status == cudaSuccess) return;
  const auto extent = [](dim3 d) { return "(" + std::to_string(d.x) + ", " + std::to_string(d.y) + ", " + std::to_string(d.z) + ")"; };
  throw Error(std::string(kernel) + ": CUDA: " + cudaGetErrorString(status) + " (a grid of " + extent(grid) + " blocks of " + extent(block) +
              " threads)");
}

bool is_built() { return true; }

void require_backend(const char* kernel) {
  try {
    context();
  } catch (const NoBackend& e) {
    throw NoBackend(op_of_kernel(kernel) + ": " + e.what());
  }
}
}  // namespace siglip::inline SIGLIP_FLAVOUR::cuda
