// files.cpp — whole files, read with a limit and written so that they appear complete or not at all.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cerrno>
#include <cstring>
#include <utility>
#include "io/atomic_file.h"
#include "siglip/checkpoint.h"
#include "siglip/error.h"

namespace siglip::inline SIGLIP_FLAVOUR {
std::string reason() { return std::strerror(errno); }

namespace {
struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) close(fd);
  }
};
}  // namespace

std::string read_file(const std::string& path, std::int64_t limit) {
  // Not blocking: opening a pipe that nobody writes to would wait for ever.
  const Descriptor file{open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (file.fd < 0) fail(path, "a readable file is expected, got: ", reason());
  struct stat info {};
  if (fstat(file.fd, &info) != 0) fail(path, "a readable file is expected, got: ", reason());
  require(S_ISREG(info.st_mode), path, "a regular file is expected, got a ", S_ISDIR(info.st_mode) ? "folder" : "device or pipe");
  require(info.st_size <= limit, path, "at most ", limit, " bytes are expected, got ", info.st_size);
  std::string bytes(static_cast<std::size_t>(info.st_size), '\0');
  std::size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t n = read(file.fd, bytes.data() + done, bytes.size() - done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail(path, "reading failed: ", reason());
    if (n == 0) break;
    done += static_cast<std::size_t>(n);
  }
  bytes.resize(done);
  return bytes;
}

AtomicFile::AtomicFile(const std::string& path) : path_(path), temporary_(path + ".tmp" + std::to_string(getpid())) {
  descriptor_ = open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (descriptor_ < 0) fail(path_, "cannot be written: ", reason());
}

AtomicFile::~AtomicFile() {
  if (descriptor_ >= 0) close(descriptor_);
  if (!committed_) unlink(temporary_.c_str());
}

void AtomicFile::write(const void* bytes, std::size_t size) {
  const char* rest = static_cast<const char*>(bytes);
  while (size > 0) {
    const ssize_t n = ::write(descriptor_, rest, size);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) fail(path_, "writing failed: ", reason());
    rest += n;
    size -= static_cast<std::size_t>(n);
  }
}

void AtomicFile::commit() {
  if (fsync(descriptor_) != 0 && errno != EINVAL) fail(path_, "flushing failed: ", reason());
  // Some file systems report a failed write only here: what is in its place stays there until then.
  if (close(std::exchange(descriptor_, -1)) != 0) fail(path_, "closing failed: ", reason());
  if (rename(temporary_.c_str(), path_.c_str()) != 0) fail(path_, "renaming into place failed: ", reason());
  committed_ = true;
}

void flush_to_disk(const std::string& path) {
  const Descriptor file{open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (file.fd < 0) fail(path, "cannot be opened for flushing: ", reason());
  if (fsync(file.fd) != 0 && errno != EINVAL) fail(path, "flushing failed: ", reason());
}

void write_file(const std::string& path, const std::string& bytes) {
  AtomicFile file(path);
  file.write(bytes);
  file.commit();
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
