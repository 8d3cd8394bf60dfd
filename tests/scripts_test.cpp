// What surrounds the program: installing packages, make's targets, and the checks of .ci/run. The commands they call are stood in for.
#include <doctest/doctest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <array>
#include <iterator>
#include <vector>
#include "temporary_folder.h"

namespace {
namespace fs = std::filesystem;

struct Outcome {
  int exit_code;
  std::string out;  // with what went to standard error
};

struct Scripts {
  TemporaryFolder folder;
  // A command that does what these lines of shell say, in place of the system's.
  void command(const std::string& name, const std::string& lines) const {
    chmod(folder.write("bin/" + name, "#!/bin/sh\n" + lines + "\n").c_str(), 0755);
  }
  std::string contents(const std::string& name) const {
    std::ifstream in(folder / name);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  Outcome operator()(const std::string& line) const {
    const int status = std::system(("cd " + folder.path + " && { " + line + "\n} >.out 2>&1 </dev/null").c_str());
    return {WIFEXITED(status) ? WEXITSTATUS(status) : 128, contents(".out")};
  }
  // A script of tools/ on a machine that has nothing but these commands.
  Outcome tool(const std::string& line) const {
    for (const char* name : {"dirname", "tr", "uname"}) command(name, std::string("exec /usr/bin/") + name + " \"$@\"");
    return (*this)("unset CXX; PATH=$PWD/bin SIGLIP_DEPS_ROOT=/nowhere /bin/sh " SIGLIP_SOURCE_FOLDER "/tools/" + line);
  }
  Outcome deps(const std::string& targets = "") const { return tool("deps.sh " + targets); }
};

const char* log_call = "echo \"$0 $*\" | /bin/sed 's|.*bin/||' >> calls\n";
}  // namespace

TEST_CASE("deps: what is optional is a second installation, which only warns") {
  const Scripts scripts;
  scripts.command("id", "echo 0");
  scripts.command("apt-get", std::string(log_call) + "case \"$*\" in *libfreetype-dev*) exit 100 ;; esac");
  const Outcome run = scripts.deps();
  CHECK(run.exit_code == 0);
  CHECK(contains(run.out, "Installing failed; everything but the emoji data set works without: libfreetype-dev"));
  const std::string calls = scripts.contents("calls"), first = calls.substr(0, calls.find('\n'));
  CHECK(contains(first, "libeigen3-dev"));
  CHECK(!contains(first, "libfreetype-dev"));

  scripts.command("apt-get", "exit 100");
  const Outcome without_network = scripts.deps();
  CHECK(without_network.exit_code == 1);
  CHECK(contains(without_network.out, "Installing failed; please install what Debian calls: cmake clang libomp-dev"));
}

TEST_CASE("deps: who is not root is not surprised") {
  const Scripts scripts;
  scripts.command("id", "echo 1000");
  scripts.command("apt-get", log_call);
  const Outcome alone = scripts.deps();
  CHECK(alone.exit_code == 1);
  CHECK(contains(alone.out, "For the emoji data set, please install what Debian calls: libfreetype-dev"));
  CHECK(contains(alone.out, "Please install what Debian calls: cmake clang libomp-dev"));
  CHECK(scripts.contents("calls") == "");

  scripts.command("sudo", log_call);
  CHECK(scripts.deps().exit_code == 0);
  const std::string calls = scripts.contents("calls");
  CHECK(contains(calls, "sudo apt-get install --yes --no-install-recommends cmake"));
  CHECK(contains(calls, "sudo -n apt-get install --yes --no-install-recommends libfreetype-dev"));
}

TEST_CASE("deps: a target gets what it needs, and no more") {
  const Scripts scripts;
  scripts.command("id", "echo 0");
  scripts.command("apt-get", log_call);
  CHECK(scripts.deps("build").exit_code == 0);
  CHECK(!contains(scripts.contents("calls"), "clang-format"));
  CHECK(!contains(scripts.contents("calls"), "libclang-rt"));
  CHECK(scripts.deps("lint").exit_code == 0);
  CHECK(contains(scripts.contents("calls"), "clang-format"));

  // The sanitizers' packages carry the version of the compiler, which may have come a moment ago.
  scripts.command("apt-get", std::string(log_call) + "printf '#!/bin/sh\\necho 19.1.7\\n' > bin/clang++; /bin/chmod +x bin/clang++");
  CHECK(scripts.deps("demo test").exit_code == 0);
  const std::string calls = scripts.contents("calls");
  CHECK(contains(calls, "apt-get install --yes --no-install-recommends libclang-rt-19-dev llvm-19\n"));
  scripts.command("apt-get", "exit 100");
  scripts.command("cmake", ":");
  CHECK(contains(scripts.tool("deps.sh test").out, "Installing failed; please install what Debian calls:"));
}

TEST_CASE("fresh machine: what is missing is said in one line") {
  const Scripts scripts;
  scripts.command("id", "echo 1000");
  const Outcome user = scripts.tool("fresh_machine.sh");
  CHECK(user.out == "fresh machine: root's rights are needed to make a root folder (sudo make test-fresh)\n");
  CHECK(user.exit_code == 1);
  scripts.command("id", "echo 0");
  CHECK(scripts.tool("fresh_machine.sh").out == "fresh machine: mmdebstrap is needed, which is not installed\n");
  for (const char* name : {"mmdebstrap", "apt-get", "git", "sed", "sort"}) scripts.command(name, ":");
  scripts.command("unshare", "exit 1");
  CHECK(scripts.tool("fresh_machine.sh check").out == "fresh machine: the right to mount is needed, which containers often lack\n");
  scripts.command("unshare", ":");
  CHECK(scripts.tool("fresh_machine.sh trixie").out ==
        "fresh machine: Debian's package sources are expected on this machine (apt-get update), got none\n");
  CHECK(scripts.tool("fresh_machine.sh jessie").out == "fresh machine: bookworm, trixie, root, user or check is expected, got jessie\n");
}

TEST_CASE("fresh machine: a command that fails is a failure, and nothing is left behind") {
  const Scripts scripts;
  scripts.command("id", "echo 0");
  scripts.command("apt-get", "echo 'Debian|bookworm|http://packages.example|main'");
  scripts.command("apt-config", ":");
  scripts.command("git", "case $1 in show) printf '    git clone … x\\n\\nThen:\\n\\n    make test\\n' ;; bundle) : > \"$4\" ;; *) echo abc ;; esac");
  scripts.command("unshare", "[ \"$4\" != true ] || exit 0; shift 4; exec \"$@\"");
  const std::string run =
      "mkdir -p tmp; TMPDIR=$PWD/tmp PATH=$PWD/bin:$PATH sh " SIGLIP_SOURCE_FOLDER "/tools/fresh_machine.sh root; code=$?; ls tmp; exit $code";
  scripts.command("mmdebstrap", "exit 5");
  CHECK(scripts(run).out == "fresh machine: bookworm, commit abc\nfresh machine: mmdebstrap failed\n");
  // The second call of the script, in the root folder, is stood in for by a shell that fails.
  scripts.command("mmdebstrap", "exec mkdir -p \"$6/etc/apt/apt.conf.d\" \"$6/tmp\"");
  scripts.command("unshare", "[ \"$4\" != true ] || exit 0; shift 4; [ $1 = mmdebstrap ] || exit 3; exec \"$@\"");
  const Outcome failed = scripts(run);
  INFO(failed.out);
  CHECK(failed.exit_code == 1);
  CHECK(failed.out.ends_with("fresh machine: bookworm, as root\nfresh machine: bookworm: a command of the README failed\n"));
  scripts.command("unshare", "[ \"$4\" != true ] || exit 0; shift 4; [ $1 = mmdebstrap ] || exit 0; exec \"$@\"");
  CHECK(scripts(run).out.ends_with("fresh machine: bookworm: every command of the README passed\n"));
}

TEST_CASE("lint: an include that breaks the order of rooms is named") {
  const Scripts scripts;
  for (const char* part : {"include", "src", "tests", "tools"})
    fs::copy(SIGLIP_SOURCE_FOLDER "/" + std::string(part), scripts.folder / part, fs::copy_options::recursive);
  fs::copy_file(SIGLIP_SOURCE_FOLDER "/README.md", scripts.folder / "README.md");
  scripts.command("clang-format", "cat \"$1\"");  // formatting is another matter, and takes long
  const std::string lint = "PATH=$PWD/bin:$PATH sh tools/lint.sh";
  const Outcome clean = scripts(lint);
  INFO(clean.out);
  CHECK(clean.out == "lint: clean\n");
  const std::vector<std::array<std::string, 3>> breaches{
      {"src/ops/softmax.cpp", "\"siglip/data.h\"", "src/ops does not include siglip/data.h"},
      {"src/ops/gelu.cpp", "\"io/json.h\"", "src/ops does not include io/json.h"},
      {"src/loss/softmax_loss.cpp", "\"siglip/optim.h\"", "src/loss does not include siglip/optim.h"},
      {"src/core/tensor.cpp", "\"siglip/ops.h\"", "src/core does not include siglip/ops.h"},
      {"src/core/eigen.h", "\"siglip/train.h\"", "src/core does not include siglip/train.h"},
      {"src/optim/adamw.cpp", "\"siglip/data.h\"", "src/optim does not include siglip/data.h"},
      {"src/data/csv.cpp", "\"siglip/tape.h\"", "src/data does not include siglip/tape.h"},
      {"src/io/npy.cpp", "\"siglip/loss.h\"", "src/io does not include siglip/loss.h"},
      {"src/nn/layers.cpp", "\"kernels.h\"", "src/nn does not include kernels.h"},
      {"src/ops/gelu.cu", "\"nn/init.h\"", "src/ops does not include nn/init.h"},
      {"include/siglip/tensor.h", "\"siglip/ops.h\"", "include/siglip/tensor.h: does not include siglip/ops.h"},
      {"include/siglip/tape.h", "\"siglip/loss.h\"", "include/siglip/tape.h: does not include siglip/loss.h"},
      {"include/siglip/data.h", "<omp.h>", "include/siglip/data.h: no third-party header in the public interface, got omp.h"},
      {"include/siglip/nn.h", "<Eigen/Core>", "include/siglip/nn.h: no third-party header in the public interface, got Eigen/Core"}};
  for (const auto& [file, include, message] : breaches) std::ofstream(scripts.folder / file, std::ios::app) << "#include " << include << '\n';
  const Outcome run = scripts(lint);
  CHECK(run.exit_code == 1);
  for (const auto& breach : breaches) {
    INFO(breach[0], " ", breach[1]);
    CHECK(contains(run.out, breach[2]));
  }
}

TEST_CASE("ci: a failing lint is counted, and the closing line comes all the same") {
  const Scripts scripts;
  fs::create_directory(scripts.folder / ".ci");
  fs::create_directory(scripts.folder / "src");
  fs::copy_file(SIGLIP_SOURCE_FOLDER "/.ci/run", scripts.folder / ".ci/run");
  scripts.command("mmdebstrap", ":");
  scripts.folder.write("tests/fuzz/run.sh", ":");
  const auto bare_machine = [&](const std::string& lines) { scripts.folder.write("tools/fresh_machine.sh", "[ $1 != check ] || exit 0\n" + lines); };
  bare_machine("echo '100% tests passed, 0 tests failed out of 3'");
  scripts.command("cmake", ":");
  scripts.command("nvcc", ":");  // where there is one, the CUDA pages are a step
  scripts.command("ctest", "echo '67% tests passed, 1 tests failed out of 3'; exit 8");
  scripts.command("make", "[ $1 != lint ]");
  const std::string ci = "PATH=$PWD/bin:$PATH bash .ci/run";
  const Outcome run = scripts(ci);
  CHECK(run.exit_code == 1);
  CHECK(run.out.ends_with("\n9 passed, 2 failed, 0 skipped\n"));

  scripts.command("ctest", "echo '100% tests passed, 0 tests failed out of 1'");
  scripts.command("make", ":");
  bare_machine("printf '100%% tests passed, 0 tests failed out of 3\\n\\n\\t  2 - cuda_parity (Skipped)\\n'");
  const Outcome good = scripts(ci);
  CHECK(good.exit_code == 0);
  CHECK(good.out.ends_with("\n8 passed, 0 failed, 1 skipped\n"));

  // The tests passed, but what they ran in did not end well.
  bare_machine("echo '100% tests passed, 0 tests failed out of 3'; exit 3");
  CHECK(contains(scripts(ci).out, "failed: bare_machine, exit status 3\n"));
  // Where no bare machine can be made.
  scripts.folder.write("tools/fresh_machine.sh", "exit 1");
  scripts.command("make", "[ $1 != test ] || echo '100% tests passed, 0 tests failed out of 3'");
  CHECK(scripts(ci).out.ends_with("\n9 passed, 0 failed, 1 skipped\n"));

  bare_machine("exit 1");
  scripts.command("cmake", "exit 1");
  CHECK(
      scripts(ci).out.ends_with("failed: bare_machine came to no tests\nfailed: sanitized came to no tests\nfailed: fuzzed\nfailed: cuda_pages\n"
                                "failed: cuda_architectures\n2 passed, 5 failed, 0 skipped\n"));
}

TEST_CASE("make: bench measures what the README says of speed") {
  const Scripts scripts;
  const Outcome run = scripts("make --no-print-directory -n -C " SIGLIP_SOURCE_FOLDER " bench");
  CHECK(contains(run.out, "siglip bench loss --batch 8192,16384 --json"));
  CHECK(contains(run.out, "siglip bench loss --batch 32768 --dim 64 --json"));
  CHECK(contains(run.out, "siglip bench step --json"));
}

TEST_CASE("make: the CUDA backend is built where a device is, and where it is asked for") {
  const Scripts scripts;
  // As if nobody had asked: not even the make that runs the tests.
  const std::string make = "env -u SIGLIP_CUDA -u MAKEFLAGS make --no-print-directory -n -C " SIGLIP_SOURCE_FOLDER " BUILD=$PWD/build configure";
  CHECK(contains(scripts(make).out, fs::exists("/dev/nvidiactl") ? "-DSIGLIP_CUDA=AUTO;" : "-DSIGLIP_CUDA=OFF;"));
  CHECK(contains(scripts(make + " SIGLIP_CUDA=ON").out, "-DSIGLIP_CUDA=ON;"));
  // A build folder that is there is configured again only for another answer.
  scripts.command("cmake", "echo cmake $*");
  scripts.command("clang++", ":");
  scripts.folder.write("build/cmake_install.cmake", "");
  scripts.folder.write("build/CMakeCache.txt", "CMAKE_CXX_COMPILER:STRING=" + scripts.folder.path + "/bin/clang++\nSIGLIP_CUDA:STRING=OFF\n");
  const std::string again = "PATH=$PWD/bin:$PATH " + make.substr(0, make.find(" -n")) + make.substr(make.find(" -C")) + " CXX=clang++ -o deps";
  CHECK(!contains(scripts(again).out, "cmake"));
  CHECK(!contains(scripts(again + " SIGLIP_CUDA=OFF").out, "cmake"));
  CHECK(contains(scripts(again + " SIGLIP_CUDA=AUTO").out, "cmake -S . -B " + scripts.folder.path + "/build -DSIGLIP_CUDA=AUTO\n"));
}
