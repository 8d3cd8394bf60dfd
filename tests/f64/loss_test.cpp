// The losses in double, against numbers computed elsewhere.
#include "loss_dense.h"

TEST_CASE("sigmoid loss in double: golden values, the loss at the start, two pairs by hand") {
  check_golden(1e-8);
  check_initial_loss(5e-7);
  check_two_pairs(1e-6);  // as many digits as the page shows
}

TEST_CASE("losses in double: value and gradients at the largest tile and around it") { check_largest_tiles(1e-12); }  // measured: 1.4e-13
