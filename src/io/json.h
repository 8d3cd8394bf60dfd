// json.h — JSON, by nlohmann-json, which is included here and nowhere else.
#pragma once
#include <nlohmann/json.hpp>
#include <string>
#include "siglip/real.h"

namespace siglip::inline SIGLIP_FLAVOUR {
using Json = nlohmann::ordered_json;  // keys keep their order

/// Strict JSON. Throws Error "where: …" for bad syntax (with its position), a NUL byte, a key that occurs twice,
/// or nesting deeper than 64. Takes linear time, also for an object of many keys; looking one up by its name afterwards does not.
Json parse_json(const std::string& text, const std::string& where);

/// A value as an error message shows it: one line that a terminal can show, words as they are spelled, at most 60 characters.
std::string brief(const Json& value);
}  // namespace siglip::inline SIGLIP_FLAVOUR
