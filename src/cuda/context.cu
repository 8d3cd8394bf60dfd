// context.cu — the device, its stream and libraries, made once; what the backend says when CUDA refuses.
#include "cuda/context.h"
#include <string>
#include "core/pool.h"
#include "kernels.h"

namespace siglip::inline SIGLIP_FLAVOUR::cuda {
namespace {
constexpr std::size_t cublas_workspace_bytes = std::size_t{32} << 20;  // what cuBLAS asks for on Hopper; ours, so that it never allocates
constexpr int usual_l2_bytes = 16 << 20;                               // of a device that does not tell, as shares of one do not

Context make_context() {
  require_cuda_device();
  Context c;
  int device = 0, l2_bytes = 0;
  check(cudaGetDevice(&device), "context", "the current device");
  check(cudaDeviceGetAttribute(&l2_bytes, cudaDevAttrL2CacheSize, device), "context", "the size of the second-level cache");
  c.l2_bytes = l2_bytes > 0 ? l2_bytes : usual_l2_bytes;
  check(cudaStreamCreateWithFlags(&c.compute, cudaStreamNonBlocking), "context", "a stream");  // last: nothing after it can fail
  return c;
}

// Where the first of some arguments ends: at a comma that stands in no brackets ("<" is none).
const char* end_of_argument(const char* text) {
  int depth = 0;
  for (; *text && (*text != ',' || depth > 0); ++text)
    depth += (*text == '(' || *text == '{' || *text == '[') - (*text == ')' || *text == '}' || *text == ']');
  return text;
}

struct Cublas {
  Buffer workspace{cublas_workspace_bytes, Device::cuda};
  cublasHandle_t handle = nullptr;
  Cublas() {
    check(cublasCreate(&handle), "context", "its handle");
    try {
      check(cublasSetStream(handle, context().compute), "context", "its stream");
      check(cublasSetWorkspace(handle, workspace.data(), cublas_workspace_bytes), "context", "its workspace");
    } catch (...) {
      if (cublasDestroy(handle) != CUBLAS_STATUS_SUCCESS) cudaGetLastError();  // what it says of that does not matter any more
      throw;
    }
  }
};
}  // namespace

// None of these is ever destroyed: a Tensor with static lifetime may outlive them, and the driver cleans up after the process. One that could not be
// made is tried again at the next call.
Context& context() {
  static Context& c = *new Context(make_context());
  return c;
}

void* scratch() {
  static const Buffer& memory = *new Buffer(scratch_bytes, Device::cuda);
  return memory.data();
}

cublasHandle_t cublas() {
  static const Cublas& library = *new Cublas;
  return library.handle;
}

void require_cuda_device() {
  int devices = 0;
  const cudaError_t status = cudaGetDeviceCount(&devices);
  if (status == cudaSuccess && devices > 0) return;
  cudaGetLastError();  // told as NoBackend, not left for the next call
  if (status == cudaSuccess || status == cudaErrorNoDevice) throw NoBackend("no CUDA device");
  throw NoBackend(std::string("no CUDA device: ") + cudaGetErrorString(status));
}

void check(cudaError_t status, const char* op, const char* what) {
  if (status == cudaSuccess) return;
  cudaGetLastError();
  throw Error(std::string(op) + ": CUDA: " + cudaGetErrorString(status) + " (" + what + ")");
}

void check(cudaError_t status, const char* op, std::size_t bytes, const char* what) {
  if (status != cudaSuccess) check(status, op, (std::to_string(bytes) + " bytes, " + what).c_str());
}

void check_launch(const Launch& launch, std::initializer_list<Argument> arguments) {
  const cudaError_t status = cudaGetLastError();
  if (status == cudaSuccess) return;
  std::string sizes;
  const char* name = launch.arguments;
  for (const Argument& argument : arguments) {
    const char* end = end_of_argument(name);
    if (argument.is_size) sizes += (sizes.empty() ? "" : ", ") + std::string(name, end) + " = " + std::to_string(argument.size);
    for (name = end; *name == ',' || *name == ' ';) ++name;
  }
  const auto extent = [](dim3 d) { return "(" + std::to_string(d.x) + ", " + std::to_string(d.y) + ", " + std::to_string(d.z) + ")"; };
  throw Error(std::string(launch.kernel) + ": CUDA: " + cudaGetErrorString(status) + " (" + sizes + (sizes.empty() ? "" : "; ") + "a grid of " +
              extent(launch.grid) + " blocks of " + extent(launch.block) + " threads)");
}

bool is_built() { return true; }

void require_backend(const char* kernel) {
  try {
    static const bool there = (require_cuda_device(), true);
    (void)there;
  } catch (const NoBackend& e) {
    throw NoBackend(op_of_kernel(kernel) + ": " + e.what());
  }
}
}  // namespace siglip::inline SIGLIP_FLAVOUR::cuda
