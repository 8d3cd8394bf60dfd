// evaluation_json.h — an evaluation as JSON, there and back: the contract of eval --json, summary.json, log.jsonl and the training state.
#pragma once
#include <cmath>
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

/// The classes of a split, and how often each was taken for each.
inline void add_classes(Json& json, const Evaluation& e, const std::vector<std::string>& names) {
  const auto or_null = [](double share) { return std::isnan(share) ? Json() : Json(share); };
  const ClassMatrix matrix = class_matrix(e.predictions, std::ssize(names));
  constexpr Dim most_in_matrix = 200;  // a thousand classes would be a million numbers
  json["classes"] = Json::array();
  if (matrix.classes <= most_in_matrix) json["confusion"] = Json::array();
  for (Dim c = 0; c < matrix.classes; ++c) {
    json["classes"].push_back({{"name", names[static_cast<std::size_t>(c)]},
                               {"precision", or_null(matrix.precision(c))},
                               {"recall", or_null(matrix.recall(c))},
                               {"support", matrix.support(c)}});
    if (matrix.classes > most_in_matrix) continue;
    Json row = Json::array();
    for (Dim k = 0; k < matrix.classes; ++k) row.push_back(matrix.at(c, k));
    json["confusion"].push_back(row);
  }
}

inline Evaluation evaluation_of(const Section& e) {
  const Dim pairs = e.count("pairs"), candidates = e.count("candidates");
  const auto recall = [&](const Section& r) { return Recall{r.real("r1"), r.real("r5"), r.real("r10"), pairs, candidates}; };
  return {e.text("split"), pairs, candidates, recall(e.section("image_to_text")), recall(e.section("text_to_image")), e.number("accuracy", -1), {}};
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
