// version.h — which library is at work.
#pragma once
#include <string>
#include "siglip/real.h"

namespace siglip::inline SIGLIP_FLAVOUR {
struct BuildInfo {
  std::string version;          // 0.1.0
  std::string compiler;         // clang 14.0.6
  std::string instruction_set;  // AVX-512: the vectors that the library was compiled for
  std::string file;             // the shared library that was loaded; empty where the library is part of the program
};
/// The C library's loader chooses among installed shared libraries by processor: this tells which one it took.
BuildInfo build_info();
}  // namespace siglip::inline SIGLIP_FLAVOUR
