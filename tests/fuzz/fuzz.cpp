// fuzz.cpp — libFuzzer's three doors, for the reader that SIGLIP_FUZZ_READER names. With SIGLIP_FUZZ_SEEDS=FOLDER its seeds are written there first.
// An input may take one second of processor time: sanitizers and coverage included, and whatever else runs on the machine.
#include "fuzz.h"
#include <signal.h>
#include <stdlib.h>
#include <sys/time.h>
#include <unistd.h>
#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include "siglip/error.h"
#include "siglip/tensor.h"

namespace {
namespace fs = std::filesystem;
const fuzz::Reader* chosen = nullptr;
std::string folder;  // of the files of an input, emptied after each
constexpr char too_long[] = "== an input took more than one second of processor time ==\n";

void write(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

void write_seeds(const std::string& into) {
  int number = 0;
  for (const fuzz::Files& seed : chosen->seeds()) write(into + "/seed-" + std::to_string(number++), fuzz::packed(*chosen, seed));
}

void limit_time(long seconds) {
  const itimerval timer{{0, 0}, {seconds, 0}};
  setitimer(ITIMER_PROF, &timer, nullptr);
}

void empty_folder() {
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, ignored)) fs::remove_all(entry.path(), ignored);
}
}  // namespace

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  const char* name = std::getenv("SIGLIP_FUZZ_READER");
  for (const fuzz::Reader& reader : fuzz::readers())
    if (name && name == std::string(reader.name)) chosen = &reader;
  if (!chosen) {
    std::cerr << "SIGLIP_FUZZ_READER: the name of a reader is expected, one of\n";
    for (const fuzz::Reader& reader : fuzz::readers()) std::cerr << reader.name << '\n';
    _exit(2);
  }
  siglip::set_threads(1);
  const char* place = std::getenv("TMPDIR");
  folder = std::string(place ? place : "/dev/shm") + "/siglip_fuzz_XXXXXX";
  if (!mkdtemp(folder.data())) _exit(2);
  std::atexit([] {
    std::error_code ignored;
    for (const char* end : {"", "_run"}) fs::remove_all(folder + end, ignored);
  });
  signal(SIGPROF, [](int) {
    if (::write(STDERR_FILENO, too_long, sizeof too_long - 1) < 0) _exit(2);
    abort();
  });
  if (const char* seeds = std::getenv("SIGLIP_FUZZ_SEEDS")) write_seeds(seeds);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > chosen->longest) return -1;
  const fuzz::Files files = fuzz::unpacked(*chosen, {reinterpret_cast<const char*>(data), size});
  for (const fuzz::File& file : files) write(folder + "/" + file.name, file.bytes);
  limit_time(1);
  try {
    chosen->read(folder, files);
  } catch (const siglip::Error&) {
  }
  limit_time(0);
  empty_folder();
  return 0;
}

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t most, unsigned seed) {
  const std::string input(reinterpret_cast<const char*>(data), size);
  const std::string output = fuzz::mutated(*chosen, input, std::min(most, chosen->longest), seed);
  std::copy(output.begin(), output.end(), data);
  return output.size();
}
