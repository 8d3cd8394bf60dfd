// none.cpp — the CUDA backend of a build without one: every kernel says so by its op's name.
#include <string>
#include "kernels.h"
#include "siglip/error.h"

#pragma GCC diagnostic ignored "-Wunused-parameter"
#define KERNEL(name, arguments) \
  void name arguments { require_backend(#name); }
namespace siglip::inline SIGLIP_FLAVOUR::cuda {
void require_backend(const char* kernel) {
  std::string op = kernel;
  for (const char* ending : {"_forward", "_backward", "_memory"})
    if (op.ends_with(ending)) op.resize(op.size() - std::string(ending).size());
  throw NoBackend(op + ": this build has no CUDA backend");
}
#include "kernels.inc"
}  // namespace siglip::inline SIGLIP_FLAVOUR::cuda
