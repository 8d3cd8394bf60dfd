// folder.cpp — the files beside the weights: config.json, how pictures are prepared, the tokenizer.
#include <algorithm>
#include <cctype>
#include <cmath>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include "data/sentencepiece.h"
#include "data/tokenizer_config.h"
#include "doctor/findings.h"
#include "doctor/folder.h"
#include "doctor/tensors.h"
#include "io/checksum.h"
#include "io/json.h"
#include "io/preprocessor_json.h"
#include "io/stand_in.h"
#include "io/tensor_names.h"
#include "siglip/checkpoint.h"
#include "siglip/error.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace fs = std::filesystem;
namespace {
// A JSON object of the folder, empty if it cannot be read: then whoever reads it for use says why.
Json object_of(const std::string& file) {
  try {
    return read_object(file).value_or(Json::object());
  } catch (const Error&) {
    return Json::object();
  }
}

Json value_of(const Json& json, const char* key) {
  if (!json.is_object()) return {};  // a section that is something else
  const auto found = json.find(key);
  return found == json.end() ? Json() : *found;
}

// ---- checksums.txt ---------------------------------------------------------------------------------------------------------------------

std::vector<Finding> examine_checksums(const std::string& path) {
  if (!has_checksums(path)) return {};
  try {
    verify_checksums(path);
  } catch (const Error& e) {
    return {mistaken("files", "changed-file", e.what(), "a copy or a disk damaged it, or somebody edited it after the training",
                     "take the folder from where it was saved, or go back to an earlier checkpoint")};
  }
  return {healthy("files", "every file is as checksums.txt says")};
}

// ---- what is not what it should be, so that nothing else can be said ---------------------------------------------------------------------

// Files that stand for others: one finding for all with one cure.
std::vector<Finding> examine_stand_ins(const std::string& path) {
  std::map<std::string, std::pair<StandIn, std::vector<std::string>>> found;  // by cure
  std::set<std::string> names;
  std::error_code error;
  for (fs::directory_iterator entry(path, error), end; !error && entry != end; entry.increment(error)) names.insert(entry->path().filename());
  for (const std::string& name : names)
    if (name.ends_with(".json") || name.ends_with(".safetensors") || name.ends_with(".model"))
      if (const std::optional<StandIn> other = stand_in_of(path + "/" + name)) {
        const auto at = found.try_emplace(other->cure, *other, std::vector<std::string>()).first;
        at->second.second.push_back(name);
      }
  std::vector<Finding> findings;
  for (const auto& [cure, group] : found) {
    std::string list;
    for (const std::string& name : group.second) list += (list.empty() ? "" : ", ") + name;
    findings.push_back(mistaken("files", "not-downloaded", list + (group.second.size() > 1 ? " are each " : " is ") + group.first.what,
                                "the folder was not downloaded as a whole", cure));
  }
  return findings;
}

// A classifier, or one tower.
std::vector<Finding> examine_kind(const std::string& path) {
  std::vector<std::string> names;
  try {
    const Weights weights(path);
    for (const SafetensorsFile& file : weights.files())
      for (const TensorInfo& tensor : file.tensors()) names.push_back(tensor.name);
  } catch (const Error&) {  // whoever reads them for use says why
    return {};
  }
  const std::optional<OtherModel> other = other_model(names);
  if (!other) return {};
  return {
      mistaken("tensors", other->name, "the weights are those of " + other->what, "this is no model that compares pictures and texts", other->cure)};
}

// ---- config.json -----------------------------------------------------------------------------------------------------------------------

void examine_tower_config(std::vector<Finding>& findings, const Json& config, const std::string& section) {
  const Json tower = value_of(config, section.c_str()), activation = value_of(tower, "hidden_act"), eps = value_of(tower, "layer_norm_eps");
  const auto add = [&](const char* name, const std::string& key, const Json& value, const char* cause, const char* advice) {
    findings.push_back(mistaken("config", name, section + "." + key + " is " + brief(value), cause, advice));
  };
  if (activation == "gelu")
    add("erf-gelu", "hidden_act", activation, "this is the exact (erf) GELU", "write \"gelu_pytorch_tanh\", as in every published folder");
  if (activation == "quick_gelu")
    add("quick-gelu", "hidden_act", activation, "this is CLIP's quick GELU", "write \"gelu_pytorch_tanh\", as in every published folder");
  if (eps.is_number() && eps != 1e-6)
    add("layer-norm-eps", "layer_norm_eps", eps, "every published SigLIP has 1e-6; 1e-5 is the default of CLIP and PyTorch", "write 1e-6");
  if (section == "vision_config" && value_of(tower, "vision_use_head") == false)
    findings.push_back(noted("config", "vision_config.vision_use_head is false",
                             "without the MAP head there is no image embedding that fits the texts",
                             "if you want one, take a folder with the tensors vision_model.head.*, and without this key"));
}

std::string sizes_of(const EncoderConfig& e) {
  return std::to_string(e.layers) + " blocks of width " + std::to_string(e.width) + ", " + std::to_string(e.heads) + " heads";
}

std::vector<Finding> examine_config(Folder& folder) {
  std::vector<Finding> findings;
  const Json config = object_of(folder.path + "/config.json"), type = value_of(config, "model_type");
  if (type.is_string() && type.get<std::string>().starts_with("clip"))
    findings.push_back(mistaken("config", "clip-folder", "model_type is " + brief(type), "this is a CLIP folder",
                                "SigLIP has a MAP head, a bias and no causal mask: a converter has to make them"));
  if (const auto other = other_model(type.is_string() ? type.get<std::string>() : ""))
    findings.push_back(mistaken("config", other->name, "model_type is " + brief(type), "this is " + other->what, other->cure));
  if (type == "siglip2")
    findings.push_back(mistaken("config", "naflex", "model_type is \"siglip2\"", "this is a SigLIP 2 of variable resolution (NaFlex)",
                                "use one of fixed resolution, whose model_type is \"siglip\""));
  for (const char* section : {"vision_config", "text_config"}) examine_tower_config(findings, config, section);
  try {
    const SiglipConfig c = read_config(folder.path);
    folder.model = std::make_unique<Siglip>(c);
    if (findings.empty())
      findings.push_back(healthy("config", "image tower of " + sizes_of(c.vision) + "; text tower of " + sizes_of(c.text) + "; " +
                                               std::to_string(c.context) + " tokens, " + std::to_string(c.image_size) + " pixels"));
    if (c.image_size % c.patch_size)
      findings.push_back(noted("config", "the right and lower " + std::to_string(c.image_size % c.patch_size) + " pixels are in no patch",
                               "image_size " + std::to_string(c.image_size) + " is no multiple of patch_size " + std::to_string(c.patch_size),
                               "this is right for the published models of 384 pixels and patches of 14"));
  } catch (const Error& e) {
    if (findings.empty())
      findings.push_back(mistaken("config", "config", e.what(), "this is not the configuration of a SigLIP that can be computed here",
                                  "compare with the config.json of a published folder"));
  }
  return findings;
}

// ---- preprocessor_config.json, or processor_config.json of transformers 5 --------------------------------------------------------------

// As object_of.
Json preprocessing_of(const std::string& folder) {
  try {
    return preprocessing_section(folder).json;
  } catch (const Error&) {
    return Json::object();
  }
}

bool is_near(const Json& list, double value) {
  if (!list.is_array() || list.empty()) return false;
  for (const Json& entry : list)
    if (!entry.is_number() || std::abs(entry.get<double>() - value) > 1e-6) return false;
  return true;
}

// false, or null, which transformers takes for false.
bool is_off(const Json& json, const char* step) { return json.contains(step) && (json[step].is_null() || json[step] == false); }

void examine_normalisation(std::vector<Finding>& findings, const Json& json) {
  for (const char* key : {"image_mean", "image_std"}) {
    const Json list = value_of(json, key);
    if (list.is_null() || is_near(list, 0.5)) continue;
    const double first = list.is_array() && !list.empty() && list[0].is_number() ? list[0].get<double>() : 0;
    const bool clip = std::abs(first - 0.48145466) < 1e-4 || std::abs(first - 0.26862954) < 1e-4;
    const bool imagenet = std::abs(first - 0.485) < 1e-4 || std::abs(first - 0.229) < 1e-4;
    findings.push_back(mistaken("preprocessor",
                                clip       ? "clip-mean-std"
                                : imagenet ? "imagenet-mean-std"
                                           : "mean-std",
                                std::string(key) + " is " + brief(list),
                                clip       ? "these are CLIP's values"
                                : imagenet ? "these are ImageNet's values"
                                           : "SigLIP wants pixels in [-1, 1]",
                                "write [0.5, 0.5, 0.5]"));
  }
  const Json factor = value_of(json, "rescale_factor");
  if (factor.is_number() && std::abs(factor.get<double>() - 1 / 255.0) > 1e-6)
    findings.push_back(
        mistaken("preprocessor", "rescale-factor", "rescale_factor is " + brief(factor), "pixels would not be in [-1, 1]", "write 1/255"));
  for (const char* step : {"do_rescale", "do_normalize"})
    if (is_off(json, step))
      findings.push_back(mistaken("preprocessor", "pixel-range", std::string(step) + " is " + brief(value_of(json, step)),
                                  "pixels would not be in [-1, 1]", "write true"));
}

std::vector<Finding> examine_preprocessor(Folder& folder) {
  std::vector<Finding> findings;
  const Json json = preprocessing_of(folder.path);
  if (value_of(json, "do_center_crop") == true || value_of(value_of(json, "size"), "shortest_edge").is_number())
    findings.push_back(mistaken("preprocessor", "center-crop", "the shorter edge is resized, or the middle cut out", "this is CLIP's way",
                                "squash: \"size\": {\"height\": S, \"width\": S}, and no do_center_crop"));
  if (is_off(json, "do_resize"))
    findings.push_back(
        noted("preprocessor", "do_resize is " + brief(value_of(json, "do_resize")), "pictures must come in the model's size", "write true"));
  examine_normalisation(findings, json);
  const Dim vocabulary = folder.model ? folder.model->config.vocab_size : 0;
  try {
    const Preprocessing read = read_preprocessing(folder.path);
    folder.preprocessing = read;
    const std::string filter = read.resample == 2 ? "bilinear" : "bicubic", S = std::to_string(read.image_size);
    if (folder.model && read.image_size != folder.model->config.image_size)
      findings.push_back(
          mistaken("preprocessor", "image-size", "pictures are resized to " + S + " x " + S,
                   "the model takes " + std::to_string(folder.model->config.image_size) + " x " + std::to_string(folder.model->config.image_size),
                   "make \"size\" and image_size of config.json equal"));
    constexpr Dim gemma = 256000;
    if (vocabulary == gemma && read.resample == 3)
      findings.push_back(noted("preprocessor", "resample is 3 (bicubic)", "published SigLIP 2 folders (vocabulary 256,000) have 2, bilinear",
                               "check where this folder comes from"));
    if (findings.empty())
      findings.push_back(healthy("preprocessor", "pictures are squashed to " + S + " x " + S + ", " + filter + ", pixels in [-1, 1]"));
  } catch (const Error& e) {
    if (!has_preprocessing(folder.path))
      findings.push_back(noted("preprocessor", "there is no preprocessor_config.json", "who uses this folder has to guess how pictures are prepared",
                               "copy it from the folder that the weights come from"));
    else if (findings.empty())
      findings.push_back(mistaken("preprocessor", "preprocessor", e.what(), "this is not how a published SigLIP prepares pictures",
                                  "compare with the preprocessor_config.json of a published folder"));
  }
  return findings;
}

// ---- tokenizer -------------------------------------------------------------------------------------------------------------------------

std::vector<Finding> examine_tokenizer_config(const Json& json, Dim context) {
  std::vector<Finding> findings;
  const auto add = [&](const char* name, const char* seen, const char* cause, const char* advice) {
    findings.push_back(mistaken("tokenizer", name, seen, cause, advice));
  };
  if (value_of(json, "padding_side") == "left")
    add("padded-left", "padding_side is \"left\"",
        "the last position, which is pooled, would hold the end of the text at another place than in training",
        "write \"right\" into tokenizer_config.json");
  if (value_of(json, "add_eos_token") == false)
    add("no-end-token", "add_eos_token is false", "every text of the training ended with the end token", "write true into tokenizer_config.json");
  if (value_of(json, "add_bos_token") == true)
    add("begin-token", "add_bos_token is true", "no text of the training began with a begin token", "write false into tokenizer_config.json");
  const Json length = value_of(json, "model_max_length");
  if (length.is_number_integer() && length.get<std::int64_t>() != context && length.get<double>() < 1e6)
    findings.push_back(mistaken("tokenizer", "context", "model_max_length is " + brief(length),
                                "the text tower has " + std::to_string(context) + " positions and pools the last one", "make them equal"));
  return findings;
}

// What the tokenizer does, seen on texts.
std::vector<Finding> examine_encoding(const Tokenizer& tokenizer, const SiglipConfig& config) {
  std::vector<Finding> findings;
  const std::vector<std::int32_t> ids = tokenizer.encode("a photo of a cat"), empty = tokenizer.encode("");
  if (tokenizer.context() != config.context)
    findings.push_back(mistaken("tokenizer", "context", "texts are padded to " + std::to_string(tokenizer.context()) + " ids",
                                "the text tower has " + std::to_string(config.context) + " positions and pools the last one", "make them equal"));
  if (tokenizer.vocab_size() > config.vocab_size)
    findings.push_back(mistaken("tokenizer", "vocabulary", "the tokenizer has " + std::to_string(tokenizer.vocab_size()) + " ids",
                                "the model has embeddings for " + std::to_string(config.vocab_size),
                                "this is another model's tokenizer: take its own"));
  if (std::find(ids.begin(), ids.end(), end_token) == ids.end())
    findings.push_back(mistaken("tokenizer", "no-end-token", "\"a photo of a cat\" has no end token (id 1)",
                                "every text of the training ended with it", "append it in the tokenizer's post-processor"));
  if (tokenizer.encode("A Photo OF a CAT") != ids)
    findings.push_back(mistaken("tokenizer", "not-lower-cased", "\"A Photo OF a CAT\" has other ids than \"a photo of a cat\"",
                                "the published models were trained on lower case", "lower texts before they are encoded"));
  if (findings.empty())
    findings.push_back(healthy("tokenizer", tokenizer.describe() + "; every text is " + std::to_string(ids.size()) +
                                                " ids: pieces, end token 1, padding " + std::to_string(empty.back()) + " on the right"));
  return findings;
}

using Shared = std::shared_ptr<const Tokenizer>;

// Without an end token: the last piece in its place where a text is cut.
Encodings::mapped_type encode_without_end(const Shared& right) {
  return [right](const std::vector<std::string>& texts) {
    std::vector<std::int32_t> ids;
    const std::size_t T = static_cast<std::size_t>(right->context());
    for (const std::string& text : texts) {
      std::vector<std::int32_t> row = right->encode(text);
      const std::vector<std::string> pieces = right->pieces(text);
      if (pieces.size() + 1 == T) row.back() = right->encode("").back();
      for (std::int32_t id = 0; pieces.size() >= T && id < right->vocab_size(); ++id)
        if (right->piece(id) == pieces[T - 1]) row.back() = id;
      ids.insert(ids.end(), row.begin(), row.end());
    }
    return Ids({std::ssize(texts), right->context()}, ids);
  };
}

std::string without_punctuation(const std::string& text) {
  std::string clean;
  for (const char c : text)
    if (static_cast<signed char>(c) < 0 || !std::ispunct(static_cast<unsigned char>(c))) clean += c;
  return clean;
}

std::vector<Finding> examine_tokenizer(Folder& folder) {
  if (!folder.model) return {};
  const SiglipConfig& config = folder.model->config;
  std::vector<Finding> findings;
  try {
    findings = examine_tokenizer_config(read_tokenizer_config(folder.path).json, config.context);
    folder.tokenizer = read_tokenizer(folder.path);
  } catch (const Error& e) {
    findings.push_back(noted("tokenizer", e.what(), "no tokenizer of this folder can be read, so texts were not examined",
                             "copy it from the folder that the weights come from"));
    return findings;
  }
  const std::vector<Finding> seen = examine_encoding(*folder.tokenizer, config);
  if (findings.empty() || seen[0].level == Finding::mistake) append(findings, seen);
  if (folder.tokenizer->context() != config.context || folder.tokenizer->vocab_size() > config.vocab_size) folder.tokenizer.reset();
  return findings;
}
}  // namespace

