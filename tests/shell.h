// shell.h — the program of this build, run as its users run it.
#pragma once
#include <sys/wait.h>
#include <fstream>
#include <iterator>
#include "io/json.h"
#include "temporary_folder.h"

struct Outcome {
  int exit_code;  // 128 + its number if a signal ended it, as shells have it
  std::string out, err;
};

inline std::string contents(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

namespace {  // as its TemporaryFolder is
// A folder where shell commands run and siglip is the program of this build.
struct Shell {
  TemporaryFolder folder;
  Outcome operator()(const std::string& command) const {
    const std::string line = "cd " + folder.path + " && PATH=" SIGLIP_PROGRAM_FOLDER ":$PATH && { " + command + "\n} >.out 2>.err </dev/null";
    const int status = std::system(line.c_str());
    return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), contents(folder / ".out"), contents(folder / ".err")};
  }
  siglip::Json json(const std::string& command) const {
    const Outcome run = (*this)(command);
    INFO(command, ": ", run.err);
    CHECK(run.exit_code == 0);
    return siglip::parse_json(run.out, command);
  }
  // Exit code and the one line that says why.
  std::string refusal(const std::string& command) const {
    const Outcome run = (*this)(command);
    CHECK(run.out == "");
    return std::to_string(run.exit_code) + " " + run.err.substr(0, run.err.find('\n'));
  }
};
}  // namespace
