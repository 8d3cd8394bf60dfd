// version.cpp — what the compiler says of this build, and the loader of its file.
#include "siglip/version.h"
#include <dlfcn.h>

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
const char* compiler() {
#if defined(__clang__)
  return "clang " __clang_version__;
#else
  return "g++ " __VERSION__;
#endif
}

const char* instruction_set() {
#if defined(__AVX512F__)
  return "AVX-512";
#elif defined(__AVX2__) && defined(__FMA__)
  return "AVX2, FMA";
#elif defined(__AVX__)
  return "AVX";
#elif defined(__ARM_FEATURE_SVE)
  return "SVE";
#elif defined(__ARM_NEON)
  return "NEON";
#elif defined(__SSE2__)
  return "SSE2";
#else
  return "no vectors";
#endif
}

/// The file that this very function was loaded from.
std::string shared_library() {
  Dl_info info{};
  if (dladdr(reinterpret_cast<void*>(&shared_library), &info) == 0 || info.dli_fname == nullptr) return "";
  const std::string file = info.dli_fname, name = file.substr(file.rfind('/') + 1);
  return name.starts_with("libsiglip") ? file : "";
}
}  // namespace

BuildInfo build_info() { return {SIGLIP_VERSION, compiler(), instruction_set(), shared_library()}; }
}  // namespace siglip::inline SIGLIP_FLAVOUR
