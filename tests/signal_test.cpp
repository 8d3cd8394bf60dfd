// Ctrl-C, as a user presses it: once saves, twice ends at once, and neither loses anything.
#ifdef SIGLIP_PROGRAM_FOLDER
#include <doctest/doctest.h>
#include <csignal>
#include "shell.h"
#include "siglip/train.h"
using namespace siglip;
namespace fs = std::filesystem;

namespace {
const Shell& with_shapes() {
  static const Shell shell;
  static const Outcome made = shell("siglip data shapes --out shapes --scenes 200");
  REQUIRE(made.exit_code == 0);
  return shell;
}

const std::string command = "siglip train --data shapes --model nano --batch-size 16 --candidates 64 --threads 1 ";

// Every file of both checkpoints byte for byte; of the training state all but the clock, the run's name and its threads.
void check_equal(const Shell& shell, const std::string& a, const std::string& b) {
  for (const std::string part : {"/last/", "/best/"}) {
    int compared = 0;
    for (const auto& entry : fs::directory_iterator(shell.folder / (a + part))) {
      const std::string name = entry.path().filename(), other = shell.folder / (b + part + name);
      INFO(part, name);
      ++compared;
      REQUIRE(fs::exists(other));
      if (name == "checksums.txt") continue;  // of files that hold the clock
      if (name != "training_state.json") {
        CHECK(contents(entry.path()) == contents(other));
        continue;
      }
      Json first = parse_json(contents(entry.path()), a), second = parse_json(contents(other), b);
      for (Json* json : {&first, &second}) (*json)["seconds"] = 0, (*json)["config"]["out"] = "", (*json)["config"]["threads"] = 0;
      CHECK(first == second);
    }
    CHECK(compared == 9);
  }
}
}  // namespace

TEST_CASE("signals: one Ctrl-C saves, and the resumed run ends in the bytes of one that was never interrupted") {
  const Shell& shell = with_shapes();
  const std::string settings = command + "--steps 30 --eval-every 10 --save-every 10 ";
  REQUIRE(shell(settings + "--out whole").exit_code == 0);
  const Outcome stopped = shell(settings +
                                "--out broken & pid=$!\n"
                                "while [ $(cat broken/log.jsonl 2>/dev/null | wc -l) -lt 3 ]; do sleep 0.01; done; kill -INT $pid; wait $pid");
  INFO(stopped.err);
  CHECK(stopped.exit_code == 0);
  const std::string path = shell.folder / "broken/last/training_state.json";
  const Dim step = parse_json(contents(path), path)["step"];
  CHECK(step >= 3);
  CHECK(step < 30);
  CHECK(contains(stopped.err, "stopped after step " + std::to_string(step) + " of 30; continue with:  siglip train --resume broken\n"));
  CHECK(!fs::exists(shell.folder / "broken/summary.json"));

  const Outcome resumed = shell("siglip train --resume broken --threads 2");
  INFO(resumed.err);
  CHECK(resumed.exit_code == 0);
  CHECK(contains(resumed.err, "run: broken continues after step " + std::to_string(step) + " of 30\n"));
  CHECK(fs::exists(shell.folder / "broken/summary.json"));
  check_equal(shell, "whole", "broken");
}

