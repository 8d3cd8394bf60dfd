// Every row of the op table, in double: the formulas.
#include <doctest/doctest.h>
#include <regex>
#include "siglip/check.h"
#include "siglip/error.h"
#include "siglip/tape.h"
using namespace siglip;

namespace {
// y = 2x with one thing wrong.
enum class Fault { none, factor, assigned, unwritten, threads, modifies, unwanted, counts };
struct Faulty final : Op {
  Tensor x, other, y;
  Fault fault = Fault::none;
  const char* name() const override { return "faulty"; }
  Saved saved() const override { return {}; }
  void backward() override {
    for (Dim i = 0; x.grad() && i < y.size(); ++i) {
      const Real dx = (fault == Fault::factor && i == 1 ? 3 : 2) * y.grad()[i];
      x.grad()[i] = (fault == Fault::assigned ? 0 : x.grad()[i]) + dx;
    }
    if (fault == Fault::unwanted) x.require_grad(), x.grad();
    if (fault == Fault::counts && x.grad() && !other.requires_grad()) x.grad()[0] += 1;
  }
};

Tensor faulty(const Tensors& in, Fault fault) {
  Faulty op;
  op.x = in[0], op.other = in[1], op.y = Tensor::like(in[0]), op.fault = fault;
  const Tensor y = op.y;
  for (Dim i = 0; i < y.size() - (fault == Fault::unwritten); ++i) y.data()[i] = 2 * in[0].data()[i];
  if (fault == Fault::threads && threads() == 3) y.data()[0] += 1;
  if (fault == Fault::modifies) in[0].data()[2] += 1;
  return recorded(y, {in[0], in[1]}, std::move(op));
}

template <class Check>
void each_case(const Check& check) {
  for (const OpRow& row : op_table())
    for (const OpCase& c : row.cases) {
      INFO(row.name, ": ", c.about);
      check(row, c);
    }
}
}  // namespace

TEST_CASE("ops: handwritten backward against finite differences, fused against the composition, hygiene: all of siglip gradcheck") {
  double difference = 0, reference = 0;
  each_case([&](const OpRow& row, const OpCase& c) {
    const CaseCheck check = check_case(row, c, 1);
    for (const std::string& failure : check.failures()) FAIL_CHECK(failure);
    difference = std::max(difference, check.difference.error);
    reference = std::max(reference, check.reference.error);
  });
  MESSAGE("worst relative error against finite differences: ", difference, ", against the composition: ", reference);
}

TEST_CASE("checker: each fault is told with its place and both values") {
  const OpCase c{.about = "three", .shapes = {{3}, {3}}};
  const int before = threads();
  set_threads(1);
  // All lines, with N for every number.
  const auto failures = [&](Fault fault) {
    const OpRow row{.name = "faulty",
                    .shapes = "",
                    .cost = "",
                    .call = [fault](const Tensors& in, const OpCase&) { return faulty(in, fault); },
                    .reference = [](const Tensors& in, const OpCase&) { return faulty(in, Fault::none); }};
    std::string all;
    for (const std::string& line : check_case(row, c, 1).failures()) all += line + "\n";
    return std::regex_replace(all, std::regex("(= |against |error )-?[0-9][0-9.e+-]*"), "$1N");
  };
  CHECK(failures(Fault::none) == "");
  CHECK(failures(Fault::factor) ==
        "against finite differences: d input 0[1] = N against N, relative error N\n"
        "against its reference: d input 0[1] = N against N, relative error N\n");
  CHECK(failures(Fault::assigned) ==
        "a gradient is not added to the 0.5 that was there: d input 0[0] = N against N\n"
        "backward twice does not double the gradient: d input 0[0] = N against N\n");
  CHECK(failures(Fault::threads) == "3 threads give other bits than 1: y[0] = N against N\n");
  CHECK(failures(Fault::unwanted) == "wanting only the gradient of input 1 changes it or touches others: input 0 has one, too\n");
  CHECK(failures(Fault::counts) == "wanting only the gradient of input 0 changes it or touches others: d input 0[0] = N against N\n");
  // What these two do to differences depends on what memory held.
  const auto told = [&](Fault fault, const std::string& line) {
    const std::string all = failures(fault);
    INFO(all);
    CHECK(all.find(line) != std::string::npos);
  };
  told(Fault::unwritten, "memory is read before it is written, or not written: y[2] = nan against ");
  told(Fault::modifies, "an input was modified: input 0[2] = N against N\n");
  set_threads(before);
}

TEST_CASE("ops: what does not fit is rejected by name") {
  for (const OpRow& row : op_table())
    for (const OpCase& c : row.rejects) {
      INFO(row.name, ": ", c.about);
      CHECK_THROWS_WITH_AS(evaluate(row, c, 4), c.message.c_str(), Error);
    }
}
