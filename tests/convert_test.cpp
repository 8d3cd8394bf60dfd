// convert: folders and .npz archives in another form, number by number.
#include <doctest/doctest.h>
#include <limits>
#include <sstream>
#include "io/big_vision.h"
#include "io/dtype.h"
#include "io/json.h"
#include "siglip/train.h"
#include "temporary_folder.h"
#include "zip_writer.h"
using namespace siglip;

namespace {
// Towers of different widths, heads and depths; 26 = 3 * 8 + 2 leaves pixels over.
SiglipConfig odd_config(Dim image_size = 26) { return {{20, 2, 5, 36}, {12, 3, 2, 28}, image_size, 8, 50, 6, 20}; }

// A model with every number random, those that initialize() leaves zero included.
Siglip random_model(const SiglipConfig& config) {
  Siglip model(config);
  initialize(model, 11);
  float k = 0;
  for (const Parameter& p : model.parameters())
    for (Dim i = 0; i < p.value.size(); ++i) p.value.data()[i] += 0.001f * (k = k > 96 ? 0 : k + 1);
  return model;
}

std::map<std::string, Tensor> by_name(const Siglip& model) {
  std::map<std::string, Tensor> tensors;
  for (const Parameter& p : model.parameters()) tensors[p.name] = p.value;
  return tensors;
}

// What an array of a model's is called and how it lies, told anew: the inverse of what convert does, element by element.
struct BigVisionWriter {
  std::map<std::string, Tensor> tensors;
  std::vector<std::pair<std::string, std::pair<Shape, std::vector<float>>>> arrays = {};
  std::map<std::string, std::string> types = {};  // other than <f4

