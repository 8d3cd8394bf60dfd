// safetensors_writer.h — a safetensors file written from front to back, so that its tensors need not be in memory at once.
#pragma once
#include <map>
#include <string>
#include <vector>
#include "io/atomic_file.h"
#include "siglip/checkpoint.h"

namespace siglip::inline SIGLIP_FLAVOUR {
class SafetensorsWriter {
 public:
  /// Writes the header: names, types and shapes of `tensors`, which gives each its offset and bytes. `metadata` gets "format": "pt" if it says
  /// nothing about that. Throws Error for a name that is empty, too long, not printable or there twice.
  SafetensorsWriter(const std::string& path, std::vector<TensorInfo> tensors, std::map<std::string, std::string> metadata);
  /// The next bytes of the data, in the order of `tensors`.
  void write(const void* bytes, std::int64_t count);
  /// Throws Error unless all bytes were written.
  void commit();

 private:
  std::string path_;
  AtomicFile file_;
  std::int64_t missing_ = 0;
};
}  // namespace siglip::inline SIGLIP_FLAVOUR
