// parity_devices.cpp — siglip parity-devices: the CUDA backend against the CPU's, in float and in double.
#include <algorithm>
#include <iostream>
#include <memory>
#include "check/device_match.h"
#include "io/json.h"
#include "siglip/check.h"
#include "siglip/config.h"
#include "siglip/error.h"
#include "verbs.h"

// The double library, linked into the same program, names its own functions.
namespace siglip::f64 {
std::vector<DeviceMatch> ops_across_devices(Device device, const std::string& op);
DeviceMatch model_across_devices(Device device);
DeviceMatch training_across_devices(Device device, int steps);
std::vector<DeviceMatch> large_across_devices(Device device, const std::string& op, std::int64_t pairs, std::int64_t edge);
std::vector<std::string> hygiene_on(Device device, const std::string& op);
std::vector<TensorMatch> run_reference_case(const std::string& folder, Device device);
}  // namespace siglip::f64

namespace siglip::tools {
namespace {
struct Settings {
  std::string op, goldens;
  std::int64_t steps = 50;
  bool quick = false, json = false;
};

// The large losses: on a device with 50 MiB of second-level cache three times three tiles, of which the last are ragged; quick, the same of few
// pairs.
constexpr std::int64_t large_pairs = 6000, quick_pairs = 300, quick_edge = 128;

// A case, computed in float or in double.
struct Checked {
  const char* real;
  DeviceMatch match;
  bool large = false;
};

std::vector<std::string> wanted_ops(const std::string& op) {
  std::vector<std::string> names;
  for (const OpRow& row : op_table()) names.push_back(row.name);
  if (op.empty()) return names;
  if (std::find(names.begin(), names.end(), op) == names.end()) throw WrongUse("--op: unknown op \"" + op + "\"" + nearest(op, names));
  return {op};
}

// A tensor of a golden case as the others are told: its error is that which its limit is for.
DeviceMatch golden(const std::string& folder, const TensorMatch& m) {
  return {"goldens", folder, m.tensor + " (" + m.judged + ")", m.error, m.limit, 0, m.at_max_abs.got, m.at_max_abs.expected};
}

std::vector<Checked> check_all(const Settings& s) {
  constexpr Device device = Device::cuda;
  std::vector<Checked> all;
  const auto add = [&](const char* real, const std::vector<DeviceMatch>& matches, bool large = false) {
    for (const DeviceMatch& m : matches) all.push_back({real, m, large});
  };
  add("float", ops_across_devices(device, s.op));
  add("double", f64::ops_across_devices(device, s.op));
  const std::int64_t pairs = s.quick ? quick_pairs : large_pairs, edge = s.quick ? quick_edge : 0;
  add("float", large_across_devices(device, s.op, pairs, edge), true);
  add("double", f64::large_across_devices(device, s.op, pairs, edge), true);
  if (!s.op.empty()) return all;
  const int steps = static_cast<int>(s.steps);
  add("float", {model_across_devices(device), training_across_devices(device, steps)});
  add("double", {f64::model_across_devices(device), f64::training_across_devices(device, steps)});
  if (s.goldens.empty()) return all;
  for (const std::string& folder : reference_cases(s.goldens)) {
    for (const TensorMatch& m : run_reference_case(folder, device)) add("float", {golden(folder, m)});
    for (const TensorMatch& m : f64::run_reference_case(folder, device)) add("double", {golden(folder, m)});
  }
  return all;
}

// What every op owes its callers, on a device too: bits, poisoned memory, gradients added.
std::vector<std::string> breaches_of_hygiene(const Settings& s) {
  std::vector<std::string> all;
  if (s.quick) return all;
  for (const std::string& breach : hygiene_on(Device::cuda, s.op)) all.push_back(breach + ", in float");
  for (const std::string& breach : f64::hygiene_on(Device::cuda, s.op)) all.push_back(breach + ", in double");
  return all;
}

// How much of its limit a case has used; a limit of 0 stands for the same bits.
double used(const DeviceMatch& m) { return m.limit > 0 ? m.error / m.limit : m.error; }
bool is_nearer(const DeviceMatch& a, const DeviceMatch& b) { return used(a) < used(b); }

// Of each op, and in each precision, the case nearest to its limit.
std::vector<Checked> worst_of_each(const std::vector<Checked>& all) {
  std::vector<Checked> worst;
  for (const Checked& c : all) {
    const auto same = [&](const Checked& w) { return w.match.what == c.match.what && w.real == std::string(c.real); };
    const auto found = std::find_if(worst.begin(), worst.end(), same);
    if (found == worst.end())
      worst.push_back(c);
    else if (is_nearer(found->match, c.match))
      *found = c;
  }
  return worst;
}

std::string place(const DeviceMatch& m) { return m.tensor + "[" + std::to_string(m.element) + "]"; }

std::string text_of(const Checked& c) {
  std::ostringstream out;
  out.precision(17);
  out << c.match.what << ", " << c.match.about << ", in " << c.real << ": error " << scientific(c.match.error) << " (at most "
      << scientific(c.match.limit) << "); " << place(c.match) << " = " << c.match.got << ", the CPU has " << c.match.expected;
  return out.str();
}

Json json_of(const Checked& c) {
  const DeviceMatch& m = c.match;
  return {{"op", m.what},     {"real", c.real},   {"case", m.about}, {"tensor", m.tensor},     {"element", m.element},
          {"error", m.error}, {"limit", m.limit}, {"got", m.got},    {"expected", m.expected}, {"ok", m.ok()}};
}

void print(const std::vector<Checked>& worst) {
  std::vector<std::vector<std::string>> rows{{"op", "in", "worst case", "error", "limit", "where", ""}};
  for (const Checked& c : worst)
    rows.push_back(
        {c.match.what, c.real, c.match.about, scientific(c.match.error), scientific(c.match.limit), place(c.match), c.match.ok() ? "ok" : "FAILED"});
  print_table(std::cout, rows);
}

// What a machine without a device does not check, by name.
void report_skipped(const Settings& s, const std::string& why) {
  std::vector<std::string> names = wanted_ops(s.op);
  if (s.op.empty()) names.insert(names.end(), {"large losses", "hygiene", "model", "training of " + std::to_string(s.steps) + " steps"});
  if (s.op.empty() && !s.goldens.empty()) names.push_back("goldens");
  std::string list;
  for (const std::string& name : names) list += (list.empty() ? "" : ", ") + name;
  std::cerr << "skipped: " << why << "; not compared: " << list << '\n';
  if (s.json) print_json(Json{{"cases", 0}, {"failed", 0}, {"worst", Json::array()}, {"skipped", names}, {"why", why}});
}

void parity_devices_verb(const Settings& s) {
  const std::vector<std::string> ops = wanted_ops(s.op);
  if (!built_for(Device::cuda)) return report_skipped(s, "this build has no CUDA backend");
  std::string device;
  try {
    device = device_name(Device::cuda);
  } catch (const NoBackend& e) {
    const std::string what = e.what();
    return report_skipped(s, what.substr(what.find("no CUDA device")));
  }

  const std::vector<Checked> all = check_all(s), worst = worst_of_each(all);
  const std::int64_t cases = std::ssize(all), failed = std::count_if(all.begin(), all.end(), [](const Checked&c) { return !c.match.ok(); });
  for (const Checked& c : all)
    if (!c.match.ok()) std::cerr << text_of(c) << '\n';
  const std::vector<std::string> breaches = breaches_of_hygiene(s);
  for (const std::string& breach : breaches) std::cerr << breach << '\n';
  if (s.json) {
    Json json{{"device", device}, {"cases", cases}, {"failed", failed}, {"worst", Json::array()}};
    for (const Checked& c : worst) json["worst"].push_back(json_of(c));
    json["large"] = Json::array();
    for (const Checked& c : all)
      if (c.large && c.match.limit > 0) json["large"].push_back(json_of(c));
    json["hygiene"] = s.quick ? Json(nullptr) : Json(breaches);
    print_json(json);
  } else {
    print(worst);
  }
  std::cout.flush();
  std::cerr << cases - failed << " of " << cases << " cases agree between " << device << " and the CPU\n";
  require(failed == 0, "parity-devices", "every case within its limit, got ", failed, " of ", cases, " that are not");
  require(breaches.empty(), "parity-devices", "no breach of hygiene on the device, got ", breaches.size());
}
}  // namespace

void add_parity_devices(CLI::App& program) {
  CLI::App& verb =
      add_verb(program, "parity-devices",
               "Compare the CUDA backend with the CPU's, in float and in double: values and gradients of every op in every case of its table, a\n"
               "small model forward and backward, a training step by step; the losses on 6,000 pairs and a product in f32, tf32 and bf16, each\n"
               "twice for the same bits; what every op owes its callers. The error is the normalised mean square sum |a - b|^2 / sum |b|^2 of a\n"
               "tensor, at most 1e-10 in float, 1e-24 in double, 1e-5 with tf32 and 1e-4 with bf16 products; of a training the largest relative\n"
               "difference of a loss. The table shows the worst case of each op. Without a device it says what was skipped.",
               "siglip parity-devices --op softmax",
               "device, cases, failed, worst [op, real (float or double), case, tensor, element, error, limit, got, expected, ok],\n"
               "  large [the same of every large case], hygiene [breaches] (null with --quick); without a device skipped [names] and why");
  const auto s = std::make_shared<Settings>();
  text_flag(verb, "--op", s->op, "only this op; siglip ops lists them");
  whole_flag(verb, "--steps", s->steps, 1, 100'000, "of the training");
  verb.add_flag("--quick", s->quick,
                "300 pairs in place of 6,000, in small tiles, and no hygiene: for compute-sanitizer, which watches every access");
  text_flag(verb, "--goldens", s->goldens, "reference cases too, as siglip parity takes them, computed on the device");
  json_flag(verb, s->json);
  threads_flag(verb);
  verb.callback([s] { parity_devices_verb(*s); });
}
}  // namespace siglip::tools
