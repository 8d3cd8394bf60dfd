// Whole models against what other implementations computed; and proof that the comparison can fail.
#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include "io/json.h"
#include "parity_golden.h"
#include "shell.h"
#include "siglip/checkpoint.h"
#include "siglip/model.h"
using namespace siglip;

namespace {
const std::string goldens = SIGLIP_GOLDENS;

// A case copied to where it may be spoiled.
struct Copy {
  TemporaryFolder folder;
  explicit Copy(const std::string& name) { std::filesystem::copy(goldens + "/" + name, folder.path, std::filesystem::copy_options::recursive); }
  // Element `i` of a float tensor becomes f(element).
  template <class Change>
  void change(const std::string& file, const std::string& tensor, std::int64_t i, const Change& f) const {
    std::string bytes = read_file(folder / file);
    const std::int64_t offset = SafetensorsFile(folder / file).find(tensor)->offset + 4 * i;
    float x = 0;
    std::memcpy(&x, bytes.data() + offset, 4);
    x = f(x);
    std::memcpy(bytes.data() + offset, &x, 4);
    write_file(folder / file, bytes);
  }
  std::map<std::string, TensorMatch> run() const {
    std::map<std::string, TensorMatch> by_name;
    for (const TensorMatch& match : run_reference_case(folder.path)) by_name.emplace(match.tensor, match);
    return by_name;
  }
  std::set<std::string> failed() const {
    std::set<std::string> names;
    for (const auto& [name, match] : run())
      if (!match.ok()) names.insert(name);
    return names;
  }
  std::string complaint() const {
    return complaint_of([&] { run_reference_case(folder.path); }, folder.path);
  }
};

// A safetensors file with one tensor of whole numbers.
std::string whole_numbers(const std::string& name, const std::string& dtype, const Shape& shape, const std::string& data) {
  const std::string header = Json{{name, {{"dtype", dtype}, {"shape", shape}, {"data_offsets", {0, data.size()}}}}}.dump();
  std::string bytes(8, '\0');
  const std::uint64_t size = header.size();
  std::memcpy(bytes.data(), &size, 8);
  return bytes + header + data;
}
template <class Whole>
std::string bytes_of(const std::vector<Whole>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(Whole)};
}
}  // namespace

TEST_CASE("parity: every committed case in float") { check_goldens(0.5); }

TEST_CASE("parity can fail: one wrong expected number is named, with its place") {
  const Copy spoiled("models/odd_widths");
  CHECK(spoiled.failed().empty());
  const std::string tensor = "grad.vision_model.encoder.layers.1.mlp.fc1.weight";  // (22, 15)
  spoiled.change("expected.safetensors", tensor, 37, [](float x) { return x + 0.01f; });
  CHECK(spoiled.failed() == std::set<std::string>{tensor});
  const TensorMatch match = spoiled.run().at(tensor);
  CHECK(match.at_max_abs.index == Shape{2, 7});
  CHECK(match.at_max_rel.index == Shape{2, 7});
  CHECK(match.max_abs == doctest::Approx(0.01).epsilon(1e-3));
  CHECK(match.at_max_abs.expected - match.at_max_abs.got == doctest::Approx(0.01).epsilon(1e-3));
  CHECK(match.error == match.l2_rel);
  CHECK(match.judged == "l2_rel");
}

TEST_CASE("parity can fail: one wrong weight reaches everything behind it and nothing before it") {
  const Copy spoiled("models/odd_widths");
  spoiled.change("model/model.safetensors", "text_model.encoder.layers.1.mlp.fc1.weight", 3, [](float x) { return x + 1; });
  const std::set<std::string> failed = spoiled.failed();
  for (const std::string name : {"hidden.text.2", "text_embeds", "logits_per_text", "logits_per_image", "loss", "grad.logit_scale"}) {
    INFO(name);
    CHECK(failed.contains(name));
  }
  for (const std::string name : {"hidden.text.0", "hidden.text.1", "image_embeds", "hidden.vision.2"}) {
    INFO(name);
    CHECK(!failed.contains(name));
  }
}

