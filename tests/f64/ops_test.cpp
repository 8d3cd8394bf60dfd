// Every row of the op table, in double: the formulas.
#include <doctest/doctest.h>
#include "siglip/check.h"
#include "siglip/error.h"
using namespace siglip;

namespace {
template <class Check>
void each_case(const Check& check) {
  for (const OpRow& row : op_table())
    for (const OpCase& c : row.cases) {
      INFO(row.name, ": ", c.about);
      check(row, c);
    }
}
}  // namespace

TEST_CASE("ops: handwritten backward against finite differences") {
  double worst = 0;
  each_case([&](const OpRow& row, const OpCase& c) {
    const Worst w = gradcheck(row, c, 1);
    INFO(to_string(w));
    CHECK(w.error <= 1e-9);  // measured: 7e-10 at worst
    worst = std::max(worst, w.error);
  });
  MESSAGE("worst relative error against finite differences: ", worst);
}

TEST_CASE("ops: fused against the composition it stands for") {
  double worst = 0;
  each_case([&](const OpRow& row, const OpCase& c) {
    if (!row.reference) return;
    const Worst w = against_reference(row, c, 2);
    INFO(to_string(w));
    CHECK(w.error <= 1e-12);
    worst = std::max(worst, w.error);
  });
  MESSAGE("worst relative error against the composition: ", worst);
}

TEST_CASE("ops: hygiene in double") {
  each_case([](const OpRow& row, const OpCase& c) {
    for (const std::string& breach : hygiene(row, c, 3)) FAIL_CHECK(breach);
  });
}

TEST_CASE("ops: what does not fit is rejected by name") {
  for (const OpRow& row : op_table())
    for (const OpCase& c : row.rejects) {
      INFO(row.name, ": ", c.about);
      try {
        evaluate(row, c, 4);
        FAIL_CHECK("was not rejected");
      } catch (const Error& e) {
        CHECK(std::string(e.what()).find("got") != std::string::npos);
      }
    }
}
