// parity.cpp — siglip parity: our numbers against those that another implementation computed.
#include <algorithm>
#include <filesystem>
#include <iostream>
#include <memory>
#include <sstream>
#include "io/json.h"
#include "siglip/check.h"
#include "siglip/error.h"
#include "verbs.h"

// The double library, linked into the same program, names its own functions.
namespace siglip::f64 {
std::vector<TensorMatch> run_reference_case(const std::string& folder, Device device);
}  // namespace siglip::f64

namespace siglip::tools {
namespace {
struct Settings {
  std::vector<std::string> folders;
  bool twofold = false, brief = false, json = false;
};

struct CaseMatch {
  std::string name;
  std::vector<TensorMatch> tensors;
  std::string problem;  // why it could not be run
};

// One that cannot be run keeps the others from nothing, unless it is the only one.
CaseMatch run_case(const std::string& folder, bool twofold, bool only) {
  try {
    return {folder, twofold ? f64::run_reference_case(folder, Device::cpu) : run_reference_case(folder), ""};
  } catch (const Error& e) {
    if (only) throw;
    return {folder, {}, e.what()};
  }
}

// Of what every model gives, what expected.safetensors does not hold. Loss and training cases hold what they hold.
std::vector<std::string> not_compared(const CaseMatch& c) {
  std::error_code none;
  if (!c.problem.empty() || !std::filesystem::exists(c.name + "/model", none) || std::filesystem::exists(c.name + "/train.json", none)) return {};
  std::vector<std::string> missing;
  for (const std::string prefix : {"image_embeds", "text_embeds", "logits_per_", "loss", "hidden.vision.", "hidden.text.", "grad."})
    if (std::none_of(c.tensors.begin(), c.tensors.end(), [&](const TensorMatch& m) { return m.tensor.starts_with(prefix); }))
      missing.push_back(prefix.ends_with('.') || prefix.ends_with('_') ? prefix + "*" : prefix);
  return missing;
}

bool is_nearer(const TensorMatch& a, const TensorMatch& b) { return a.error / a.limit < b.error / b.limit; }

std::string text_of(const Place& place, const std::string& tensor) {
  std::ostringstream out;
  out << tensor << '[';
  for (std::size_t i = 0; i < place.index.size(); ++i) out << (i ? ", " : "") << place.index[i];
  out.precision(9);
  out << "] = " << place.got << ", expected " << place.expected;
  return out.str();
}

std::vector<std::string> row_of(const std::string& name, const TensorMatch& m) {
  return {
      name, m.tensor, scientific(m.max_abs), scientific(m.max_rel), scientific(m.l2_rel), m.judged, scientific(m.limit), m.ok() ? "ok" : "FAILED"};
}

void print(const std::vector<CaseMatch>& cases, bool brief) {
  std::vector<std::vector<std::string>> rows{
      {"case", brief ? "nearest to its limit" : "tensor", "max abs", "max rel", "l2 rel", "judged by", "limit", ""}};
  if (!brief) rows.front().insert(rows.front().end(), {"largest absolute error", "largest relative error"});
  for (const CaseMatch& c : cases) {
    if (!c.problem.empty()) {
      rows.push_back({c.name, "", "", "", "", "", "", "CANNOT BE RUN"});
      if (!brief) rows.back().insert(rows.back().end(), {"", ""});
      continue;
    }
    if (brief) {
      rows.push_back(row_of(c.name, *std::max_element(c.tensors.begin(), c.tensors.end(), is_nearer)));
      continue;
    }
    for (const TensorMatch& m : c.tensors) {
      rows.push_back(row_of(c.name, m));
      rows.back().insert(rows.back().end(), {text_of(m.at_max_abs, ""), text_of(m.at_max_rel, "")});
    }
  }
  print_table(std::cout, rows);
}

Json json_of(const std::string& name, const TensorMatch& m) {
  return {{"name", name},
          {"tensor", m.tensor},
          {"max_abs", m.max_abs},
          {"max_rel", m.max_rel},
          {"l2_rel", m.l2_rel},
          {"judged", m.judged},
          {"limit", m.limit},
          {"at", m.at_max_abs.index},
          {"got", m.at_max_abs.got},
          {"expected", m.at_max_abs.expected},
          {"at_max_rel", m.at_max_rel.index},
          {"got_max_rel", m.at_max_rel.got},
          {"expected_max_rel", m.at_max_rel.expected},
          {"ok", m.ok()}};
}

void parity_verb(const Settings& s) {
  std::vector<std::string> folders;
  for (const std::string& path : s.folders)
    for (const std::string& folder : reference_cases(path)) folders.push_back(folder);
  std::vector<CaseMatch> cases;
  for (const std::string& folder : folders) cases.push_back(run_case(folder, s.twofold, folders.size() == 1));

  std::size_t failed = 0, tensors = 0, unusable = 0;
  double nearest = 0;
  Json json = Json::array();
  for (const CaseMatch& c : cases) {
    if (!c.problem.empty()) {
      ++unusable;
      json.push_back({{"name", c.name}, {"problem", c.problem}, {"ok", false}});
      std::cerr << "cannot be run: " << c.problem << '\n';
    }
    std::string missing;
    for (const std::string& name : not_compared(c)) missing += (missing.empty() ? "" : ", ") + name;
    if (!missing.empty()) std::cerr << "note: " << c.name << ": not in the reference, so not compared: " << missing << '\n';
    for (const TensorMatch& m : c.tensors) {
      ++tensors;
      json.push_back(json_of(c.name, m));
      if (const double share = m.error / m.limit; !(share <= nearest)) nearest = share;
      if (m.ok()) continue;
      ++failed;
      std::cerr << c.name << ": " << m.judged << ' ' << scientific(m.error) << " (at most " << scientific(m.limit)
                << "); worst: " << text_of(m.at_max_abs, m.tensor) << '\n';
    }
  }
  if (s.json)
    print_json(Json{{"cases", json}, {"failed", failed + unusable}});
  else
    print(cases, s.brief);
  std::cout.flush();
  std::cerr << tensors - failed << " of " << tensors << " tensors of " << cases.size() << " cases agree; the nearest to its limit uses "
            << fixed(100 * nearest, 1) << " % of it\n";
  require(unusable == 0, "parity", "cases that can be run are expected, got ", unusable, " of ", cases.size(), " that cannot");
  require(failed == 0, "parity", "every tensor within its limit, got ", failed, " of ", tensors, " that are not");
}
}  // namespace

void add_parity(CLI::App& program) {
  CLI::App& verb =
      add_verb(program, "parity",
               "Compare with what another implementation computed: outputs, hidden states, loss, gradients, trained weights. A case is a\n"
               "folder with model/, inputs.safetensors and expected.safetensors (data/goldens/README.md). Each tensor's largest absolute and\n"
               "relative error are shown, and where they are: [place] = ours, expected theirs. In JSON the place of max_abs is at, got,\n"
               "expected, and that of max_rel at_max_rel, got_max_rel, expected_max_rel.",
               "siglip parity data/goldens",
               "cases [name, tensor, max_abs, max_rel, l2_rel, judged, limit, at, got, expected, at_max_rel, got_max_rel, expected_max_rel, ok], "
               "failed; of a case that cannot be run: name, problem, ok");
  const auto s = std::make_shared<Settings>();
  verb.add_option("DIR", s->folders, "cases, or folders of them")->required();
  verb.add_flag("--double", s->twofold, "compute in double; numbers that were made in double are then held to 1e-10");
  verb.add_flag("--brief", s->brief, "a line a case: the tensor nearest to its limit");
  json_flag(verb, s->json);
  threads_flag(verb);
  verb.callback([s] { parity_verb(*s); });
}
}  // namespace siglip::tools
