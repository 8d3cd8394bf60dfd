// bench.cpp — siglip bench: measured here and now, never a timed test.
#include "verbs.h"

namespace siglip::tools {
void add_bench(CLI::App& program) {
  CLI::App& bench = add_verb(program, "bench", "Measure the loss, a training step, a tower, a tokenizer, loading or pictures on this machine.",
                             "siglip bench loss --batch 1024 --dim 64");
  bench.require_subcommand(1);
  add_bench_loss(bench);
  add_bench_step(bench);
  add_bench_tower(bench);
  add_bench_tokenizer(bench);
  add_bench_load(bench);
  add_bench_inputs(bench);
}
}  // namespace siglip::tools
