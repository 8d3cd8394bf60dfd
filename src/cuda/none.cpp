// none.cpp — the CUDA backend of a build without one: every kernel says so by its op's name.
#include "kernels.h"
#include "siglip/error.h"

#pragma GCC diagnostic ignored "-Wunused-parameter"
#define KERNEL(name, arguments) \
  void name arguments { require_backend(#name); }
namespace siglip::inline SIGLIP_FLAVOUR::cuda {
void require_backend(const char* kernel) { throw NoBackend(op_of_kernel(kernel) + ": this build has no CUDA backend"); }
bool is_built() { return false; }
#include "kernels.inc"
}  // namespace siglip::inline SIGLIP_FLAVOUR::cuda
