// examine.cpp — the examination as a whole.
#include <algorithm>
#include <filesystem>
#include "doctor/findings.h"
#include "doctor/reference.h"
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
// What the folder makes of the pictures and texts.
Inputs prepare(const Folder& folder, const DoctorOptions& options) {
  Inputs prepared{.texts = options.texts, .preprocessing = folder.preprocessing, .cased = folder.cased};
  for (const std::string& path : options.images) prepared.images.push_back(read_image(path, folder.preprocessing.picture));
  if (!folder.model) return prepared;
  if (!prepared.images.empty()) {
    prepared.preprocessing.image_size = folder.model->config.image_size;
    prepared.pixels = pixel_values(prepared.images, prepared.preprocessing);
  }
  if (!prepared.texts.empty() && folder.tokenizer) prepared.ids = folder.tokenizer->encode(prepared.texts);
  return prepared;
}

// What the other implementation was given: its own inputs where they are known, else what this folder prepares.
Inputs inputs_of(const Folder& folder, const DoctorOptions& options, const Inputs& prepared) {
  const std::string beside = (fs::path(options.reference).parent_path() / "inputs.safetensors").string();
  std::error_code none;
  Inputs inputs = prepared;
  if (options.inputs.empty() && !fs::exists(beside, none)) return inputs;
  const Inputs given = read_inputs(options.inputs.empty() ? beside : options.inputs, folder.model->config);
  if (given.pixels.defined()) inputs.pixels = given.pixels, inputs.images.clear();
  if (given.ids.defined()) inputs.ids = given.ids, inputs.texts.clear();
  return inputs;
}

void append(std::vector<Finding>& all, const std::vector<Finding>& more) { all.insert(all.end(), more.begin(), more.end()); }

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
  if (inputs.images.empty()) to_compare.images = prepared.images, to_compare.pixels = prepared.pixels;
  if (inputs.texts.empty()) to_compare.texts = prepared.texts, to_compare.ids = prepared.ids;
  to_compare.preprocessing = prepared.preprocessing, to_compare.cased = prepared.cased;
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
  if (folder.loaded) append(findings, examine_values(*folder.model));
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
