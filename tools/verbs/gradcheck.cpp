// gradcheck.cpp — siglip gradcheck: every handwritten gradient against differences, in double. The one page of the tools compiled in double.
#include <iostream>
#include <memory>
#include "io/json.h"
#include "siglip/check.h"
#include "siglip/config.h"
#include "siglip/error.h"
#include "verbs.h"

namespace siglip::tools {
namespace {
constexpr std::uint64_t seed = 1;

struct Settings {
  std::string op;
  bool json = false;
};

struct CaseResult {
  std::string op, about;
  bool has_reference = false;
  CaseCheck check;
  std::vector<std::string> failures;
};

std::vector<OpRow> wanted_rows(const std::string& op) {
  std::vector<OpRow> rows;
  std::vector<std::string> names;
  for (const OpRow& row : op_table()) {
    names.push_back(row.name);
    if (op.empty() || row.name == op) rows.push_back(row);
  }
  if (rows.empty()) throw WrongUse("--op: unknown op \"" + op + "\"" + nearest(op, names));
  return rows;
}

CaseResult result_of(const OpRow& row, const OpCase& c) {
  CaseCheck check = check_case(row, c, seed);
  std::vector<std::string> failures = check.failures();
  return {row.name, c.about, bool(row.reference), std::move(check), std::move(failures)};
}

std::string place(const Worst& worst) { return worst.tensor + "[" + std::to_string(worst.element) + "]"; }

Json json_of(const CaseResult& r) {
  const Worst& difference = r.check.difference;
  Json json{{"op", r.op}, {"case", r.about}, {"passed", r.failures.empty()}, {"relative_error", difference.error}, {"where", place(difference)}};
  if (r.has_reference) json["reference_error"] = r.check.reference.error;
  if (!r.check.breaches.empty()) json["hygiene"] = r.check.breaches;
  return json;
}

void print(const std::vector<CaseResult>& results) {
  std::vector<std::vector<std::string>> rows{{"op", "case", "worst relative error", "where", "against reference", ""}};
  for (const CaseResult& r : results)
    rows.push_back({r.op, r.about, scientific(r.check.difference.error), place(r.check.difference),
                    r.has_reference ? scientific(r.check.reference.error) : "-", r.failures.empty() ? "ok" : "FAILED"});
  print_table(std::cout, rows);
}

void gradcheck_verb(const Settings& s) {
  std::vector<CaseResult> results;
  for (const OpRow& row : wanted_rows(s.op))
    for (const OpCase& c : row.cases) results.push_back(result_of(row, c));
  double worst = 0;
  Dim failed = 0;
  Json cases = Json::array();
  for (const CaseResult& r : results) {
    if (!(r.check.difference.error <= worst)) worst = r.check.difference.error;
    failed += !r.failures.empty();
    cases.push_back(json_of(r));
    for (const std::string& failure : r.failures) std::cerr << r.op << ", " << r.about << ": " << failure << '\n';
  }
  const Dim count = std::ssize(results);
  if (s.json)
    print_json(Json{{"cases", count}, {"failed", failed}, {"worst_relative_error", worst}, {"results", cases}});
  else
    print(results);
  std::cerr << count - failed << " of " << count << " cases passed; worst relative error " << scientific(worst) << " (at most "
            << scientific(difference_limit) << ")\n";
  std::cout.flush();
  require(failed == 0, "gradcheck", "every case within its tolerance, got ", failed, " of ", count, " that are not");
}
}  // namespace

void add_gradcheck(CLI::App& program) {
  CLI::App& verb = add_verb(program, "gradcheck",
                            "Check every op in double: the handwritten gradient against six-point differences, fused ops against their composition,\n"
                            "and hygiene (outputs written completely, gradients added, inputs untouched, the same bits with 1 and 3 threads).",
                            "siglip gradcheck --op softmax",
                            "cases, failed, worst_relative_error, results [op, case, passed, relative_error, where, reference_error, hygiene]");
  const auto s = std::make_shared<Settings>();
  text_flag(verb, "--op", s->op, "only this op; siglip ops lists them");
  json_flag(verb, s->json);
  threads_flag(verb);
  verb.callback([s] { gradcheck_verb(*s); });
}
}  // namespace siglip::tools
