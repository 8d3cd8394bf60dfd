// emulator.cpp — blocks of fibers. Compiled without sanitizers, so that only the kernels are watched.
#include "emulator.h"
#include <ucontext.h>
#include <algorithm>
#include <array>
#include <cstring>
#include <deque>
#include <exception>
#include <memory>
#include <numeric>
#include <random>
#include <stdexcept>

// There under the sanitizers alone.
extern "C" {
void* __tsan_get_current_fiber() __attribute__((weak));
void* __tsan_create_fiber(unsigned) __attribute__((weak));
void __tsan_destroy_fiber(void*) __attribute__((weak));
void __tsan_switch_to_fiber(void*, unsigned) __attribute__((weak));
void __tsan_acquire(void*) __attribute__((weak));
void __tsan_release(void*) __attribute__((weak));
void AnnotateIgnoreReadsBegin(const char*, int) __attribute__((weak));
void AnnotateIgnoreReadsEnd(const char*, int) __attribute__((weak));
void AnnotateIgnoreWritesBegin(const char*, int) __attribute__((weak));
void AnnotateIgnoreWritesEnd(const char*, int) __attribute__((weak));
void __asan_poison_memory_region(const volatile void*, std::size_t) __attribute__((weak));
void __sanitizer_start_switch_fiber(void**, const void*, std::size_t) __attribute__((weak));
void __sanitizer_finish_switch_fiber(void*, const void**, std::size_t*) __attribute__((weak));
}

namespace emulator {
namespace {
constexpr unsigned warp_size = 32, most_threads = 1024;
constexpr std::size_t slot_bytes = 16, stack_bytes = 128 << 10, most_shared_bytes = 48 << 10, shared_border = 64;
constexpr char unwritten = '\xff';

std::string text(const Place& place) {
  const std::string file = place.file;
  return file.substr(file.find_last_of('/') + 1) + ":" + std::to_string(place.line);
}
bool operator!=(const Place& a, const Place& b) { return a.line != b.line || std::strcmp(a.file, b.file) != 0; }
std::string text(const dim3& d) { return "(" + std::to_string(d.x) + ", " + std::to_string(d.y) + ", " + std::to_string(d.z) + ")"; }

void order_after(void* p) {
  if (__tsan_acquire) __tsan_acquire(p);
}
void order_before(void* p) {
  if (__tsan_release) __tsan_release(p);
}

// What the emulator itself copies, allocates and frees is no business of the thread sanitizer, which sees memcpy and malloc everywhere.
struct Unwatched {
  Unwatched() {
    if (AnnotateIgnoreReadsBegin) AnnotateIgnoreReadsBegin(__FILE__, __LINE__), AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
  }
  ~Unwatched() {
    if (AnnotateIgnoreReadsEnd) AnnotateIgnoreWritesEnd(__FILE__, __LINE__), AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
  }
  Unwatched(const Unwatched&) = delete;
};

struct Stack {
  std::unique_ptr<char[]> memory{new char[stack_bytes]};
};

// A place in the flow of a fiber, to come back to. swapcontext asks the system for the signal mask each time, which would be most of the work; on
// x86-64 the registers that a call preserves are all there is to keep.
#ifdef __x86_64__
extern "C" void emulator_switch(void** from, void* to);
asm(R"(
  .text
  .globl emulator_switch
emulator_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
)");

struct Flow {
  void* top = nullptr;  // of its stack
  void start(const Stack& stack, void (*function)()) {
    auto end = reinterpret_cast<std::uintptr_t>(stack.memory.get() + stack_bytes) / 16 * 16;
    void** word = reinterpret_cast<void**>(end);
    *--word = nullptr;  // where `function` would return to: it never does
    *--word = reinterpret_cast<void*>(function);
    for (int saved = 0; saved < 6; ++saved) *--word = nullptr;
    top = word;
  }
  void go_on_in(Flow& other) { emulator_switch(&top, other.top); }
};
#else
struct Flow {
  ucontext_t context{};
  void start(const Stack& stack, void (*function)()) {
    getcontext(&context);
    context.uc_stack.ss_sp = stack.memory.get();
    context.uc_stack.ss_size = stack_bytes;
    context.uc_link = nullptr;
    makecontext(&context, function, 0);
  }
  void go_on_in(Flow& other) { swapcontext(&context, &other.context); }
};
#endif

struct Thread {
  enum State { fresh, running, at_barrier, in_warp, left };
  State state = fresh;
  dim3 index;
  Flow flow;
  std::unique_ptr<Stack> stack;
  void *tsan = nullptr, *asan = nullptr;
  Place place;        // where it waits
  unsigned mask = 0;  // of the lanes that it waits for
};

// An array in shared memory, with a border on both sides.
struct Shared {
  std::string at;  // "softmax.cu:12"
  std::size_t bytes = 0;
  std::unique_ptr<char[]> memory;
  char* data() const { return memory.get() + shared_border; }
};

struct Block {
  const char* kernel = nullptr;
  dim3 index, size, grid;
  const std::function<void()>* body = nullptr;
  std::vector<Thread> threads;
  std::vector<Shared> shared;
  std::vector<char> slots;  // what shuffles carry
  Flow scheduler;
  void *scheduler_tsan = nullptr, *scheduler_asan = nullptr;
  const void* scheduler_stack = nullptr;
  std::size_t scheduler_stack_bytes = 0;
  Thread* running = nullptr;
  std::exception_ptr failure;
  char barrier_meeting = 0;  // addresses that stand for "all have arrived"
  std::vector<char> warp_meetings;

