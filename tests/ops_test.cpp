// Every row of the op table, in float: numerics against double, hygiene, the other device.
#include <doctest/doctest.h>
#include <cmath>
#include <limits>
#include "check/device_match.h"
#include "devices.h"
#include "kernels.h"
#include "siglip/check.h"
#include "siglip/error.h"
#include "siglip/ops.h"
#include "siglip/tape.h"
using namespace siglip;

// Of the double library, linked into the same program.
namespace siglip::f64 {
CaseValues evaluate(std::size_t row, std::size_t c, std::uint64_t seed);
}  // namespace siglip::f64

TEST_CASE("ops: float against double") {
  double closest = 0;
  const std::vector<OpRow> rows = op_table();
  for (std::size_t r = 0; r < rows.size(); ++r)
    for (std::size_t c = 0; c < rows[r].cases.size(); ++c) {
      const Worst w = compare(evaluate(r, c, 5), f64::evaluate(r, c, 5));
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

TEST_CASE("kernels that move memory reach every element, also beyond a thread's block") {
  constexpr Dim block = 1 << 15;
  const int before = threads();
  for (const int count : {1, 3})
    for (const Dim size : {block - 1, block, block + 1, 3 * block + 5}) {
      set_threads(count);
      std::vector<Real> x, y;  // of one element more, which stays as it is
      for (Dim i = 0; i <= size; ++i) x.push_back(static_cast<Real>(i)), y.push_back(static_cast<Real>(-3 * i));
      const auto check = [&](const char* kernel, const auto& launch, const auto& expected) {
        std::vector<Real> got = y;
        launch(got.data());
        Dim wrong = 0;
        for (Dim i = 0; i < size; ++i) wrong += !(got[static_cast<std::size_t>(i)] == expected(static_cast<Real>(i)));
        INFO(kernel, " of ", size, " with ", count, " threads");
        CHECK(wrong == 0);
        CHECK(got.back() == y.back());
      };
      const Real factor = 2;
      check(
          "fill", [&](Real* to) { LAUNCH(Device::cpu, fill, to, Real(7), size); }, [](Real) { return Real(7); });
      check(
          "copy", [&](Real* to) { LAUNCH(Device::cpu, copy, to, x.data(), size); }, [](Real i) { return i; });
      check(
          "accumulate", [&](Real* to) { LAUNCH(Device::cpu, accumulate, to, x.data(), size); }, [](Real i) { return -2 * i; });
      check(
          "multiply_in_place", [&](Real* to) { LAUNCH(Device::cpu, multiply_in_place, to, &factor, size); }, [](Real i) { return -6 * i; });
    }
  set_threads(before);
}

TEST_CASE("l2_normalize: rows down to the floor are unit, whatever their length, and their gradients are of one over the length") {
  for (const float length : {1e-11f, 1.0f, 1e30f, 1e38f}) {
    const Tensor x = Tensor::from({1, 2}, {Real(0.6f * length), Real(-0.8f * length)}).require_grad();
    Tape tape;
    const Tensor y = l2_normalize(x);
    tape.backward({y}, {Tensor::from({1, 2}, {1, 0})});
    INFO("length ", length);
    CHECK(double(y.to_vector()[0]) == doctest::Approx(0.6).epsilon(1e-6));
    CHECK(double(y.to_vector()[1]) == doctest::Approx(-0.8).epsilon(1e-6));
    if (length > 1e37f) continue;  // 1 / length is subnormal
    CHECK(double(x.grad_to_vector()[0]) * double(length) == doctest::Approx(0.64).epsilon(1e-5));
    CHECK(double(x.grad_to_vector()[1]) * double(length) == doctest::Approx(0.48).epsilon(1e-5));
  }
  // Below it the length counts as 1e-12.
  const Tensor x = Tensor::from({2, 2}, {Real(3e-13f), 0, 0, 0}).require_grad();
  Tape tape;
  const Tensor y = l2_normalize(x);
  tape.backward({y}, {Tensor::from({2, 2}, {1, 2, 3, 4})});
  CHECK(double(y.to_vector()[0]) == doctest::Approx(0.3).epsilon(1e-6));
  CHECK(y.to_vector()[2] == 0);
  const std::vector<Real> gradient = x.grad_to_vector();
  for (std::size_t i = 0; i < 4; ++i) CHECK(double(gradient[i]) == doctest::Approx(double(i + 1) * 1e12).epsilon(1e-6));
}

TEST_CASE("compare: what differs in number or size is no pair") {
  CHECK_THROWS_WITH_AS(compare({{"y"}, {{1}}}, {{"y", "d input 0"}, {{1}, {1}}}), "compare: as many tensors on both sides, got 1 and 2", Error);
  CHECK_THROWS_WITH_AS(compare({{"y"}, {{1}}}, {{"y"}, {{1, 2}}}), "compare: y of one size, got 1 and 2", Error);
  CHECK(to_string(compare({{"y"}, {{1, 2}}}, {{"y"}, {{1, 2}}})) == "equal");
  CHECK(to_string(compare({{"y"}, {{1, 2.5}}}, {{"y"}, {{1, 2}}})) == "y[1] = 2.5 against 2, relative error 2.00e-01");
}

TEST_CASE("an op asked for a device that is not there names itself and why") {
  const std::string why = why_no_cuda();
  if (why.empty()) return;
  for (const OpRow& row : op_table())
    if (row.name == "softmax") CHECK_THROWS_WITH_AS(row.call({Tensor({2, 3}, Device::cuda)}, {}), ("softmax: " + why).c_str(), NoBackend);
}
