// Checkpoint folders: config.json, preprocessor_config.json, strict loading, folders that appear whole.
#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>
#include "io/json.h"
#include "siglip/checkpoint.h"
#include "temporary_folder.h"
using namespace siglip;

namespace {
// What reading a config.json of this text says.
std::string of_config(const std::string& text) {
  const TemporaryFolder folder;
  write_file(folder / "config.json", text);
  return complaint_of([&] { read_config(folder.path); }, folder.path);
}
std::string of_vision(const std::string& key_and_value) {
  return of_config("{\"model_type\": \"siglip\", \"vision_config\": {" + key_and_value + "}}");
}
std::string of_text(const std::string& key_and_value) { return of_config("{\"model_type\": \"siglip\", \"text_config\": {" + key_and_value + "}}"); }
std::vector<std::string> names_in(const std::string& folder) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  return names;
}
}  // namespace

TEST_CASE("config.json: every preset comes back, absent keys are the published base model's") {
  for (const std::string& name : preset_names()) {
    const TemporaryFolder folder;
    write_config(folder.path, preset(name));
    CHECK(read_config(folder.path) == preset(name));
  }
  const TemporaryFolder folder;
  const auto reads_as = [&](const std::string& text, const SiglipConfig& config) {
    write_file(folder / "config.json", text);
    return read_config(folder.path) == config;
  };
  // google/siglip-base-patch16-224 says no more than this.
  CHECK(reads_as(R"({"architectures": ["SiglipModel"], "initializer_factor": 1.0, "model_type": "siglip",
                     "text_config": {"model_type": "siglip_text_model"}, "vision_config": {"model_type": "siglip_vision_model"}})",
                 preset("siglip-base-patch16-224")));
  CHECK(reads_as(R"({"model_type": "siglip", "transformers_version": "4.37.0", "text_config": {"hidden_size": 1152, "intermediate_size": 4304,
                     "num_hidden_layers": 27, "num_attention_heads": 16, "max_position_embeddings": 16, "bos_token_id": 49406},
                     "vision_config": {"hidden_size": 1152, "intermediate_size": 4304, "num_hidden_layers": 27, "num_attention_heads": 16,
                     "patch_size": 14, "attention_dropout": 0.0}})",
                 preset("siglip-so400m-patch14-224")));
  // Types of the saved weights under either name, and what CLIP left behind, change nothing.
  CHECK(reads_as(R"({"model_type": "siglip", "torch_dtype": "float32", "logit_scale_init_value": 2.6592, "projection_dim": 512,
                     "text_config": {"bos_token_id": 49406, "eos_token_id": 49407, "dtype": null, "projection_size": 768},
                     "vision_config": {"torch_dtype": "bfloat16", "vision_use_head": true}})",
                 preset("siglip-base-patch16-224")));
  CHECK(reads_as(R"({"model_type": "siglip", "dtype": "bfloat16", "text_config": {"vocab_size": 256000, "projection_size": 1536, "hidden_size": 1152,
                     "intermediate_size": 4304, "num_hidden_layers": 27, "num_attention_heads": 16}, "vision_config": {"hidden_size": 1536,
                     "intermediate_size": 6144, "num_hidden_layers": 40, "num_attention_heads": 16, "image_size": 384}})",
                 preset("siglip2-giant-opt-patch16-384")));
  SiglipConfig headless = preset("siglip-base-patch16-224");
  headless.vision_head = false;
  CHECK(reads_as(R"({"model_type": "siglip", "vision_config": {"vision_use_head": false}})", headless));
  headless.projection = 512;  // no picture is projected, so nothing has to agree with it
  CHECK(reads_as(R"({"model_type": "siglip", "text_config": {"projection_size": 512}, "vision_config": {"vision_use_head": false}})", headless));
  SiglipConfig bad;
  bad.patch_size = 0;
  CHECK(complaint_of([&] { write_config(folder.path, bad); }, folder.path) == "config.json: patch_size is 1 to 16384, got 0");
}

