// device_model.cpp — a whole model on a device and on the CPU: once through, and trained side by side.
#include <cmath>
#include "check/device_match.h"
#include "check/values.h"
#include "siglip/loss.h"
#include "siglip/model.h"
#include "siglip/optim.h"
#include "siglip/tape.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
constexpr std::uint64_t seed = 5;
// Gradients that are zero by construction (k_proj.bias) are rounding alone, and each device rounds in its own order. Measured on the emulator, with
// products and sums joined: at worst 2.8e-12 in float and 1.7e-29 in double, of limits of 1e-10 and 1e-24.
constexpr double model_share = 0.05;

// Sizes that no tile, warp or row of threads divides; ⌊17/5⌋² = 9 patches, with leftover pixels.
SiglipConfig odd_model() {
  SiglipConfig c;
  c.vision = {.width = 12, .layers = 2, .heads = 3, .mlp = 20};
  c.text = {.width = 10, .layers = 1, .heads = 2, .mlp = 28};
  c.image_size = 17, c.patch_size = 5, c.vocab_size = 23, c.context = 7, c.projection = 12;
  return c;
}

SiglipConfig small_model() {
  SiglipConfig c;
  c.vision = c.text = {.width = 8, .layers = 1, .heads = 2, .mlp = 16};
  c.image_size = 8, c.patch_size = 4, c.vocab_size = 16, c.context = 4, c.projection = 8;
  return c;
}

Siglip model_on(Device device, const SiglipConfig& config) {
  Siglip model(config);
  initialize(model, seed, -2);
  move_to(model.parameters(), device);
  return model;
}

struct Inputs {
  Tensor images;
  Ids tokens;
};

Inputs inputs_on(Device device, const SiglipConfig& c, Dim B, std::uint64_t stream) {
  Rng random(seed, stream);
  std::vector<std::int32_t> ids;
  for (Dim i = 0; i < B * c.context; ++i) ids.push_back(static_cast<std::int32_t>(random.below(c.vocab_size)));
  return {draw_tensor({B, 3, c.image_size, c.image_size}, {}, seed + 1, stream, device), Ids({B, c.context}, ids, device)};
}

std::vector<double> doubles(const std::vector<Real>& x) { return {x.begin(), x.end()}; }

// The embeddings, the loss and every gradient, named.
std::vector<Pairing> once_through(Device device) {
  const Siglip model = model_on(device, odd_model());
  const Inputs inputs = inputs_on(device, model.config, 5, 0);
  for (const Parameter& p : model.parameters()) p.value.require_grad();
  Tape tape;
  const Tensor u = model.vision(inputs.images), v = model.text(inputs.tokens), loss = sigmoid_loss(u, v, model.log_t, model.b);
  tape.backward(loss);
  std::vector<Pairing> results{
      {"image_embeds", doubles(u.to_vector()), {}}, {"text_embeds", doubles(v.to_vector()), {}}, {"loss", doubles(loss.to_vector()), {}}};
  for (const Parameter& p : model.parameters()) results.push_back({"grad." + p.name, doubles(p.value.grad_to_vector()), {}, true});
  return results;
}

std::vector<double> training_losses(Device device, int steps) {
  const Siglip model = model_on(device, small_model());
  AdamW optimizer(model.parameters(), {});
  std::vector<double> losses;
  for (int step = 0; step < steps; ++step) {
    const Inputs inputs = inputs_on(device, model.config, 6, static_cast<std::uint64_t>(step % 7));
    Tape tape;
    const Tensor loss = sigmoid_loss(model.vision(inputs.images), model.text(inputs.tokens), model.log_t, model.b);
    tape.backward(loss);
    optimizer.step(1e-2 * cosine_rate(step, 5, steps), clip_factor(global_grad_norm(optimizer.parameters()), 1));
    optimizer.zero_grad();
    losses.push_back(double(loss.item()));
  }
  return losses;
}
}  // namespace

DeviceMatch model_across_devices(Device device) {
  std::vector<Pairing> tensors = once_through(device), expected = once_through(Device::cpu);
  for (std::size_t i = 0; i < tensors.size(); ++i) tensors[i].expected = std::move(expected[i].got);
  return worst_match("model", "forward and backward", tensors, device_limit, model_share);
}

DeviceMatch training_across_devices(Device device, int steps) {
  const std::vector<double> got = training_losses(device, steps), expected = training_losses(Device::cpu, steps);
  DeviceMatch worst{"training", std::to_string(steps) + " steps", "loss", -1, sizeof(Real) == 4 ? 1e-5 : 1e-12};
  for (std::size_t step = 0; step < got.size(); ++step) {
    const double error = relative_error(got[step], expected[step], 0);
    if (!(error <= worst.error)) worst.error = error, worst.element = static_cast<Dim>(step), worst.got = got[step], worst.expected = expected[step];
  }
  return worst;
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
