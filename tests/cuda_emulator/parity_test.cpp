// The table of ops on the emulated device, in float and in double.
#include <doctest/doctest.h>
#include "parity_runner.h"
#include "siglip/check.h"
using namespace siglip;

TEST_CASE("emulated CUDA: every op gives what the CPU gives, in float") {
  for (const OpRow& row : op_table()) CHECK(first_device_failure(row.name, false) == "");
}

TEST_CASE("emulated CUDA: every op gives what the CPU gives, in double") {
  for (const OpRow& row : op_table()) CHECK(f64::first_device_failure(row.name, true) == "");
}
