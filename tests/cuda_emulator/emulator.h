// emulator.h — runs CUDA kernels on the host, so that their logic is tested where no GPU is.
//
// Each thread of a block is a fiber; barriers and shuffles are where fibers switch, in an order that a seed shuffles. What a GPU would do in
// silence is an error here, one sentence with kernel, thread, file and line:
//   threads that wait at a barrier which others have left or never reach       a shuffle that a lane of its mask does not join
//   a kernel's argument that is no device pointer                              a write past global or past shared memory
//   two blocks, or two threads, on one word: a launch is run twice in other orders and must give the same bits
//   a number that became the NaN of which new device and shared memory is full: what nobody wrote was read
//   host code that touches device memory (it is locked away)
// Under AddressSanitizer reads past the end are errors too; under ThreadSanitizer two threads on one word with no barrier between.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <type_traits>
#include <vector>

struct dim3 {
  unsigned x = 1, y = 1, z = 1;
  constexpr dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};

namespace emulator {

/// Where in a page a thread is; as a default argument, where the call stands. (clang 14 has no std::source_location.)
struct Place {
  const char* file = "";
  int line = 0;
  static Place current(const char* file = __builtin_FILE(), int line = __builtin_LINE()) { return {file, line}; }
};

// ---- for kernels --------------------------------------------------------------------------------------------------------------------------

dim3 thread_index();
dim3 block_index();
unsigned lane();
void barrier(const Place& place);
void exchange(unsigned mask, void* to, const void* from, std::size_t bytes, unsigned lane, const Place& place);  // what `lane` of my warp gave
void* shared_memory(std::size_t bytes, const char* file, int line);  // one array for each block and place; the limit of 48 KiB holds

template <class T>
T exchange(unsigned mask, T value, unsigned from_lane, const Place& place) {
  T got;
  exchange(mask, &got, &value, sizeof(T), from_lane, place);
  return got;
}

// ---- launches -----------------------------------------------------------------------------------------------------------------------------

struct Argument {
  const void* pointer = nullptr;  // null: a number
  bool written = false;           // by its type
  std::size_t word = 0;           // bytes of the numbers it points to
};

/// Calls `body` once for each thread of each block, twice in different orders. Throws std::runtime_error for what stands above.
void run(const char* kernel, dim3 grid, dim3 block, const std::vector<Argument>& arguments, const std::function<void()>& body);

template <class T>
Argument argument(const T& value) {
  if constexpr (std::is_pointer_v<T>)
    return {value, !std::is_const_v<std::remove_pointer_t<T>>, sizeof(std::remove_pointer_t<T>)};
  else
    return {};
}

template <class... Parameter>
void launch(const char* name, void (*kernel)(Parameter...), dim3 grid, dim3 block, std::type_identity_t<Parameter>... arguments) {
  run(name, grid, block, {argument(arguments)...}, [=] { kernel(arguments...); });
}

// ---- device memory ------------------------------------------------------------------------------------------------------------------------

/// While one lives, the host may look at device memory: within a launch, a copy, a product.
class Unlocked {
 public:
  Unlocked();
  ~Unlocked();
  Unlocked(const Unlocked&) = delete;
};

/// The allocation that holds `pointer`, and how many bytes of it lie from there on; 0 if there is none.
std::size_t bytes_from(const void* pointer, void** start = nullptr, std::size_t* size = nullptr);
void* allocate(std::size_t bytes);  // full of NaN; null if the device, of 1 GiB, is full
bool release(void* memory);         // false: nothing that was allocated
void memory_info(std::size_t* free_bytes, std::size_t* all_bytes);
/// Throws if bytes beside an allocation changed; `who` did it.
void check_borders(const std::string& who);
/// For tests of what happens when it is full: so many bytes from now on, and no more.
void limit_memory(std::size_t bytes);

// ---- what a device refuses ---------------------------------------------------------------------------------------------------------------

/// For tests: after `granted` more calls, the runtime's function of this name fails with this error of CUDA's (or, of cuBLAS, with its status), once.
void refuse(const char* function, int granted, int status);
/// Objects of CUDA's and cuBLAS's that were made and are still there: streams, events, handles, pinned memory.
int living_objects();
}  // namespace emulator