  void same(const std::string& array, const Shape& shape, const std::string& tensor) {
    arrays.push_back({array, {shape, tensors.at(tensor).to_vector()}});
  }
  // Rows begin … begin + M - 1 of a weight (M, K), turned.
  void turned(const std::string& array, const Shape& shape, const std::string& tensor, Dim begin = 0, Dim M = 0) {
    const Tensor& w = tensors.at(tensor);
    const Dim K = w.dim(1);
    if (!M) M = w.dim(0);
    std::vector<float> numbers;
    for (Dim k = 0; k < K; ++k)
      for (Dim m = 0; m < M; ++m) numbers.push_back(w.data()[(begin + m) * K + k]);
    arrays.push_back({array, {shape, numbers}});
  }
  void norm(const std::string& array, const std::string& tensor) {
    same(array + "/scale", tensors.at(tensor + ".weight").shape(), tensor + ".weight");
    same(array + "/bias", tensors.at(tensor + ".bias").shape(), tensor + ".bias");
  }
  void mlp(const std::string& array, const std::string& tensor, const EncoderConfig& e) {
    turned(array + "/Dense_0/kernel", {e.width, e.mlp}, tensor + ".fc1.weight");
    same(array + "/Dense_0/bias", {e.mlp}, tensor + ".fc1.bias");
    turned(array + "/Dense_1/kernel", {e.mlp, e.width}, tensor + ".fc2.weight");
    same(array + "/Dense_1/bias", {e.width}, tensor + ".fc2.bias");
  }
  void tower(const std::string& array, const std::string& tensor, const EncoderConfig& e) {
    const Dim C = e.width, H = e.heads, D = C / H;
    for (Dim i = 0; i < e.layers; ++i) {
      const std::string a = array + "/encoderblock_" + std::to_string(i), t = tensor + ".encoder.layers." + std::to_string(i);
      const std::string attention = a + "/MultiHeadDotProductAttention_0/";
      norm(a + "/LayerNorm_0", t + ".layer_norm1");
      norm(a + "/LayerNorm_1", t + ".layer_norm2");
      for (const auto& [part, letter] : {std::pair{"query", "q"}, {"key", "k"}, {"value", "v"}}) {
        turned(attention + part + "/kernel", {C, H, D}, t + ".self_attn." + letter + "_proj.weight");
        same(attention + part + "/bias", {H, D}, t + ".self_attn." + letter + "_proj.bias");
      }
      turned(attention + "out/kernel", {H, D, C}, t + ".self_attn.out_proj.weight");
      same(attention + "out/bias", {C}, t + ".self_attn.out_proj.bias");
      mlp(a + "/MlpBlock_0", t + ".mlp", e);
    }
  }
  void all(const SiglipConfig& c, bool text_head) {
    same("t", {1}, "logit_scale");
    same("b", {1}, "logit_bias");
    same("txt/Embed_0/embedding", {c.vocab_size, c.text.width}, "text_model.embeddings.token_embedding.weight");
    same("txt/pos_embedding", {1, c.context, c.text.width}, "text_model.embeddings.position_embedding.weight");
    tower("txt/Encoder_0", "text_model", c.text);
    norm("txt/Encoder_0/encoder_norm", "text_model.final_layer_norm");
    if (text_head) {
      turned("txt/head/kernel", {c.text.width, c.projection}, "text_model.head.weight");
      same("txt/head/bias", {c.projection}, "text_model.head.bias");
    }
    const Dim P = c.patch_size, C = c.vision.width, H = c.vision.heads, D = C / H;
    const Tensor& kernel = tensors.at("vision_model.embeddings.patch_embedding.weight");
    std::vector<float> patch;
    for (Dim y = 0; y < P; ++y)
      for (Dim x = 0; x < P; ++x)
        for (Dim channel = 0; channel < 3; ++channel)
          for (Dim out = 0; out < C; ++out) patch.push_back(kernel.data()[((out * 3 + channel) * P + y) * P + x]);
    arrays.push_back({"img/embedding/kernel", {{P, P, 3, C}, patch}});
    same("img/embedding/bias", {C}, "vision_model.embeddings.patch_embedding.bias");
    same("img/pos_embedding", {1, c.patches(), C}, "vision_model.embeddings.position_embedding.weight");
    tower("img/Transformer", "vision_model", c.vision);
    norm("img/Transformer/encoder_norm", "vision_model.post_layernorm");
    const std::string head = "vision_model.head", attention = "img/MAPHead_0/MultiHeadDotProductAttention_0/";
    same("img/MAPHead_0/probe", {1, 1, C}, head + ".probe");
    norm("img/MAPHead_0/LayerNorm_0", head + ".layernorm");
    mlp("img/MAPHead_0/MlpBlock_0", head + ".mlp", c.vision);
    const std::vector<float> bias = tensors.at(head + ".attention.in_proj_bias").to_vector();
    Dim part = 0;
    for (const std::string name : {"query", "key", "value"}) {
      turned(attention + name + "/kernel", {C, H, D}, head + ".attention.in_proj_weight", part * C, C);
      arrays.push_back({attention + name + "/bias", {{H, D}, {bias.begin() + part * C, bias.begin() + (part + 1) * C}}});
      ++part;
    }
    turned(attention + "out/kernel", {H, D, C}, head + ".attention.out_proj.weight");
    same(attention + "out/bias", {C}, head + ".attention.out_proj.bias");
  }
  // encoderblock_0/x, encoderblock_1/x, … become encoderblock/x with one axis more.
  void stack() {
    decltype(arrays) stacked;
    for (const auto& [name, array] : arrays) {
      const std::size_t at = name.find("encoderblock_");
      if (at == std::string::npos) {
        stacked.push_back({name, array});
        continue;
      }
      const std::string shared = name.substr(0, at + 12) + name.substr(name.find('/', at));
      auto found = std::find_if(stacked.begin(), stacked.end(), [&](const auto& entry) { return entry.first == shared; });
      if (found == stacked.end())
        found = stacked.insert(stacked.end(), {shared, {array.first, {}}}), found->second.first.insert(found->second.first.begin(), 0);
      ++found->second.first[0];
      found->second.second.insert(found->second.second.end(), array.second.begin(), array.second.end());
    }
    arrays = stacked;
  }
  std::string zip(const std::string& prefix, int method) const {
    std::vector<ZipMember> members;
    for (const auto& [name, array] : arrays) {
      const std::string type = types.contains(name) ? types.at(name) : "<f4";
      members.push_back({prefix + name + ".npy", npy_of(type, array.first, bytes_of(array.second)), method});
    }
    return zip_of(members);
  }
};

std::string log_of_last;
std::string converted(const std::string& in, const std::string& out, const ConvertOptions& options, const std::string& folder) {
  std::ostringstream log;
  const std::string said = complaint_of([&] { convert_model(in, out, options, log); }, folder);
  log_of_last = log.str();
  return said;
}

// Every tensor of the folder equals the model's, bit for bit.
void check_equal(const std::string& folder, const Siglip& model) {
  const Siglip loaded(read_config(folder));
  REQUIRE(loaded.config == model.config);
  load_parameters(folder, loaded.parameters());
  const Parameters ours = loaded.parameters(), theirs = model.parameters();
  REQUIRE(ours.size() == theirs.size());
  for (std::size_t i = 0; i < ours.size(); ++i) {
    CAPTURE(ours[i].name);
    CHECK(ours[i].value.to_vector() == theirs[i].value.to_vector());
  }
}
}  // namespace

