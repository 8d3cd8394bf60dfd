// memory.cpp — the emulated device's memory: a stretch of addresses that the host cannot read or write unless it is unlocked, with a border of
// known bytes on both sides of each allocation. Allocations of more than a mebibyte, workspaces, lie behind it and are not locked away: the
// system would look at each of their pages at each launch.
#include <sys/mman.h>
#include <algorithm>
#include <map>
#include <mutex>
#include <stdexcept>
#include "emulator.h"

extern "C" {  // there under AddressSanitizer alone
void __asan_poison_memory_region(const volatile void*, std::size_t) __attribute__((weak));
void __asan_unpoison_memory_region(const volatile void*, std::size_t) __attribute__((weak));
}

namespace emulator {
namespace {
constexpr std::size_t capacity = std::size_t{1} << 30, lockable = std::size_t{128} << 20, most_locked = std::size_t{1} << 20, border = 256;
constexpr unsigned char unwritten = 0xff;  // NaN as float and as double

struct Memory {
  std::recursive_mutex mutex;
  unsigned char* base = nullptr;
  std::map<unsigned char*, std::size_t> allocations;  // start → bytes
  std::size_t in_use = 0, limit = capacity;
  int unlocked = 0;

  Memory() {
    void* mapped = mmap(nullptr, capacity, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mapped == MAP_FAILED) throw std::runtime_error("emulator: no address space for the device");
    base = static_cast<unsigned char*>(mapped);
    mprotect(base + lockable, capacity - lockable, PROT_READ | PROT_WRITE);
  }
};

Memory& memory() {
  static Memory& m = *new Memory;
  return m;
}

void fill(unsigned char* begin, unsigned char* end) {
  for (; begin < end; ++begin) *begin = unwritten;
}

void poison(const void* begin, std::size_t bytes) {
  if (__asan_poison_memory_region) __asan_poison_memory_region(begin, bytes);
}
void unpoison(const void* begin, std::size_t bytes) {
  if (__asan_unpoison_memory_region) __asan_unpoison_memory_region(begin, bytes);
}

std::size_t rounded(std::size_t bytes) { return (bytes + border - 1) / border * border; }
}  // namespace

Unlocked::Unlocked() {
  memory().mutex.lock();
  if (memory().unlocked++ == 0) mprotect(memory().base, lockable, PROT_READ | PROT_WRITE);
}

Unlocked::~Unlocked() {
  if (--memory().unlocked == 0) mprotect(memory().base, lockable, PROT_NONE);
  memory().mutex.unlock();
}

void* allocate(std::size_t bytes) {
  const Unlocked unlocked;
  Memory& m = memory();
  if (m.in_use + bytes > m.limit) return nullptr;
  const bool large = bytes > most_locked;
  unsigned char *end = m.base + (large ? capacity : lockable), *at = m.base + (large ? lockable : 0) + border;  // the first gap that holds it
  for (const auto& [start, size] : m.allocations) {
    if (start < at) continue;
    if (static_cast<std::size_t>(start - at) >= rounded(bytes) + border) break;
    at = start + rounded(size) + border;
  }
  if (at + rounded(bytes) + border > end) return nullptr;
  unpoison(at - border, rounded(bytes) + 2 * border);
  fill(at - border, at + rounded(bytes) + border);
  poison(at - border, border);
  poison(at + bytes, rounded(bytes) - bytes + border);
  m.allocations[at] = bytes;
  m.in_use += bytes;
  return at;
}

bool release(void* pointer) {
  const Unlocked unlocked;
  Memory& m = memory();
  const auto found = m.allocations.find(static_cast<unsigned char*>(pointer));
  if (found == m.allocations.end()) return false;
  m.in_use -= found->second;
  poison(found->first, found->second);
  m.allocations.erase(found);
  return true;
}

std::size_t bytes_from(const void* pointer, void** start, std::size_t* size) {
  const Unlocked unlocked;
  const Memory& m = memory();
  const auto* at = static_cast<const unsigned char*>(pointer);
  auto after = m.allocations.upper_bound(const_cast<unsigned char*>(at));
  if (after == m.allocations.begin()) return 0;
  --after;
  if (at >= after->first + after->second) return 0;
  if (start) *start = after->first;
  if (size) *size = after->second;
  return static_cast<std::size_t>(after->first + after->second - at);
}

void memory_info(std::size_t* free_bytes, std::size_t* all_bytes) {
  const Unlocked unlocked;
  *free_bytes = memory().limit - std::min(memory().limit, memory().in_use);
  *all_bytes = memory().limit;
}

void check_borders(const std::string& who) {
  const Unlocked unlocked;
  const auto changed = [](const unsigned char* begin, const unsigned char* end) {
    return std::find_if(begin, end, [](unsigned char byte) { return byte != unwritten; });
  };
  for (const auto& [start, size] : memory().allocations) {
    const unsigned char *end = start + size, *border_end = start + rounded(size) + border;
    const std::string of = " an allocation of " + std::to_string(size) + " bytes";
    if (const auto* at = changed(end, border_end); at != border_end)
      throw std::runtime_error("emulator: " + who + " wrote " + std::to_string(at - end) + " bytes past the end of" + of);
    if (const auto* at = changed(start - border, start); at != start)
      throw std::runtime_error("emulator: " + who + " wrote " + std::to_string(start - at) + " bytes before" + of);
  }
}

void limit_memory(std::size_t bytes) {
  const Unlocked unlocked;
  memory().limit = std::min(bytes, capacity);
}
}  // namespace emulator
