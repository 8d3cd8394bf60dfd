// version.cpp — siglip --version.
#include "siglip/data.h"
#include "siglip/error.h"
#include "siglip/tensor.h"
#include "siglip/version.h"
#include "verbs.h"

namespace siglip::tools {
namespace {
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
  const BuildInfo build = build_info();
  return "siglip " + build.version + "\ncompiler         " + build.compiler + "\ninstruction set  " + build.instruction_set + "\nlibrary          " +
         (build.file.empty() ? "part of the program" : build.file) + "\nthreads          " + std::to_string(threads()) + "\nCUDA backend     " +
         cuda_backend() + "\npictures         " + picture_decoders();
}
}  // namespace siglip::tools
