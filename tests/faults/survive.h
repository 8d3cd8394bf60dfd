// survive.h — siglip run again and again, each time with another call failing.
#pragma once
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace {
namespace fs = std::filesystem;

struct Outcome {
  int signal = 0, exit_code = 0;  // signal: what ended it; 0 if it ended by itself
  std::string out, err;
  std::uint64_t calls = 0, failed = 0;  // counted by faults.cpp
};

std::string contents(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// Every file below a folder with its bytes; nothing if there is no such folder.
std::map<std::string, std::string> tree(const std::string& folder) {
  std::map<std::string, std::string> files;
  std::error_code none;
  for (const auto& entry : fs::recursive_directory_iterator(folder, none))
    if (entry.is_regular_file()) files[fs::relative(entry.path(), folder).string()] = contents(entry.path().string());
  return files;
}

/// What the system grants a process at most: RLIMIT_AS in bytes, RLIMIT_NOFILE in open files.
struct Limit {
  decltype(RLIMIT_AS) resource;
  rlim_t most;
};

/// Runs `siglip WORDS…` in `folder` with faults.cpp preloaded. A run that takes a minute is ended by SIGALRM.
Outcome run(const std::string& folder, const std::vector<std::string>& words, const std::string& fault = "memory 0 once",
            const std::optional<Limit>& limit = {}) {
  const int shared = memfd_create("tally", 0);
  REQUIRE(shared >= 0);
  std::uint64_t counted[2] = {};
  REQUIRE(pwrite(shared, counted, sizeof counted, 0) == sizeof counted);  // the page is there before the child maps it
  const std::string program = SIGLIP_PROGRAM, tally = std::to_string(shared), out = folder + "/.out", err = folder + "/.err";
  std::vector<char*> arguments{const_cast<char*>(program.c_str())};
  for (const std::string& word : words) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);

  const pid_t child = fork();
  if (child == 0) {
    const rlimit no_core{0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    const bool ready = chdir(folder.c_str()) == 0 && dup2(open("/dev/null", O_RDONLY), 0) == 0 &&
                       dup2(open(out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644), 1) == 1 &&
                       dup2(open(err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644), 2) == 2 && setenv("LD_PRELOAD", SIGLIP_FAULTS_LIBRARY, 1) == 0 &&
                       setenv("SIGLIP_FAULT", fault.c_str(), 1) == 0 && setenv("SIGLIP_FAULT_TALLY", tally.c_str(), 1) == 0 &&
                       setenv("OMP_NUM_THREADS", "1", 1) == 0;
    alarm(60);
    const rlimit both = limit ? rlimit{limit->most, limit->most} : rlimit{};
    if (ready && (!limit || setrlimit(limit->resource, &both) == 0)) execv(program.c_str(), arguments.data());
    _exit(127);
  }
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  REQUIRE(pread(shared, counted, sizeof counted, 0) == sizeof counted);
  close(shared);
  return {
      WIFSIGNALED(status) ? WTERMSIG(status) : 0, WIFEXITED(status) ? WEXITSTATUS(status) : -1, contents(out), contents(err), counted[0], counted[1]};
}

/// The last line of what a program said.
std::string last_line(std::string text) {
  while (text.ends_with('\n')) text.pop_back();
  const std::size_t before = text.rfind('\n');
  return before == std::string::npos ? text : text.substr(before + 1);
}

/// A command, what must be so before it, and what must be so after it. `repeats`: its output is the same each time.
struct Command {
  std::vector<std::string> words;
  bool repeats = true;
  std::function<void()> prepare = [] {};
  std::function<void(const Outcome&)> check = [](const Outcome&) {};
};

/// Which of `calls` calls fail in turn: the first and the last ones, and a share of those between. All of them if SIGLIP_FAULTS_EVERY is set.
std::set<std::uint64_t> numbers(std::uint64_t calls, std::uint64_t most) {
  std::set<std::uint64_t> chosen;
  const bool every = std::getenv("SIGLIP_FAULTS_EVERY") || calls <= most;
  const std::uint64_t edge = most / 4, stride = every ? 1 : std::max<std::uint64_t>(1, 2 * calls / most);
  for (std::uint64_t n = 1; n <= calls; n += stride) chosen.insert(n);
  for (std::uint64_t n = 1; n <= std::min(edge, calls); ++n) chosen.insert({n, calls + 1 - n});
  return chosen;
}

std::string line_of(const Command& command) {
  std::string line = "siglip";
  for (const std::string& word : command.words) line += " " + word;
  return line;
}

/// The command where nothing fails.
Outcome untroubled(const std::string& folder, const Command& command, const std::string& fault) {
  command.prepare();
  const Outcome whole = run(folder, command.words, fault);
  REQUIRE_MESSAGE(whole.exit_code == 0, whole.err);
  command.check(whole);
  return whole;
}

/// A run must end by itself: with exit code 0 and the output of a run without faults (then the fault did not matter), or with exit code 1 and one
/// line "siglip: …" as its last words.
void judge(const Command& command, const Outcome& whole, const Outcome& now) {
  CHECK(now.signal == 0);
  if (now.signal) return;
  CHECK((now.exit_code == 0 || now.exit_code == 1));
  if (now.exit_code == 0 && command.repeats) CHECK(now.out == whole.out);
  if (now.exit_code == 1) {
    const std::string said = last_line(now.err);
    CHECK(said.starts_with("siglip: "));
    CHECK(said.size() > 12);
    CHECK(said.find("std::") == std::string::npos);
  }
  command.check(now);
}

/// Calls of one kind fail in turn, `when` = "once" or "always" from there on.
int survive(const std::string& folder, const std::string& kind, const std::string& when, const Command& command, std::uint64_t most) {
  INFO(line_of(command));
  const Outcome whole = untroubled(folder, command, kind + " 0 " + when);
  int met = 0;
  for (const std::uint64_t n : numbers(whole.calls, most)) {
    command.prepare();
    const std::string fault = kind + " " + std::to_string(n) + " " + when;
    const Outcome now = run(folder, command.words, fault);
    met += now.failed > 0;
    INFO("SIGLIP_FAULT=\"", fault, "\" of ", whole.calls, ", met ", now.failed, " times: ", now.err);
    judge(command, whole, now);
  }
  return met;
}

/// Runs under one limit after the other; how many of them it ended.
int survive(const std::string& folder, decltype(RLIMIT_AS) resource, const std::vector<rlim_t>& limits, const Command& command) {
  INFO(line_of(command));
  const Outcome whole = untroubled(folder, command, "memory 0 once");
  int ended = 0;
  for (const rlim_t most : limits) {
    command.prepare();
    const Outcome now = run(folder, command.words, "memory 0 once", Limit{resource, most});
    ended += now.exit_code == 1;
    INFO("limit ", most, ": ", now.err);
    judge(command, whole, now);
  }
  return ended;
}
}  // namespace
