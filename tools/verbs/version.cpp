// version.cpp — siglip --version.
#include "siglip/data.h"
#include "siglip/error.h"
#include "siglip/tensor.h"
#include "verbs.h"

namespace siglip::tools {
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

std::string cuda_backend() {
  if (!built_for(Device::cuda)) return "no (this build has none)";
  try {
    return device_name(Device::cuda);
  } catch (const Error& e) {
    const std::string why = e.what(), none = "no CUDA device";
    const std::size_t at = why.find(none);
    if (at == std::string::npos) return "built, " + why;
    return "built, no device" + why.substr(at + none.size());  // and CUDA's own words, where it has some
  }
}
}  // namespace

std::string version() {
  return std::string("siglip ") + SIGLIP_VERSION + "\ncompiler         " + compiler() + "\ninstruction set  " + instruction_set() +
         "\nthreads          " + std::to_string(threads()) + "\nCUDA backend     " + cuda_backend() + "\npictures         " + picture_decoders();
}
}  // namespace siglip::tools
