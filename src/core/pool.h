// pool.h — buffers that are used again. A training step asks for the same sizes each time, so after the first it allocates nothing.
#pragma once
#include <cstddef>
#include "siglip/tensor.h"

namespace siglip::inline SIGLIP_FLAVOUR {
/// A piece of memory of one device, of exactly the size asked for (one byte for none) and 64-byte aligned, given back to the pool at the end of its
/// life. Uninitialised.
class Buffer {
 public:
  Buffer() = default;
  Buffer(std::size_t bytes, Device device);
  ~Buffer();
  Buffer(Buffer&& other) noexcept;
  Buffer& operator=(Buffer&& other) noexcept;
  explicit operator bool() const { return memory_ != nullptr; }
  void* data() const { return memory_; }
  std::size_t bytes() const { return bytes_; }

 private:
  void* memory_ = nullptr;
  std::size_t bytes_ = 0;
  Device device_ = Device::cpu;
};

/// "1.2 GiB"
std::string size_text(std::int64_t bytes);

/// For checks: every buffer is handed out full of NaN, so that nothing is right by luck.
void poison_pool(bool on);
}  // namespace siglip::inline SIGLIP_FLAVOUR
