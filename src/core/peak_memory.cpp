// peak_memory.cpp — the high-water mark of this process, asked of the system.
#include <sys/resource.h>
#include <fstream>
#include <string>
#include "core/memory.h"

namespace siglip::inline SIGLIP_FLAVOUR {
std::int64_t peak_memory() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("VmHWM:")) return std::stoll(line.substr(6)) * 1024;
  rusage usage{};  // no /proc, or no descriptor left to read it
  getrusage(RUSAGE_SELF, &usage);
  return std::int64_t{usage.ru_maxrss} * 1024;
}

void reset_peak_memory() { std::ofstream("/proc/self/clear_refs") << 5; }
}  // namespace siglip::inline SIGLIP_FLAVOUR