TEST_CASE("convert: .npz, plain or stacked, stored or deflated, with and without params/") {
  const TemporaryFolder folder;
  const Siglip model = random_model(odd_config());
  for (const bool stacked : {false, true})
    for (const std::string prefix : {"", "params/"}) {
      BigVisionWriter writer{by_name(model)};
      writer.all(model.config, true);
      if (stacked) writer.stack();
      const std::string name = std::string(stacked ? "s" : "p") + prefix.substr(0, 1), in = folder / (name + ".npz");
      write_file(in, writer.zip(prefix, stacked ? 8 : 0));
      CHECK(converted(in, folder / name, {"", 0, 26}, folder.path) == "nothing");
      check_equal(folder / name, model);
      CHECK(log_of_last.find("an .npz holds no tokenizer: put the one of the published model (vocabulary 50, context 6)") != std::string::npos);
      CHECK(log_of_last.find("image_size") == std::string::npos);
      CHECK(read_preprocessing(folder / name).image_size == 26);
    }
  // Without --image-size the leftover pixels are unknown.
  CHECK(converted(folder / "p.npz", folder / "less", {}, folder.path) == "nothing");
  CHECK(read_config(folder / "less").image_size == 24);
  CHECK(log_of_last.find("image_size is taken to be grid * patch = 24") != std::string::npos);
  CHECK(converted(folder / "p.npz", folder / "x", {"", 0, 32}, folder.path) ==
        "p.npz: an image size of 24 to 31 is expected for its 3 x 3 patches of 8, got 32");
  // In shards and rounded, as from a folder.
  CHECK(converted(folder / "p.npz", folder / "shards", {"BF16", 4000, 26}, folder.path) == "nothing");
  CHECK(converted(folder / "p", folder / "rounded", {"BF16", 0, 0}, folder.path) == "nothing");
  CHECK(Weights(folder / "shards").files().size() > 3);
  const Siglip rounded(model.config);
  load_parameters(folder / "rounded", rounded.parameters());
  check_equal(folder / "shards", rounded);
}

TEST_CASE("convert: an .npz without a text head gets an identity") {
  const TemporaryFolder folder;
  SiglipConfig config = odd_config(24);
  config.text.width = 20, config.text.heads = 4;
  const Siglip model = random_model(config);
  model.text.head.weight.fill(0), model.text.head.bias.fill(0);
  for (Dim i = 0; i < 20; ++i) model.text.head.weight.data()[i * 21] = 1;
  BigVisionWriter writer{by_name(model)};
  writer.all(config, false);
  write_file(folder / "x.npz", writer.zip("params/", 8));
  CHECK(converted(folder / "x.npz", folder / "x", {}, folder.path) == "nothing");
  check_equal(folder / "x", model);
  CHECK(log_of_last.find("the file has no text head; it gets an identity") != std::string::npos);
}

