// sanitized_main.cpp — what a sanitizer watches: the table of ops in double, attention in float, the losses in every precision, a training step.
// With an argument, the table alone, of it the cases with at most so many elements. Prints the first fault; exit status 1 if there is one, 0 if there
// is none.
#include <iostream>
#include <string>
#include "check/device_match.h"
#include "parity_runner.h"
#include "siglip/check.h"
using namespace siglip;

namespace {
bool fails(const std::string& about, const std::string& failure) {
  if (!failure.empty()) std::cout << about << ": " << failure << '\n';
  return !failure.empty();
}
bool fails(const DeviceMatch& m) { return fails(m.what + ", " + m.about, m.ok() ? "" : m.tensor + " differs from the CPU's"); }
}  // namespace

int main(int count, char** words) {
  constexpr Dim few = 10000;  // more elements are more blocks of what a thread does alone, and take minutes here
  if (fails("double", f64::first_device_failure("", false, count > 1 ? std::stol(words[1]) : few))) return 1;
  if (count > 1) return 0;
  if (fails("double", f64::first_device_failure("attention", false))) return 1;
  if (fails("float", first_device_failure("attention", false))) return 1;  // whose tiles in float are larger; all else is the same code
  for (const DeviceMatch& m : large_across_devices(Device::cuda, "", 17, 16))
    if (fails(m)) return 1;
  return fails(training_across_devices(Device::cuda, 1));
}