TEST_CASE("config.json: values that are no sizes are named by their key") {
  for (const char* value : {"0", "-1", "768.5", "1e9", "\"768\"", "true", "null", "[768]", "1000000000", "18446744073709551615", "1e300"}) {
    const std::string shown = brief(parse_json(value, "value"));
    CHECK(of_vision(std::string("\"hidden_size\": ") + value) ==
          "config.json: vision_config.hidden_size is a whole number from 1 to 65536, got " + shown);
    CHECK(of_text(std::string("\"num_hidden_layers\": ") + value) ==
          "config.json: text_config.num_hidden_layers is a whole number from 1 to 1024, got " + shown);
  }
  const std::string number = " is a whole number from 1 to ";
  CHECK(of_text("\"num_attention_heads\": 0") == "config.json: text_config.num_attention_heads" + number + "65536, got 0");
  CHECK(of_text("\"intermediate_size\": 0") == "config.json: text_config.intermediate_size" + number + "1048576, got 0");
  CHECK(of_text("\"vocab_size\": 0") == "config.json: text_config.vocab_size" + number + "16777216, got 0");
  CHECK(of_text("\"max_position_embeddings\": 0") == "config.json: text_config.max_position_embeddings" + number + "65536, got 0");
  CHECK(of_text("\"projection_size\": 0") == "config.json: text_config.projection_size" + number + "65536, got 0");
  CHECK(of_vision("\"image_size\": 0") == "config.json: vision_config.image_size" + number + "16384, got 0");
  CHECK(of_vision("\"patch_size\": 99999") == "config.json: vision_config.patch_size" + number + "16384, got 99999");
}

TEST_CASE("config.json: what is no model, or another one") {
  CHECK(of_vision("\"num_attention_heads\": 7") == "config.json: vision heads divide width 768, got 7");
  CHECK(of_vision("\"patch_size\": 225") == "config.json: patch_size is at most image_size 224, got 225");
  CHECK(of_text("\"projection_size\": 512") == "config.json: projection is the vision width 768, got 512");
  CHECK(of_text("\"hidden_size\": 1152, \"num_attention_heads\": 16") == "config.json: projection is the vision width 768, got 1152");
  CHECK(of_vision("\"layer_norm_eps\": \"1e-6\"") == "config.json: vision_config.layer_norm_eps is a number, got \"1e-6\"");
  CHECK(of_text("\"layer_norm_eps\": 1e-5") == "config.json: text_config.layer_norm_eps is that of vision_config, got 1e-05");
  for (const char* eps : {"0", "-1e-6"})
    CHECK(of_config(std::string("{\"model_type\": \"siglip\", \"text_config\": {\"layer_norm_eps\": ") + eps +
                    "}, \"vision_config\": {\"layer_norm_eps\": " + eps + "}}")
              .find("config.json: vision_config.layer_norm_eps is between 0 and 1, got ") == 0);
  CHECK(of_text("\"layer_norm_eps\": 0") == "config.json: text_config.layer_norm_eps is between 0 and 1, got 0");
  CHECK(of_vision("\"hidden_act\": \"relu\"") == "config.json: vision_config.hidden_act is \"gelu_pytorch_tanh\", got \"relu\"");
  CHECK(of_text("\"hidden_act\": 1") == "config.json: text_config.hidden_act is \"gelu_pytorch_tanh\", got 1");
  CHECK(of_vision("\"num_channels\": 1") == "config.json: vision_config.num_channels is 3, got 1");
  CHECK(of_vision("\"vision_use_head\": 0") == "config.json: vision_config.vision_use_head is true or false, got 0");
  CHECK(of_vision("\"model_type\": \"clip_vision_model\"") ==
        "config.json: vision_config.model_type is \"siglip_vision_model\", got \"clip_vision_model\"");
  CHECK(of_text("\"model_type\": 3") == "config.json: text_config.model_type is \"siglip_text_model\", got 3");
  CHECK(of_config("{}") == "config.json: model_type is \"siglip\", got none");
  CHECK(of_config("{\"model_type\": \"siglip2\"}") ==
        "config.json: model_type is \"siglip\", got \"siglip2\": NaFlex models, of variable resolution, are not supported");
  CHECK(of_config("{\"model_type\": \"clip\"}") == "config.json: model_type is \"siglip\", got \"clip\"");
  CHECK(of_config("{\"model_type\": \"siglip\", \"text_config\": null}") == "config.json: text_config is an object, got null");
  CHECK(of_config("[]") == "config.json: an object is expected, got []");
}

