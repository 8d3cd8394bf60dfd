// gradcheck.cpp — siglip gradcheck: every handwritten gradient against differences, in double. The one page of the tools compiled in double.
#include <cmath>
#include <iostream>
#include <memory>
#include "io/json.h"
#include "siglip/check.h"
#include "siglip/config.h"
#include "siglip/error.h"
#include "verbs.h"

namespace siglip::tools {
namespace {
constexpr double difference_tolerance = 1e-9;  // measured: 6.9e-10 at worst
constexpr double reference_tolerance = 1e-12;
constexpr double rounding = 1e-15;  // absolute: a gradient that is zero by construction is a few roundings of numbers near 1
constexpr std::uint64_t seed = 1;

struct Settings {
  std::string op;
  bool json = false;
};

struct CaseResult {
  std::string op, about;
  Worst difference, reference;
  bool has_reference = false;
  std::vector<std::string> breaches;  // of hygiene
  // Not "greater": NaN fails.
  bool difference_holds() const { return difference.error <= difference_tolerance; }
  bool reference_holds() const { return reference.error <= reference_tolerance || std::abs(reference.a - reference.b) <= rounding; }
  bool passed() const { return difference_holds() && reference_holds() && breaches.empty(); }
};

std::vector<OpRow> wanted_rows(const std::string& op) {
  std::vector<OpRow> rows;
  std::vector<std::string> names;
  for (const OpRow& row : op_table()) {
    names.push_back(row.name);
    if (op.empty() || row.name == op) rows.push_back(row);
  }
  if (rows.empty()) throw WrongUse("--op: unknown op \"" + op + "\"; the nearest is \"" + nearest(op, names) + "\"");
  return rows;
}

CaseResult check(const OpRow& row, const OpCase& c) {
  CaseResult result{row.name, c.about, gradcheck(row, c, seed), {}, bool(row.reference), hygiene(row, c, seed)};
  if (result.has_reference) result.reference = against_reference(row, c, seed);
  return result;
}

std::string place(const Worst& worst) { return worst.tensor + "[" + std::to_string(worst.element) + "]"; }

Json json_of(const CaseResult& r) {
  Json json{{"op", r.op}, {"case", r.about}, {"passed", r.passed()}, {"relative_error", r.difference.error}, {"where", place(r.difference)}};
  if (r.has_reference) json["reference_error"] = r.reference.error;
  if (!r.breaches.empty()) json["hygiene"] = r.breaches;
  return json;
}

void print(const std::vector<CaseResult>& results) {
  std::vector<std::vector<std::string>> rows{{"op", "case", "worst relative error", "where", "against reference", ""}};
  for (const CaseResult& r : results)
    rows.push_back({r.op, r.about, scientific(r.difference.error), place(r.difference), r.has_reference ? scientific(r.reference.error) : "-",
                    r.passed() ? "ok" : "FAILED"});
  print_table(std::cout, rows);
}

void gradcheck_verb(const Settings& s) {
  std::vector<CaseResult> results;
  for (const OpRow& row : wanted_rows(s.op))
    for (const OpCase& c : row.cases) results.push_back(check(row, c));
  double worst = 0;
  Dim failed = 0;
  Json cases = Json::array();
  for (const CaseResult& r : results) {
    if (!(r.difference.error <= worst)) worst = r.difference.error;
    failed += !r.passed();
    cases.push_back(json_of(r));
    if (!r.difference_holds()) std::cerr << r.op << ", " << r.about << ": " << to_string(r.difference) << '\n';
    if (!r.reference_holds()) std::cerr << r.op << ", " << r.about << ", against its reference: " << to_string(r.reference) << '\n';
    for (const std::string& breach : r.breaches) std::cerr << breach << '\n';
  }
  const Dim count = std::ssize(results);
  if (s.json)
    std::cout << Json{{"cases", count}, {"failed", failed}, {"worst_relative_error", worst}, {"results", cases}}.dump(2) << '\n';
  else
    print(results);
  std::cerr << count - failed << " of " << count << " cases passed; worst relative error " << scientific(worst) << " (at most "
            << scientific(difference_tolerance) << ")\n";
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