TEST_CASE("convert: a number that the type does not hold is refused, a rounded temperature is told") {
  const TemporaryFolder folder;
  SiglipConfig config = preset("nano");
  config.vocab_size = 20;
  const Siglip model(config);
  initialize(model, 1);
  const std::string in = folder / "in";
  std::filesystem::create_directory(in);
  write_config(in, config);
  const auto save = [&] { write_safetensors(in + "/model.safetensors", model.parameters()); };
  model.log_t.fill(Real(4.765));
  save();
  CHECK(converted(in, folder / "rounded", {.dtype = "BF16", .shard_size = 0, .image_size = 0}, folder.path) == "nothing");
  CHECK(contains(log_of_last, "note: rounded, the temperature t is 11"));
  model.log_t.fill(Real(4.75));  // which bfloat16 has
  model.vision.patch_bias.data()[3] = 70000;
  save();
  CHECK(converted(in, folder / "half", {.dtype = "F16", .shard_size = 0, .image_size = 0}, folder.path) ==
        "vision_model.embeddings.patch_embedding.bias: numbers that F16 holds are expected, got 70000");
  CHECK(!std::filesystem::exists(folder / "half"));
  CHECK(converted(in, folder / "bfloat", {.dtype = "BF16", .shard_size = 0, .image_size = 0}, folder.path) == "nothing");
  CHECK(!contains(log_of_last, "temperature"));
}

