// inspect.cpp — siglip inspect: what a checkpoint holds, in plain words.
#include <cmath>
#include <filesystem>
#include <iostream>
#include <memory>
#include <optional>
#include "io/json.h"
#include "siglip/error.h"
#include "siglip/train.h"
#include "verbs.h"

namespace siglip::tools {
namespace {
struct Settings {
  std::string path;
  bool json = false;
};

struct Counts {
  Dim all = 0, vision = 0, text = 0;
};

Counts count(const std::vector<TensorInfo>& tensors) {
  Counts counts;
  for (const TensorInfo& tensor : tensors) {
    const Dim size = element_count(tensor.shape);
    counts.all += size;
    if (tensor.name.starts_with("vision_model.")) counts.vision += size;
    if (tensor.name.starts_with("text_model.")) counts.text += size;
  }
  return counts;
}

std::optional<double> number(const SafetensorsFile& file, const char* name) {
  const TensorInfo* info = file.find(name);
  if (!info || element_count(info->shape) != 1) return std::nullopt;
  return double(file.read(name).item());
}

void print_config(const SiglipConfig& c) {
  const auto tower = [](const EncoderConfig& e) {
    return std::to_string(e.layers) + " blocks of width " + std::to_string(e.width) + ", " + std::to_string(e.heads) + " heads, MLP " +
           std::to_string(e.mlp);
  };
  std::cout << "vision      " << tower(c.vision) << "; " << c.image_size << " x " << c.image_size << " pixels in " << c.patches() << " patches of "
            << c.patch_size << " x " << c.patch_size << "\ntext        " << tower(c.text) << "; " << c.context << " tokens, vocabulary "
            << with_commas(c.vocab_size) << "\nembedding   " << c.projection << " numbers\n";
}

void print_tokenizer(const std::string& folder) try {
  std::cout << "tokenizer   " << read_tokenizer(folder)->describe() << '\n';
} catch (const Error& e) {
  std::cout << "tokenizer   none that can be read: " << e.what() << '\n';
}

void print_words(std::optional<double> t, std::optional<double> b) {
  if (t) std::cout << "t = " << fixed(*t, 2) << ": a cosine of 0.1 more adds " << fixed(*t / 10, 2) << " to the logit\n";
  if (b) {
    const double p = 1 / (1 + std::exp(-*b));
    std::cout << "b = " << fixed(*b, 2) << ": two unrelated items (cosine 0) are matched with p = " << (p >= 1e-3 ? fixed(p, 4) : scientific(p))
              << '\n';
  }
}

void print_tensors(const std::vector<TensorInfo>& tensors) {
  std::vector<std::vector<std::string>> rows{{"tensor", "type", "shape", "numbers"}};
  for (const TensorInfo& tensor : tensors) {
    std::ostringstream shape;
    shape << tensor.shape;
    rows.push_back({tensor.name, tensor.dtype, shape.str(), with_commas(element_count(tensor.shape))});
  }
  print_table(std::cout, rows);
}

Json json_of(const SafetensorsFile& file, const Counts& counts, std::optional<double> t, std::optional<double> b) {
  Json tensors = Json::array();
  for (const TensorInfo& tensor : file.tensors()) tensors.push_back({{"name", tensor.name}, {"dtype", tensor.dtype}, {"shape", tensor.shape}});
  return {{"parameters", counts.all},   {"vision_parameters", counts.vision}, {"text_parameters", counts.text},
          {"t", t ? Json(*t) : Json()}, {"b", b ? Json(*b) : Json()},         {"tensors", tensors}};
}

void inspect_verb(const Settings& s) {
  std::error_code none;
  const bool is_file = std::filesystem::is_regular_file(s.path, none);
  const std::string folder = is_file ? "" : checkpoint_folder(s.path);
  const SafetensorsFile file(is_file ? s.path : folder + "/model.safetensors");
  const Counts counts = count(file.tensors());
  std::optional<double> t = number(file, "logit_scale");
  const std::optional<double> b = number(file, "logit_bias");
  if (t) t = std::exp(*t);  // published as its logarithm
  if (s.json) {
    std::cout << json_of(file, counts, t, b).dump(2, ' ', false, Json::error_handler_t::replace) << '\n';
    return;
  }
  if (!is_file) {
    std::cout << "checkpoint  " << folder << '\n';
    print_config(read_config(folder));
    print_tokenizer(folder);
  }
  std::cout << "parameters  " << with_commas(counts.all);
  if (counts.vision && counts.text) std::cout << ": vision " << with_commas(counts.vision) << ", text " << with_commas(counts.text);
  std::cout << "\n\n";
  print_words(t, b);
  std::cout << '\n';
  print_tensors(file.tensors());
}
}  // namespace

void add_inspect(CLI::App& program) {
  CLI::App& verb =
      add_verb(program, "inspect", "Say what a checkpoint holds: its shape, parameter counts, t and b in plain words, every tensor.",
               "siglip inspect run", "parameters, vision_parameters, text_parameters, t, b (null if absent), tensors [name, dtype, shape]");
  const auto s = std::make_shared<Settings>();
  verb.add_option("PATH", s->path, "a run folder, a checkpoint folder or a .safetensors file")->required();
  json_flag(verb, s->json);
  verb.callback([s] { inspect_verb(*s); });
}
}  // namespace siglip::tools
