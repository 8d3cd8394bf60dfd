// The emulator's own faults: kernels that a GPU would run in silence are stopped and named.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>
#include <sys/wait.h>
#include <cstdio>
#include <fstream>
#include <string>

namespace {
// "faulty.cu:12", the only line with this text.
std::string at(const std::string& text) {
  std::ifstream file(SIGLIP_FAULTY_SOURCE);
  std::string line, found;
  for (int number = 1; std::getline(file, line); ++number) {
    if (line.find(text) == std::string::npos) continue;
    REQUIRE(found.empty());
    found = "faulty.cu:" + std::to_string(number);
  }
  REQUIRE(!found.empty());
  return found;
}

struct Outcome {
  std::string text;
  int status = -1;
};

// What the program of one sanitizer, or of none, says of one faulty launch.
Outcome run(const std::string& launch, const std::string& sanitizer = "") {
  const std::string program = std::string(SIGLIP_FAULTY_FOLDER) + "/faulty_cuda" + (sanitizer.empty() ? "" : "_" + sanitizer);
  FILE* pipe = popen(("ASAN_OPTIONS=detect_leaks=0 " + program + " " + launch + " 2>&1").c_str(), "r");
  REQUIRE(pipe != nullptr);
  Outcome outcome;
  char piece[4096];
  while (const std::size_t count = fread(piece, 1, sizeof piece, pipe)) outcome.text.append(piece, count);
  const int status = pclose(pipe);
  outcome.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return outcome;
}

void says(const std::string& launch, const std::string& message) {
  const Outcome o = run(launch);
  INFO(launch, ": ", o.text);
  CHECK(o.text == "emulator: " + message + "\n");
  CHECK(o.status == 1);
}
}  // namespace

TEST_CASE("the emulator: a kernel without a fault is left alone") {
  const Outcome o = run("nothing");
  CHECK(o.text.starts_with("y ends in"));
  CHECK(o.status == 0);
}

TEST_CASE("the emulator: threads that wait for nobody") {
  says("divergent_barrier",
       "barrier_for_some, block (0, 0, 0): 40 of 64 threads wait for others, thread 0 at " + at("< 40) __sync") + "; 24 have left the kernel");
  says("different_barriers",
       "two_barriers, block (0, 0, 0): threads wait at different barriers, thread 0 at " + at("// the even") + ", thread 1 at " + at("// the odd"));
}

TEST_CASE("the emulator: shuffles") {
  says("wrong_shuffle", "shuffle_in_half, block (0, 0, 0): the mask of " + at("(0xffffffffu, sum, 1)") +
                            ", where thread 0 waits, names lane 16, which has left the kernel");
  const Outcome outside = run("shuffle_outside_mask");
  INFO(outside.text);
  CHECK(outside.text.starts_with("emulator: ask_outside_mask, block (0, 0, 0): thread "));
  CHECK(outside.text.ends_with(" asks lane 20, which the mask does not name, at " + at("value, 20)") + "\n"));
}

TEST_CASE("the emulator: memory") {
  says("step_past_global", "write_past_global wrote 0 bytes past the end of an allocation of 256 bytes");
  says("step_past_shared", "write_past_shared, block (0, 0, 0): wrote past the shared array of 256 bytes at " + at("all, threads);  // too short"));
  says("host_pointer", "copy_element: argument 1 is no device pointer");
  says("too_many_threads", "copy_element: a block of (2048, 1, 1) threads, 1 to 1024 are possible");
  says("too_much_shared_memory", "want_much, block (0, 0, 0): wants 65536 bytes of shared memory, 49152 are there");
  says("uninitialised_read", "read_unwritten: read memory that nobody wrote: its NaN came to stand at byte 0 of an allocation of 256");
  says("read_past_the_end", "read_past_global: read memory that nobody wrote: its NaN came to stand at byte 252 of an allocation of 256");
  CHECK(run("host_touches_device").status == 128 + 11);  // the memory is locked away: SIGSEGV
}

TEST_CASE("the emulator: two on one word") {
  const std::string another = "another order of blocks and threads gives other bits, first at byte ";
  says("two_blocks_on_one_word", "add_to_first: " + another + "0 of an allocation of 256: two of them write one word, or a barrier is missing");
  CHECK(run("missing_barrier").text.starts_with("emulator: sum_neighbours: " + another));
}

TEST_CASE("the emulator under the sanitizers") {
  const Outcome past = run("read_past_the_end", "address");
  INFO(past.text);
  CHECK(past.text.find("AddressSanitizer") != std::string::npos);
  CHECK(past.text.find(at("= x[threadIdx.x + 1]")) != std::string::npos);
  CHECK(past.status != 0);
  CHECK(run("step_past_shared", "address").text.find(at("all[threadIdx.x + 1] =")) != std::string::npos);
  CHECK(run("step_past_global", "address").text.find(at("{ y[threadIdx.x + 1]")) != std::string::npos);
  CHECK(run("nothing", "address").status == 0);

  const Outcome race = run("missing_barrier", "thread");
  INFO(race.text);
  CHECK(race.text.find("ThreadSanitizer: data race") != std::string::npos);
  CHECK(race.text.find(at("// written")) != std::string::npos);  // the write
  CHECK(race.text.find(at("+ 33)")) != std::string::npos);       // and the read
  CHECK(race.status != 0);
  CHECK(run("two_blocks_on_one_word", "thread").text.find("ThreadSanitizer: data race") != std::string::npos);
  CHECK(run("nothing", "thread").status == 0);
}
