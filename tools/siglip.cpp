// siglip.cpp — the command line. Exit codes: 0 done, 1 failed, 2 wrong use. Results go to standard output, messages to standard error.
#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <unistd.h>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <memory>
#include <new>
#include <sstream>
#include <string_view>
#include <vector>
#include "siglip/checkpoint.h"
#include "siglip/error.h"
#include "siglip/tensor.h"
#include "verbs.h"

using namespace siglip;
using namespace siglip::tools;

namespace {
enum ExitCode { done = 0, failed = 1, wrong_use = 2 };

// Allocates nothing: the reason may be that memory has ended.
int complain(ExitCode code, std::string_view message) {
  std::cerr << "siglip: " << message << std::endl;
  return code;
}

// The end of an exception that cannot be caught: thrown in a parallel region, or by a destructor (nlohmann-json's allocate). Files appear whole or
// not at all, so it is as good as any other.
[[noreturn]] void give_up() noexcept {
  try {
    if (const std::exception_ptr thrown = std::current_exception()) std::rethrow_exception(thrown);
    complain(failed, "terminated without an exception");
  } catch (const std::bad_alloc&) {
    complain(failed, "not enough memory");
  } catch (const std::exception& e) {
    complain(failed, e.what());
  } catch (...) {
    complain(failed, "an exception of no known kind");
  }
  std::_Exit(failed);
}

[[gnu::noinline]] void touch_stack() {
  volatile char taken[std::size_t{512} << 10];
  for (std::size_t left = sizeof taken; left > 0; left -= 1024) taken[left - 1] = 0;
}

// The stack grows as it is used, and where a limit leaves no address space for that, the system ends the program without a word. So it grows at once
// to more than any verb has been seen to use: all of them also run under a limit of 64 KiB.
void grow_stack() {
  rlimit granted{};
  if (getrlimit(RLIMIT_STACK, &granted) != 0 || granted.rlim_cur < std::size_t{1} << 20) return;
  touch_stack();
}

// A closed standard stream would let the next file that is opened take its place.
void hold_standard_streams() {
  for (int fd = 0; fd <= 2; ++fd)
    if (fcntl(fd, F_GETFD) == -1) open("/dev/null", O_RDONLY);
}

// The OpenMP runtime may abort on a number of threads that is none (libomp 14 does), so it does not get to see one.
void check_thread_environment() {
  const char* wanted = std::getenv("OMP_NUM_THREADS");
  if (!wanted) return;
  bool valid = *wanted != '\0';
  for (const std::string& part : split_list(wanted))
    valid = valid && part.find_first_not_of("0123456789") == std::string::npos && part.size() <= 9 && std::stol(part) > 0;
  if (valid) return;
  std::cerr << "OMP_NUM_THREADS: a whole number from 1 is expected, got \"" << wanted << "\"; all processors are used\n";
  unsetenv("OMP_NUM_THREADS");
}

// The list of verbs shows the first sentence of each.
struct Formatter : CLI::Formatter {
  std::string make_subcommand(const CLI::App* verb) const override {
    const std::string text = verb->get_description();
    std::ostringstream out;
    CLI::detail::format_help(out, verb->get_name(), text.substr(0, text.find_first_of(".:\n")), get_column_width());
    return out.str();
  }
};

void parse(CLI::App& program, int argc, char** argv) {
  program.footer("\nsiglip VERB --help says more. Exit codes: 0 done, 1 failed, 2 wrong use.\n");
  program.require_subcommand(1);
  program.set_version_flag("--version", version, "version, compiler, instruction set, threads, CUDA backend, decoders of pictures");
  program.formatter(std::make_shared<Formatter>());
  program.get_formatter()->column_width(34);
  for (const auto add : {add_train, add_data, add_eval, add_classify, add_embed, add_tokenize, add_preprocess, add_inspect, add_doctor, add_convert,
                         add_ops, add_gradcheck, add_parity, add_parity_devices, add_bench, add_report})
    add(program);
  std::vector<std::string> words(argv + 1, argv + argc);
  if (!words.empty() && words[0] == "help") {  // help VERB, as VERB --help
    words.erase(words.begin());
    words.push_back("--help");
  }
  check_words(program, words);
  try {
    program.parse(std::vector<std::string>(words.rbegin(), words.rend()));  // the verb's callback does the work
  } catch (const CLI::ExtrasError&) {
    std::string verb;
    for (const CLI::App* app = &program; !app->get_subcommands().empty();) {
      app = app->get_subcommands()[0];
      verb += (verb.empty() ? "" : " ") + app->get_name();
    }
    throw WrongUse(verb + ": no such word is expected, got \"" + program.remaining(true)[0] + "\"; siglip " + verb + " --help shows what is");
  }
}

void run(int argc, char** argv) {
  if (argc > 0) program_name() = argv[0];
  check_thread_environment();
  set_threads(threads());  // no more of them than can be started, whatever the environment wishes
  CLI::App program("siglip - train and use SigLIP models", "siglip");
  try {
    parse(program, argc, argv);
  } catch (const CLI::Success& asked) {  // --help, --version
    program.exit(asked, std::cout, std::cerr);
  }
}
}  // namespace

int main(int argc, char** argv) {
  std::set_terminate(give_up);
  grow_stack();
  hold_standard_streams();
  for (int fatal : {SIGPIPE, SIGXFSZ}) std::signal(fatal, SIG_IGN);  // a closed pipe, a file beyond its limit: writing fails instead, and is reported
  explain_shrunk_files();
  try {
    run(argc, argv);
  } catch (const CLI::ParseError& e) {
    return complain(wrong_use, one_line(e.what()));
  } catch (const WrongUse& e) {
    return complain(wrong_use, one_line(e.what()));
  } catch (const std::bad_alloc&) {
    return complain(failed, "not enough memory");
  } catch (const std::exception& e) {
    return complain(failed, one_line(e.what()));
  }
  std::cout.flush();
  if (std::cout) return done;
  pollfd reader{STDOUT_FILENO, POLLOUT, 0};
  if (poll(&reader, 1, 0) == 1 && (reader.revents & POLLERR)) return failed;  // it has seen enough, as head has
  return complain(failed, "standard output: a place that takes what is written is expected, got an error: is it full, or closed?");
}