TEST_CASE("convert: an .npz that is no SigLIP") {
  const TemporaryFolder folder;
  const Siglip model = random_model(odd_config());
  const auto said = [&](const auto& change) {
    BigVisionWriter writer{by_name(model)};
    writer.all(model.config, true);
    change(writer.arrays);
    write_file(folder / "x.npz", writer.zip("", 0));
    return converted(folder / "x.npz", folder / "x", {}, folder.path);
  };
  const auto at = [](auto& arrays, const std::string& name) -> auto& {
    return *std::find_if(arrays.begin(), arrays.end(), [&](const auto& entry) { return entry.first == name; });
  };
  const std::string exactly = "x.npz: exactly the arrays of a SigLIP are expected";
  CHECK(said([&](auto& arrays) { at(arrays, "b").first = "bias"; }) == exactly + "; 1 missing: b; 1 left over: \"bias\"");
  CHECK(said([&](auto& arrays) {
          at(arrays, "img/MAPHead_0/probe").second.first = {1, 20};
        }) == exactly + "; 1 misshapen: img/MAPHead_0/probe (1, 1, 20) is F32 (1, 20)");
  CHECK(said([&](auto& arrays) { at(arrays, "txt/head/bias").first = "txt/head/b"; }) ==
        exactly + "; 1 missing: txt/head/bias; 1 left over: \"txt/head/b\"");
  CHECK(said([&](auto& arrays) { at(arrays, "img/embedding/kernel").first = "x"; }) ==
        "x.npz: an array \"img/embedding/kernel\" of 4 axes is expected, got none");
  CHECK(said([&](auto& arrays) {
          at(arrays, "img/embedding/kernel").second.first = {192, 20};
        }) == "x.npz: a model of fixed resolution is expected, got a NaFlex one (\"img/embedding/kernel\" has 2 axes)");
  CHECK(said([&](auto& arrays) {
          at(arrays, "img/pos_embedding").second.first = {9, 20};
        }) == "x.npz: an array \"img/pos_embedding\" of 3 axes is expected, got shape (9, 20)");
  CHECK(said([&](auto& arrays) {
          at(arrays, "img/pos_embedding").second = {{1, 8, 20}, std::vector<float>(160)};
        }) == "x.npz: a square number of patches is expected, got 8");
  CHECK(said([&](auto& arrays) { at(arrays, "txt/Encoder_0/encoderblock_0/LayerNorm_0/scale").first = "x"; }) ==
        "x.npz: text layers is 1 to 1024, got 0");
  CHECK(said([&](auto& arrays) { at(arrays, "txt/Encoder_0/encoderblock_2/LayerNorm_0/scale").first = "x"; }).find("; 16 left over: ") !=
        std::string::npos);
  CHECK(said([&](auto& arrays) {
          at(arrays, "txt/Encoder_0/encoderblock_0/MultiHeadDotProductAttention_0/query/kernel").second.first = {2, 8, 9};
        }).find("x.npz: text heads divide width 12, got 8") == 0);
  // Shapes that no numbers stand behind: of an array with an axis of 0, or of a type that is not read.
  const auto claims = [&](const std::map<std::string, Shape>& shapes, const char* type, bool text_head = true) {
    BigVisionWriter writer{by_name(model)};
    writer.all(model.config, text_head);
    for (const auto& [name, shape] : shapes) at(writer.arrays, name).second = {shape, {}}, writer.types[name] = type;
    write_file(folder / "x.npz", writer.zip("", 0));
    return converted(folder / "x.npz", folder / "x", {}, folder.path);
  };
  constexpr Dim huge = Dim{1} << 62, most = std::numeric_limits<Dim>::max();
  const std::string patches = "x.npz: the number of patches is 1 to 65536, got ", patch = "x.npz: patch_size is 1 to 16384, got ";
  CHECK(claims({{"img/pos_embedding", {1, huge, 0}}}, "<f4") == patches + "4611686018427387904");
  CHECK(claims({{"img/pos_embedding", {1, most, 20}}}, "<i8") == patches + "9223372036854775807");
  CHECK(claims({{"img/pos_embedding", {1, 0, 20}}}, "<f4") == patches + "0");
  CHECK(claims({{"img/embedding/kernel", {Dim{1} << 40, 0, 3, 20}}}, "<f4") == patch + "1099511627776");
  CHECK(claims({{"img/embedding/kernel", {most, most, 3, 20}}, {"img/pos_embedding", {1, huge, 0}}}, "<i8") == patches + "4611686018427387904");
  CHECK(claims({{"img/embedding/kernel", {most, most, 3, 20}}}, "<i8") == patch + "9223372036854775807");
  // 16 GiB of an identity for the text head that is not there.
  CHECK(claims({{"txt/Embed_0/embedding", {50, 1 << 16}},
                {"img/embedding/kernel", {8, 8, 3, 1 << 16}},
                {"img/Transformer/encoderblock_0/MultiHeadDotProductAttention_0/query/kernel", {20, 4, 5}}},
               "<i8", false)
            .find(exactly + "; ") == 0);
  CHECK(!std::filesystem::exists(folder / "x"));
  // The state of an optimizer beside params/ is no part of the model.
  BigVisionWriter writer{by_name(model)};
  writer.all(model.config, true);
  for (auto& [name, array] : writer.arrays) name = "params/" + name;
  writer.arrays.push_back({"opt/count", {{1}, {3}}});
  write_file(folder / "x.npz", writer.zip("", 0));
  CHECK(converted(folder / "x.npz", folder / "x", {"", 0, 26}, folder.path) == "nothing");
  check_equal(folder / "x", model);
}

