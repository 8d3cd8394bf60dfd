// tape.cpp — recording, and the walk backwards.
#include "siglip/tape.h"
#include "core/one_device.h"
#include "kernels.h"
#include "siglip/error.h"

namespace siglip::inline SIGLIP_FLAVOUR {
static thread_local Tape* current_tape = nullptr;

Dim Op::saved_bytes() const {
  Dim bytes = 0;
  for (const auto& [name, tensor] : saved()) bytes += tensor.defined() ? tensor.size() * static_cast<Dim>(sizeof(Real)) : 0;
  return bytes;
}

Tape::Tape() {
  require(!current_tape, "Tape", "one tape at a time on a thread, got a second");
  current_tape = this;
}
Tape::~Tape() { current_tape = nullptr; }
Tape* Tape::current() { return current_tape; }

bool is_recording(std::initializer_list<Tensor> inputs) {
  if (!Tape::current()) return false;
  for (const Tensor& x : inputs)
    if (x.defined() && x.requires_grad()) return true;
  return false;
}

void Tape::backward(const Tensor& loss) {
  require(loss.size() == 1, "backward", "the loss is one number, got shape ", loss.shape());
  backward({loss}, {Tensor::full(loss.shape(), 1, loss.device())});
}

void Tape::backward(const Tensors& outputs, const Tensors& cotangents) {
  require(outputs.size() == cotangents.size(), "backward", "one cotangent for each of ", outputs.size(), " outputs, got ", cotangents.size());
  bool any = false;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const Tensor &y = outputs[i], &dy = cotangents[i];
    require_one_device("backward", y, dy);
    require(y.shape() == dy.shape(), "backward", "the cotangent has its output's shape ", y.shape(), ", got ", dy.shape());
    any = any || y.requires_grad();
  }
  require(any && !ops_.empty(), "backward", "an output that this tape recorded is expected, got ",
          any ? "an empty tape: it was consumed, or began later" : "none that depends on a tensor with require_grad()");
  for (std::size_t i = 0; i < outputs.size(); ++i)
    if (outputs[i].requires_grad()) LAUNCH(outputs[i].device(), accumulate, outputs[i].grad(), cotangents[i].data(), outputs[i].size());
  unwind();
}

// Execution order is a topological order: the reverse walk meets every op after all users of its output. An op whose output nobody used
// passes on a gradient of zero.
void Tape::unwind() {
  for (; !ops_.empty(); ops_.pop_back()) ops_.back()->backward();
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
