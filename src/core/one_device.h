// one_device.h — what every op of several inputs asks first.
#pragma once
#include "siglip/error.h"
#include "siglip/tensor.h"

namespace siglip::inline SIGLIP_FLAVOUR {
/// Throws Error unless the first input is there, and all that are, Tensor or Ids, lie on one device: a kernel would take the address of one for one
/// of the other.
template <class First, class... Rest>
void require_one_device(const char* op, const First& first, const Rest&... rest) {
  require(first.defined(), op, "inputs with a shape are expected, got an undefined one");
  const auto is_near = [&](const auto& x) { return !x.defined() || x.device() == first.device(); };
  require((is_near(rest) && ...), op, "inputs on one device are expected, got some on the CPU and some on a CUDA device");
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
