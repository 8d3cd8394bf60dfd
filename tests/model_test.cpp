// The model in float: sizes, names, initialisation, a training step.
#include <doctest/doctest.h>
#include <algorithm>
#include <cmath>
#include <map>
#include "siglip/error.h"
#include "siglip/loss.h"
#include "siglip/model.h"
#include "siglip/optim.h"
#include "siglip/rng.h"
#include "siglip/tape.h"
using namespace siglip;

namespace {
SiglipConfig small_config() {
  SiglipConfig c;
  c.vision = {.width = 24, .layers = 2, .heads = 3, .mlp = 48};
  c.text = {.width = 16, .layers = 2, .heads = 2, .mlp = 40};
  c.image_size = 16, c.patch_size = 8, c.vocab_size = 40, c.context = 6, c.projection = 24;
  return c;
}

struct Batch {
  Tensor images;
  Ids tokens;
};

Batch draw_batch(const SiglipConfig& c, Dim B, std::uint64_t seed) {
  Rng random(seed);
  Tensor images({B, 3, c.image_size, c.image_size});
  for (Dim i = 0; i < images.size(); ++i) images.data()[i] = static_cast<Real>(random.uniform(-1, 1));
  std::vector<std::int32_t> ids;
  for (Dim i = 0; i < B * c.context; ++i) ids.push_back(static_cast<std::int32_t>(random.below(c.vocab_size)));
  return {images, Ids({B, c.context}, ids)};
}

double training_step(const Siglip& model, AdamW& optimizer, const Batch& batch) {
  Tape tape;
  const Tensor loss = sigmoid_loss(model.vision(batch.images), model.text(batch.tokens), model.log_t, model.b);
  tape.backward(loss);
  optimizer.step(1e-3, clip_factor(global_grad_norm(optimizer.parameters()), 1));
  optimizer.zero_grad();
  return double(loss.item());
}

struct Moments {
  double mean = 0, deviation = 0, largest = 0;
};

Moments moments(const Tensor& x) {
  Moments m;
  const double n = static_cast<double>(x.size());
  for (const Real value : x.to_vector()) m.mean += double(value) / n, m.largest = std::max(m.largest, std::abs(double(value)));
  for (const Real value : x.to_vector()) m.deviation += (double(value) - m.mean) * (double(value) - m.mean) / n;
  m.deviation = std::sqrt(m.deviation);
  return m;
}
}  // namespace

TEST_CASE("model: parameters of every released shape, counted without memory") {
  const std::map<std::string, Dim> table = {
      {"siglip-base-patch16-224", 203155970},         {"siglip-base-patch16-256", 203202050},        {"siglip-base-patch16-384", 203447810},
      {"siglip-base-patch16-512", 203791874},         {"siglip-large-patch16-256", 652150786},       {"siglip-large-patch16-384", 652478466},
      {"siglip-so400m-patch14-224", 877360306},       {"siglip-so400m-patch14-384", 877960498},      {"siglip-base-patch16-256-i18n", 370626050},
      {"siglip-so400m-patch16-256-i18n", 1128758962},  // with the identity head it is published with
      {"siglip2-base-patch32-256", 376856066},        {"siglip2-base-patch16-224", 375187970},       {"siglip2-base-patch16-256", 375234050},
      {"siglip2-base-patch16-384", 375479810},        {"siglip2-base-patch16-512", 375823874},       {"siglip2-large-patch16-256", 881526786},
      {"siglip2-large-patch16-384", 881854466},       {"siglip2-large-patch16-512", 882313218},      {"siglip2-so400m-patch14-224", 1135463602},
      {"siglip2-so400m-patch14-384", 1136008498},     {"siglip2-so400m-patch16-256", 1135670962},    {"siglip2-so400m-patch16-384", 1136039602},
      {"siglip2-so400m-patch16-512", 1136555698},     {"siglip2-giant-opt-patch16-256", 1871393906}, {"siglip2-giant-opt-patch16-384", 1871885426}};
  // The two NaFlex models have as many as the -patch16-256 of their size: a patch is cut by a linear map, positions are 16 x 16.
  const PoolStats before = pool_stats();
  for (const auto& entry : table) {
    INFO(entry.first);
    CHECK(Siglip(preset(entry.first)).parameter_count() == entry.second);
  }
  CHECK(pool_stats().in_use == before.in_use);
  CHECK(pool_stats().reserved == before.reserved);
  CHECK(pool_stats().allocations == before.allocations);
  const std::vector<std::string> names = preset_names();
  CHECK(names.size() == table.size() + 2);  // nano and tiny
  for (const auto& [name, count] : table) CHECK(std::count(names.begin(), names.end(), name) == 1);
}