Encodings other_encodings(const Folder& folder) {
  Encodings all;
  if (!folder.tokenizer) return all;
  const std::string& path = folder.path;
  const Shared& right = folder.tokenizer;
  const auto add = [&](const char* name, const auto& read) {
    try {
      all[name] = [tokenizer = Shared(read())](const std::vector<std::string>& texts) { return tokenizer->encode(texts); };
    } catch (const Error&) {  // learned words are always lowered
    }
  };
  const auto sentencepiece = [&](const char* profile, bool lower) {
    return [=] {
      TokenizerConfig config = read_tokenizer_config(path);
      config.json["siglip_profile"] = profile;
      return read_sentencepiece(config, {.lower = lower});
    };
  };
  const std::string profile = right->profile();
  all["no-end-token"] = encode_without_end(right);
  add("not-lower-cased", [&] { return read_tokenizer(path, {.lower = false}); });
  if (profile == "hf_v1") add("punctuation-kept", sentencepiece("big_vision", true)), add("not-cleaned", sentencepiece("big_vision", false));
  if (profile == "big_vision") add("punctuation-dropped", sentencepiece("hf_v1", true));
  if (profile == "siglip2")
    all["punctuation-dropped"] = [right](std::vector<std::string> texts) {
      for (std::string& text : texts) text = without_punctuation(text);
      return right->encode(texts);
    };
  return all;
}

Folder examine_folder(const std::string& path) {
  Folder folder;
  folder.path = checkpoint_folder(path);
  folder.findings = examine_stand_ins(folder.path);
  if (folder.findings.empty()) folder.findings = examine_kind(folder.path);
  if (!folder.findings.empty()) return folder;
  append(folder.findings, examine_checksums(folder.path));
  if (const Json loss = value_of(value_of(object_of(folder.path + "/training_state.json"), "config"), "loss"); loss.is_string())
    folder.loss = loss.get<std::string>();
  append(folder.findings, examine_config(folder));
  if (folder.model) {
    append(folder.findings, examine_tensors(folder.path, *folder.model));
    folder.loaded = folder.findings.back().level == Finding::healthy;
  }
  append(folder.findings, examine_tokenizer(folder));
  append(folder.findings, examine_preprocessor(folder));
  return folder;
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
