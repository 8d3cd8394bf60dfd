// uploads.h — from the host's memory to the device's, beside the computing.
#pragma once
#include <cstddef>
#include <mutex>
#include <vector>
#include "core/pool.h"
#include "cuda/device.h"

namespace siglip::inline SIGLIP_FLAVOUR::cuda {
/// A batch should travel while the step before it computes, yet arrive in the order of the compute stream, where its destination may still be in
/// use. So it goes, piece by piece, from the host's memory to a slot that the device can read by itself (pinned), from there on a stream of its own
/// to a slot on the device, and only from there, within the device, into its place. The slots are a ring: the host waits for the one used longest
/// ago. All are made by the first upload, which brings a model there: no later step takes memory.
class Uploads {
 public:
  /// Throws Error if not even one slot is to be had; where some are, those do.
  void copy(char* to, const char* from, std::size_t bytes);
  std::size_t slots() const { return slots_.size(); }

  static constexpr std::size_t slot_bytes = std::size_t{1} << 20, most_slots = 16;  // 16 MiB in all

 private:
  struct Pinned {
    char* data = nullptr;
    Pinned();
    ~Pinned();
    Pinned(Pinned&& other) noexcept;
  };
  struct Event {
    cudaEvent_t event = nullptr;
    Event();
    ~Event();
    Event(Event&& other) noexcept;
  };
  struct Slot {
    Pinned pinned;
    Buffer device{slot_bytes, Device::cuda};
    Event uploaded, free;
  };
  void prepare();
  void piece(char* to, const char* from, std::size_t bytes);

  std::mutex mutex_;  // batches are uploaded by the loader's threads
  cudaStream_t stream_ = nullptr;
  std::vector<Slot> slots_;
  std::size_t next_ = 0;
};
}  // namespace siglip::inline SIGLIP_FLAVOUR::cuda
