// report.cpp — siglip report: RUN/report.html, written again.
#include <iostream>
#include <memory>
#include "io/json.h"
#include "siglip/train.h"
#include "train/run_folder.h"
#include "verbs.h"

namespace siglip::tools {
namespace {
struct Settings {
  std::string run;
  bool json = false;
};

void report_verb(const Settings& s) {
  const std::vector<std::string> commands = report(s.run, std::cerr, program_name());
  if (!s.json) return;
  const Json json{{"report", run_path(s.run) + "/report.html"}, {"try_next", commands}};
  print_json(json);
}
}  // namespace

void add_report(CLI::App& program) {
  CLI::App& verb =
      add_verb(program, "report",
               "Write the report of a run again: RUN/report.html, from what the run folder holds and its data set. train does so at its end.",
               "siglip report run", "report (the file written), try_next [command]");
  const auto s = std::make_shared<Settings>();
  verb.add_option("RUN", s->run, "a run folder, or latest")->required();
  json_flag(verb, s->json);
  threads_flag(verb);
  verb.callback([s] { report_verb(*s); });
}
}  // namespace siglip::tools
