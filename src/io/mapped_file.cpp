// mapped_file.cpp — files in memory, and what becomes of a program whose file is cut short under it.
//
// The system answers a touch of pages that a file no longer has with SIGBUS. A handler cannot throw, take locks or ask for memory, so the
// mapped ranges and their names stand in an array of fixed size whose entries are taken and given back with single atomic steps.
#include "io/mapped_file.h"
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include "siglip/checkpoint.h"
#include "siglip/error.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
// `begin` is set last and cleared first: whoever sees it sees the rest.
struct Mapping {
  std::atomic<bool> taken = false;
  std::atomic<const char*> begin = nullptr;
  std::size_t bytes = 0;
  char path[512] = {};
};
std::array<Mapping, 256> mappings;

Mapping* enter(const char* begin, std::size_t bytes, const std::string& path) {
  for (Mapping& mapping : mappings) {
    if (mapping.taken.exchange(true)) continue;
    mapping.bytes = bytes;
    // Of a long path the end says most.
    const std::size_t length = std::min(path.size(), sizeof(mapping.path) - 1);
    std::memcpy(mapping.path, path.data() + (path.size() - length), length);
    mapping.path[length] = '\0';
    mapping.begin.store(begin, std::memory_order_release);
    return &mapping;
  }
  return nullptr;
}

void leave(const char* begin) {
  for (Mapping& mapping : mappings)
    if (mapping.begin.load(std::memory_order_acquire) == begin) {
      mapping.begin.store(nullptr, std::memory_order_release);
      mapping.taken.store(false);
    }
}

void say(const char* text) { (void)!write(STDERR_FILENO, text, std::strlen(text)); }

// Several threads may meet the missing pages at once: the first speaks and ends the program, the others wait for that end.
std::atomic_flag spoken = ATOMIC_FLAG_INIT;

void on_bus_error(int, siginfo_t* info, void*) {
  const char* address = static_cast<const char*>(info->si_addr);
  for (const Mapping& mapping : mappings) {
    const char* begin = mapping.begin.load(std::memory_order_acquire);
    if (info->si_code <= 0 || !begin || address < begin || address >= begin + mapping.bytes) continue;
    while (spoken.test_and_set()) pause();
    say("siglip: ");
    say(mapping.path);
    say(": the file keeps its size while it is used, got it cut short\n");
    _exit(1);
  }
  // Not ours: as if there were no handler.
  signal(SIGBUS, SIG_DFL);
  raise(SIGBUS);
}
}  // namespace

void explain_shrunk_files() {
  struct sigaction action = {};
  action.sa_sigaction = on_bus_error;
  action.sa_flags = SA_SIGINFO;
  sigemptyset(&action.sa_mask);
  sigaction(SIGBUS, &action, nullptr);
}

MappedFile::MappedFile(const std::string& path) : path_(path) {
  descriptor_ = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // not blocking: it may be a pipe
  struct stat info {};
  std::string wrong;
  if (descriptor_ < 0 || fstat(descriptor_, &info) != 0)
    wrong = std::string("a readable file is expected, got: ") + std::strerror(errno);
  else if (!S_ISREG(info.st_mode))
    wrong = std::string("a regular file is expected, got a ") + (S_ISDIR(info.st_mode) ? "folder" : "device or pipe");
  if (!wrong.empty()) {
    if (descriptor_ >= 0) close(descriptor_);
    fail(path, wrong);
  }
  size_ = info.st_size;
}

MappedFile::~MappedFile() {
  if (data_) {
    leave(data_);
    munmap(const_cast<char*>(data_), static_cast<std::size_t>(size_));
  }
  close(descriptor_);
}

void MappedFile::read(void* to, std::int64_t size, std::int64_t offset) const {
  char* rest = static_cast<char*>(to);
  while (size > 0) {
    const ssize_t n = pread(descriptor_, rest, static_cast<std::size_t>(size), offset);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail(path_, "reading failed: ", std::strerror(errno));
    if (n == 0) fail(path_, "the file keeps its size while it is read, got its end at byte ", offset);
    rest += n, offset += n, size -= n;
  }
}

const char* MappedFile::data() const {
  std::call_once(once_, [this] {
    const std::size_t bytes = static_cast<std::size_t>(size_);
    if (bytes == 0) return;
    void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, descriptor_, 0);
    if (memory == MAP_FAILED) return;
    if (enter(static_cast<const char*>(memory), bytes, path_))
      data_ = static_cast<const char*>(memory);
    else  // so many files that a shrunken one could not be named: they are read instead
      munmap(memory, bytes);
  });
  return data_;
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
