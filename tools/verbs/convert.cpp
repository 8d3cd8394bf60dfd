// convert.cpp — siglip convert: a checkpoint in another form.
#include <filesystem>
#include <iostream>
#include <memory>
#include "io/json.h"
#include "siglip/train.h"
#include "verbs.h"

namespace siglip::tools {
namespace {
struct Settings {
  std::string in, out, dtype;
  std::int64_t shard_size = 0, image_size = 0;
  bool json = false;
};

std::string dtype_of(const std::string& name) {
  if (name.empty()) return "";
  as_wrong_use([&] { require_word(name, {"f32", "f16", "bf16"}, "--dtype"); });
  return name == "f32" ? "F32" : name == "f16" ? "F16" : "BF16";
}

void convert_verb(const Settings& s) {
  convert_model(s.in, s.out, {dtype_of(s.dtype), s.shard_size, s.image_size}, std::cerr);
  if (!s.json) return;
  Json json = {{"out", s.out}, {"files", Json::array()}, {"tensors", 0}, {"bytes", 0}, {"types", Json::object()}};
  const Weights weights(s.out);
  for (const SafetensorsFile& file : weights.files()) {
    json["files"].push_back(std::filesystem::path(file.path()).filename().string());
    for (const TensorInfo& tensor : file.tensors()) {
      json["tensors"] = json["tensors"].get<Dim>() + 1;
      json["bytes"] = json["bytes"].get<Dim>() + tensor.bytes;
      json["types"][tensor.dtype] = json["types"].value(tensor.dtype, Dim{0}) + 1;
    }
  }
  print_json(json);
}
}  // namespace

void add_convert(CLI::App& program) {
  CLI::App& verb = add_verb(program, "convert",
                            "Write a checkpoint in another form: the authors' .npz as a folder in the Hugging Face layout, or a folder with other\n"
                            "element types or shards. Tokenizer and preprocessor files go along. Rounding is to nearest, ties to even; numbers\n"
                            "whose type is kept keep their bits.",
                            "siglip convert run run-bf16 --dtype bf16", "out, files [names], tensors, bytes, types {type: tensors}");
  const auto s = std::make_shared<Settings>();
  verb.add_option("IN", s->in, "a run folder, a checkpoint folder or an .npz file of big_vision")->required();
  verb.add_option("OUT", s->out, "the folder to make")->required();
  text_flag(verb, "--dtype", s->dtype, "f32, f16 or bf16; default: as they are");
  whole_flag(verb, "--shard-size", s->shard_size, 0, std::int64_t{1} << 50, "bytes of a file of weights at most; 0: one file");
  whole_flag(verb, "--image-size", s->image_size, 0, 1 << 14, "of an .npz, where it is not grid * patch (384 for the So400m/14 of 27 x 27 patches)");
  json_flag(verb, s->json);
  verb.callback([s] { convert_verb(*s); });
}
}  // namespace siglip::tools
