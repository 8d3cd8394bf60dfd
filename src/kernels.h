// kernels.h — the seam's signatures, declared once for each backend.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include "siglip/real.h"

#define KERNEL(name, arguments) void name arguments;
namespace siglip::inline SIGLIP_FLAVOUR::cpu {
#include "kernels.inc"
inline void require_backend(const char*) {}
}  // namespace siglip::inline SIGLIP_FLAVOUR::cpu
namespace siglip::inline SIGLIP_FLAVOUR::cuda {
#include "kernels.inc"
/// Throws NoBackend unless kernels can run there: "softmax: this build has no CUDA backend", "softmax: no CUDA device".
void require_backend(const char* kernel);
bool is_built();  // whether this build has kernels for it
}  // namespace siglip::inline SIGLIP_FLAVOUR::cuda
#undef KERNEL

namespace siglip::inline SIGLIP_FLAVOUR {
/// The op that a kernel serves, as messages name it: softmax_forward → softmax. Memory is obtained for a Tensor.
inline std::string op_of_kernel(std::string kernel) {
  if (kernel == "obtain_memory") return "Tensor";
  for (const std::string ending : {"_forward", "_backward", "_workspace", "_packed_size", "_pack", "_precision"})
    if (kernel.ends_with(ending)) return kernel.substr(0, kernel.size() - ending.size());
  return kernel;
}
}  // namespace siglip::inline SIGLIP_FLAVOUR

// LAUNCH(y.device(), softmax_forward, y.data(), x.data(), N, C). The backend is asked for before the arguments take memory.
#define LAUNCH(device, kernel, ...)   \
  do {                                \
    if ((device) == Device::cuda) {   \
      cuda::require_backend(#kernel); \
      cuda::kernel(__VA_ARGS__);      \
    } else {                          \
      cpu::kernel(__VA_ARGS__);       \
    }                                 \
  } while (false)
