// The loss of two pairs through the library, in float and in double: 1.419135, as worked out in src/loss/sigmoid_loss.cpp.
#include <cmath>
#include <cstdio>
#include "siglip/loss.h"

int main() {
  using siglip::Tensor;
  static_assert(sizeof(siglip::Real) == CONSUMER_BYTES);
  const Tensor u = Tensor::from({2, 2}, {1, 0, 0, 1}), v = Tensor::from({2, 2}, {1, 0, 0.6f, 0.8f});
  const double loss = double(siglip::sigmoid_loss(u, v, Tensor::full({1}, std::log(10.0f)), Tensor::full({1}, -10)).item());
  std::printf("%f\n", loss);
  return std::abs(loss - 1.419135) < 1e-5 ? 0 : 1;
}
