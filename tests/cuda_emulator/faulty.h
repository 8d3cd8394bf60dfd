// faulty.h — the launches of faulty.cu: y, x of N floats on the emulated device.
#pragma once
// clang-format off
#define FAULTY_LAUNCHES(LAUNCH)                                                          \
  LAUNCH(missing_barrier) LAUNCH(two_blocks_on_one_word) LAUNCH(uninitialised_read)      \
  LAUNCH(step_past_global) LAUNCH(read_past_the_end) LAUNCH(step_past_shared)            \
  LAUNCH(divergent_barrier) LAUNCH(different_barriers)                                   \
  LAUNCH(wrong_shuffle) LAUNCH(shuffle_outside_mask)                                     \
  LAUNCH(host_pointer) LAUNCH(host_touches_device)                                       \
  LAUNCH(too_many_threads) LAUNCH(too_much_shared_memory) LAUNCH(nothing)
// clang-format on

namespace faulty {
#define LAUNCH(name) void name(float* y, const float* x, int N);
FAULTY_LAUNCHES(LAUNCH)
#undef LAUNCH
}  // namespace faulty
