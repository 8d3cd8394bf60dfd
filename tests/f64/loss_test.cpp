// The losses in double, against numbers computed elsewhere.
#include "loss_golden.h"

TEST_CASE("sigmoid loss in double: golden values, the loss at the start, two pairs by hand") {
  check_golden(1e-8);
  check_initial_loss(5e-7);
  check_two_pairs(1e-6);  // as many digits as the page shows
}
