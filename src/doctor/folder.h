// folder.h — a checkpoint folder without a reference: its files, its weights, and what it makes of pictures and texts.
#pragma once
#include <memory>
#include <string>
#include <vector>
#include "doctor/trial.h"
#include "siglip/doctor.h"

namespace siglip::inline SIGLIP_FLAVOUR {
struct Folder {
  std::string path;
  std::vector<Finding> findings;
  bool loaded = false;  // the weights fit
  std::string loss;     // that a run of ours was trained with; empty for other folders
  std::unique_ptr<Siglip> model;
  std::shared_ptr<const Tokenizer> tokenizer;  // null if there is none that fits the model
  Preprocessing preprocessing;
};
Folder examine_folder(const std::string& path);
/// How others clean and encode texts, by the name of the mistake that it is for this folder.
Encodings other_encodings(const Folder& folder);
std::vector<Finding> examine_values(const Folder& folder);  // scale, bias, numbers that are none, towers that are dead
std::vector<Finding> examine_samples(const Folder& folder, const Inputs& prepared);
}  // namespace siglip::inline SIGLIP_FLAVOUR
