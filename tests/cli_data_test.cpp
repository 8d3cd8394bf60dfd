// Data sets on the command line: the emoji as their --help says, pictures that cannot be read, and little memory and few files to read with.
#ifdef SIGLIP_PROGRAM_FOLDER
#include <doctest/doctest.h>
#include <algorithm>
#include "shell.h"
#include "siglip/data.h"
using namespace siglip;

TEST_CASE("cli: the example of data emoji works as typed") {
  const EmojiOptions standard;
  if (!has_emoji() || !std::filesystem::exists(standard.font) || !std::filesystem::exists(standard.list)) {
    MESSAGE("skipped: this build has no FreeType and HarfBuzz, or fonts-noto-color-emoji or unicode-data are not installed");
    return;
  }
  const Shell shell;
  const std::string help = shell("siglip data emoji --help").out;
  const std::size_t begin = help.find("Example:\n  ") + 11;
  const std::string example = help.substr(begin, help.find('\n', begin) - begin);
  CHECK(example.starts_with("siglip data emoji "));
  const Outcome run = shell(example);
  INFO(example, ": ", run.err);
  CHECK(run.exit_code == 0);
  const std::string out = example.substr(example.find("--out ") + 6), list = contents(shell.folder / (out + "/train/metadata.jsonl"));
  CHECK(std::count(list.begin(), list.end(), '\n') > 3000);
  CHECK(std::filesystem::exists(shell.folder / (out + "/train/1f600.png")));
}

TEST_CASE("cli: a bad picture is named, counted and skipped; with --strict it ends the run") {
  const Shell shell;
  REQUIRE(shell("siglip data shapes --out shapes --scenes 12 --size 16 && echo no picture > shapes/train/00003.png").exit_code == 0);
  const std::string train = "siglip train --data shapes --model nano --steps 1 --batch-size 8 --threads 1 ";
  const std::string problem = "shapes/train/00003.png: a JPEG, PNG, WebP, GIF or BMP picture is expected, got no picture\n";
  const Outcome lenient = shell(train + "--out run");
  CHECK(lenient.exit_code == 0);
  CHECK(contains(lenient.err, "skipped: " + problem));
  CHECK(contains(lenient.err, "data: pictures that could not be read and were left out: 1, listed in run/skipped.txt\n"));
  CHECK(contents(shell.folder / "run/skipped.txt") == problem);
  const Outcome strict = shell(train + "--strict --out strict");
  CHECK(strict.exit_code == 1);
  CHECK(strict.err.ends_with("siglip: " + problem));
  CHECK(!std::filesystem::exists(shell.folder / "strict"));
}

namespace {
const std::string step = "siglip train --data shapes --model nano --steps 1 --batch-size 8 --threads 1 --out ";
}

TEST_CASE("cli: a data set is read with few files open") {
  const Shell shell;
  REQUIRE(shell("siglip data shapes --out shapes --scenes 200 --size 32 && " + step + "run").exit_code == 0);
  CHECK(shell.json("ulimit -n 16; siglip eval run --threads 8 --json")["splits"].size() == 3);
  CHECK(shell("ulimit -n 16; " + step + "few").exit_code == 0);
}

TEST_CASE("cli: a run that has too little memory is one line, and a checkpoint that it leaves is whole") {
  const Shell shell;
  if (shell("ulimit -v 4000000; siglip --version").exit_code != 0) {
    MESSAGE("skipped: this build takes more address space before it begins (sanitizers and CUDA do)");
    return;
  }
  REQUIRE(shell("siglip data shapes --out shapes --scenes 200 --size 32").exit_code == 0);
  int enough = 0, too_little = 0;
  for (const int kib : {4'000'000, 60'000, 50'000, 45'000, 40'000, 35'000, 30'000, 27'000}) {
    const Outcome run = shell("rm -rf tight; ulimit -v " + std::to_string(kib) + "; " + step + "tight");
    INFO(kib, " KiB: ", run.exit_code, " ", run.err);
    if (run.exit_code == 127) break;  // the program itself does not fit
    ++(run.exit_code == 0 ? enough : too_little);
    if (std::filesystem::exists(shell.folder / "tight/last")) CHECK(shell("siglip inspect tight/last").exit_code == 0);
    if (run.exit_code == 0) continue;
    CHECK(run.exit_code == 1);
    CHECK(run.err.find("siglip: ") == run.err.rfind('\n', run.err.size() - 2) + 1);  // the last line
    CHECK((contains(run.err, ": not enough memory\n") || contains(run.err, " are wanted of the system, ") ||
           contains(run.err, ": loader: a thread that prepares batches is expected, got none: ")));
  }
  CHECK(enough > 0);
  CHECK(too_little > 0);
}
#endif
