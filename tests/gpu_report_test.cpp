// tools/gpu_report.sh on a machine whose compiler, program, device and sanitizer are stood in for.
#include <doctest/doctest.h>
#include <sys/stat.h>
#include "shell.h"
using namespace siglip;

namespace {
struct Machine {
  Shell shell;
  Machine() {
    std::filesystem::create_directories(shell.folder / "tools");
    std::filesystem::copy_file(SIGLIP_SOURCE_FOLDER "/tools/gpu_report.sh", shell.folder / "tools/gpu_report.sh");
    std::filesystem::create_directories(shell.folder / "data/shapes");
    command("nvcc", "echo 'Cuda compilation tools, release 13.0, V13.0.88'");
    shell.folder.write("include/cublas_v2.h", "");
    command("nvidia-smi", "echo 580.1");
    command("python3", "exit 1");
    command("cmake", "echo cmake $* >> calls");
    // Each sanitizer's own last words, in the file that --log-file names.
    sanitizer("========= ERROR SUMMARY: 0 errors", "========= RACECHECK SUMMARY: 0 hazards displayed (0 errors, 0 warnings)");
    program("");
  }
  // A command that does what these lines of shell say, in place of the system's.
  void command(const std::string& name, const std::string& lines) const {
    chmod(shell.folder.write("bin/" + name, "#!/bin/sh\n" + lines + "\n").c_str(), 0755);
  }
  void sanitizer(const std::string& errors, const std::string& hazards, const std::string& help = "") const {
    command("compute-sanitizer", "[ \"$1\" != --help ] || { echo '" + help + "'; exit; }\ncase \"$2\" in racecheck) said='" + hazards +
                                     "' ;; *) said='" + errors + "' ;; esac; echo \"$said\" > \"$6\"");
  }
  // The program; `lines` may answer some of its verbs.
  void program(const std::string& lines) const {
    const std::string path = shell.folder.write(
        "build-gpu/siglip", "#!/bin/sh\necho siglip $* >> calls\n" + lines +
                                "\ncase \"$1\" in --version) echo 'CUDA backend     \"A\" card' ;; *) echo '{\"ok\": true}' ;; esac\n");
    chmod(path.c_str(), 0755);
  }
  Outcome report(const std::string& settings = "") const { return shell("PATH=$PWD/bin:$PATH " + settings + " sh tools/gpu_report.sh"); }
  Json read(const std::string& name) const { return parse_json(contents(shell.folder / name), name); }
};
}  // namespace

TEST_CASE("gpu-report: one file has every result, the benchmark right after the comparison") {
  const Machine machine;
  const Outcome run = machine.report();
  INFO(run.err);
  CHECK(run.exit_code == 0);
  const Json report = machine.read("data/gpu/report.json");
  CHECK(report["device"] == "\"A\" card");
  CHECK(report["driver"] == "580.1");
  CHECK(report["cuda"] == "13.0");
  CHECK(report["results"].size() == 11);
  CHECK(report["results"]["parity"]["result"] == Json{{"ok", true}});
  CHECK(report["results"]["parity"]["exit_code"] == 0);
  CHECK(report["results"]["racecheck"]["result"]["summary"] == "RACECHECK SUMMARY: 0 hazards displayed (0 errors, 0 warnings)");
  const std::string calls = contents(machine.shell.folder / "calls");
  CHECK(calls.find("parity-devices --json") < calls.find("bench loss"));
  CHECK(calls.find("bench loss") < calls.find("train "));
  CHECK(contains(calls, "-DCMAKE_CUDA_ARCHITECTURES=native"));
  // Two files come of it: what the lent machines of some houses bring back is few.
  const auto files = std::filesystem::directory_iterator(machine.shell.folder / "data/gpu");
  CHECK(std::distance(begin(files), end(files)) == 2);
}

TEST_CASE("gpu-report: parts, in files of their own, with the program that is there") {
  const Machine machine;
  CHECK(machine.report("GPU_PARTS='parity sanitize'").exit_code == 0);
  CHECK(machine.read("data/gpu/report-parity-sanitize.json")["results"].size() == 4);
  CHECK(!contains(contents(machine.shell.folder / "calls"), "cmake"));
  CHECK(!std::filesystem::exists(machine.shell.folder / "data/gpu/report.json"));
  const Outcome unknown = machine.report("GPU_PARTS='parity benches'");
  CHECK(unknown.exit_code == 1);
  CHECK(unknown.err == "gpu-report: GPU_PARTS: some of build parity bench pytorch train sanitize are expected, got benches\n");
  std::filesystem::remove(machine.shell.folder / "build-gpu/siglip");
  CHECK(contains(machine.report("GPU_PARTS=parity").err, "the program build-gpu/siglip is expected (or build among GPU_PARTS), got none"));
}

