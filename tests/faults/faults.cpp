// faults.cpp — a library to preload: the machine runs out of memory, or its disk fails, at a call of our choice.
//
//   SIGLIP_FAULT="memory 17 once"     the 17th allocation fails; "always": every one from there on
//   SIGLIP_FAULT="files 5 once"       the 5th call that opens, reads, writes, flushes, renames, makes or closes a file fails
//   SIGLIP_FAULT="space 4096 always"  a disk with room for 4096 more bytes: the write that exceeds it is cut short, the next ones fail
//   SIGLIP_FAULT_TALLY=FD             a file of two 64-bit numbers that is mapped: calls counted, calls failed
//
// Number 0 fails nothing and counts. Counted is what happens between the first and the last line of main, except what the OpenMP runtime and
// the dynamic loader do for themselves: they end the program when memory ends, and they are not ours. Standard error is never failed: it says
// what the program made of its fault.
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>
#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <utility>

extern "C" void* __libc_malloc(std::size_t);
extern "C" void* __libc_calloc(std::size_t, std::size_t);
extern "C" void* __libc_realloc(void*, std::size_t);
extern "C" void* __libc_memalign(std::size_t, std::size_t);

namespace {
enum Kind { none, memory, files, space };

struct Tally {
  std::atomic<std::uint64_t> calls, failed;
};

Kind kind = none;
std::uint64_t number = 0;
bool always = false;
Tally own_tally, *tally = &own_tally;
std::atomic<bool> armed{false};

// ---- whose call it is --------------------------------------------------------------------------------------------------------------------

struct Range {
  std::uintptr_t begin, end;
};
Range foreign[16];
int foreign_count = 0;

int note_foreign(dl_phdr_info* object, std::size_t, void*) {
  const char* path = object->dlpi_name ? object->dlpi_name : "";
  bool is_foreign = false;
  for (const char* name : {"/libomp", "/libgomp", "/ld-linux", "/ld-musl"}) is_foreign = is_foreign || std::strstr(path, name);
  for (int i = 0; is_foreign && i < object->dlpi_phnum && foreign_count < 16; ++i) {
    const auto& part = object->dlpi_phdr[i];
    if (part.p_type != PT_LOAD) continue;
    foreign[foreign_count++] = {object->dlpi_addr + part.p_vaddr, object->dlpi_addr + part.p_vaddr + part.p_memsz};
  }
  return 0;
}

bool is_ours(const void* caller) {
  const auto address = reinterpret_cast<std::uintptr_t>(caller);
  for (int i = 0; i < foreign_count; ++i)
    if (address >= foreign[i].begin && address < foreign[i].end) return false;
  return true;
}

/// Whether this call is to fail; `by` is 1, or the bytes of a write.
bool fails(Kind asked, const void* caller, std::uint64_t by = 1) {
  if (kind != asked || !armed || !is_ours(caller)) return false;
  const std::uint64_t before = tally->calls.fetch_add(by), after = before + by;
  if (number == 0 || after < number || (asked == space && after == number)) return false;
  if (!always && before >= number) return false;
  ++tally->failed;
  return true;
}

// ---- from main to its end ------------------------------------------------------------------------------------------------------------------

using Main = int (*)(int, char**, char**);
Main real_main = nullptr;

void read_environment() {
  char what[16] = "", when[16] = "";
  unsigned long long n = 0;
  if (const char* text = std::getenv("SIGLIP_FAULT"); !text || std::sscanf(text, "%15s %llu %15s", what, &n, when) != 3) return;
  for (const auto& [name, value] : {std::pair{"memory", memory}, {"files", files}, {"space", space}})
    if (std::strcmp(what, name) == 0) kind = value;
  number = n;
  always = std::strcmp(when, "always") == 0;
  if (const char* fd = std::getenv("SIGLIP_FAULT_TALLY")) {
    void* shared = mmap(nullptr, sizeof(Tally), PROT_READ | PROT_WRITE, MAP_SHARED, std::atoi(fd), 0);
    if (shared != MAP_FAILED) tally = static_cast<Tally*>(shared);
  }
  dl_iterate_phdr(note_foreign, nullptr);
}

// The OpenMP runtime is started before anything is counted: it ends the program when memory ends, also within functions of libc that it calls.
void start_openmp() {
  if (void* start = dlsym(RTLD_DEFAULT, "omp_get_max_threads")) reinterpret_cast<int (*)()>(start)();
}

int watched_main(int argc, char** argv, char** environment) {
  read_environment();
  start_openmp();
  armed = true;
  const int status = real_main(argc, argv, environment);
  armed = false;
  return status;
}

template <class Function>
Function* next(const char* name) {
  return reinterpret_cast<Function*>(dlsym(RTLD_NEXT, name));
}

int refuse(int reason) {
  errno = reason;
  return -1;
}
}  // namespace

#define CALLER __builtin_return_address(0)

