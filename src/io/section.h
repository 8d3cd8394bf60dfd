// section.h — the small JSON files of a model folder: objects whose keys are checked one by one, and the sentences when one is wrong.
#pragma once
#include <string>
#include <utility>
#include <vector>
#include "io/json.h"
#include "siglip/checkpoint.h"
#include "siglip/error.h"

namespace siglip::inline SIGLIP_FLAVOUR {
/// An object of a file and how messages call its keys: "config.json: vision_config.hidden_size".
struct Section {
  Json json;
  std::string file, prefix;

  const Json* find(const char* key) const {
    const auto found = json.find(key);
    return found == json.end() ? nullptr : &*found;
  }
  [[noreturn]] void refuse(const char* key, const std::string& expected) const {
    const Json* value = find(key);
    fail(file, prefix, key, " is ", expected, ", got ", value ? brief(*value) : "none");
  }
  Dim whole(const char* key, Dim absent, Dim most) const {
    const Json* value = find(key);
    if (!value) return absent;
    const bool fits =
        value->is_number_unsigned() && value->get<std::uint64_t>() >= 1 && value->get<std::uint64_t>() <= static_cast<std::uint64_t>(most);
    if (!fits) refuse(key, "a whole number from 1 to " + std::to_string(most));
    return value->get<Dim>();
  }
  /// null is as good as absent, as transformers has it.
  bool flag(const char* key, bool absent) const {
    const Json* value = find(key);
    if (!value || value->is_null()) return absent;
    if (!value->is_boolean()) refuse(key, "true or false");
    return value->get<bool>();
  }
  double number(const char* key, double absent) const {
    const Json* value = find(key);
    if (!value) return absent;
    if (!value->is_number()) refuse(key, "a number");
    return value->get<double>();
  }
  /// Present, it must be this.
  void only(const char* key, const Json& expected) const {
    const Json* value = find(key);
    if (value && *value != expected) refuse(key, brief(expected));
  }
  // What must be there.
  Dim count(const char* key) const {
    constexpr std::uint64_t most = std::uint64_t{1} << 53;  // beyond, a double would round it
    const Json* value = find(key);
    if (!value || !value->is_number_unsigned() || value->get<std::uint64_t>() > most) refuse(key, "a whole number from 0 to 2^53");
    return value->get<Dim>();
  }
  double real(const char* key) const {
    if (!find(key)) refuse(key, "a number");
    return number(key, 0);
  }
  std::string text(const char* key) const {
    const Json* value = find(key);
    if (!value || !value->is_string()) refuse(key, "a string");
    return value->get<std::string>();
  }
  std::vector<Section> sections(const char* key) const {
    const Json* value = find(key);
    if (!value || !value->is_array()) refuse(key, "a list of objects");
    std::vector<Section> all;
    for (const Json& item : *value) {
      if (!item.is_object()) refuse(key, "a list of objects");
      all.push_back({item, file, prefix + key + "[" + std::to_string(all.size()) + "]."});
    }
    return all;
  }

  Section section(const char* key) const {
    const Json* value = find(key);
    if (value && !value->is_object()) refuse(key, "an object");
    return {value ? *value : Json::object(), file, prefix + key + "."};
  }
};

/// `where` is the file, or its line.
inline Section parse_section(const std::string& text, const std::string& where) {
  Json json = parse_json(text, where);
  require(json.is_object(), where, "an object is expected, got ", brief(json));
  return {std::move(json), where, ""};
}

inline Section read_section(const std::string& file) {
  constexpr std::int64_t most_bytes = 1 << 20;
  return parse_section(read_file(file, most_bytes), file);
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