TEST_CASE("parity can fail: what is not finite never agrees, on either side") {
  const float nan = std::numeric_limits<float>::quiet_NaN(), inf = std::numeric_limits<float>::infinity();
  for (const float bad : {nan, inf, -inf}) {
    const Copy expected("models/one_patch");
    expected.change("expected.safetensors", "image_embeds", 4, [&](float) { return bad; });
    CHECK(expected.failed() == std::set<std::string>{"image_embeds"});
    expected.change("expected.safetensors", "grad.text_model.head.bias", 0, [&](float) { return bad; });
    CHECK(expected.failed() == std::set<std::string>{"image_embeds", "grad.text_model.head.bias"});

    // The same on both sides is no agreement.
    const Copy both("models/one_patch");
    both.change("model/model.safetensors", "text_model.embeddings.position_embedding.weight", 0, [&](float) { return bad; });
    both.change("expected.safetensors", "hidden.text.0", 0, [&](float) { return bad; });
    CHECK(both.failed().contains("hidden.text.0"));
    CHECK(std::isinf(both.run().at("hidden.text.0").max_abs));
  }
}

TEST_CASE("parity can fail: bias or scale misread, a loss of the other reduction, another recipe") {
  const Copy bias("models/released_scale");
  bias.change("model/model.safetensors", "logit_bias", 0, [](float x) { return -x; });
  CHECK(bias.failed().contains("logits_per_image"));
  CHECK(!bias.failed().contains("image_embeds"));

  const Copy reduction("loss/mean");
  reduction.folder.write("loss.json", R"({"reduction": "per_image"})");
  CHECK(reduction.failed().size() == 5);

  const Copy recipe("train");
  Json settings = parse_json(read_file(recipe.folder / "train.json"), "train.json");
  settings["weight_decay"] = 0.09;
  recipe.folder.write("train.json", settings.dump());
  CHECK(recipe.failed().contains("weight.text_model.head.weight"));
}

TEST_CASE("parity can fail: of a trained in_proj_bias only the keys' third is free") {
  const Copy spoiled("train");
  const std::string tensor = "weight.vision_model.head.attention.in_proj_bias";  // (72): queries, keys, values of 24
  const std::map<std::string, TensorMatch> before = spoiled.run();
  CHECK(!before.contains(tensor));
  CHECK(before.at(tensor + "[q]").limit == 1e-4);
  CHECK(before.at(tensor + "[k]").limit == 1e-2);
  CHECK(before.at(tensor + "[v]").limit == 1e-4);
  for (const int element : {3, 30, 70}) spoiled.change("expected.safetensors", tensor, element, [](float x) { return x + 1e-3f; });
  CHECK(spoiled.failed() == std::set<std::string>{tensor + "[q]", tensor + "[v]"});
  CHECK(spoiled.run().at(tensor + "[v]").at_max_abs.index == Shape{70});
}

TEST_CASE("parity: a model without a head has hidden states and texts to compare, and no more") {
  const Copy c("models/odd_widths");
  const std::string file = c.folder / "model/model.safetensors";
  Json config = parse_json(read_file(c.folder / "model/config.json"), "config.json");
  config["vision_config"]["vision_use_head"] = false;
  c.folder.write("model/config.json", config.dump());
  const auto keep = [](const std::string& path, const auto& wanted) {
    Parameters kept;
    {
      const SafetensorsFile all(path);
      for (const TensorInfo& info : all.tensors())
        if (wanted(info.name)) kept.push_back({info.name, all.read(info.name)});
    }
    write_safetensors(path, kept);
  };
  keep(file, [](const std::string& name) { return !name.starts_with("vision_model.head."); });
  CHECK(c.complaint() == c.folder.path + ": a model with a head is expected for image_embeds, logits and loss, got one without");
  const auto of_towers = [](const std::string& name) { return name.starts_with("hidden.") || name == "text_embeds"; };
  keep(c.folder / "expected.safetensors", of_towers);
  std::filesystem::remove(c.folder / "expected_f64.safetensors");
  CHECK(c.failed().empty());
  CHECK(c.run().contains("hidden.vision.1"));
}

