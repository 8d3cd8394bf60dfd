// parity_golden.h — the committed reference cases, for the tests in float and in double.
#pragma once
#include <doctest/doctest.h>
#include <algorithm>
#include <set>
#include <string>
#include "siglip/check.h"

namespace {
inline std::string name_of_case(const std::string& folder) { return folder.substr(std::string(SIGLIP_GOLDENS).size() + 1); }

/// Every case under data/goldens agrees, tensor by tensor; `share` of its limit is the most that any may use, so that what was reached is kept.
void check_goldens(double share) {
  std::set<std::string> kinds, cases;
  double nearest = 0;
  std::string which;
  for (const std::string& folder : siglip::reference_cases(SIGLIP_GOLDENS)) {
    const std::string name = name_of_case(folder);
    cases.insert(name);
    for (const siglip::TensorMatch& match : siglip::run_reference_case(folder)) {
      INFO(name, ": ", match.tensor, ": ", match.judged, " ", match.error, " of ", match.limit);
      CHECK(match.ok());
      // What Adam makes of key biases, whose gradient is zero, is rounding divided by rounding: compilers and processors differ in it.
      const bool is_rounding =
          match.tensor.starts_with("weight.") && (match.tensor.ends_with("k_proj.bias") || match.tensor.ends_with("in_proj_bias[k]"));
      CHECK(match.error <= (is_rounding ? 1 : share) * match.limit);
      kinds.insert(match.tensor.substr(0, match.tensor.find('.')));
      if (match.error / match.limit > nearest) nearest = match.error / match.limit, which = name + ": " + match.tensor;
    }
  }
  CHECK(kinds == std::set<std::string>{"image_embeds", "text_embeds", "logits_per_image", "logits_per_text", "hidden", "loss", "grad", "losses",
                                       "grad_norms", "weight"});
  for (const std::string name :
       {"models/odd_widths", "models/one_patch", "models/one_token", "models/wide_heads", "models/large_weights", "models/larger_pictures",
        "models/smaller_pictures", "models/released_scale", "loss/B1", "loss/matching_ids", "loss/mean", "train"}) {
    INFO(name);
    CHECK(cases.contains(name));
  }
  MESSAGE(cases.size(), " cases; nearest to its limit: ", which, ", ", 100 * nearest, " % of it");
}
}  // namespace