  unsigned number(const Thread& t) const { return static_cast<unsigned>(&t - threads.data()); }
  std::string where() const { return std::string(kernel) + ", block " + text(index); }
};

Block* block = nullptr;                                     // one launch at a time: Unlocked holds the lock
constexpr std::uint64_t first_order = 1, second_order = 2;  // seeds of the orders of blocks and threads
char launch_begin, launch_end;                              // what happened before and after
// Used again in turn: the longest unused first, and what its last thread did on it comes before what the next one does.
constexpr std::size_t waiting_stacks = 256;
std::deque<std::unique_ptr<Stack>> spare_stacks;

[[noreturn]] void broken(const std::string& what) { throw std::runtime_error("emulator: " + block->where() + ": " + what); }

// ---- switching --------------------------------------------------------------------------------------------------------------------------

void to_scheduler(bool for_good) {
  Thread& t = *block->running;
  if (__tsan_switch_to_fiber) __tsan_switch_to_fiber(block->scheduler_tsan, 1);  // 1: a switch orders nothing
  if (__sanitizer_start_switch_fiber)
    __sanitizer_start_switch_fiber(for_good ? nullptr : &t.asan, block->scheduler_stack, block->scheduler_stack_bytes);
  t.flow.go_on_in(block->scheduler);
  if (__sanitizer_finish_switch_fiber) __sanitizer_finish_switch_fiber(t.asan, &block->scheduler_stack, &block->scheduler_stack_bytes);
}

void enter() {
  if (__sanitizer_finish_switch_fiber) __sanitizer_finish_switch_fiber(nullptr, &block->scheduler_stack, &block->scheduler_stack_bytes);
  char* stack = block->running->stack->memory.get();
  order_after(&launch_begin);
  order_after(stack);
  try {
    (*block->body)();
  } catch (...) {
    if (!block->failure) block->failure = std::current_exception();
  }
  order_before(stack);
  order_before(&launch_end);
  block->running->state = Thread::left;
  to_scheduler(true);
}

void resume(Thread& t) {
  block->running = &t;
  if (t.state == Thread::fresh) {
    while (spare_stacks.size() < waiting_stacks) spare_stacks.push_back(std::make_unique<Stack>());
    t.stack = std::move(spare_stacks.front());
    spare_stacks.pop_front();
    t.flow.start(*t.stack, enter);
    if (__tsan_create_fiber) t.tsan = __tsan_create_fiber(1);
    t.state = Thread::running;
  }
  if (__tsan_switch_to_fiber) __tsan_switch_to_fiber(t.tsan, 1);
  if (__sanitizer_start_switch_fiber) __sanitizer_start_switch_fiber(&block->scheduler_asan, t.stack->memory.get(), stack_bytes);
  block->scheduler.go_on_in(t.flow);
  if (__sanitizer_finish_switch_fiber) __sanitizer_finish_switch_fiber(block->scheduler_asan, nullptr, nullptr);
  if (t.state == Thread::left) spare_stacks.push_back(std::move(t.stack));
}

void wait(Thread::State state, const Place& place, char* meeting) {
  block->running->state = state;
  block->running->place = place;
  order_before(meeting);
  to_scheduler(false);
  order_after(meeting);
}

// ---- who may go on ------------------------------------------------------------------------------------------------------------------------

// All threads of the block wait at one barrier: they go on.
bool meet_at_barrier() {
  const Thread* first = nullptr;
  for (const Thread& t : block->threads) {
    if (t.state != Thread::at_barrier) return false;
    if (!first) first = &t;
    if (t.place != first->place)
      broken("threads wait at different barriers, thread " + std::to_string(block->number(*first)) + " at " + text(first->place) + ", thread " +
             std::to_string(block->number(t)) + " at " + text(t.place));
  }
  for (Thread& t : block->threads) t.state = Thread::running;
  return true;
}

// Lanes that wait for each other in a warp go on when all that their mask names are there, at one place.
bool meet_in_warp(unsigned first, unsigned count) {
  bool moved = false;
  for (unsigned l = 0; l < count; ++l) {
    Thread& t = block->threads[first + l];
    if (t.state != Thread::in_warp) continue;
    bool all = true;
    for (unsigned other = 0; other < warp_size && all; ++other) {
      if (!(t.mask >> other & 1)) continue;
      const std::string named =
          "the mask of " + text(t.place) + ", where thread " + std::to_string(first + l) + " waits, names lane " + std::to_string(other);
      if (other >= count) broken(named + ", and the block has no such thread");
      const Thread& o = block->threads[first + other];
      if (o.state == Thread::left) broken(named + ", which has left the kernel");
      all = o.state == Thread::in_warp;
      if (all && (o.mask != t.mask || o.place != t.place)) broken(named + ", which waits at " + text(o.place));
    }
    if (!all) continue;
    const unsigned mask = t.mask;
    for (unsigned other = 0; other < count; ++other)
      if (mask >> other & 1) block->threads[first + other].state = Thread::running;
    moved = true;
  }
  return moved;
}

void report_stuck() {
  unsigned left = 0, waiting = 0;
  const Thread* at = nullptr;
  for (const Thread& t : block->threads) {
    left += t.state == Thread::left;
    waiting += t.state != Thread::left;
    if (t.state == Thread::left) continue;
    if (!at || (t.state == Thread::at_barrier && at->state != Thread::at_barrier)) at = &t;
  }
  broken(std::to_string(waiting) + " of " + std::to_string(waiting + left) + " threads wait for others, thread " +
         std::to_string(block->number(*at)) + " at " + text(at->place) + "; " + std::to_string(left) + " have left the kernel");
}

// ---- a block ------------------------------------------------------------------------------------------------------------------------------

void check_shared_borders() {
  for (const Shared& s : block->shared)
    for (std::size_t i = 0; i < shared_border; ++i)
      if (s.memory[i] != unwritten || s.data()[s.bytes + i] != unwritten)
        broken("wrote past the shared array of " + std::to_string(s.bytes) + " bytes at " + s.at);
}

void run_block(Block& b, std::mt19937_64& random) {
  block = &b;
  const unsigned n = b.size.x * b.size.y * b.size.z;
  b.threads = std::vector<Thread>(n);
  b.slots.assign(n * slot_bytes, unwritten);
  b.warp_meetings.assign(n / warp_size + 1, 0);
  if (__tsan_get_current_fiber) b.scheduler_tsan = __tsan_get_current_fiber();
  for (unsigned t = 0; t < n; ++t) b.threads[t].index = dim3(t % b.size.x, t / b.size.x % b.size.y, t / (b.size.x * b.size.y));
  std::vector<unsigned> order(n);
  std::iota(order.begin(), order.end(), 0u);
  try {
    for (bool done = false; !done && !b.failure;) {
      std::shuffle(order.begin(), order.end(), random);
      bool moved = false;
      done = true;
      for (unsigned t : order) {
        Thread& thread = b.threads[t];
        if (thread.state == Thread::fresh || thread.state == Thread::running) resume(thread), moved = true;
        done = done && thread.state == Thread::left;
      }
      if (done) break;
      for (unsigned w = 0; w < n; w += warp_size) moved = meet_in_warp(w, std::min(warp_size, n - w)) || moved;
      moved = meet_at_barrier() || moved;
      if (!moved && !b.failure) report_stuck();
    }
    if (!b.failure) check_shared_borders();
  } catch (...) {
    if (!b.failure) b.failure = std::current_exception();
  }
  for (Thread& t : b.threads) {
    if (__tsan_destroy_fiber && t.tsan) __tsan_destroy_fiber(t.tsan);
    if (t.stack) spare_stacks.push_back(std::move(t.stack));  // it will never go on
  }
  block = nullptr;
  if (b.failure) std::rethrow_exception(b.failure);
}

void run_once(const char* kernel, dim3 grid, dim3 size, const std::function<void()>& body, std::uint64_t seed) {
  const Unwatched unwatched;
  std::mt19937_64 random(seed);
  std::vector<unsigned> order(grid.x * grid.y * grid.z);
  std::iota(order.begin(), order.end(), 0u);
  std::shuffle(order.begin(), order.end(), random);
  order_before(&launch_begin);
  for (unsigned at : order) {
    Block b;
    b.kernel = kernel, b.size = size, b.grid = grid, b.body = &body;
    b.index = dim3(at % grid.x, at / grid.x % grid.y, at / (grid.x * grid.y));
    run_block(b, random);
  }
  order_after(&launch_end);
}

// The memory that a kernel may write, as its arguments name it.
struct Snapshot {
  void* start;
  std::vector<char> bytes;
  std::size_t word;  // of its numbers: 4 or 8
};

std::vector<Snapshot> snapshot(const std::vector<Argument>& arguments) {
  std::vector<Snapshot> all;
  for (const Argument& a : arguments) {
    void* start = nullptr;
    std::size_t size = 0;
    if (!a.written || !bytes_from(a.pointer, &start, &size)) continue;
    if (std::any_of(all.begin(), all.end(), [&](const Snapshot& s) { return s.start == start; })) continue;
    all.push_back({start, std::vector<char>(static_cast<char*>(start), static_cast<char*>(start) + size), a.word == 8 ? a.word : 4});
  }
  return all;
}

// The first byte of a number that has become what unwritten memory is full of, a NaN which arithmetic hands on as it is; the size if there is none.
std::size_t became_unwritten(const Snapshot& before, const Snapshot& after) {
  const auto is_unwritten = [](const char* word, std::size_t bytes) {
    return std::all_of(word, word + bytes, [](char c) { return c == unwritten; });
  };
  for (std::size_t at = 0; at + before.word <= before.bytes.size(); at += before.word)
    if (is_unwritten(&after.bytes[at], before.word) && !is_unwritten(&before.bytes[at], before.word)) return at;
  return before.bytes.size();
}
}  // namespace

// ---- for kernels ----------------------------------------------------------------------------------------------------------------------------

dim3 thread_index() { return block->running->index; }
dim3 block_index() { return block->index; }
unsigned lane() { return block->number(*block->running) % warp_size; }

void barrier(const Place& place) { wait(Thread::at_barrier, place, &block->barrier_meeting); }

static void warp_barrier(unsigned mask, const Place& place) {
  Thread& t = *block->running;
  if (!(mask >> lane() & 1)) broken("thread " + std::to_string(block->number(t)) + " is not in the mask that it waits with at " + text(place));
  t.mask = mask;
  wait(Thread::in_warp, place, &block->warp_meetings[block->number(t) / warp_size]);
}

void exchange(unsigned mask, void* to, const void* from, std::size_t bytes, unsigned from_lane, const Place& place) {
  if (bytes > slot_bytes) broken("a shuffle moves at most 16 bytes, at " + text(place));
  const unsigned me = block->number(*block->running), source = me / warp_size * warp_size + from_lane;
  const auto copy = [bytes](char* out, const char* in) { std::copy(in, in + bytes, out); };
  {
    const Unwatched unwatched;
    copy(&block->slots[me * slot_bytes], static_cast<const char*>(from));
  }
  warp_barrier(mask, place);
  if (!(mask >> from_lane & 1))
    broken("thread " + std::to_string(me) + " asks lane " + std::to_string(from_lane) + ", which the mask does not name, at " + text(place));
  {
    const Unwatched unwatched;
    copy(static_cast<char*>(to), &block->slots[source * slot_bytes]);
  }
  warp_barrier(mask, place);
}

void* shared_memory(std::size_t bytes, const char* file, int line) {
  const Unwatched unwatched;
  const std::string path = file, at = path.substr(path.find_last_of('/') + 1) + ":" + std::to_string(line);
  std::size_t all = bytes;
  for (Shared& s : block->shared) {
    if (s.at == at && s.bytes == bytes) {
      order_after(s.memory.get());
      return s.data();
    }
    all += s.bytes;
  }
  if (all > most_shared_bytes) broken("wants " + std::to_string(all) + " bytes of shared memory, 49152 are there");
  Shared s{at, bytes, std::unique_ptr<char[]>(new char[bytes + 2 * shared_border])};
  std::fill_n(s.memory.get(), bytes + 2 * shared_border, unwritten);
  if (__asan_poison_memory_region) {
    __asan_poison_memory_region(s.memory.get(), shared_border);
    __asan_poison_memory_region(s.data() + bytes, shared_border);
  }
  order_before(s.memory.get());
  order_after(s.memory.get());
  block->shared.push_back(std::move(s));
  return block->shared.back().data();
}

// ---- a launch -------------------------------------------------------------------------------------------------------------------------------

void run(const char* kernel, dim3 grid, dim3 size, const std::vector<Argument>& arguments, const std::function<void()>& body) {
  const auto refuse = [kernel](const std::string& what) { throw std::runtime_error("emulator: " + std::string(kernel) + ": " + what); };
  const std::uint64_t blocks = std::uint64_t{grid.x} * grid.y * grid.z, threads = std::uint64_t{size.x} * size.y * size.z;
  if (blocks == 0) return;
  if (grid.x > 0x7fffffff || grid.y > 0xffff || grid.z > 0xffff) refuse("a grid of " + text(grid) + " blocks is more than CUDA launches");
  if (threads == 0 || threads > most_threads || size.z > 64) refuse("a block of " + text(size) + " threads, 1 to 1024 are possible");
  const Unlocked unlocked;
  for (std::size_t i = 0; i < arguments.size(); ++i)
    if (arguments[i].pointer && !bytes_from(arguments[i].pointer)) refuse("argument " + std::to_string(i) + " is no device pointer");

  const std::vector<Snapshot> before = snapshot(arguments);
  run_once(kernel, grid, size, body, first_order);
  check_borders(kernel);
  const std::vector<Snapshot> first = snapshot(arguments);
  for (const Snapshot& s : before) std::copy(s.bytes.begin(), s.bytes.end(), static_cast<char*>(s.start));
  run_once(kernel, grid, size, body, second_order);
  for (const Snapshot& s : first) {
    const auto* now = static_cast<const char*>(s.start);
    if (const auto differs = std::mismatch(s.bytes.begin(), s.bytes.end(), now); differs.first != s.bytes.end())
      refuse("another order of blocks and threads gives other bits, first at byte " + std::to_string(differs.first - s.bytes.begin()) +
             " of an allocation of " + std::to_string(s.bytes.size()) + ": two of them write one word, or a barrier is missing");
  }
  for (std::size_t i = 0; i < first.size(); ++i)
    if (const std::size_t at = became_unwritten(before[i], first[i]); at < first[i].bytes.size())
      refuse("read memory that nobody wrote: its NaN came to stand at byte " + std::to_string(at) + " of an allocation of " +
             std::to_string(first[i].bytes.size()));
}
}  // namespace emulator
