// Every row of the op table, in float: numerics against double, hygiene, the other device.
#include <doctest/doctest.h>
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

TEST_CASE("ops: CPU against CUDA") {
  int skipped = 0, compared = 0;
  std::string why;
  for (const OpRow& row : op_table())
    for (const OpCase& c : row.cases) try {
        const Worst w = parity(row, c, 7, Device::cuda);
        INFO(row.name, ": ", c.about, ": ", to_string(w));
        CHECK(w.error <= c.float_tolerance);
        ++compared;
      } catch (const NoBackend& e) {
        why = e.what();
        ++skipped;
      }
  if (skipped) MESSAGE("skipped: no CUDA device (", skipped, " cases; ", why, ")");
  CHECK(skipped + compared > 60);
}

TEST_CASE("an op asked for a device that is not there names itself and why") {
  for (const OpRow& row : op_table())
    if (row.name == "softmax") try {
        row.call({Tensor({2, 3}, Device::cuda)}, {});
        MESSAGE("there is a CUDA device");
      } catch (const NoBackend& e) {
        const std::string why = e.what();
        CHECK((why == "softmax: this build has no CUDA backend" || why == "softmax: no CUDA device"));
      }
}
