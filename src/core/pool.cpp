// pool.cpp — memory for tensors, and where it has gone.
#include "core/pool.h"
#include <array>
#include <algorithm>
#include <cstdio>
#include <limits>
#include <map>
#include <mutex>
#include <new>
#include <string>
#include <utility>
#include <vector>
#include "kernels.h"
#include "siglip/error.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
bool poisoned = false;

// One pool for each device. Buffers have exactly the size that was asked for, so that a step past the end is one; those that wait are kept by
// their size: the sizes of a training step repeat.
struct Pool {
  std::mutex mutex;
  std::map<std::size_t, std::vector<void*>> waiting;
  PoolStats stats;
};

// Never destroyed: a Tensor with static lifetime may outlive it otherwise.
Pool& pool_of(Device device) {
  static std::array<Pool*, 2> pools{new Pool, new Pool};
  return *pools[device == Device::cuda];
}

void release_waiting(Pool& pool, Device device) {
  for (auto& [bytes, buffers] : pool.waiting)
    while (!buffers.empty()) {  // one that is refused does not wait any more either
      void* memory = buffers.back();
      buffers.pop_back();
      pool.stats.reserved -= static_cast<std::int64_t>(bytes);
      LAUNCH(device, release_memory, memory);
    }
  pool.waiting.clear();
}

}  // namespace

std::string size_text(std::int64_t bytes) {
  const char* const units[] = {"bytes", "KiB", "MiB", "GiB"};
  double size = double(bytes);
  std::size_t unit = 0;
  for (; size >= 1024 && unit < 3; ++unit) size /= 1024;
  char text[64];
  std::snprintf(text, sizeof text, unit ? "%.1f %s" : "%.0f %s", size, units[unit]);
  return text;
}

namespace {
// Where the memory has gone, once nothing waits any more.
[[noreturn]] void fail_for_lack(std::int64_t bytes, std::int64_t waiting, const Pool& pool, Device device) {
  std::int64_t left = 0, all = 0;
  LAUNCH(device, memory_left, &left, &all);
  fail("Tensor", size_text(bytes), device == Device::cpu ? " are wanted of the system, " : " are wanted on the CUDA device, ", size_text(left),
       " of ", size_text(all), " are free; this process holds ", size_text(pool.stats.in_use), " of it in use, and ", size_text(waiting),
       " that waited were given back");
}
}  // namespace

Buffer::Buffer(std::size_t bytes, Device device) : bytes_(std::max<std::size_t>(bytes, 1)), device_(device) {
  Pool& pool = pool_of(device);
  std::lock_guard lock(pool.mutex);
  const std::int64_t signed_bytes = static_cast<std::int64_t>(bytes_);
  if (auto found = pool.waiting.find(bytes_); found != pool.waiting.end() && !found->second.empty()) {
    memory_ = found->second.back();
    found->second.pop_back();
  } else {
    LAUNCH(device, obtain_memory, &memory_, bytes_);
    if (!memory_) {  // what waits in other sizes may make room
      const std::int64_t waiting = pool.stats.reserved - pool.stats.in_use;
      release_waiting(pool, device);
      LAUNCH(device, obtain_memory, &memory_, bytes_);
      if (!memory_) fail_for_lack(signed_bytes, waiting, pool, device);
    }
    pool.stats.reserved += signed_bytes;
    ++pool.stats.allocations;
  }
  pool.stats.in_use += signed_bytes;
  pool.stats.peak = std::max(pool.stats.peak, pool.stats.in_use);
  if (poisoned) LAUNCH(device, fill, static_cast<Real*>(memory_), std::numeric_limits<Real>::quiet_NaN(), static_cast<Dim>(bytes_ / sizeof(Real)));
}

void poison_pool(bool on) { poisoned = on; }

Buffer::~Buffer() {
  if (!memory_) return;
  Pool& pool = pool_of(device_);
  std::lock_guard lock(pool.mutex);
  pool.stats.in_use -= static_cast<std::int64_t>(bytes_);
  try {
    pool.waiting[bytes_].push_back(memory_);
  } catch (const std::bad_alloc&) {  // not even a list entry is to be had: back to the system
    LAUNCH(device_, release_memory, memory_);
    pool.stats.reserved -= static_cast<std::int64_t>(bytes_);
  }
}

Buffer::Buffer(Buffer&& other) noexcept
    : memory_(std::exchange(other.memory_, nullptr)), bytes_(std::exchange(other.bytes_, 0)), device_(other.device_) {}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  std::swap(memory_, other.memory_);
  std::swap(bytes_, other.bytes_);
  std::swap(device_, other.device_);
  return *this;
}

PoolStats pool_stats(Device device) {
  Pool& pool = pool_of(device);
  std::lock_guard lock(pool.mutex);
  return pool.stats;
}

std::int64_t device_memory(Device device) {
  std::int64_t left = 0, all = 0;
  LAUNCH(device, memory_left, &left, &all);
  return all;
}

void reset_pool_peak(Device device) {
  Pool& pool = pool_of(device);
  std::lock_guard lock(pool.mutex);
  pool.stats.peak = pool.stats.in_use;
}

void trim_pool(Device device) {
  Pool& pool = pool_of(device);
  std::lock_guard lock(pool.mutex);
  release_waiting(pool, device);
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
