// check.h — what proves the numbers, as part of the library, so that a user can run it: the table of ops and what each is tested for
// (`siglip gradcheck`), and whole models against what other implementations computed (`siglip parity`).
#pragma once
#include <functional>
#include <string>
#include <vector>
#include "siglip/tensor.h"

namespace siglip {
/// An element of a tensor, ours and theirs.
struct Place {
  std::vector<std::int64_t> index;
  double got = 0, expected = 0;
};

/// How one tensor of a reference case came out. One type for both builds, so that a program that links both can ask either.
struct TensorMatch {
  std::string tensor;  // "image_embeds", "hidden.text.2", "grad.logit_scale", …
  double max_abs = 0;  // the largest |got - expected|; infinite if any of the two is not finite, and so below
  double max_rel = 0;  // the largest |got - expected| / max(|expected|, rms of expected)
  double l2_rel = 0;   // ‖got - expected‖ / ‖expected‖
  Place at_max_abs, at_max_rel;
  std::string judged;                         // which of the three counts: "max_abs", …
  double error = 0, limit = 0;                // it, and the most that it may be
  bool ok() const { return error <= limit; }  // NaN is not
};

/// How far a device is from the CPU.
struct DeviceMatch {
  std::string what, about;   // an op and its case; "model"; "training"
  std::string tensor;        // the worst of them: "y", "d input 0", "grad.logit_scale", "loss"
  double error = 0;          // Σ (got - expected)² / Σ expected²; of a training's losses the largest |got - expected| / |expected|
  double limit = 0;          // the most that it may be
  std::int64_t element = 0;  // of the tensor, where they differ most; the step of a training
  double got = 0, expected = 0;
  bool ok() const { return error <= limit; }  // NaN is not
};

/// Value and gradients of <w, op(x)> with gaussian x and w that are the same numbers in float and in double.
struct CaseValues {
  std::vector<std::string> names;  // "y", "d input 0", ...
  std::vector<std::vector<double>> values;
};
}  // namespace siglip

namespace siglip::inline SIGLIP_FLAVOUR {
/// What one input is drawn from: mean + spread * gaussian.
struct Draw {
  double mean = 0, spread = 1;
};

/// One set of sizes that an op is tested on.
struct OpCase {
  std::string about;
  std::vector<Shape> shapes;      // of the differentiable inputs
  std::vector<Dim> sizes = {};    // what else the call wants: heads, patch edge, ...
  std::vector<Draw> draws = {};   // for each input; the last one serves the rest; empty: standard gaussian
  double float_tolerance = 2e-5;  // float against double: |difference| / max(|value|, rms of that tensor); measured: 6e-6 at worst
  double step = 0x1p-10;          // of the differences; a power of two, so that x ± step is exact
  std::string message = {};       // of a case that must be rejected: all that the Error says
};

struct OpRow {
  std::string name;
  std::string shapes, cost;  // for people: `siglip ops`
  std::function<Tensor(const Tensors&, const OpCase&)> call;
  std::function<Tensor(const Tensors&, const OpCase&)> reference = {};  // the composition that a fused op stands for, out of plain ops
  std::vector<OpCase> cases = {};
  std::vector<OpCase> rejects = {};  // each must throw Error with its message
};

std::vector<OpRow> op_table();

/// Where two numbers differed most.
struct Worst {
  double error = 0;    // |a - b| / max(|a|, |b|, rms of that tensor); not finite if one of them is not
  std::string tensor;  // "y", "d input 0", ...
  Dim element = 0;
  double a = 0, b = 0;
};
std::string to_string(const Worst& worst);

CaseValues evaluate(const OpRow& row, const OpCase& c, std::uint64_t seed, Device device = Device::cpu, bool reference = false);
/// The same by the place in op_table(), so that a program that links both libraries can ask either.
CaseValues evaluate(std::size_t row, std::size_t c, std::uint64_t seed);

/// Measured against max(|a|, |b|, rms, 1e-4): where a gradient is zero by construction, rounding is all there is.
Worst compare(const CaseValues& a, const CaseValues& b);

/// The handwritten backward against six-point central differences of <w, op(x)>, w gaussian (a plain sum is blind: for softmax it is
/// constant), for every element of every input; beyond 4096 elements along gaussian directions. Meant for double. source  Fornberg 1988, table 1
Worst gradcheck(const OpRow& row, const OpCase& c, std::uint64_t seed);

/// The op against its reference composition, value and gradients.
Worst against_reference(const OpRow& row, const OpCase& c, std::uint64_t seed);

/// An op on `device` and on the CPU, value and gradients: the worst tensor of a case; of all cases of an op, or of all ops. Throws NoBackend where
/// there is no such device, and Error, naming op and case, where it cannot compute.
DeviceMatch parity(Device device, const OpRow& row, const OpCase& c);
std::vector<DeviceMatch> ops_across_devices(Device device, const std::string& op = "");
/// A small model of odd sizes: embeddings, loss, the gradients of all parameters.
DeviceMatch model_across_devices(Device device);
/// The losses of a small model trained on both with AdamW.
DeviceMatch training_across_devices(Device device, int steps);

/// Outputs written completely, gradients added to what was there, backward twice doubles, inputs untouched, the same bits with 1 and with 3
/// threads. One line for each breach.
std::vector<std::string> hygiene(const OpRow& row, const OpCase& c, std::uint64_t seed, Device device = Device::cpu);

/// A case in double, checked in every way there is: what `siglip gradcheck` runs, and the tests, and what looks for planted bugs.
struct CaseCheck {
  Worst difference;                   // gradcheck()
  Worst reference;                    // against_reference(); no error where the row has none
  std::vector<std::string> breaches;  // hygiene()
  /// What does not hold, a line each; empty: the case has passed.
  std::vector<std::string> failures() const;
};
constexpr double difference_limit = 1e-9, reference_limit = 1e-12;  // measured: 9e-10, 3e-13 at worst
CaseCheck check_case(const OpRow& row, const OpCase& c, std::uint64_t seed);

/// Directional derivative of any scalar function of `parameters`: the handwritten gradient against six-point differences along gaussian
/// directions. For whole models, where every element would take too long.
Worst gradcheck_directions(const std::function<Tensor()>& loss, const Tensors& parameters, int directions, std::uint64_t seed, double step = 0x1p-10);

/// The reference cases of a path: itself or, in order of their names, the folders below that hold inputs.safetensors and
/// expected.safetensors. Throws Error if there are none.
std::vector<std::string> reference_cases(const std::string& path);

/// Runs a reference case and compares each tensor of its expected.safetensors; a double build prefers expected_f64.safetensors. The format and
/// the limits stand in data/goldens/README.md. Throws Error naming the file for a case that cannot be run: a tensor that this model does not
/// give, another shape, no such input.
std::vector<TensorMatch> run_reference_case(const std::string& folder, Device device = Device::cpu);
}  // namespace siglip::inline SIGLIP_FLAVOUR
