// examine.cpp — the examination as a whole.
#include <algorithm>
#include <filesystem>
#include "doctor/findings.h"
#include "doctor/folder.h"
#include "doctor/reference.h"
#include "siglip/checkpoint.h"
#include "siglip/error.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace fs = std::filesystem;

std::string Finding::sentence() const {
  std::string text = seen;
  if (!cause.empty()) text += ": " + cause;
  if (!advice.empty()) text += "; " + advice;
  return text;
}

namespace {
bool same_pictures(const std::vector<Image>& a, const std::vector<Image>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const Image& x, const Image& y) { return x.width == y.width && x.height == y.height && x.rgb == y.rgb; });
}

// Decodes the files; if there is something to compare, as mistakes do it too.
void decode(Inputs& prepared, const std::vector<std::string>& paths, bool compared) {
  const PictureOptions right = prepared.preprocessing.picture;
  std::map<std::string, PictureOptions> wrong;
  if (compared) {
    wrong = {{"exif-ignored", right}, {"alpha-dropped", right}};
    wrong["exif-ignored"].exif = false, wrong["alpha-dropped"].alpha = Alpha::drop;
  }
  for (const std::string& path : paths) {
    const std::string bytes = read_file(path);
    const auto as = [&](const PictureOptions& how) {
      return decode_image(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size(), path, how);
    };
    prepared.jpeg = prepared.jpeg || bytes.starts_with("\xFF\xD8");
    prepared.images.push_back(as(right));
    for (const auto& [name, how] : wrong) prepared.decoded[name].push_back(as(how));
  }
  std::erase_if(prepared.decoded, [&](const auto& entry) { return same_pictures(entry.second, prepared.images); });
}

// What the folder makes of the pictures and texts.
Inputs prepare(const Folder& folder, const DoctorOptions& options) {
  Inputs prepared{.texts = options.texts, .preprocessing = folder.preprocessing};
  decode(prepared, options.images, !options.reference.empty());
  if (!options.reference.empty()) prepared.encodings = other_encodings(folder);
  if (!folder.model) return prepared;
  if (!prepared.images.empty()) {
    prepared.preprocessing.image_size = folder.model->config.image_size;
    prepared.pixels = pixel_values(prepared.images, prepared.preprocessing);
  }
  if (!prepared.texts.empty() && folder.tokenizer) prepared.ids = folder.tokenizer->encode(prepared.texts);
  return prepared;
}

// Where the inputs of the reference stand: in the file that is named, in inputs.safetensors beside it, or, if they are not to be made of pictures
// and texts, in the reference itself; empty if nowhere.
std::string file_of_inputs(const DoctorOptions& options) {
  if (!options.inputs.empty()) return options.inputs;
  const std::string beside = (fs::path(options.reference).parent_path() / "inputs.safetensors").string();
  std::error_code none;
  if (fs::exists(beside, none)) return beside;
  const SafetensorsFile reference(options.reference);
  const bool there = (reference.find("pixel_values") && options.images.empty()) || (reference.find("input_ids") && options.texts.empty());
  return there ? options.reference : "";
}

// What the other implementation was given: its own inputs where they are known, else what this folder prepares.
Inputs inputs_of(const Folder& folder, const DoctorOptions& options, const Inputs& prepared) {
  Inputs inputs = prepared;
  const std::string file = file_of_inputs(options);
  if (file.empty()) return inputs;
  const Inputs given = read_inputs(file, folder.model->config);
  const bool own = file == options.reference && options.inputs.empty();
  if (given.pixels.defined() && !(own && inputs.pixels.defined())) inputs.pixels = given.pixels, inputs.images.clear();
  if (given.ids.defined() && !(own && inputs.ids.defined())) inputs.ids = given.ids, inputs.texts.clear();
  return inputs;
}

// Ids of fewer columns than the context can be compared, but are a mistake by themselves.
std::vector<Finding> examine_length(const Inputs& inputs, Dim context) {
  if (!inputs.ids.defined() || inputs.ids.shape()[1] == context) return {};
  return {
      mistaken("reference, input_ids", "pad-to-longest", "input_ids have " + std::to_string(inputs.ids.shape()[1]) + " columns",
               "texts are padded to the longest of the batch only, or not at all",
               "pad every text to the full context of " + std::to_string(context) + " (padding=\"max_length\"), since the last position is pooled")};
}

std::vector<Finding> compare(const Folder& folder, const DoctorOptions& options, const Inputs& prepared) {
  const Inputs inputs = inputs_of(folder, options, prepared);
  const Reference reference = read_reference(options.reference, *folder.model, inputs);
  Inputs to_compare;  // only where both are known
  if (inputs.images.empty())
    to_compare.images = prepared.images, to_compare.decoded = prepared.decoded, to_compare.jpeg = prepared.jpeg, to_compare.pixels = prepared.pixels;
  if (inputs.texts.empty()) to_compare.texts = prepared.texts, to_compare.ids = prepared.ids;
  to_compare.preprocessing = prepared.preprocessing, to_compare.encodings = prepared.encodings;
  std::vector<Finding> findings;
  if (!to_compare.ids.defined()) append(findings, examine_length(inputs, folder.model->config.context));
  append(findings, diagnose(*folder.model, inputs, to_compare, reference, options.pairs));
  return findings;
}
}  // namespace

std::vector<Finding> examine(const std::string& path, const DoctorOptions& options) {
  require(options.inputs.empty() || !options.reference.empty(), "doctor", "inputs go with a reference, got inputs alone");
  Folder folder = examine_folder(path);
  std::vector<Finding> findings = std::move(folder.findings);
  const Inputs prepared = prepare(folder, options);
  if (folder.loaded) append(findings, examine_values(folder));
  append(findings, examine_samples(folder, prepared));
  if (options.reference.empty()) return findings;
  if (folder.loaded)
    append(findings, compare(folder, options, prepared));
  else
    findings.push_back(
        noted("reference", "the reference was not compared", "the weights of this folder do not load", "repair what is said above first"));
  return findings;
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
