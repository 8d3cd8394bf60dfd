// doctor.h — which well-known mistake a model folder, or another implementation, has.
#pragma once
#include <memory>
#include <string>
#include <vector>
#include "siglip/train.h"

namespace siglip::inline SIGLIP_FLAVOUR {
/// One thing that was looked at.
struct Finding {
  enum Level { healthy, note, mistake };
  Level level = healthy;
  std::string about = {};                  // "config", "tensors", "tokenizer", "pixels", "scores", "image tower", …
  std::vector<std::string> mistakes = {};  // names; several: what was seen cannot tell them apart ("a + b" is two at once). Empty if there is none
                                           // (of a note: another published way that explains a difference, as "resize-torchvision" does)
  std::string seen = {}, cause = {}, advice = {};  // clauses; the last two are empty if all is well
  double error = 0;                                // by a reference: relative error that is left once the mistake is made here too
  double margin = 0;                               // by a reference: how many times larger the next best explanation's error is

  /// What was seen, which known mistake shows so, what to do.
  std::string sentence() const;
};

/// A mistake that is recognised by its effect on the numbers.
struct MistakeName {
  std::string name, what, advice;
};
/// Every mistake that examine() tries against a reference, each once.
std::vector<MistakeName> known_mistake_names();

struct DoctorOptions {
  std::vector<std::string> images = {};  // files of pictures
  std::vector<std::string> texts = {};
  std::string reference = {};  // what the other implementation computed; empty: the folder alone is examined
  std::string inputs = {};     // what it computed that from; empty: inputs.safetensors beside the reference, if it is there
  bool pairs = false;          // if no single mistake explains a difference, try all pairs
};

/// Examines a checkpoint folder, and the numbers of another implementation if there is a reference: a safetensors file with any of
/// `image_embeds` (B, E), `text_embeds` (N, E), `logits_per_text` (N, B), `logits_per_image` (B, N), `loss` (1) and `hidden.vision.I`,
/// `hidden.text.I` (what enters block I; the last one leaves the last block). Its inputs are `pixel_values` (B, 3, S, S) and `input_ids` (N, T).
/// Towers, scores and loss are diagnosed each from what the reference holds before them, so one mistake does not hide another.
/// Throws Error: no such folder, no such picture, a reference or inputs that are damaged, not finite or of other shapes. A folder that is
/// merely wrong is no error but a finding.
std::vector<Finding> examine(const std::string& folder, const DoctorOptions& options = {});
}  // namespace siglip::inline SIGLIP_FLAVOUR