TEST_CASE("model: tensors of the base model under their published names and shapes") {
  const Dim D = 768, M = 3072, V = 32000;
  std::map<std::string, Shape> expected = {
      {"logit_scale", {1}},
      {"logit_bias", {1}},
      {"text_model.embeddings.token_embedding.weight", {V, D}},
      {"text_model.embeddings.position_embedding.weight", {64, D}},
      {"text_model.final_layer_norm.weight", {D}},
      {"text_model.final_layer_norm.bias", {D}},
      {"text_model.head.weight", {D, D}},
      {"text_model.head.bias", {D}},
      {"vision_model.embeddings.patch_embedding.weight", {D, 3, 16, 16}},
      {"vision_model.embeddings.patch_embedding.bias", {D}},
      {"vision_model.embeddings.position_embedding.weight", {196, D}},
      {"vision_model.post_layernorm.weight", {D}},
      {"vision_model.post_layernorm.bias", {D}},
      {"vision_model.head.probe", {1, 1, D}},
      {"vision_model.head.attention.in_proj_weight", {3 * D, D}},
      {"vision_model.head.attention.in_proj_bias", {3 * D}},
      {"vision_model.head.attention.out_proj.weight", {D, D}},
      {"vision_model.head.attention.out_proj.bias", {D}},
      {"vision_model.head.layernorm.weight", {D}},
      {"vision_model.head.layernorm.bias", {D}},
  };
  const auto add_mlp = [&](const std::string& prefix) {
    expected[prefix + "fc1.weight"] = {M, D};
    expected[prefix + "fc1.bias"] = {M};
    expected[prefix + "fc2.weight"] = {D, M};
    expected[prefix + "fc2.bias"] = {D};
  };
  add_mlp("vision_model.head.mlp.");
  for (const std::string tower : {"text_model", "vision_model"})
    for (int layer = 0; layer < 12; ++layer) {
      const std::string prefix = tower + ".encoder.layers." + std::to_string(layer) + ".";
      for (const std::string norm : {"layer_norm1", "layer_norm2"}) expected[prefix + norm + ".weight"] = expected[prefix + norm + ".bias"] = {D};
      for (const std::string map : {"q_proj", "k_proj", "v_proj", "out_proj"}) {
        expected[prefix + "self_attn." + map + ".weight"] = {D, D};
        expected[prefix + "self_attn." + map + ".bias"] = {D};
      }
      add_mlp(prefix + "mlp.");
    }
  CHECK(expected.size() == 408);

  const Parameters parameters = Siglip(preset("siglip-base-patch16-224")).parameters();
  CHECK(parameters.size() == 408);
  for (const Parameter& p : parameters) {
    INFO(p.name);
    REQUIRE(expected.count(p.name) == 1);
    CHECK(p.value.shape() == expected[p.name]);
    // Weight decay belongs to the kernels of products: matrices, but for the tables, and the patch kernel.
    const bool table = p.name.find("embeddings.token") != std::string::npos || p.name.find("position") != std::string::npos;
    CHECK(p.decays == (!table && (p.value.rank() == 2 || p.value.rank() == 4)));
  }
  CHECK(Siglip(preset("siglip-large-patch16-256")).parameters().size() == 792);
  CHECK(Siglip(preset("siglip-so400m-patch14-384")).parameters().size() == 888);
  CHECK(Siglip(preset("siglip2-giant-opt-patch16-256")).parameters().size() == 1096);
}

