// faults_test.cpp — siglip on a machine that runs out of memory, whose disk fails or is full, or whose limits for a process are low. After each
// fault: one line that says why, no signal, and on disk what was there before or what was to be there, never a part of it.
#include <sched.h>
#include <sys/mount.h>
#include <algorithm>
#include <iostream>
#include "../temporary_folder.h"
#include "survive.h"

namespace {
using Words = std::vector<std::string>;

// ---- the stage: eight pictures, and a model trained on them for two steps --------------------------------------------------------------------

const Words train{"train", "--data",       "set", "--model", "nano", "--steps",  "2",         "--batch-size",
                  "4",     "--eval-every", "1",   "--out",   "new",  "--strict", "--threads", "1"};

struct Stage {
  TemporaryFolder folder;
  std::map<std::string, std::string> trained, drawn;  // what train and data shapes leave

  Stage() {
    must({"data", "shapes", "--out", "drawn", "--scenes", "8", "--size", "16"});
    drawn = tree(folder / "drawn");
    fs::create_directory(folder / "set");
    for (const char* part : {"train", "single"}) {
      fs::create_directory(folder / "set/" + part);
      std::istringstream rows(contents(folder / "drawn/" + part + "/metadata.jsonl"));
      std::ofstream kept(folder / "set/" + part + "/metadata.jsonl");
      std::string row;
      for (int i = 0; i < 8 && std::getline(rows, row); ++i) {
        const std::string name = "/0000" + std::to_string(i) + ".png";
        fs::copy_file(folder / "drawn/" + part + name, folder / "set/" + part + name);
        kept << row << '\n';
      }
    }
    must(train);
    fs::rename(folder / "new", folder / "run");
    trained = tree(folder / "run");
  }
  void must(const Words& words) const {
    const Outcome outcome = run(folder.path, words);
    REQUIRE_MESSAGE(outcome.exit_code == 0, outcome.err);
  }
};

const Stage& stage() {
  static const Stage made;
  return made;
}

bool has_temporary_files(const std::string& folder) {
  std::error_code none;
  for (const auto& entry : fs::recursive_directory_iterator(folder, none))
    if (entry.path().filename().string().find(".tmp") != std::string::npos) return true;
  return false;
}

// ---- the commands ----------------------------------------------------------------------------------------------------------------------------

std::vector<Command> readers() {
  return {{{"--version"}},
          {{"tokenize", "run", "--texts", "set/train/metadata.jsonl", "--json"}},
          {{"inspect", "run"}, false},  // a tokenizer that cannot be read is said, and the rest shown
          {{"classify", "run", "--labels", "a small red circle, a star", "set/train/00000.png", "set/train/00001.png", "--json"}},
          {{"eval", "run", "--split", "single", "--strict"}}};
}

/// Each file is what it was or what it is to be.
Command embed() {
  const std::string folder = stage().folder.path;
  static std::string rows, names;
  stage().must({"embed", "run", "--images", "set/train", "--out", "x.npy"});
  rows = contents(folder + "/x.npy"), names = contents(folder + "/x.txt");
  return {{"embed", "run", "--images", "set/train", "--out", "x.npy"},
          true,
          [folder] {
            std::ofstream(folder + "/x.npy") << "old";
            std::ofstream(folder + "/x.txt") << "old";
          },
          [folder](const Outcome& outcome) {
            const std::string now = contents(folder + "/x.npy"), list = contents(folder + "/x.txt");
            // What cannot be read is named and left out: then there are fewer rows, each with its name.
            const bool fewer = outcome.exit_code == 1 && outcome.err.find("skipped: ") != std::string::npos;
            CHECK((now == rows || now == "old" || fewer));
            CHECK((list == names || list == "old" || fewer));
            if (fewer && now != "old" && list != "old") {
              const auto lines = [](const std::string& text) { return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n')); };
              CHECK(lines(list) < lines(names));
              CHECK((now.size() - 128) * lines(names) == (rows.size() - 128) * lines(list));  // behind a header of 128 bytes
            }
            // A file system that reports a failed write when the file is closed: nothing was replaced.
            if (last_line(outcome.err).find("x.npy: closing failed") != std::string::npos) CHECK(now == "old");
            if (last_line(outcome.err).find("x.txt: closing failed") != std::string::npos) CHECK(list == "old");
            for (const auto& entry : fs::directory_iterator(folder)) CHECK(!entry.path().filename().string().starts_with("x.npy."));
            if (outcome.exit_code == 0) CHECK((now == rows && list == names));
          }};
}

Command draw() {
  const std::string folder = stage().folder.path;
  return {{"data", "shapes", "--out", "new", "--scenes", "8", "--size", "16"},
          true,
          [folder] { fs::remove_all(folder + "/new"); },
          [folder](const Outcome& outcome) {
            const auto left = tree(folder + "/new");
            CHECK((left == stage().drawn || (left.empty() && outcome.exit_code == 1)));
          }};
}

Command report() {
  const std::string folder = stage().folder.path;
  return {{"report", "run"},
          true,
          [folder] { std::ofstream(folder + "/run/report.html") << "old"; },
          [folder](const Outcome& outcome) {
            const std::string page = contents(folder + "/run/report.html");
            CHECK((page.ends_with("</html>\n") || (page == "old" && outcome.exit_code == 1)));
          }};
}

/// What a run that failed has left is whole: `best` loads, and from `last` training goes on to the bits of a run that nothing befell.
void check_run(const std::string& folder, const Outcome& outcome) {
  const auto left = tree(folder + "/new");
  std::set<std::string> names;
  for (const auto& [name, bytes] : left) names.insert(name);
  for (const char* checkpoint : {"best", "last"}) {
    if (!fs::exists(folder + "/new/" + checkpoint)) continue;
    for (const auto& file : stage().trained)
      if (file.first.starts_with(checkpoint)) CHECK_MESSAGE(names.contains(file.first), file.first);
    const Outcome seen = run(folder, {"inspect", std::string("new/") + checkpoint});
    CHECK(seen.signal == 0);
    CHECK(seen.exit_code == 0);
  }
  if (outcome.exit_code == 0) {
    for (const char* file : {"last/model.safetensors", "last/training_state.safetensors", "best/model.safetensors"})
      CHECK_MESSAGE(left.at(file) == stage().trained.at(file), file);
    return;
  }
  if (!names.contains("last/model.safetensors") || !names.contains("train.json")) return;
  const Outcome resumed = run(folder, {"train", "--resume", "new"});
  INFO("resumed: ", resumed.err);
  CHECK(resumed.exit_code == 0);
  CHECK(contents(folder + "/new/last/model.safetensors") == stage().trained.at("last/model.safetensors"));
  CHECK(contents(folder + "/new/best/model.safetensors") == stage().trained.at("best/model.safetensors"));
}

Command training() {
  const std::string folder = stage().folder.path;
  return {train, false, [folder] { fs::remove_all(folder + "/new"); }, [folder](const Outcome& outcome) { check_run(folder, outcome); }};
}

/// A run that lacks its second step is resumed.
Command resuming() {
  const std::string folder = stage().folder.path;
  // Stopped by a full disk as soon as the first step's checkpoints are there.
  fs::remove_all(folder + "/new");
  const std::uint64_t bytes = run(folder, train, "space 0 always").calls;
  for (std::uint64_t share = 1; share < 20; ++share) {
    fs::remove_all(folder + "/new");
    const Outcome broken = run(folder, train, "space " + std::to_string(bytes * share / 20) + " always");
    REQUIRE(broken.exit_code == 1);
    if (fs::exists(folder + "/new/last")) break;
  }
  REQUIRE(fs::exists(folder + "/new/last"));
  fs::remove_all(folder + "/half");
  fs::rename(folder + "/new", folder + "/half");
  return {{"train", "--resume", "new"},
          false,
          [folder] {
            fs::remove_all(folder + "/new");
            fs::copy(folder + "/half", folder + "/new", fs::copy_options::recursive);
          },
          [folder](const Outcome& outcome) {
            CHECK(fs::exists(folder + "/new/last/model.safetensors"));
            check_run(folder, outcome);
          }};
}

std::vector<Command> writers() { return {embed(), draw(), report(), training(), resuming()}; }

std::vector<Command> commands() {
  std::vector<Command> all = readers();
  for (const Command& command : writers()) all.push_back(command);
  return all;
}

void all(const std::string& kind, const std::string& when, std::uint64_t most) {
  int met = 0;
  for (const Command& command : commands()) met += survive(stage().folder.path, kind, when, command, most);
  std::cout << "faults: " << kind << ", " << when << ": " << met << " runs met theirs\n";
}
}  // namespace

TEST_CASE("faults: one allocation fails") { all("memory", "once", 32); }
TEST_CASE("faults: memory ends") { all("memory", "always", 20); }
TEST_CASE("faults: one call that touches a file fails") { all("files", "once", 48); }
TEST_CASE("faults: no call that touches a file succeeds any more") { all("files", "always", 20); }

TEST_CASE("faults: the disk is full") {
  int met = 0;
  for (const Command& command : writers()) met += survive(stage().folder.path, "space", "always", command, 24);
  std::cout << "faults: space: " << met << " runs met theirs\n";
}

// ---- what the system grants a process ------------------------------------------------------------------------------------------------------

namespace {
// Limits from the least with which the program starts at all: below it the dynamic loader speaks, not we.
void limited(const std::string& what, decltype(RLIMIT_AS) resource, rlim_t unit, const std::vector<rlim_t>& more) {
  rlim_t least = 1;
  while (least < 4096 && run(stage().folder.path, {"--version"}, "memory 0 once", Limit{resource, least * unit}).exit_code != 0) ++least;
  REQUIRE(least < 4096);
  std::vector<rlim_t> limits;
  for (const rlim_t units : more) limits.push_back((least + units) * unit);
  int ended = 0;
  for (const Command& command : commands()) ended += survive(stage().folder.path, resource, limits, command);
  std::cout << "faults: " << what << ": " << ended << " runs ended by it\n";
  CHECK(ended > 0);
}
}  // namespace

TEST_CASE("faults: the address space is limited") { limited("address space", RLIMIT_AS, 1 << 20, {1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 24, 64}); }
TEST_CASE("faults: open files are limited") { limited("open files", RLIMIT_NOFILE, 1, {0, 1, 2, 3, 4, 6}); }

// ---- a disk of one megabyte ------------------------------------------------------------------------------------------------------------------

namespace {
// A disk at `folder` that only this process and its children see; false where the system allows none.
bool mount_small_disk(const std::string& folder) {
  const uid_t user = geteuid();
  if (unshare(user == 0 ? CLONE_NEWNS : CLONE_NEWNS | CLONE_NEWUSER) != 0) return false;
  if (user != 0) std::ofstream("/proc/self/uid_map") << "0 " << user << " 1";
  return mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 && mount("none", folder.c_str(), "tmpfs", 0, "size=1m") == 0;
}

void check_refusal(const Outcome& outcome, const std::string& named) {
  INFO(outcome.err);
  CHECK(outcome.exit_code == 1);
  CHECK(last_line(outcome.err).starts_with("siglip: " + named));
  CHECK(last_line(outcome.err).ends_with("No space left on device"));
}
}  // namespace

TEST_CASE("faults: a disk of one megabyte") {
  const std::string folder = stage().folder.path, disk = folder + "/disk";
  fs::create_directory(disk);
  if (!mount_small_disk(disk)) {
    MESSAGE("skipped: this system lets nobody mount a disk for itself");
    return;
  }
  Words words = train;
  std::replace(words.begin(), words.end(), std::string("new"), std::string("disk/new"));
  check_refusal(run(folder, words), "disk/new/");  // no checkpoint fits: none is there, and no part of one
  CHECK(!fs::exists(disk + "/new/best"));
  CHECK(!fs::exists(disk + "/new/last"));
  CHECK(!has_temporary_files(disk));

  std::ofstream(disk + "/filler", std::ios::binary) << std::string(1 << 20, 'x');
  check_refusal(run(folder, {"embed", "run", "--images", "set/train", "--out", "disk/x.npy"}), "disk/x.npy: ");
  CHECK(!fs::exists(disk + "/x.npy"));
  check_refusal(run(folder, {"data", "shapes", "--out", "disk/shapes", "--scenes", "8", "--size", "16"}), "disk/");
  CHECK(!fs::exists(disk + "/shapes"));
  CHECK(!has_temporary_files(disk));
  umount(disk.c_str());
}