TEST_CASE("parity can fail: pictures of another size want interpolated positions") {
  const std::string file = "model/model.safetensors", positions = "vision_model.embeddings.position_embedding.weight";
  const Copy spoiled("models/larger_pictures");
  spoiled.change(file, positions, 4 * 18, [](float x) { return x + 0.01f; });  // the patch in the middle
  const std::set<std::string> failed = spoiled.failed();
  for (const std::string name : {"hidden.vision.0", "image_embeds", "loss", "grad.vision_model.embeddings.patch_embedding.weight"}) {
    INFO(name);
    CHECK(failed.contains(name));
  }
  CHECK(!failed.contains("text_embeds"));

  const Copy same("models/odd_widths");  // of the model's own size, nothing is interpolated
  same.folder.write("model.json", R"({"interpolate_pos_encoding": true})");
  CHECK(same.failed().empty());

  const Copy refused("models/larger_pictures");
  refused.folder.write("model.json", R"({"interpolate_pos_encoding": false})");
  CHECK(refused.complaint() ==
        "inputs.safetensors: VisionTower: pictures of 9 patches, one for each position, are expected, got (4, 3, 23, 23), which has 25");
  refused.folder.write("model.json", R"({"interpolate_pos_encoding": 1})");
  CHECK(refused.complaint() == "model.json: interpolate_pos_encoding is true or false, got 1");
  refused.folder.write("model.json", "{}");
  CHECK(refused.complaint() == "model.json: interpolate_pos_encoding is true or false, got none");
}

TEST_CASE("goldens: the manifest has the hash of every file") {
  const Json manifest = parse_json(read_file(goldens + "/manifest.json"), "manifest.json");
  std::set<std::string> listed, there;
  std::string lines;
  for (const auto& file : manifest["sha256"].items()) {
    listed.insert(file.key());
    lines += file.value().get<std::string>() + "  " + file.key() + "\n";
  }
  for (const auto& entry : std::filesystem::recursive_directory_iterator(goldens)) {
    const std::string name = entry.path().filename().string();
    if (entry.is_regular_file() && name != "README.md" && name != "manifest.json") there.insert(entry.path().string().substr(goldens.size() + 1));
  }
  CHECK(listed == there);  // tools/reference/golden_manifest.py lists them again
  const Shell shell;
  shell.folder.write("sums", lines);
  CHECK(shell("sums=$PWD/sums; cd " + goldens + " && sha256sum --check --quiet $sums").out == "");
}

TEST_CASE("parity: a case that cannot be run says why") {
  CHECK(reference_cases(goldens + "/loss/B2//") == std::vector<std::string>{goldens + "/loss/B2"});
  const TemporaryFolder empty;
  CHECK(complaint_of([&] { reference_cases(empty.path); }) ==
        empty.path + ": a folder with inputs.safetensors and expected.safetensors, or with such folders in it, is expected, got none");
  CHECK(complaint_of([&] { reference_cases(empty / "nothing"); }, empty.path) ==
        "nothing: a folder that can be read is expected, got: No such file or directory");

  const Copy other("models/one_pair");
  const auto expect = [&](const std::string& name, const Shape& shape) {
    write_safetensors(other.folder / "expected.safetensors", {{name, Tensor::full(shape, 0)}});
    return other.complaint();
  };
  CHECK(expect("image_embed", {1, 11}) == "expected.safetensors: tensors that this case gives are expected, got \"image_embed\"");
  CHECK(expect("image_embeds", {11}) == "expected.safetensors: tensor \"image_embeds\" has shape (1, 11), got (11)");
  CHECK(expect("hidden.vision.9", {1, 4, 11}) == "expected.safetensors: tensors that this case gives are expected, got \"hidden.vision.9\"");
  CHECK(expect("grad.nothing", {1}) == "expected.safetensors: tensors that this case gives are expected, got \"grad.nothing\"");
  CHECK(expect("loss", {}) == "nothing");  // a number is a number
  write_safetensors(other.folder / "expected.safetensors", {});
  CHECK(other.complaint() == "expected.safetensors: at least one tensor is expected, got none");

  // Only what is asked for needs its input.
  other.folder.write("inputs.safetensors", whole_numbers("input_ids", "I32", {1, 6}, bytes_of<std::int32_t>({0, 1, 2, 3, 4, 9})));
  CHECK(expect("text_embeds", {1, 11}) == "nothing");
  CHECK(expect("loss", {1}) == "inputs.safetensors: a tensor \"pixel_values\" is expected, got none");
  other.folder.write("inputs.safetensors", whole_numbers("input_ids", "I64", {1, 6}, bytes_of<std::int64_t>({0, 1, 2, 3, 4, std::int64_t{1} << 32})));
  CHECK(expect("text_embeds", {1, 11}) == "inputs.safetensors: tensor \"input_ids\": whole numbers of 32 bits are expected, got 4294967296");
  other.folder.write("inputs.safetensors", whole_numbers("input_ids", "F32", {1, 6}, std::string(24, '\0')));
  CHECK(expect("text_embeds", {1, 11}) == "inputs.safetensors: tensor \"input_ids\": I64 or I32 is expected, got F32");
  other.folder.write("inputs.safetensors", whole_numbers("ids", "I32", {1}, std::string(4, '\0')));
  CHECK(expect("text_embeds", {1, 11}) == "inputs.safetensors: a tensor \"input_ids\" is expected, got none");
}

