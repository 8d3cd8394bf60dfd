// ops.cpp — siglip ops: the table of everything that has a gradient.
#include <iostream>
#include <memory>
#include "io/json.h"
#include "siglip/check.h"
#include "siglip/error.h"
#include "siglip/rng.h"
#include "siglip/tape.h"
#include "verbs.h"

namespace siglip::tools {
namespace {
// What the calls of this case keep for their backward.
Dim measured_saved_bytes(const OpRow& row, const OpCase& c) {
  Tensors inputs;
  Rng rng(1);
  for (const Shape& shape : c.shapes) {
    inputs.emplace_back(shape);
    for (Dim i = 0; i < inputs.back().size(); ++i) inputs.back().data()[i] = static_cast<Real>(rng.normal());
    inputs.back().require_grad();
  }
  const Tape tape;
  row.call(inputs, c);
  Dim bytes = 0;
  for (const auto& op : tape.ops()) bytes += op->saved_bytes();
  return bytes;
}

std::string shapes_of(const OpCase& c) {
  std::ostringstream out;
  for (std::size_t i = 0; i < c.shapes.size(); ++i) out << (i ? " " : "") << c.shapes[i];
  return out.str();
}

void ops_verb(bool as_json) {
  Json json = Json::array();
  std::vector<std::vector<std::string>> rows{{"op", "shapes", "cost", "backends", "cases", "bytes saved", "by inputs of"}};
  // A kernel without its twin would not have linked.
  const std::vector<std::string> backends = built_for(Device::cuda) ? std::vector<std::string>{"cpu", "cuda"} : std::vector<std::string>{"cpu"};
  for (const OpRow& row : op_table()) {
    const OpCase& first = row.cases.front();
    const Dim bytes = measured_saved_bytes(row, first);
    rows.push_back({row.name, row.shapes, row.cost, backends.size() == 2 ? "cpu, cuda" : "cpu", std::to_string(row.cases.size()),
                    std::to_string(bytes), shapes_of(first)});
    json.push_back({{"op", row.name},
                    {"shapes", row.shapes},
                    {"cost", row.cost},
                    {"backends", backends},
                    {"cases", row.cases.size()},
                    {"saved_bytes", bytes},
                    {"measured_on", first.shapes}});
  }
  if (as_json)
    print_json(json);
  else
    print_table(std::cout, rows);
}
}  // namespace

void add_ops(CLI::App& program) {
  CLI::App& verb = add_verb(
      program, "ops",
      "List every op: shapes, cost, the backends of this build, cases it is tested on, and the bytes it keeps for its backward, measured on its\n"
      "first case.",
      "siglip ops", "[op, shapes, cost, backends, cases, saved_bytes, measured_on]");
  const auto json = std::make_shared<bool>(false);
  json_flag(verb, *json);
  verb.callback([json] { ops_verb(*json); });
}
}  // namespace siglip::tools
