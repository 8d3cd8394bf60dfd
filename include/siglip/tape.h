// tape.h — what was computed, in order. Walking it backwards is the whole of automatic differentiation.
#pragma once
#include <initializer_list>
#include <memory>
#include <utility>
#include <vector>
#include "siglip/tensor.h"

namespace siglip::inline SIGLIP_FLAVOUR {
/// One recorded call: it owns, by name, the tensors its backward needs.
struct Op {
  using Saved = std::vector<std::pair<const char*, Tensor>>;
  virtual ~Op() = default;
  virtual const char* name() const = 0;
  virtual Saved saved() const = 0;  // whose values backward reads; Ids are not counted
  virtual void backward() = 0;      // adds to the gradients of its inputs
  Dim saved_bytes() const;
};

/// While a Tape lives, every op on this thread that reaches an input with requires_grad() is recorded on it.
/// No tape, no recording: inference needs no switch.
class Tape {
 public:
  Tape();
  ~Tape();
  Tape(const Tape&) = delete;
  Tape& operator=(const Tape&) = delete;
  static Tape* current();

  void record(std::unique_ptr<Op> op) { ops_.push_back(std::move(op)); }
  const std::vector<std::unique_ptr<Op>>& ops() const { return ops_; }

  /// Adds d loss / d x to the gradient of every x that was reached. loss holds one number. Consumes the tape.
  /// Throws Error if it depends on no tensor with require_grad(), or the tape is empty.
  void backward(const Tensor& loss);
  /// The same from given gradients: adds cotangents[i] to the gradient of outputs[i] first (gradient caching needs it).
  void backward(const Tensors& outputs, const Tensors& cotangents);

 private:
  void unwind();
  std::vector<std::unique_ptr<Op>> ops_;
};

/// Whether an op on these inputs would be recorded now.
bool is_recording(std::initializer_list<Tensor> inputs);

/// The last line of every op: y now depends on `inputs` through `Recorded`.
template <class Recorded>
const Tensor& recorded(const Tensor& y, std::initializer_list<Tensor> inputs, Recorded op) {
  if (is_recording(inputs)) {
    y.require_grad();
    Tape::current()->record(std::make_unique<Recorded>(std::move(op)));
  }
  return y;
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