TEST_CASE("parity: gradients that are zero by construction are measured against the model's, however few the case holds") {
  const Copy c("models/odd_widths");
  const std::string name = "grad.text_model.encoder.layers.0.self_attn.k_proj.bias",
                    weight = "grad.text_model.encoder.layers.0.self_attn.q_proj.weight";
  const SafetensorsFile expected(c.folder / "expected.safetensors");
  const Tensor zero = expected.read(name), other = expected.read(weight);
  write_safetensors(c.folder / "expected.safetensors", {{name, zero}});
  CHECK(c.failed().empty());
  other.fill(std::numeric_limits<Real>::quiet_NaN());
  write_safetensors(c.folder / "expected.safetensors", {{name, zero}, {weight, other}});
  CHECK(c.failed() == std::set<std::string>{weight});
}

TEST_CASE("parity: settings that are none") {
  const Copy loss("loss/B2");
  loss.folder.write("loss.json", R"({"reduction": "sum"})");
  CHECK(loss.complaint() == "loss.json: reduction is \"per_image\" or \"mean\", got \"sum\"");
  loss.folder.write("loss.json", "[]");
  CHECK(loss.complaint() == "loss.json: an object is expected, got []");

  const Copy train("train");
  train.folder.write("train.json", R"({"lr": "fast"})");
  CHECK(train.complaint() == "train.json: lr is a number, got \"fast\"");
  train.folder.write("train.json", R"({"lr": 0.1})");
  CHECK(train.complaint() == "train.json: clip is a number, got none");
}

TEST_CASE("parity: training on pairs and batches that are none, and past finite numbers") {
  const std::string inputs = read_file(goldens + "/train/inputs.safetensors");
  const auto with = [&](const std::string& shape, const std::string& other) {  // of as many characters: the header keeps its length
    const Copy train("train");
    std::string changed = inputs;
    write_file(train.folder / "inputs.safetensors", changed.replace(changed.find(shape), shape.size(), other));
    return train.complaint();
  };
  CHECK(with("[48,6]", "[6,48]") == "inputs.safetensors: as many texts as images are expected, got (6, 48) for (48, 3, 12, 12)");
  CHECK(with("[100,16]", "[10,160]") == "inputs.safetensors: batches of at most all 48 pairs are expected, got 160");

  const Copy train("train");
  Json settings = parse_json(read_file(train.folder / "train.json"), "train.json");
  settings["lr"] = 1e30;
  train.folder.write("train.json", settings.dump());
  CHECK(train.complaint() == train.folder.path + ": a finite gradient is expected, got none at step 2");
}

TEST_CASE("a tower's hidden states: the embedding, then what leaves each block") {
  SiglipConfig config = preset("nano");
  config.vocab_size = 20;
  const Siglip model(config);
  initialize(model, 1);
  const Tensor images = Tensor::full({2, 3, config.image_size, config.image_size}, Real(0.5));
  Tensors hidden;
  const Tensor with = model.vision.pooled(images, &hidden);
  CHECK(with.to_vector() == model.vision.pooled(images).to_vector());
  CHECK(hidden.size() == model.vision.blocks.size() + 1);
  CHECK(model.vision.blocks[0](hidden[0]).to_vector() == hidden[1].to_vector());
  CHECK(model.vision.head(model.vision.post_layernorm(hidden.back())).to_vector() == with.to_vector());
}
