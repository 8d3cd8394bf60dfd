// parity_main.cpp — looks on the emulated device, in double, for a fault of the rows whose names begin with argv[1]. Prints the first; exit status 1
// if there is one, 0 if there is none.
#include <cstdint>
#include <cstdio>
#include <string>

namespace siglip::f64 {
std::string first_device_failure(const std::string& rows, bool with_hygiene, std::int64_t most_elements);
}

int main(int count, char** words) {
  const std::string failure = siglip::f64::first_device_failure(count > 1 ? words[1] : "", true, std::int64_t{1} << 60);
  if (!failure.empty()) std::printf("%s\n", failure.c_str());
  return !failure.empty();
}
