// Every row of the op table, in float: numerics against double, hygiene, the other device.
#include <doctest/doctest.h>
#include <cmath>
#include <limits>
#include "check/device_match.h"
#include "devices.h"
#include "siglip/check.h"
#include "siglip/error.h"
using namespace siglip;

// The double library, linked into the same program, names its own types.
namespace siglip::f64 {
struct CaseValues {
  std::vector<std::string> names;
  std::vector<std::vector<double>> values;
};
CaseValues evaluate(std::size_t row, std::size_t c, std::uint64_t seed);
}  // namespace siglip::f64

TEST_CASE("ops: float against double") {
  double closest = 0;
  const std::vector<OpRow> rows = op_table();
  for (std::size_t r = 0; r < rows.size(); ++r)
    for (std::size_t c = 0; c < rows[r].cases.size(); ++c) {
      const f64::CaseValues exact = f64::evaluate(r, c, 5);
      const Worst w = compare(evaluate(r, c, 5), {exact.names, exact.values});
      INFO(rows[r].name, ": ", rows[r].cases[c].about, ": ", to_string(w));
      CHECK(w.error <= rows[r].cases[c].float_tolerance);
      closest = std::max(closest, w.error / rows[r].cases[c].float_tolerance);
    }
  MESSAGE("the case nearest to its tolerance uses ", closest, " of it");
}

TEST_CASE("ops: hygiene in float") {
  for (const OpRow& row : op_table())
    for (const OpCase& c : row.cases)
      for (const std::string& breach : hygiene(row, c, 6)) FAIL_CHECK(row.name, ": ", c.about, ": ", breach);
}

namespace {
void check(const DeviceMatch& m) {
  INFO(m.what, ": ", m.about, ": ", m.tensor, "[", m.element, "] = ", m.got, ", expected ", m.expected, ", error ", m.error);
  CHECK(m.ok());
}
}  // namespace

TEST_CASE("ops: CUDA against CPU") {
  if (const std::string why = why_no_cuda(); !why.empty()) {
    for (const OpRow& row : op_table()) MESSAGE("skipped: ", row.name, " on CUDA (", why, ")");
    return;
  }
  const std::vector<DeviceMatch> matches = ops_across_devices(Device::cuda);
  CHECK(matches.size() > 60);
  for (const DeviceMatch& m : matches) check(m);
  check(model_across_devices(Device::cuda));
  check(training_across_devices(Device::cuda, 50));
}

TEST_CASE("ops: the CPU agrees with itself") {
  for (const DeviceMatch& m : ops_across_devices(Device::cpu)) CHECK(m.error == 0);
  CHECK(model_across_devices(Device::cpu).error == 0);
  const DeviceMatch training = training_across_devices(Device::cpu, 3);
  CHECK(training.error == 0);
  CHECK(training.limit == 1e-5);
  CHECK(training.got > 0);
  CHECK_THROWS_WITH_AS(ops_across_devices(Device::cpu, "softmix"), "ops_across_devices: the name of an op is expected, got \"softmix\"", Error);
}

TEST_CASE("devices: the worst tensor of a comparison") {
  const auto worst = [](const std::vector<double>& y, const std::vector<double>& d, const std::vector<double>& expected_d) {
    return worst_match("op", "case", {{"y", y, {2, 0, 0, 0}}, {"d input 0", d, expected_d, true}, {"d input 1", {1}, {1}, true}});
  };
  CHECK(worst({2, 0, 0, 0}, {3}, {3}).error == 0);
  const DeviceMatch off = worst({2, 0, 0.002, 0}, {3}, {3});  // 0.002² / 2²
  CHECK(off.tensor == "y");
  CHECK(off.element == 2);
  CHECK(off.error == doctest::Approx(1e-6));
  CHECK(!off.ok());
  CHECK(worst({2, 0, 0, 0}, {3.0003}, {3}).error == doctest::Approx(1e-8));
  // Rounding where a gradient is zero by construction: measured against 1/100 of the largest.
  CHECK(worst({2, 0, 0, 0}, {1e-8}, {-1e-8}).error == doctest::Approx(4e-12));
  CHECK(worst({2, 0, 0, 0}, {std::nan("")}, {3}).error == std::numeric_limits<double>::infinity());
  CHECK(worst({2, 0, 0, 0}, {3}, {std::nan("")}).error == std::numeric_limits<double>::infinity());
  CHECK_THROWS_WITH_AS(worst({2}, {3}, {3}), "op: case: y has 4 elements, got 1", Error);
}

TEST_CASE("an op asked for a device that is not there names itself and why") {
  const std::string why = why_no_cuda();
  if (why.empty()) return;
  for (const OpRow& row : op_table())
    if (row.name == "softmax") CHECK_THROWS_WITH_AS(row.call({Tensor({2, 3}, Device::cuda)}, {}), ("softmax: " + why).c_str(), NoBackend);
}