TEST_CASE("config.json: what is no JSON") {
  CHECK(of_config("").find("config.json: valid JSON is expected, got parse error") == 0);
  CHECK(of_vision("\"layer_norm_eps\": NaN").find("config.json: valid JSON is expected, got parse error") == 0);
  CHECK(of_vision("\"layer_norm_eps\": 1e999").find("config.json: valid JSON is expected, got number overflow") == 0);
  CHECK(of_vision("\"hidden_size\": 768,").find("config.json: valid JSON is expected, got parse error") == 0);
  CHECK(of_vision("\"hidden_size\": 768 /* C */").find("config.json: valid JSON is expected, got parse error") == 0);
  CHECK(of_vision("\"hidden_size\": 768, \"hidden_size\": 384") == "config.json: each key once is expected, got \"hidden_size\" twice");
  CHECK(of_config("{}" + std::string(1 << 20, ' ')) == "config.json: at most 1048576 bytes are expected, got 1048578");
  CHECK(complaint_of([] { read_config("/nowhere"); }) == "/nowhere/config.json: a readable file is expected, got: No such file or directory");
}

TEST_CASE("load_parameters: exactly the model's tensors, or one sentence and nothing changed") {
  const TemporaryFolder folder;
  const auto model = [](Real value) {
    return Parameters{{"a", Tensor::full({2, 3}, value)}, {"b", Tensor::full({4}, value)}, {"c", Tensor::full({1}, value)}};
  };
  const Parameters ours = model(7);
  const auto said = [&](const Parameters& in_file) {
    write_safetensors(folder / "model.safetensors", in_file);
    return complaint_of([&] { load_parameters(folder.path, ours); }, folder.path);
  };
  CHECK(said({{"a", Tensor::full({3, 2}, 1)}, {"c", Tensor::full({1}, 1)}, {"d", Tensor::full({1}, 1)}, {"e", Tensor::full({1}, 1)}}) ==
        "model.safetensors: exactly the model's 3 tensors are expected; 1 missing: b; 1 misshapen: a (2, 3) is F32 (3, 2); "
        "2 left over: \"d\", \"e\"");
  CHECK(said({}) == "model.safetensors: exactly the model's 3 tensors are expected; 3 missing: a, b, c");
  Parameters more = model(1);
  for (const char* name : {"1", "2", "3", "4", "5", "6", "7"}) more.push_back({name, Tensor::full({1}, 1)});
  CHECK(said(more) == "model.safetensors: exactly the model's 3 tensors are expected; 7 left over: \"1\", \"2\", \"3\", \"4\", \"5\", ...");
  for (const Parameter& parameter : ours) CHECK(parameter.value.data()[0] == 7);

  more = model(2);
  more.push_back({"text_model.embeddings.position_ids", Tensor::full({1}, 1)});  // a buffer of old files
  CHECK(said(more) == "nothing");
  more.back().name = "other.position_ids";
  CHECK(said(more) == "model.safetensors: exactly the model's 3 tensors are expected; 1 left over: \"other.position_ids\"");
  for (const Parameter& parameter : ours)
    CHECK(parameter.value.to_vector() == std::vector<Real>(static_cast<std::size_t>(parameter.value.size()), 2));

  const std::string header = R"({"c": {"dtype": "I32", "shape": [1], "data_offsets": [0, 4]}})";
  write_file(folder / "model.safetensors", std::string{static_cast<char>(header.size()), 0, 0, 0, 0, 0, 0, 0} + header + "1234");
  CHECK(complaint_of([&] { load_parameters(folder.path, {ours[2]}); }, folder.path) ==
        "model.safetensors: exactly the model's 1 tensors are expected; 1 misshapen: c (1) is I32 (1)");
  CHECK(complaint_of(
            [&] {
              load_parameters(folder.path, {ours[2], ours[2]});
            },
            folder.path) == "model.safetensors: each parameter once is expected, got \"c\" twice");
}

