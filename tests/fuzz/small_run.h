// small_run.h — the run that training states are read into: the smallest model there can be.
#pragma once
#include <string>
#include "siglip/train.h"

namespace fuzz {
constexpr siglip::Dim run_vocabulary = 5;
inline const std::string run_fingerprint = "0123456789abcdef";

inline siglip::TrainConfig run_config() {
  siglip::TrainConfig c;
  c.data = "data", c.model = "nano", c.width = 2, c.heads = 1, c.layers = 1, c.mlp = 2, c.image_size = 2, c.patch_size = 2, c.context = 2;
  c.steps = 4, c.batch_size = 2, c.warmup = 0, c.eval_every = 2, c.save_every = 2;
  return c;
}
}  // namespace fuzz