TEST_CASE("signals: a second Ctrl-C ends at once, whatever is being written") {
  const Shell& shell = with_shapes();
  // A step of many pairs takes longer than the pause after the first signal, and the first checkpoint is far away. Stopped, the program does not
  // come to its end while the second passes by that makes the next signal another one.
  const Outcome ended = shell(
      "siglip train --data shapes --model tiny --image-size 64 --batch-size 200 --steps 20 --eval-every 20 --threads 1 --out ended & pid=$!\n"
      "while ! [ -s ended/log.jsonl ]; do sleep 0.01; done; kill -INT $pid; sleep 0.2\n"
      "kill -STOP $pid; sleep 1.1; kill -INT $pid; kill -CONT $pid; wait $pid");
  INFO(ended.err);
  CHECK(ended.exit_code == 128 + SIGINT);
  CHECK(!contains(ended.err, "stopped after step"));
  CHECK(!fs::exists(shell.folder / "ended/last"));
  CHECK(shell.refusal("siglip train --resume ended") ==
        "1 siglip: ended/last: a checkpoint to continue from is expected, got none: the run ended before its first one");

  // Killed while it saves after every step: most of these end in the middle of a checkpoint. Each time `last` is whole, and the run goes on from it.
  const std::string settings = command + "--steps 25 --eval-every 5 --save-every 1 ";
  REQUIRE(shell(settings + "--out steady").exit_code == 0);
  const std::string twice = "kill -INT $pid; sleep 0.00$k; kill -KILL $pid 2>/dev/null; wait $pid";
  int killed = shell(settings + "--out torn & pid=$!; k=3\nwhile ! [ -e torn/last ]; do sleep 0.01; done; " + twice).exit_code != 0;
  for (int k = 1; k <= 5; ++k) {
    CHECK(complaint_of([&] { Pretrained::load(shell.folder / "torn/last"); }) == "nothing");
    killed += shell("k=" + std::to_string(k) + "; siglip train --resume torn & pid=$!; sleep 0.$k; " + twice).exit_code != 0;
  }
  CHECK(killed > 0);
  const Outcome resumed = shell("siglip train --resume torn");
  INFO(resumed.err);
  CHECK(resumed.exit_code == 0);
  check_equal(shell, "steady", "torn");
  for (const auto& entry : fs::directory_iterator(shell.folder / "torn")) CHECK(!contains(entry.path().filename(), ".tmp"));
}

TEST_CASE("signals: two at once are one, as timeout sends them to a process and its group") {
  const Shell& shell = with_shapes();
  const std::string start = command + "--steps 100000 --eval-every 100000 --out at-once-";
  for (const std::string first : {"INT", "TERM"})
    for (const std::string second : {"INT", "TERM"}) {
      const std::string name = first + second;
      const Outcome stopped = shell(start + name + " & pid=$!\nwhile ! [ -s at-once-" + name + "/log.jsonl ]; do sleep 0.01; done\n" + "kill -" +
                                    first + " $pid; kill -" + second + " $pid; wait $pid");
      INFO(name, ": ", stopped.err);
      CHECK(stopped.exit_code == 0);
      CHECK(contains(stopped.err, "stopped after step "));
      CHECK(complaint_of([&] { Pretrained::load(shell.folder / ("at-once-" + name + "/last")); }) == "nothing");
    }
  for (int k = 0; k < 3; ++k) {
    const std::string name = "timed-" + std::to_string(k);
    const Outcome stopped = shell("timeout -s INT 1 " + command + "--steps 100000 --eval-every 100000 --out " + name);
    INFO(stopped.err);
    CHECK(stopped.exit_code == 124);
    CHECK(contains(stopped.err, "stopped after step "));
    CHECK(std::filesystem::exists(shell.folder / (name + "/last/model.safetensors")));
  }
}

TEST_CASE("signals: --resume latest goes on with the newest run below runs/train") {
  const Shell& shell = with_shapes();
  CHECK(shell.refusal("mkdir empty; cd empty; siglip train --resume latest") == "1 siglip: latest: a run below runs/train is expected, got none");
  for (const char* name : {"zebra", "ant"}) {  // the newest by time, not by name
    const Outcome stopped = shell(command + "--steps 200 --eval-every 200 --name " + name +
                                  " & pid=$!\n"
                                  "while ! [ -s runs/train/" +
                                  name + "/log.jsonl ]; do sleep 0.01; done; kill -INT $pid; wait $pid");
    INFO(stopped.err);
    REQUIRE(stopped.exit_code == 0);
    CHECK(contains(stopped.err, std::string("continue with:  siglip train --resume runs/train/") + name));
  }
  const Outcome resumed = shell("siglip train --resume latest & pid=$!; sleep 1; kill -INT $pid; wait $pid");
  INFO(resumed.err);
  CHECK(resumed.exit_code == 0);
  CHECK(contains(resumed.err, "run: runs/train/ant continues after step "));
}
#endif
