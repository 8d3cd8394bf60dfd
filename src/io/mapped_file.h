// mapped_file.h — a file that is read where it lies.
#pragma once
#include <cstdint>
#include <mutex>
#include <string>
#include "siglip/real.h"

namespace siglip::inline SIGLIP_FLAVOUR {
/// A regular file, kept open. read() copies and throws Error when the file shrank in the meantime; data() maps all of it, and touching what
/// is no longer there ends the program (explain_shrunk_files() in checkpoint.h makes that one line).
class MappedFile {
 public:
  /// Throws Error naming the file: not there, a folder, a device, a pipe.
  explicit MappedFile(const std::string& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  const std::string& path() const { return path_; }
  std::int64_t size() const { return size_; }
  void read(void* to, std::int64_t size, std::int64_t offset) const;
  /// size() bytes, mapped at the first call. A write to them would change this program's copy alone. Null if the system gives no room.
  const char* data() const;

 private:
  std::string path_;
  int descriptor_ = -1;
  std::int64_t size_ = 0;
  mutable std::once_flag once_;
  mutable const char* data_ = nullptr;
};
}  // namespace siglip::inline SIGLIP_FLAVOUR