TEST_CASE("model: the authors' initialisation at width 768") {
  SiglipConfig c = preset("siglip-base-patch16-224");
  c.vision.layers = c.text.layers = 1;
  c.vocab_size = 300;
  const Siglip model(c);
  initialize(model, 7);
  // Of each kind: the bound that is never passed, and the deviation. The paper's numbers for width 768.
  const std::map<std::string, std::pair<double, double>> kinds = {
      {"vision_model.encoder.layers.0.self_attn.q_proj.weight", {0.062500, 0.062500 / std::sqrt(3.0)}},
      {"text_model.encoder.layers.0.self_attn.out_proj.weight", {0.062500, 0.062500 / std::sqrt(3.0)}},
      {"vision_model.encoder.layers.0.mlp.fc1.weight", {0.039528, 0.039528 / std::sqrt(3.0)}},
      {"text_model.encoder.layers.0.mlp.fc2.weight", {0.039528, 0.039528 / std::sqrt(3.0)}},
      {"vision_model.head.attention.in_proj_weight", {0.062500, 0.062500 / std::sqrt(3.0)}},
      {"vision_model.head.attention.out_proj.weight", {0.062500, 0.062500 / std::sqrt(3.0)}},
      {"vision_model.head.probe", {0.088331, 0.088331 / std::sqrt(3.0)}},
      {"vision_model.embeddings.patch_embedding.weight", {2 * 0.041022, 0.036084}},  // cut at 2 sigma; after the cut the deviation is 1 / √768
      {"text_model.head.weight", {2 * 0.041022, 0.036084}},
      {"vision_model.embeddings.position_embedding.weight", {1, 0.036084}},
      {"text_model.embeddings.position_embedding.weight", {1, 0.036084}},
      {"text_model.embeddings.token_embedding.weight", {1, 0.036084}},
      {"vision_model.encoder.layers.0.mlp.fc1.bias", {1e-5, 1e-6}},
      {"text_model.encoder.layers.0.mlp.fc2.bias", {1e-5, 1e-6}},
      {"vision_model.head.mlp.fc2.bias", {1e-5, 1e-6}}};
  std::size_t seen = 0;
  for (const Parameter& p : model.parameters()) {
    INFO(p.name);
    const Moments m = moments(p.value);
    const double root = std::sqrt(static_cast<double>(p.value.size()));
    if (const auto kind = kinds.find(p.name); kind != kinds.end()) {
      const auto [bound, deviation] = kind->second;
      CHECK(m.largest <= bound * (1 + 2e-5));  // the bounds stand there with five digits
      CHECK(std::abs(m.mean) <= 5 * deviation / root);
      CHECK(std::abs(m.deviation - deviation) <= 5 * deviation / root);
      ++seen;
    } else if (p.name.ends_with("bias") && p.name != "logit_bias" && p.name.find("mlp") == std::string::npos) {
      CHECK(m.largest == 0);
    } else if (p.name.find("norm") != std::string::npos) {
      CHECK(m.largest == 1);
      CHECK(m.deviation <= 1e-12);
    }
  }
  CHECK(seen == kinds.size());
  CHECK(double(model.log_t.item()) == doctest::Approx(2.302585093));
  CHECK(model.b.item() == -10);
}

TEST_CASE("model: a training step after the first takes no memory") {
  const Siglip model(small_config());
  initialize(model, 1);
  AdamW optimizer(model.parameters(), {});
  const Batch batch = draw_batch(model.config, 9, 2);
  const double first = training_step(model, optimizer, batch);
  const std::int64_t allocations = pool_stats().allocations;
  double last = first;
  for (int step = 2; step <= 5; ++step) {
    last = training_step(model, optimizer, batch);
    CHECK(pool_stats().allocations == allocations);
  }
  CHECK(last < first);
}

TEST_CASE("model: a training step gives the same bits with 1 and with 3 threads") {
  const int before = threads();
  std::vector<std::vector<std::vector<Real>>> results;
  for (const int count : {1, 3}) {
    set_threads(count);
    const Siglip model(small_config());
    initialize(model, 1);
    AdamW optimizer(model.parameters(), {});
    for (std::uint64_t step = 0; step < 3; ++step) training_step(model, optimizer, draw_batch(model.config, 21, step));
    results.emplace_back();
    for (const Parameter& p : model.parameters()) results.back().push_back(p.value.to_vector());
  }
  set_threads(before);
  CHECK(results[0] == results[1]);
}

TEST_CASE("model: no picture and no text are no rows, packed or not") {
  Siglip model(small_config());
  initialize(model, 1);
  const Dim size = model.config.image_size, C = model.config.projection;
  for (const bool packed : {false, true}) {
    if (packed) model.vision.pack(), model.text.pack();
    CHECK(model.vision(Tensor({0, 3, size, size})).shape() == Shape{0, C});
    CHECK(model.text(Ids({0, model.config.context}, {})).shape() == Shape{0, C});
  }
}

TEST_CASE("model: unit rows, and a text of another length is rejected") {
  const Siglip model(small_config());
  initialize(model, 1);
  const Batch batch = draw_batch(model.config, 2, 3);
  for (const Tensor& rows : {model.vision(batch.images), model.text(batch.tokens)}) {
    CHECK(rows.shape() == Shape{2, 24});
    for (Dim n = 0; n < 2; ++n) {
      double squares = 0;
      for (Dim c = 0; c < 24; ++c) squares += double(rows.data()[n * 24 + c]) * double(rows.data()[n * 24 + c]);
      CHECK(squares == doctest::Approx(1).epsilon(1e-6));
    }
  }
  CHECK_THROWS_WITH_AS(model.text(Ids({2, 5}, std::vector<std::int32_t>(10, 1))),
                       "TextTower: ids (B, 6): every text is padded to the full length, because the last position is pooled; got shape (2, 5)",
                       Error);
}