TEST_CASE("gpu-report: a toolkit without cuBLAS takes that of Python's package") {
  const Machine machine;
  std::filesystem::remove(machine.shell.folder / "include/cublas_v2.h");
  if (std::filesystem::exists("/usr/include/cublas_v2.h")) return;
  CHECK(contains(machine.report("GPU_PARTS=build").err, "cuBLAS is expected beside nvcc or in Python's nvidia-cublas, got neither"));
  for (const char* file : {"include/cublas_v2.h", "include/cublas_api.h", "lib/libcublas.so.13", "lib/libcublasLt.so.13"})
    machine.shell.folder.write(std::string("pip/nvidia/cu13/") + file, "");
  machine.command("python3", "case \"$2\" in *cublas_v2.h*) echo \"$PWD/pip/nvidia/cu13/include\" ;; *) exit 1 ;; esac");
  CHECK(machine.report("GPU_PARTS=build").exit_code == 0);
  const std::string calls = contents(machine.shell.folder / "calls"), there = machine.shell.folder.path + "/build-gpu/cublas";
  CHECK(contains(calls, "-DCMAKE_CUDA_FLAGS=-I" + there + "/include -DCUDA_cublas_LIBRARY=" + there + "/lib/libcublas.so -DCUDA_cublasLt_LIBRARY=" +
                            there + "/lib/libcublasLt.so -DCMAKE_BUILD_RPATH=" + machine.shell.folder.path + "/pip/nvidia/cu13/lib"));
  CHECK(std::filesystem::exists(there + "/include/cublas_api.h"));
  CHECK(std::filesystem::exists(there + "/lib/libcublasLt.so"));
}

TEST_CASE("gpu-report: a compiler without OpenMP is passed over, and nvcc is told of the only one") {
  const Machine machine;
  machine.command("cmake", "echo cmake CXX=$CXX $* >> calls");
  const auto calls = [&] {
    std::filesystem::remove(machine.shell.folder / "calls");
    CHECK(machine.report("CXX= CUDAHOSTCXX= GPU_PARTS=build").exit_code == 0);
    return contents(machine.shell.folder / "calls");
  };
  machine.command("clang++", ":");
  machine.command("g++", ":");
  CHECK(contains(calls(), "cmake CXX=clang++ -S"));
  CHECK(!contains(calls(), "CMAKE_CUDA_HOST_COMPILER"));
  machine.command("clang++", "exit 1");
  CHECK(contains(calls(), "cmake CXX=g++ -S"));
  machine.command("clang++", ":");
  machine.command("g++", "exit 1");
  const std::string alone = calls();
  CHECK(contains(alone, "cmake CXX=clang++ -S"));
  CHECK(contains(alone, "-DCMAKE_CUDA_HOST_COMPILER=" + machine.shell.folder.path + "/bin/clang++"));
}

TEST_CASE("gpu-report: the sanitizer beside nvcc, and our kernels alone where it can choose") {
  const Machine machine;
  const auto commands = [&] {
    CHECK(machine.report("GPU_PARTS=sanitize").exit_code == 0);
    const Json results = machine.read("data/gpu/report-sanitize.json")["results"];
    return results["memcheck"]["command"].get<std::string>() + '\n' + results["initcheck"]["command"].get<std::string>();
  };
  const std::string all = " siglip parity-devices --steps 2 --quick";
  CHECK(commands() == "compute-sanitizer --tool memcheck" + all + "\ncompute-sanitizer --tool initcheck" + all);
  machine.sanitizer("========= ERROR SUMMARY: 0 errors", "========= RACECHECK SUMMARY: 0 hazards displayed", "--kernel-name arg");
  CHECK(commands() == "compute-sanitizer --tool memcheck --kernel-name kns=siglip" + all + "\ncompute-sanitizer --tool initcheck" + all);
  if (machine.shell("PATH=/usr/bin:/bin command -v compute-sanitizer").exit_code == 0) return;
  std::filesystem::create_directory(machine.shell.folder / "compute-sanitizer");
  std::filesystem::rename(machine.shell.folder / "bin/compute-sanitizer", machine.shell.folder / "compute-sanitizer/compute-sanitizer");
  commands();
}

TEST_CASE("gpu-report: what failed stands in its file, and the rest goes on") {
  const Machine machine;
  machine.program("case \"$*\" in parity-devices*) echo 'gelu differs' >&2; echo '{}'; exit 1 ;; esac");
  const Outcome run = machine.report("GPU_PARTS='parity bench'");
  CHECK(run.exit_code == 1);
  CHECK(contains(run.err, "gelu differs"));
  CHECK(contains(run.err, "gpu-report: parity failed"));
  const Json report = machine.read("data/gpu/report-parity-bench.json");
  CHECK(report["results"]["parity"]["exit_code"] == 1);
  CHECK(report["results"]["bench_loss"]["exit_code"] == 0);

  // Without "0 errors" a sanitizer has not found the kernels clean, whatever its exit status.
  machine.program("");
  machine.sanitizer("========= ERROR SUMMARY: 3 errors", "========= RACECHECK SUMMARY: 2 hazards displayed (0 errors, 2 warnings)");
  CHECK(machine.report("GPU_PARTS=sanitize").exit_code == 1);
  for (const char* tool : {"memcheck", "racecheck", "initcheck"})
    CHECK(machine.read("data/gpu/report-sanitize.json")["results"][tool]["exit_code"] == 1);
  machine.command("compute-sanitizer", ":");
  CHECK(machine.report("GPU_PARTS=sanitize").exit_code == 1);
  CHECK(machine.read("data/gpu/report-sanitize.json")["results"]["memcheck"]["result"]["summary"] == "none");
  machine.program("case \"$1\" in --version) echo 'CUDA backend     built, no device'; exit ;; esac");
  CHECK(contains(machine.report("GPU_PARTS=parity").err, "a CUDA device is expected, got: built, no device"));
}
