// evaluation_json.h — an evaluation as JSON, there and back: the contract of eval --json, summary.json, log.jsonl and the training state.
#pragma once
#include "io/section.h"
#include "siglip/train.h"

namespace siglip::inline SIGLIP_FLAVOUR {
inline Json json_of(const Recall& r) { return {{"r1", r.r1}, {"r5", r.r5}, {"r10", r.r10}}; }

inline Json json_of(const Evaluation& e) {
  Json json{{"split", e.split},
            {"pairs", e.pairs},
            {"candidates", e.candidates},
            {"image_to_text", json_of(e.image_to_text)},
            {"text_to_image", json_of(e.text_to_image)}};
  if (e.accuracy >= 0) json["accuracy"] = e.accuracy;
  return json;
}

inline Evaluation evaluation_of(const Section& e) {
  const Dim pairs = e.count("pairs"), candidates = e.count("candidates");
  const auto recall = [&](const Section& r) { return Recall{r.real("r1"), r.real("r5"), r.real("r10"), pairs, candidates}; };
  return {e.text("split"), pairs, candidates, recall(e.section("image_to_text")), recall(e.section("text_to_image")), e.number("accuracy", -1)};
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
