#include "core/pool.h"
#include <array>
#include <algorithm>
#include <cstring>
#include <map>
#include <mutex>
#include <new>
#include <utility>
#include <vector>
#include "kernels.h"
#include "siglip/error.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
constexpr std::size_t alignment = 64;  // a cache line, and the widest vector register

bool poisoned = false;

std::size_t rounded(std::size_t bytes) { return (bytes + alignment - 1) / alignment * alignment; }

// One pool for each device. Waiting buffers are kept by exact size: the sizes of a training step repeat.
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
    for (void* memory : buffers) {
      LAUNCH(device, release_memory, memory);
      pool.stats.reserved -= static_cast<std::int64_t>(bytes);
    }
  pool.waiting.clear();
}
}  // namespace

Buffer::Buffer(std::size_t bytes, Device device) : bytes_(rounded(bytes)), device_(device) {
  if (bytes_ == 0) bytes_ = alignment;
  Pool& pool = pool_of(device);
  std::lock_guard lock(pool.mutex);
  const std::int64_t signed_bytes = static_cast<std::int64_t>(bytes_);
  if (auto found = pool.waiting.find(bytes_); found != pool.waiting.end() && !found->second.empty()) {
    memory_ = found->second.back();
    found->second.pop_back();
  } else {
    LAUNCH(device, obtain_memory, &memory_, bytes_);
    if (!memory_) {  // what waits in other sizes may make room
      release_waiting(pool, device);
      LAUNCH(device, obtain_memory, &memory_, bytes_);
    }
    if (!memory_) fail("Tensor", "memory for ", bytes_, " bytes is wanted, the system gave none (", pool.stats.in_use, " bytes are in use)");
    pool.stats.reserved += signed_bytes;
    ++pool.stats.allocations;
  }
  pool.stats.in_use += signed_bytes;
  pool.stats.peak = std::max(pool.stats.peak, pool.stats.in_use);
  if (poisoned && device == Device::cpu) std::memset(memory_, 0xff, bytes_);
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