extern "C" {
int __libc_start_main(Main main, int argc, char** argv, void (*init)(), void (*fini)(), void (*loader_fini)(), void* stack_end) {
  real_main = main;
  return next<int(Main, int, char**, void (*)(), void (*)(), void (*)(), void*)>("__libc_start_main")(watched_main, argc, argv, init, fini,
                                                                                                      loader_fini, stack_end);
}

// ---- memory --------------------------------------------------------------------------------------------------------------------------------

static void* no_memory() {
  errno = ENOMEM;
  return nullptr;
}
void* malloc(std::size_t bytes) { return fails(memory, CALLER) ? no_memory() : __libc_malloc(bytes); }
void* calloc(std::size_t count, std::size_t bytes) { return fails(memory, CALLER) ? no_memory() : __libc_calloc(count, bytes); }
void* realloc(void* old, std::size_t bytes) { return fails(memory, CALLER) ? no_memory() : __libc_realloc(old, bytes); }
void* aligned_alloc(std::size_t alignment, std::size_t bytes) { return fails(memory, CALLER) ? no_memory() : __libc_memalign(alignment, bytes); }
void* memalign(std::size_t alignment, std::size_t bytes) { return fails(memory, CALLER) ? no_memory() : __libc_memalign(alignment, bytes); }
int posix_memalign(void** to, std::size_t alignment, std::size_t bytes) {
  if (fails(memory, CALLER)) return ENOMEM;
  *to = __libc_memalign(alignment, bytes);
  return *to ? 0 : ENOMEM;
}

// ---- files ---------------------------------------------------------------------------------------------------------------------------------

#define OPEN(name, folder_parameter, folder)                                        \
  int name(folder_parameter const char* path, int flags, ...) {                     \
    va_list rest;                                                                   \
    va_start(rest, flags);                                                          \
    const mode_t mode = (flags & (O_CREAT | O_TMPFILE)) ? va_arg(rest, mode_t) : 0; \
    va_end(rest);                                                                   \
    if (fails(files, CALLER)) return refuse(EMFILE);                                \
    return static_cast<int>(syscall(SYS_openat, folder, path, flags, mode));        \
  }
#define NOTHING
#define FOLDER int folder,
OPEN(open, NOTHING, AT_FDCWD)
OPEN(open64, NOTHING, AT_FDCWD)
OPEN(openat, FOLDER, folder)
OPEN(openat64, FOLDER, folder)

FILE* fopen(const char* path, const char* mode) {
  if (fails(files, CALLER)) return refuse(EMFILE), nullptr;
  return next<FILE*(const char*, const char*)>("fopen")(path, mode);
}
FILE* fopen64(const char* path, const char* mode) {
  if (fails(files, CALLER)) return refuse(EMFILE), nullptr;
  return next<FILE*(const char*, const char*)>("fopen64")(path, mode);
}
DIR* opendir(const char* path) {
  if (fails(files, CALLER)) return refuse(EMFILE), nullptr;
  return next<DIR*(const char*)>("opendir")(path);
}
ssize_t read(int fd, void* to, std::size_t bytes) { return fails(files, CALLER) ? refuse(EIO) : syscall(SYS_read, fd, to, bytes); }
ssize_t pread(int fd, void* to, std::size_t bytes, off_t at) { return fails(files, CALLER) ? refuse(EIO) : syscall(SYS_pread64, fd, to, bytes, at); }
ssize_t pread64(int fd, void* to, std::size_t bytes, off64_t at) {
  return fails(files, CALLER) ? refuse(EIO) : syscall(SYS_pread64, fd, to, bytes, at);
}

ssize_t write(int fd, const void* from, std::size_t bytes) {
  if (fd != STDERR_FILENO && fails(files, CALLER)) return refuse(ENOSPC);
  if (fd > STDERR_FILENO && fails(space, CALLER, bytes)) {
    const std::uint64_t after = tally->calls, before = after - bytes;
    if (before >= number) return refuse(ENOSPC);
    bytes = number - before;  // as much as there is room for
  }
  return syscall(SYS_write, fd, from, bytes);
}
ssize_t writev(int fd, const iovec* parts, int count) {
  std::uint64_t bytes = 0;
  for (int i = 0; i < count; ++i) bytes += parts[i].iov_len;
  if (fd != STDERR_FILENO && fails(files, CALLER)) return refuse(ENOSPC);
  if (fd > STDERR_FILENO && fails(space, CALLER, bytes)) return refuse(ENOSPC);
  return syscall(SYS_writev, fd, parts, count);
}

// Nothing is flushed: no test here pulls the plug, and thousands of runs would wait for the disk.
int fsync(int) { return fails(files, CALLER) ? refuse(EIO) : 0; }
int syncfs(int) { return fails(files, CALLER) ? refuse(EIO) : 0; }
int renameat2(int from_folder, const char* from, int to_folder, const char* to, unsigned flags) {
  return fails(files, CALLER) ? refuse(EIO) : static_cast<int>(syscall(SYS_renameat2, from_folder, from, to_folder, to, flags));
}
int rename(const char* from, const char* to) {
  return fails(files, CALLER) ? refuse(EIO) : static_cast<int>(syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0));
}
int mkdir(const char* path, mode_t mode) {
  return fails(files, CALLER) ? refuse(ENOSPC) : static_cast<int>(syscall(SYS_mkdirat, AT_FDCWD, path, mode));
}
int close(int fd) {  // as a network file system that reports a failed write only now
  const bool failing = fd > STDERR_FILENO && fails(files, CALLER);
  const int status = static_cast<int>(syscall(SYS_close, fd));
  return failing ? refuse(EIO) : status;
}
}