TEST_CASE("FolderWriter: whole or not at all") {
  const TemporaryFolder folder;
  const std::string target = folder / "last";
  {
    FolderWriter writer(target);
    write_file(writer.path() + "/a", "1");
    CHECK(names_in(folder.path) == std::vector<std::string>{".last.tmp" + std::to_string(getpid())});
  }
  CHECK(names_in(folder.path).empty());  // not committed

  for (const char* content : {"first", "second"}) {
    FolderWriter writer(target + "/");
    std::filesystem::create_directory(writer.path() + "/inner");
    write_file(writer.path() + "/inner/a", content);
    writer.commit();
    CHECK(read_file(target + "/inner/a") == content);
    CHECK(names_in(folder.path) == std::vector<std::string>{"last"});
    CHECK(complaint_of([&] { writer.commit(); }, folder.path) == "last: is committed once, got a second commit");
  }
  {
    FolderWriter writer(target);
    write_file(writer.path() + "/b", "3");
    writer.commit();
  }
  CHECK(names_in(target) == std::vector<std::string>{"b"});  // replaced, not merged

  // What a killed process of the same number left is no obstacle.
  std::filesystem::create_directories(folder / (".last.tmp" + std::to_string(getpid())) + "/stale");
  {
    FolderWriter writer(target);
    writer.commit();
  }
  CHECK(names_in(target).empty());
  CHECK(names_in(folder.path) == std::vector<std::string>{"last"});
}

TEST_CASE("FolderWriter: places where no folder can go") {
  const TemporaryFolder folder;
  const auto said = [&](const std::string& target) { return complaint_of([&] { FolderWriter writer(target); }, folder.path); };
  CHECK(said(folder / "none/last") == "none/last: cannot be written: No such file or directory");
  write_file(folder / "file", "1");
  CHECK(said(folder / "file") == "file: a folder or nothing is expected there, got something else");
  CHECK(said(folder / "file/last").find("file/last: cannot be written: Not a directory") == 0);
  for (const char* target : {"", "/", ".", "x/.."})
    CHECK(said(target) == std::string(target) + ": the name of a folder to write is expected, got none");

  FolderWriter writer(folder / "late");
  write_file(folder / "late", "1");  // someone else's, in the meantime
  write_file(writer.path() + "/a", "2");
  writer.commit();
  CHECK(read_file(folder / "late/a") == "2");
  FolderWriter lost(folder / "lost");
  std::filesystem::remove_all(lost.path());
  CHECK(complaint_of([&] { lost.commit(); }, folder.path) == "lost: its files cannot be listed: No such file or directory");
}

TEST_CASE("files: read whole, refused when too large or no file") {
  const TemporaryFolder folder;
  write_file(folder / "x", std::string("a\0b", 3));
  CHECK(read_file(folder / "x") == std::string("a\0b", 3));
  CHECK(complaint_of([&] { read_file(folder / "x", 2); }, folder.path) == "x: at most 2 bytes are expected, got 3");
  CHECK(complaint_of([&] { read_file(folder.path); }) == folder.path + ": a regular file is expected, got a folder");
  CHECK(complaint_of([&] { read_file("/dev/zero"); }) == "/dev/zero: a regular file is expected, got a device or pipe");
  REQUIRE(chmod((folder / "x").c_str(), 0) == 0);
  if (geteuid() == 0)
    MESSAGE("skipped: a file without permission, which root reads all the same");
  else
    CHECK(complaint_of([&] { read_file(folder / "x"); }, folder.path) == "x: a readable file is expected, got: Permission denied");
  CHECK(complaint_of([&] { write_file(folder / "none/x", ""); }, folder.path) == "none/x: cannot be written: No such file or directory");
  CHECK(complaint_of([&] { write_file("/dev/null/x", ""); }) == "/dev/null/x: cannot be written: Not a directory");
}
