// json.h — JSON, by nlohmann-json, which is included here and nowhere else.
#pragma once
#include <nlohmann/json.hpp>
#include <string>
#include "siglip/real.h"

namespace siglip::inline SIGLIP_FLAVOUR {
using Json = nlohmann::ordered_json;  // keys keep their order

/// Strict JSON. Throws Error "where: …" for bad syntax (with its position), a key that occurs twice, or nesting deeper than 64.
Json parse_json(const std::string& text, const std::string& where);
}  // namespace siglip::inline SIGLIP_FLAVOUR
