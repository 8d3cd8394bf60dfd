// kernels.h — the seam's signatures, declared once for each backend.
#pragma once
#include <cstddef>
#include <cstdint>
#include "siglip/real.h"

#define KERNEL(name, arguments) void name arguments;
namespace siglip::inline SIGLIP_FLAVOUR::cpu {
#include "kernels.inc"
inline void require_backend(const char*) {}
}  // namespace siglip::inline SIGLIP_FLAVOUR::cpu
namespace siglip::inline SIGLIP_FLAVOUR::cuda {
#include "kernels.inc"
/// Throws NoBackend, "softmax: this build has no CUDA backend", unless kernels can run there.
void require_backend(const char* kernel);
}  // namespace siglip::inline SIGLIP_FLAVOUR::cuda
#undef KERNEL

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
