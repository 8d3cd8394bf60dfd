// Whole models in double, against numbers that PyTorch made in double.
#include "parity_golden.h"

TEST_CASE("parity: every committed case in double") { check_goldens(0.1); }
