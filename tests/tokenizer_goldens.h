// tokenizer_goldens.h — data/goldens/tokenizers, and a tokenizer tried on it.
#pragma once
#include <doctest/doctest.h>
#include <memory>
#include <string>
#include <vector>
#include "io/json.h"
#include "siglip/checkpoint.h"
#include "siglip/tokenizer.h"

namespace {
const std::string golden_folder = SIGLIP_DATA_FOLDER "/goldens/tokenizers/";

inline siglip::Json golden(const std::string& name) { return siglip::parse_json(siglip::read_file(golden_folder + name), name); }

/// Words of two scripts, marks and an emoji, over and over.
inline std::string ten_megabytes() {
  const std::string some = "A red circle, über-großes Haus; 東京 👍🏽 (1234)\n";
  std::string text;
  while (text.size() < 10'000'000) text += some;
  return text;
}

/// Every text of texts.json gives the ids of `name`.json, padded to T with `pad`.
inline void check_goldens(const siglip::Tokenizer& tokenizer, const std::string& name, std::int32_t pad) {
  const siglip::Json texts = golden("texts.json"), rows = golden(name + ".json")["ids"];
  REQUIRE(texts.size() == rows.size());
  REQUIRE(texts.size() > 2000);
  std::size_t equal = 0;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    std::vector<std::int32_t> expected = rows[i];
    expected.resize(static_cast<std::size_t>(tokenizer.context()), pad);
    const bool same = tokenizer.encode(texts[i].get<std::string>()) == expected;
    if (!same) MESSAGE(name << " text " << i << ": " << texts[i].dump());
    equal += same;
  }
  CHECK(equal == texts.size());
}
}  // namespace
