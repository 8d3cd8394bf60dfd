// The engine in double: the same sources as in float, linked into the same program.
#include <doctest/doctest.h>
#include "siglip/tensor.h"

TEST_CASE("a double tensor holds doubles") {
  const siglip::Tensor x = siglip::Tensor::full({2, 3}, 1.0 / 3);
  CHECK(x.to_vector()[5] == 1.0 / 3);
}
