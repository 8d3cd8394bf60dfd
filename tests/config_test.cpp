// Presets and what makes a shape a model.
#include <doctest/doctest.h>
#include <limits>
#include "siglip/config.h"
#include "siglip/error.h"
using namespace siglip;

namespace {
SiglipConfig changed(void (*change)(SiglipConfig&)) {
  SiglipConfig config = preset("tiny");
  change(config);
  return config;
}
// What validate() says after one change to a valid config.
std::string complaint(void (*change)(SiglipConfig&)) {
  try {
    validate(changed(change), "x.json");
  } catch (const Error& e) {
    return e.what();
  }
  return "nothing";
}

// A transformer encoder's parameters: two norms, four projections, two dense layers, all with bias.
Dim block_parameters(const EncoderConfig& e) { return 4 * e.width + 4 * (e.width * e.width + e.width) + 2 * e.width * e.mlp + e.mlp + e.width; }
Dim vision_parameters(const SiglipConfig& c) {
  const EncoderConfig& v = c.vision;
  const Dim embeddings = v.width * 3 * c.patch_size * c.patch_size + v.width + c.patches() * v.width;
  const Dim head = v.width + 4 * (v.width * v.width + v.width) + 2 * v.width + 2 * v.width * v.mlp + v.mlp + v.width;
  return embeddings + v.layers * block_parameters(v) + 2 * v.width + head;
}
Dim text_parameters(const SiglipConfig& c) {
  const EncoderConfig& t = c.text;
  return (c.vocab_size + c.context) * t.width + t.layers * block_parameters(t) + 2 * t.width + t.width * c.projection + c.projection;
}
}  // namespace

TEST_CASE("config: every preset is a model, and its parameters are the published number") {
  struct Row {
    const char* name;
    Dim vision, text;
  };
  const std::vector<Row> published = {
      {"siglip-base-patch16-224", 92884224, 110271744},         {"siglip-base-patch16-256", 92930304, 110271744},
      {"siglip-base-patch16-384", 93176064, 110271744},         {"siglip-base-patch16-512", 93520128, 110271744},
      {"siglip-large-patch16-256", 315956224, 336194560},       {"siglip-large-patch16-384", 316283904, 336194560},
      {"siglip-so400m-patch14-224", 427680704, 449679600},      {"siglip-so400m-patch14-384", 428225600, 449734896},
      {"siglip-base-patch16-256-i18n", 92930304, 277695744},    {"siglip-so400m-patch16-256-i18n", 427888064, 699542640 + 1328256},
      {"siglip2-base-patch32-256", 94552320, 282303744},        {"siglip2-base-patch16-224", 92884224, 282303744},
      {"siglip2-base-patch16-256", 92930304, 282303744},        {"siglip2-base-patch16-384", 93176064, 282303744},
      {"siglip2-base-patch16-512", 93520128, 282303744},        {"siglip2-large-patch16-256", 315956224, 565570560},
      {"siglip2-large-patch16-384", 316283904, 565570560},      {"siglip2-large-patch16-512", 316742656, 565570560},
      {"siglip2-so400m-patch14-224", 427680704, 707782896},     {"siglip2-so400m-patch14-384", 428225600, 707782896},
      {"siglip2-so400m-patch16-256", 427888064, 707782896},     {"siglip2-so400m-patch16-384", 428256704, 707782896},
      {"siglip2-so400m-patch16-512", 428772800, 707782896},     {"siglip2-giant-opt-patch16-256", 1163168256, 708225648},
      {"siglip2-giant-opt-patch16-384", 1163659776, 708225648},
  };
  CHECK(preset_names().size() == published.size() + 2);  // nano and tiny
  for (const std::string& name : preset_names()) CHECK_NOTHROW(validate(preset(name), name));
  for (const Row& row : published) {
    CAPTURE(row.name);
    CHECK(vision_parameters(preset(row.name)) == row.vision);
    CHECK(text_parameters(preset(row.name)) == row.text);
  }
}

TEST_CASE("config: an unknown name suggests the nearest") {
  CHECK_THROWS_WITH_AS(preset("tinny"), "preset: the name of a known model is expected, got \"tinny\"; the nearest is \"tiny\"", Error);
  CHECK(nearest("siglip-base-patch16-22", preset_names()) == "; the nearest is \"siglip-base-patch16-224\"");
  CHECK(nearest("siglip2-giant-op-patch16-384", preset_names()) == "; the nearest is \"siglip2-giant-opt-patch16-384\"");
  CHECK(nearest("kitten", {"sitting", "mitten", "bitten"}) == "; the nearest is \"mitten\"");
  CHECK(nearest("", {"ab", "a"}).empty());
  CHECK(nearest("xyzzy", {"train", "embed"}).empty());  // the least distance is still nothing near
  CHECK(nearest("a", {}).empty());
}

TEST_CASE("config: what does not make a model is named") {
  CHECK(complaint([](SiglipConfig& c) { c.vision.width = 0; }) == "x.json: vision width is 1 to 65536, got 0");
  CHECK(complaint([](SiglipConfig& c) { c.text.layers = 1000000000; }) == "x.json: text layers is 1 to 1024, got 1000000000");
  CHECK(complaint([](SiglipConfig& c) { c.text.heads = -1; }) == "x.json: text heads is 1 to 65536, got -1");
  CHECK(complaint([](SiglipConfig& c) { c.vision.mlp = 1 << 21; }) == "x.json: vision mlp is 1 to 1048576, got 2097152");
  CHECK(complaint([](SiglipConfig& c) { c.text.heads = 5; }) == "x.json: text heads divide width 96, got 5");
  CHECK(complaint([](SiglipConfig& c) { c.image_size = 1 << 20; }) == "x.json: image_size is 1 to 16384, got 1048576");
  CHECK(complaint([](SiglipConfig& c) { c.patch_size = 0; }) == "x.json: patch_size is 1 to 16384, got 0");
  CHECK(complaint([](SiglipConfig& c) { c.vocab_size = 0; }) == "x.json: vocab_size is 1 to 16777216, got 0");
  CHECK(complaint([](SiglipConfig& c) { c.context = 0; }) == "x.json: context is 1 to 65536, got 0");
  CHECK(complaint([](SiglipConfig& c) { c.patch_size = 64; }) == "x.json: patch_size is at most image_size 32, got 64");
  CHECK(complaint([](SiglipConfig& c) { c.image_size = 16384, c.patch_size = 1; }) == "x.json: an image has at most 65536 patches, got 268435456");
  CHECK(complaint([](SiglipConfig& c) { c.projection = 95; }) == "x.json: projection is the vision width 96, got 95");
  CHECK(complaint([](SiglipConfig& c) { c.projection = 95, c.vision_head = false; }) == "nothing");
  CHECK(complaint([](SiglipConfig& c) { c.projection = 0, c.vision_head = false; }) == "x.json: projection is 1 to 65536, got 0");
  CHECK(complaint([](SiglipConfig& c) { c.layer_norm_eps = 0; }) == "x.json: layer_norm_eps is between 0 and 1, got 0");
  CHECK(complaint([](SiglipConfig& c) { c.layer_norm_eps = std::numeric_limits<double>::quiet_NaN(); }) ==
        "x.json: layer_norm_eps is between 0 and 1, got nan");
  CHECK(complaint([](SiglipConfig& c) { c.patch_size = 14; }) == "nothing");  // 32 = 2 * 14 + 4: leftover pixels are allowed
}
