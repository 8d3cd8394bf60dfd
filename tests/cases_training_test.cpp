// What went wrong while people trained and used what they had trained, as they did it.
#ifdef SIGLIP_PROGRAM_FOLDER
#include <doctest/doctest.h>
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <string>
#include "shell.h"
using namespace siglip;
namespace fs = std::filesystem;

namespace {
const Shell& with_shapes() {
  static const Shell shell;
  static const Outcome made = shell("siglip data shapes --out shapes --scenes 40");
  REQUIRE(made.exit_code == 0);
  return shell;
}
}  // namespace

TEST_CASE("cases: a terminal that is closed ends a run as Ctrl-C does, unless nohup has it go on") {
  const Shell& shell = with_shapes();
  const std::string train = "siglip train --data shapes --model nano --steps 1000000 --batch-size 4 --eval-every 1000000 --threads 1 --out ";
  const auto wait_for = [](const std::string& run) { return "\nwhile ! [ -s " + run + "/log.jsonl ]; do sleep 0.01; done\n"; };
  const Outcome closed = shell(train + "closed & pid=$!" + wait_for("closed") + "kill -HUP $pid; wait $pid");
  INFO(closed.err);
  CHECK(closed.exit_code == 0);
  CHECK(contains(closed.err, "; continue with:  siglip train --resume closed\n"));
  CHECK(fs::exists(shell.folder / "closed/last/model.safetensors"));

  const Outcome kept = shell("nohup " + train + "kept & pid=$!" + wait_for("kept") +
                             "kill -HUP $pid; before=$(wc -l < kept/log.jsonl)\n"
                             "for i in $(seq 500); do [ $(wc -l < kept/log.jsonl) -gt $((before + 3)) ] && break; sleep 0.01; done\n"
                             "kill -0 $pid && echo alive; kill -INT $pid; wait $pid");
  INFO(kept.err);
  CHECK(kept.exit_code == 0);
  CHECK(contains(kept.out, "alive"));
  CHECK(fs::exists(shell.folder / "kept/last/model.safetensors"));
}
#endif
