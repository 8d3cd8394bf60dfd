// first_step.h — does the first loss say what the mathematics says it must?
#pragma once
#include <string>
#include "siglip/tensor.h"

namespace siglip::inline SIGLIP_FLAVOUR {
/// t and b of the loss.
struct Scalars {
  double t, b;
};
/// The loss of B pairs at the start, made of B, t, b and the mean and the spread of the cosines alone, so a gap shows a mistake.
struct FirstStep {
  double expected = 0, measured = 0, mean_cosine = 0;
  std::string text;     // one line: both numbers and where the first comes from
  std::string warning;  // what is wrong with t, b or the towers; more than 5 % apart: the likely causes; else empty
};
/// shapes  u, v (B, E), unit rows. divisor: B for the paper's loss, B² for the mean over pairs. positives: matches for each image
/// configured: what the settings say, from which the expected loss is made. actual: what the model has
FirstStep first_step(double measured, const Tensor& u, const Tensor& v, Scalars configured, Scalars actual, double positives, double divisor);
}  // namespace siglip::inline SIGLIP_FLAVOUR
