// devices.h — what a machine says that has no CUDA device, or whose build has no backend for one.
#pragma once
#include <string>
#include "siglip/error.h"
#include "siglip/tensor.h"

/// "this build has no CUDA backend", "no CUDA device"; empty where there is one.
inline std::string why_no_cuda() {
  try {
    siglip::require_device(siglip::Device::cuda, "x");
    return "";
  } catch (const siglip::NoBackend& e) {
    return std::string(e.what()).substr(3);
  }
}
