// inspect.cpp — siglip inspect: what a checkpoint holds, in plain words.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include "io/checksum.h"
#include "io/json.h"
#include "siglip/error.h"
#include "siglip/train.h"
#include "verbs.h"

namespace siglip::tools {
namespace {
namespace fs = std::filesystem;

struct Settings {
  std::string path;
  bool json = false;
};

// A folder's weights, or a single file.
struct Inspected {
  std::string folder;  // empty for a single file
  std::vector<SafetensorsFile> files;
  std::string cut = {};  // out of the names of tensors

  std::vector<TensorInfo> tensors() const {
    std::vector<TensorInfo> all;
    for (const SafetensorsFile& file : files) all.insert(all.end(), file.tensors().begin(), file.tensors().end());
    return all;
  }
};

// Under another name.
bool is_safetensors(const std::string& path) {
  try {
    const SafetensorsFile file(path);
    return true;
  } catch (const Error&) {
    return false;
  }
}

Inspected open(const std::string& path) {
  std::error_code none;
  if (fs::is_regular_file(path, none)) {
    if (!path.ends_with(".safetensors") && !is_safetensors(path))
      throw Error(path + ": a run folder, a checkpoint folder or a .safetensors file is expected, got another file");
    return {"", {SafetensorsFile(path)}};
  }
  const std::string folder = checkpoint_folder(path);
  const Weights weights(folder);
  return {folder, weights.files(), weights.cut()};
}

struct Counts {
  Dim all = 0, vision = 0, text = 0;
  bool head = false;
  std::map<std::string, Dim> dtypes;  // tensors of each
};

Counts count(const std::vector<TensorInfo>& tensors) {
  Counts counts;
  for (const TensorInfo& tensor : tensors) {
    const Dim size = element_count(tensor.shape);
    counts.all += size;
    if (tensor.name.starts_with("vision_model.")) counts.vision += size;
    if (tensor.name.starts_with("text_model.")) counts.text += size;
    counts.head = counts.head || tensor.name.starts_with("vision_model.head.");
    ++counts.dtypes[tensor.dtype];
  }
  return counts;
}

// Links of the folder that lead out of it, with where they end: they are followed, which a user may not expect.
std::vector<std::pair<std::string, std::string>> outside_links(const std::string& folder) {
  std::vector<std::pair<std::string, std::string>> links;
  std::error_code error;
  const fs::path inside = fs::canonical(folder, error);
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
    std::error_code dangling;
    if (!entry->is_symlink(dangling)) continue;
    const fs::path target = fs::weakly_canonical(entry->path(), dangling);
    const auto [at, rest] = std::mismatch(inside.begin(), inside.end(), target.begin(), target.end());
    if (at != inside.end()) links.emplace_back(entry->path().filename().string(), target.string());
  }
  std::sort(links.begin(), links.end());
  return links;
}

std::optional<double> number(const Inspected& inspected, const char* name) {
  for (const SafetensorsFile& file : inspected.files)
    if (const TensorInfo* info = file.find(name); info && element_count(info->shape) == 1) return double(file.read(name).item());
  return std::nullopt;
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
  const std::string described = read_tokenizer(folder)->describe();
  std::cout << "tokenizer   " << described << '\n';
} catch (const Error& e) {
  std::cout << "tokenizer   none that can be read: " << e.what() << '\n';
}

void print_preprocessing(const std::string& folder) try {
  const Preprocessing p = read_preprocessing(folder);
  std::cout << "pictures    ";
  if (p.resize)
    std::cout << "resized to " << p.image_size << " x " << p.image_size << ", " << (p.resample == 2 ? "bilinear" : "bicubic") << ", profile "
              << name_of(p.profile);
  else
    std::cout << "not resized";
  std::cout << (p.rescale ? "" : ", not rescaled") << (p.normalize ? "" : ", not normalised") << '\n';
} catch (const Error& e) {
  std::cout << "pictures    nothing that can be read says how they are prepared: " << e.what() << '\n';
}

void print_labels(const std::string& folder) try {
  const KnownLabels labels = read_labels(folder);
  if (labels.names.empty()) return;
  constexpr std::size_t shown = 5;
  std::cout << "labels      " << labels.names.size() << (labels.classes ? " classes, as " + brief(labels.text_template) : " captions");
  for (std::size_t i = 0; i < std::min(shown, labels.names.size()); ++i) std::cout << (i ? ", " : ": ") << brief(labels.names[i]);
  std::cout << (labels.names.size() > shown ? ", …\n" : "\n");
} catch (const Error& e) {
  std::cout << "labels      none that can be read: " << e.what() << '\n';
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

void print_files(const Inspected& inspected, const Counts& counts) {
  for (const SafetensorsFile& file : inspected.files) {
    Dim bytes = 0;
    for (const TensorInfo& tensor : file.tensors()) bytes += tensor.bytes;
    std::cout << "weights     " << fs::path(file.path()).filename().string() << ": " << file.tensors().size() << " tensors, " << with_commas(bytes)
              << " bytes\n";
  }
  std::string types;
  for (const auto& [dtype, tensors] : counts.dtypes) types += (types.empty() ? "" : ", ") + dtype + " in " + std::to_string(tensors) + " tensors";
  std::cout << "types       " << (types.empty() ? "none" : types) << '\n';
  if (!inspected.cut.empty()) std::cout << "names       read without \"" << inspected.cut << "\", which wrapped the model when it was saved\n";
  if (!inspected.folder.empty())
    for (const auto& [name, target] : outside_links(inspected.folder))
      std::cout << "link        " << name << " leads out of the folder, to " << target << '\n';
}

// Whether the weights are those of config.json, in the words of the loader.
std::string misfit(const std::string& folder, const SiglipConfig& config) {
  try {
    attach_parameters(folder, Siglip(config).parameters());
    return "";
  } catch (const Error& e) {
    return e.what();
  }
}

// Whether the files are those that were saved, as far as checksums.txt says it. All of them are read.
std::string damage(const std::string& folder) {
  try {
    if (has_checksums(folder)) verify_checksums(folder);
    return "";
  } catch (const Error& e) {
    return e.what();
  }
}

void print_folder(const std::string& folder, const Counts& counts) {
  const SiglipConfig config = read_config(folder);
  std::cout << "checkpoint  " << folder << '\n';
  print_config(config);
  print_tokenizer(folder);
  print_preprocessing(folder);
  print_labels(folder);
  std::cout << "head        " << (counts.head ? "MAP head: pictures have embeddings" : "none: pictures have hidden states, but no embedding") << '\n';
  const std::string wrong = misfit(folder, config);
  std::cout << "model       " << (wrong.empty() ? "every tensor of config.json is there, and no other" : wrong) << '\n';
  const std::string damaged = damage(folder);
  std::cout << "checksums   " << (!has_checksums(folder) ? "none" : damaged.empty() ? "every file is as it was saved" : damaged) << '\n';
}

Json tokenizer_json(const std::string& folder) {
  try {
    const auto tokenizer = read_tokenizer(folder);
    return {{"profile", tokenizer->profile()}, {"ids", tokenizer->vocab_size()}, {"context", tokenizer->context()}, {"lower", tokenizer->lowers()}};
  } catch (const Error&) {
    return nullptr;
  }
}

Json preprocessing_json(const std::string& folder) {
  try {
    const Preprocessing p = read_preprocessing(folder);
    return {{"profile", name_of(p.profile)}, {"resize", p.resize},   {"image_size", p.image_size},
            {"resample", p.resample},        {"rescale", p.rescale}, {"rescale_factor", p.rescale_factor},
            {"normalize", p.normalize},      {"mean", p.mean},       {"std", p.deviation}};
  } catch (const Error&) {
    return nullptr;
  }
}

// Null where there are none.
Json labels_json(const std::string& folder) {
  try {
    const KnownLabels labels = read_labels(folder);
    if (labels.names.empty()) return nullptr;
    return {{"kind", labels.classes ? "classes" : "captions"}, {"text_template", labels.text_template}, {"names", labels.names}};
  } catch (const Error&) {
    return nullptr;
  }
}

Json tower_json(const EncoderConfig& e) { return {{"width", e.width}, {"layers", e.layers}, {"heads", e.heads}, {"mlp", e.mlp}}; }

// Names alone, whole lists: the loader's sentence shows the first of them.
std::pair<Json, Json> missing_and_left_over(const Inspected& inspected, const SiglipConfig& config) {
  std::set<std::string> missing, left_over;
  for (const Parameter& parameter : Siglip(config).parameters()) missing.insert(parameter.name);
  for (const TensorInfo& tensor : inspected.tensors())
    if (missing.erase(tensor.name) == 0 && !is_position_ids(tensor.name)) left_over.insert(tensor.name);
  return {missing, left_over};
}

// What only a folder has; null for a single file.
Json folder_json(const Inspected& inspected) {
  const std::string& folder = inspected.folder;
  if (folder.empty())
    return {{"config", nullptr},  {"tokenizer", nullptr}, {"preprocessing", nullptr}, {"labels", nullptr}, {"misfit", nullptr},
            {"missing", nullptr}, {"left_over", nullptr}, {"checksums", false},       {"damage", nullptr}};
  const SiglipConfig c = read_config(folder);
  const auto [missing, left_over] = missing_and_left_over(inspected, c);
  const auto or_null = [](const std::string& sentence) { return sentence.empty() ? Json() : Json(sentence); };
  return {{"config",
           {{"vision", tower_json(c.vision)},
            {"text", tower_json(c.text)},
            {"image_size", c.image_size},
            {"patch_size", c.patch_size},
            {"vocab_size", c.vocab_size},
            {"context", c.context},
            {"projection", c.projection}}},
          {"tokenizer", tokenizer_json(folder)},
          {"preprocessing", preprocessing_json(folder)},
          {"labels", labels_json(folder)},
          {"misfit", or_null(misfit(folder, c))},
          {"missing", missing},
          {"left_over", left_over},
          {"checksums", has_checksums(folder)},
          {"damage", or_null(damage(folder))}};
}

Json json_of(const Inspected& inspected, const Counts& counts, std::optional<double> t, std::optional<double> b) {
  Json tensors = Json::array(), files = Json::array(), links = Json::array();
  for (const TensorInfo& tensor : inspected.tensors()) tensors.push_back({{"name", tensor.name}, {"dtype", tensor.dtype}, {"shape", tensor.shape}});
  for (const SafetensorsFile& file : inspected.files) files.push_back(fs::path(file.path()).filename().string());
  if (!inspected.folder.empty())
    for (const auto& [name, target] : outside_links(inspected.folder)) links.push_back({{"name", name}, {"target", target}});
  Json json = {{"parameters", counts.all},       {"vision_parameters", counts.vision},
               {"text_parameters", counts.text}, {"t", t ? Json(*t) : Json()},
               {"b", b ? Json(*b) : Json()},     {"files", files},
               {"dtypes", counts.dtypes},        {"links_outside", links},
               {"vision_head", counts.head},     {"cut", inspected.cut}};
  json.update(folder_json(inspected));
  json["tensors"] = tensors;
  return json;
}

void inspect_verb(const Settings& s) {
  const Inspected inspected = open(s.path);
  const Counts counts = count(inspected.tensors());
  std::optional<double> t = number(inspected, "logit_scale");
  const std::optional<double> b = number(inspected, "logit_bias");
  if (t) t = std::exp(*t);  // published as its logarithm
  if (s.json) {
    print_json(json_of(inspected, counts, t, b));
    return;
  }
  if (!inspected.folder.empty()) print_folder(inspected.folder, counts);
  print_files(inspected, counts);
  std::cout << "parameters  " << with_commas(counts.all);
  if (counts.vision && counts.text) std::cout << ": vision " << with_commas(counts.vision) << ", text " << with_commas(counts.text);
  std::cout << "\n\n";
  print_words(t, b);
  std::cout << '\n';
  print_tensors(inspected.tensors());
}
}  // namespace

void add_inspect(CLI::App& program) {
  CLI::App& verb =
      add_verb(program, "inspect",
               "Say what a checkpoint holds: its shape, files, element types, tokenizer, how pictures are prepared, t and b in plain words, every\n"
               "tensor. Where there is a checksums.txt every file is read, to say whether it is as it was saved. Whether the numbers are finite is\n"
               "what siglip doctor says.",
               "siglip inspect run",
               "parameters, vision_parameters, text_parameters, t, b (null if absent), files, dtypes {type: tensors}, links_outside [name, target],\n"
               "  vision_head, cut (out of the names of tensors), config {vision, text {width, layers, heads, mlp}, image_size, patch_size, "
               "vocab_size, context, projection},\n"
               "  tokenizer {profile, ids, context, lower}, preprocessing {profile, resize, image_size, resample, rescale, rescale_factor,\n"
               "  normalize, mean, std} (null if none can be read), labels {kind, text_template, names} of the training (null if there are\n"
               "  none), misfit (null if the tensors are those of config.json), missing and\n"
               "  left_over (names), checksums (whether there is a checksums.txt), damage (null if no file is other than it says), tensors [name, "
               "dtype, shape]");
  const auto s = std::make_shared<Settings>();
  verb.add_option("PATH", s->path, "a run folder, a checkpoint folder or a .safetensors file")->required();
  json_flag(verb, s->json);
  verb.callback([s] { inspect_verb(*s); });
}
}  // namespace siglip::tools
