// report.cpp — siglip report: RUN/report.html, written again.
#include <iostream>
#include <memory>
#include "siglip/train.h"
#include "verbs.h"

namespace siglip::tools {
void add_report(CLI::App& program) {
  CLI::App& verb =
      add_verb(program, "report",
               "Write the report of a run again: RUN/report.html, from what the run folder holds and its data set. train does so at its end.",
               "siglip report run");
  const auto run = std::make_shared<std::string>();
  verb.add_option("RUN", *run, "a run folder")->required();
  threads_flag(verb);
  verb.callback([run] { report(*run, std::cerr, program_name()); });
}
}  // namespace siglip::tools
