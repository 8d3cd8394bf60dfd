// atomic_file.h — a file that appears complete or not at all.
#pragma once
#include <cstddef>
#include <string>
#include "siglip/real.h"

namespace siglip::inline SIGLIP_FLAVOUR {
/// Bytes go to a temporary name; commit() flushes them to the disk, closes and renames. Without commit() the destructor removes the temporary file.
/// Every failure (no space, no permission) is an Error that names the file.
class AtomicFile {
 public:
  explicit AtomicFile(const std::string& path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  void write(const void* bytes, std::size_t size);
  void write(const std::string& bytes) { write(bytes.data(), bytes.size()); }
  void commit();

 private:
  std::string path_, temporary_;
  int descriptor_ = -1;
  bool committed_ = false;
};

std::string reason();  // why the last system call failed, in the system's words

/// Waits until a file or a folder (its names, not the contents of its files) is on the disk.
void flush_to_disk(const std::string& path);
}  // namespace siglip::inline SIGLIP_FLAVOUR
