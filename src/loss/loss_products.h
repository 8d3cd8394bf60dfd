// loss_products.h — for measuring: what the sigmoid loss would take if it were nothing but its matrix products.
#pragma once
#include "siglip/tensor.h"

namespace siglip::inline SIGLIP_FLAVOUR {
/// Makes the three products of every tile of sigmoid_loss(u, v) with gradient, in the same shapes and precision, and adds to the gradients of u and
/// v, which must want them: numbers without a meaning. 6 B²E operations.
void loss_products(const Tensor& u, const Tensor& v);

/// Edge of the losses' tiles on a device from now on, a multiple of 16 up to 8192; 0: as its cache says, the default. The CPU has no other than its
/// own. For measurements, not for use beside a computation.
void set_tile_edge(Device device, Dim edge);
}  // namespace siglip::inline SIGLIP_FLAVOUR