TEST_CASE("convert: no layer that is turned in memory is larger than 256 MiB, whatever the archive says") {
  const TemporaryFolder folder;
  const SiglipConfig config{{80, 1, 5, 36}, {12, 1, 2, 28}, 24, 8, 50, 6, 80};
  BigVisionWriter writer{by_name(random_model(config))};
  writer.all(config, true);
  std::vector<ZipMember> members;
  for (auto& [name, array] : writer.arrays) {
    auto& [shape, numbers] = array;
    const Dim before = element_count(shape);
    std::replace(shape.begin(), shape.end(), Dim{36}, Dim{1} << 20);  // the inner width of the image tower's MLPs
    if (element_count(shape) != before) numbers.resize(static_cast<std::size_t>(element_count(shape) / 1000));
    const std::int64_t more = 4 * (element_count(shape) - std::ssize(numbers));
    members.push_back({name + ".npy", npy_of("<f4", shape, bytes_of(numbers)), 8, 0, more});
  }
  write_file(folder / "x.npz", zip_of(members));
  CHECK(converted(folder / "x.npz", folder / "x", {}, folder.path) ==
        "x.npz: \"img/Transformer/encoderblock_0/MlpBlock_0/Dense_0/kernel\": at most 268435456 bytes of a layer, which is turned in memory, are "
        "expected, got 335544320");
  CHECK(!std::filesystem::exists(folder / "x"));
}

TEST_CASE("convert: every name of the weights' type in config.json is brought up to date") {
  const TemporaryFolder folder;
  const Siglip model = random_model(odd_config());
  std::filesystem::create_directory(folder / "in");
  write_config(folder / "in", model.config);
  write_safetensors(folder / "in/model.safetensors", model.parameters());
  const Json written = parse_json(read_file(folder / "in/config.json"), "config");
  const auto updated = [&](const char* parts) {
    Json json = written;
    json.merge_patch(parse_json(parts, "parts"));
    write_file(folder / "in/config.json", json.dump());
    CHECK(converted(folder / "in", folder / "out", {"BF16", 0, 0}, folder.path) == "nothing");
    const Json after = parse_json(read_file(folder / "out/config.json"), "config");
    std::filesystem::remove_all(folder / "out");
    std::string said;
    for (const auto& [where, part] : {std::pair{"", after}, {"text.", after["text_config"]}, {"vision.", after["vision_config"]}})
      for (const char* key : {"dtype", "torch_dtype"})
        if (part.contains(key)) said += std::string(where) + key + " = " + part[key].dump() + "; ";
    return said;
  };
  CHECK(updated("{}") == "dtype = \"bfloat16\"; ");
  CHECK(updated(R"({"torch_dtype": "float32"})") == "torch_dtype = \"bfloat16\"; ");
  CHECK(updated(R"({"dtype": "float32", "torch_dtype": "float16", "text_config": {"torch_dtype": "float32"},
                    "vision_config": {"dtype": "float16", "torch_dtype": "float32"}})") ==
        "dtype = \"bfloat16\"; torch_dtype = \"bfloat16\"; text.torch_dtype = \"bfloat16\"; vision.dtype = \"bfloat16\"; "
        "vision.torch_dtype = \"bfloat16\"; ");
}

