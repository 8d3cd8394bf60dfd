// The whole model in double: the gradient of a training step against finite differences along random directions.
#include <doctest/doctest.h>
#include "siglip/check.h"
#include "siglip/loss.h"
#include "siglip/model.h"
#include "siglip/rng.h"
using namespace siglip;

namespace {
// Odd sizes on purpose: unequal towers, heads of 5, a picture with a leftover pixel, texts of 7.
SiglipConfig odd_config() {
  SiglipConfig c;
  c.vision = {.width = 15, .layers = 2, .heads = 3, .mlp = 22};
  c.text = {.width = 10, .layers = 2, .heads = 2, .mlp = 17};
  c.image_size = 9, c.patch_size = 4, c.vocab_size = 13, c.context = 7, c.projection = 15;
  return c;
}
}  // namespace

TEST_CASE("model: the gradient of the whole step against finite differences, both losses") {
  const SiglipConfig config = odd_config();
  validate(config, "odd");
  const Siglip model(config);
  initialize(model, 3, -2);
  Tensors parameters;
  Rng random(4);
  for (const Parameter& p : model.parameters()) {
    // Away from the zeros and ones of the start, where a forgotten bias or scale would not show.
    for (Dim i = 0; i < p.value.size(); ++i) p.value.data()[i] += static_cast<Real>(0.1 * random.normal());
    parameters.push_back(p.value);
  }

  const Dim B = 5;
  Tensor images({B, 3, 9, 9});
  for (Dim i = 0; i < images.size(); ++i) images.data()[i] = static_cast<Real>(random.uniform(-1, 1));
  std::vector<std::int32_t> ids;
  for (Dim i = 0; i < B * config.context; ++i) ids.push_back(static_cast<std::int32_t>(random.below(config.vocab_size)));
  const Ids tokens({B, config.context}, ids);

  const auto sigmoid = [&] { return sigmoid_loss(model.vision(images), model.text(tokens), model.log_t, model.b); };
  const auto softmax = [&] { return softmax_loss(model.vision(images), model.text(tokens), model.log_t); };
  for (const auto& loss : {std::function<Tensor()>(sigmoid), std::function<Tensor()>(softmax)}) {
    const Worst w = gradcheck_directions(loss, parameters, 8, 11, 0x1p-13);  // a direction is about 70 long
    INFO(to_string(w));
    CHECK(w.error <= 1e-8);  // measured: 6e-12
    MESSAGE("whole model, worst of 8 directions: ", w.error);
  }
}
