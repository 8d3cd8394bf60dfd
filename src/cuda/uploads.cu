// uploads.cu — slots, each of pinned memory, device memory and two events.
#include "cuda/uploads.h"
#include <cstring>
#include <utility>
#include "cuda/context.h"

namespace siglip::inline SIGLIP_FLAVOUR::cuda {
Uploads::Pinned::Pinned() {
  check(cudaHostAlloc(reinterpret_cast<void**>(&data), slot_bytes, cudaHostAllocDefault), "copy_in", slot_bytes, "pinned memory of the host");
}
Uploads::Pinned::~Pinned() {
  if (data && cudaFreeHost(data) != cudaSuccess) cudaGetLastError();  // no error of the next launch
}
Uploads::Pinned::Pinned(Pinned&& other) noexcept : data(std::exchange(other.data, nullptr)) {}

Uploads::Event::Event() { check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "copy_in", "an event"); }
Uploads::Event::~Event() {
  if (event && cudaEventDestroy(event) != cudaSuccess) cudaGetLastError();
}
Uploads::Event::Event(Event&& other) noexcept : event(std::exchange(other.event, nullptr)) {}

void Uploads::prepare() {
  if (!stream_) check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "copy_in", "a stream");
  if (!slots_.empty()) return;
  slots_.reserve(most_slots);
  try {
    while (slots_.size() < most_slots) {
      slots_.emplace_back();
      // The pool's memory may still be in use by what was launched before: the first copy into it waits for that too.
      check(cudaEventRecord(slots_.back().free.event, context().compute), "copy_in", slot_bytes, "an event");
    }
  } catch (const Error&) {
    if (slots_.empty()) throw;
  }
}

void Uploads::copy(char* to, const char* from, std::size_t bytes) {
  const std::lock_guard lock(mutex_);
  prepare();
  for (std::size_t at = 0; at < bytes; at += slot_bytes) piece(to + at, from + at, bytes - at < slot_bytes ? bytes - at : slot_bytes);
}

void Uploads::piece(char* to, const char* from, std::size_t bytes) {
  const cudaStream_t compute = context().compute;
  const Slot& slot = slots_[next_];
  next_ = (next_ + 1) % slots_.size();
  check(cudaEventSynchronize(slot.free.event), "copy_in", bytes, "waiting for a slot");  // at once, if it was never used
  std::memcpy(slot.pinned.data, from, bytes);
  check(cudaMemcpyAsync(slot.device.data(), slot.pinned.data, bytes, cudaMemcpyHostToDevice, stream_), "copy_in", bytes, "host to device");
  check(cudaEventRecord(slot.uploaded.event, stream_), "copy_in", bytes, "an event");
  check(cudaStreamWaitEvent(compute, slot.uploaded.event, 0), "copy_in", bytes, "an event");
  check(cudaMemcpyAsync(to, slot.device.data(), bytes, cudaMemcpyDeviceToDevice, compute), "copy_in", bytes, "device to device");
  check(cudaEventRecord(slot.free.event, compute), "copy_in", bytes, "an event");
}
}  // namespace siglip::inline SIGLIP_FLAVOUR::cuda
