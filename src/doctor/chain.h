// chain.h — the computation that a reference is a record of: pixels, image tower; ids, text tower; logits; loss.
#pragma once
#include <functional>
#include <string>
#include <vector>
#include "doctor/mistakes.h"
#include "doctor/reference.h"

namespace siglip::inline SIGLIP_FLAVOUR {
/// One link. It is computed from what the reference holds of the links before it, so a mistake is seen where it is made.
struct Part {
  std::string about;
  std::vector<std::string> names;                             // of its tensors that the reference holds, in order of computation
  Named theirs;                                               // those
  unsigned stages = 0;                                        // whose mistakes show here
  Trial start;                                                // without a mistake
  std::function<Named(const Trial&, unsigned touched)> ours;  // `touched`: the stages in which a mistake is planted
  bool exact = false;                                         // ids: any difference counts, however small the number is
};

class Chain {
 public:
  /// `prepared`: what our folder makes of the same pictures and texts; its tensors are undefined where they are not to be compared.
  Chain(const Siglip& model, const Inputs& inputs, const Inputs& prepared, const Reference& reference);
  Chain(const Chain&) = delete;
  Chain& operator=(const Chain&) = delete;
  /// Throws Error if the inputs that a part needs are not known.
  std::vector<Part> parts();
  /// What the reference holds but a model without a head (vision_use_head: false) does not give.
  std::vector<std::string> beyond_the_model() const;
  const Trial& healthy() const { return healthy_; }

 private:
  Part part(const std::string& about, const std::vector<std::string>& names, unsigned stages) const;
  Part input_part(const char* name, unsigned stage, const Tensor& theirs) const;
  Part tower_part(Tower tower, const std::vector<std::string>& names) const;
  bool has_images() const { return healthy_.model.config.vision_head || reference_.find("image_embeds"); }
  unsigned stages_of_logits(const std::string& name) const;
  void need(bool there, Tower tower, const std::string& name) const;
  Tensor logits(const Trial& trial, unsigned touched);
  Tensor embeds(const Trial& trial, Tower tower, bool touched);
  void choose_rows(const Part& scores);

  Trial healthy_, unprepared_;
  const Reference& reference_;
  Tensor images_, texts_;   // embeddings without a mistake, once they were needed
  bool unit_rows_ = false;  // embeddings of the reference are brought to length 1 before they are scored
};
}  // namespace siglip::inline SIGLIP_FLAVOUR