TEST_CASE("convert: folders to other types and shards, and back to the same bytes") {
  const TemporaryFolder folder;
  const Siglip model = random_model(odd_config());
  std::filesystem::create_directory(folder / "in");
  write_config(folder / "in", model.config);
  write_safetensors(folder / "in/model.safetensors", model.parameters(), {{"step", "3"}});
  write_file(folder / "in/spiece.model", "bytes of a tokenizer");
  write_file(folder / "in/training_state.json", "{}");
  const auto to = [&](const std::string& in, const std::string& out, const ConvertOptions& options) {
    CHECK(converted(folder / in, folder / out, options, folder.path) == "nothing");
  };
  const std::string original = read_file(folder / "in/model.safetensors");
  to("in", "shards", {"", 3000, 0});
  const Weights shards(folder / "shards");
  CHECK(shards.files().size() > 10);
  for (const SafetensorsFile& file : shards.files()) {
    std::int64_t bytes = 0;
    for (const TensorInfo& tensor : file.tensors()) bytes += tensor.bytes;
    CHECK((bytes <= 3000 || file.tensors().size() == 1));
  }
  const Json index = parse_json(read_file(folder / "shards/model.safetensors.index.json"), "index");
  CHECK(index["metadata"]["total_size"] == model.parameter_count() * 4);
  CHECK(index["weight_map"].size() == model.parameters().size());
  check_equal(folder / "shards", model);
  to("shards", "whole", {});
  CHECK(read_file(folder / "whole/model.safetensors") == original);
  CHECK(read_file(folder / "whole/config.json") == read_file(folder / "in/config.json"));
  CHECK(read_file(folder / "whole/spiece.model") == "bytes of a tokenizer");
  CHECK(!std::filesystem::exists(folder / "whole/training_state.json"));

  for (const std::string dtype : {"BF16", "F16"}) {
    const std::string small = "small" + dtype;
    to("in", small, {dtype, 0, 0});
    const SafetensorsFile file(folder / (small + "/model.safetensors"));
    for (const Parameter& p : model.parameters()) {
      CHECK(file.find(p.name)->dtype == dtype);
      std::vector<char> bytes(static_cast<std::size_t>(2 * p.value.size()));
      std::vector<Real> back(static_cast<std::size_t>(p.value.size()));
      convert(bytes.data(), dtype, p.value.data(), "F32", p.value.size());
      convert(back.data(), "F32", bytes.data(), dtype, p.value.size());
      CHECK(file.read(p.name).to_vector() == back);
    }
    CHECK(parse_json(read_file(folder / (small + "/config.json")), "x")["dtype"] == (dtype == "F16" ? "float16" : "bfloat16"));
    to(small, "wide" + dtype, {"F32", 0, 0});
    to("wide" + dtype, "again" + dtype, {dtype, 0, 0});
    CHECK(read_file(folder / ("again" + dtype + "/model.safetensors")) == read_file(folder / (small + "/model.safetensors")));
  }
}

TEST_CASE("convert: what cannot be converted leaves nothing behind") {
  const TemporaryFolder folder;
  const Siglip model = random_model(odd_config());
  std::filesystem::create_directory(folder / "in");
  write_config(folder / "in", model.config);
  write_safetensors(folder / "in/model.safetensors", model.parameters());
  const auto said = [&](const std::string& in, const std::string& out, const ConvertOptions& options = {}) {
    return converted(folder / in, folder / out, options, folder.path);
  };
  CHECK(said("in", "in") == "in: a name that is not taken is expected, got a folder");
  CHECK(said("in", "out.onnx") ==
        "out.onnx: the name of a folder to make is expected, got one that ends in .onnx: what is written is a folder in the Hugging Face layout");
  CHECK(contains(said("in", "OUT.Safetensors/"), "ends in .safetensors"));
  CHECK(said("in", "in/config.json") == "in/config.json: a name that is not taken is expected, got something that is there");
  CHECK(said("nowhere", "out") ==
        "nowhere: a checkpoint folder with model.safetensors or its shards, or a run folder with best/ or last/, is expected, got nothing there");
  CHECK(said("nowhere.npz", "out") == "nowhere.npz: a readable file is expected, got: No such file or directory");
  CHECK(said("in", "none/out") == "none/out: cannot be written: No such file or directory");
  CHECK(said("in", "out", {"F64", 0, 0}) == "convert: a dtype F32, F16, BF16 or none is expected, got F64");
  CHECK(said("in", "out", {"", -1, 0}) == "convert: a shard size of at least 0 is expected, got -1");
  CHECK(said("in", "out", {"", 0, 24}) == "convert: an image size is expected only for an .npz, got one for in");
  Parameters more = model.parameters();
  more.push_back({"extra", Tensor::full({1}, 1)});
  write_safetensors(folder / "in/model.safetensors", more);
  CHECK(said("in", "out") ==
        "in/model.safetensors: exactly the model's " + std::to_string(more.size() - 1) + " tensors are expected; 1 left over: \"extra\"");
  write_safetensors(folder / "in/model.safetensors", model.parameters());
  CHECK(said("in", "out", {"", 1, 0}) == "nothing");  // a tensor a file: 107 of them
  std::filesystem::remove_all(folder / "out");
  CHECK(std::distance(std::filesystem::directory_iterator(folder.path), {}) == 1);
}
