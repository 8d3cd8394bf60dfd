// text_file.cpp — decoding, lines, and lists of texts.
#include "data/text_file.h"
#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <set>
#include "core/character.h"
#include "data/sources.h"
#include "io/json.h"
#include "io/stand_in.h"
#include "siglip/error.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
// ---- UTF-16 ----------------------------------------------------------------------------------------------------------------------------

std::string from_utf16(std::string_view bytes, bool big, const std::string& name) {
  require(bytes.size() % 2 == 0, name, "an even number of bytes is expected in UTF-16, got ", bytes.size());
  const auto unit = [&](std::size_t at) {
    const auto byte = [&](std::size_t i) { return static_cast<char32_t>(static_cast<unsigned char>(bytes[i])); };
    return big ? byte(at) << 8 | byte(at + 1) : byte(at + 1) << 8 | byte(at);
  };
  std::string text;
  std::size_t line = 1;
  for (std::size_t at = 2; at < bytes.size(); at += 2) {
    char32_t c = unit(at);
    if (c >= 0xD800 && c < 0xDC00 && at + 3 < bytes.size() && unit(at + 2) >= 0xDC00 && unit(at + 2) < 0xE000)
      c = 0x10000 + ((c - 0xD800) << 10) + (unit(at += 2) - 0xDC00);
    else if (c >= 0xD800 && c < 0xE000)
      fail(name + ":" + std::to_string(line), "UTF-16 is expected, got half of a pair at byte ", at);
    line += c == '\n';
    append_character(text, c);
  }
  return text;
}

// ---- forms of a list -------------------------------------------------------------------------------------------------------------------

enum class Form { lines, json, json_lines, yaml, table };

constexpr const char* forms = "a text a line, a JSON array (.json), JSON lines (.jsonl) or a data.yaml";

Form form_of_name(const std::string& name) {
  const std::string ending = ending_of(name);
  if (ending == ".json") return Form::json;
  if (ending == ".jsonl" || ending == ".ndjson") return Form::json_lines;
  if (ending == ".yaml" || ending == ".yml") return Form::yaml;
  if (ending == ".csv" || ending == ".tsv") return Form::table;
  return Form::lines;
}

bool parses(std::string_view text, Json::value_t type) {
  try {
    return parse_json(std::string(text), "").type() == type;
  } catch (const Error&) {
    return false;
  }
}

// A header of short names, one of them usual, above lines of as many fields.
bool is_table(const std::vector<std::string_view>& lines, char separator) {
  static const std::set<std::string, std::less<>> usual = {"id",      "name",      "names",    "label", "labels", "class", "class_name", "text",
                                                           "caption", "file_name", "filename", "file",  "image",  "path",  "index"};
  const auto fields = std::count(lines[0].begin(), lines[0].end(), separator);
  bool known = false;
  for (std::string_view rest = lines[0]; !rest.empty();) {
    const std::size_t end = std::min(rest.find(separator), rest.size());
    std::string field(trimmed(rest.substr(0, end)));
    std::transform(field.begin(), field.end(), field.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    known = known || usual.contains(field);
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return known && fields > 0 && std::all_of(lines.begin(), lines.end(), [&](std::string_view line) {
           return trimmed(line).empty() || std::count(line.begin(), line.end(), separator) >= fields;
         });
}

bool is_names_of_yaml(std::string_view line) {
  if (!line.starts_with("names:")) return false;
  const std::string_view rest = trimmed(line.substr(6));
  return rest.empty() || rest[0] == '#' || rest[0] == '[' || rest[0] == '{';
}

// What a text is that is no list of lines; none if it may be one.
std::optional<Form> form_of_content(std::string_view text) {
  const std::vector<std::string_view> lines = lines_of(text);
  const std::string_view all = trimmed(text);
  if (all.empty()) return std::nullopt;
  if (all[0] == '[' && all.back() == ']' && parses(all, Json::value_t::array)) return Form::json;
  if (all[0] == '{' && parses(*std::find_if(lines.begin(), lines.end(), [](auto line) { return !trimmed(line).empty(); }), Json::value_t::object))
    return Form::json_lines;
  if (std::any_of(lines.begin(), lines.end(), is_names_of_yaml)) return Form::yaml;
  for (const char separator : {',', ';', '\t'})
    if (lines.size() > 1 && is_table(lines, separator)) return Form::table;
  return std::nullopt;
}

void require_form(Form form, std::string_view text, const std::string& name) {
  const std::optional<Form> content = form_of_content(text);
  if (form == Form::table || (content == Form::table && form == Form::lines))
    fail(name, forms, " is expected, got a table; write the column of texts into a file of its own, a text a line");
  if (!content || *content == form || form == Form::yaml) return;
  if (*content == Form::json) fail(name, forms, " is expected, got a JSON array under another ending; name it .json");
  const bool object = form == Form::json && lines_of(trimmed(text)).size() == 1;  // its reader says what is wrong with it
  if (*content == Form::json_lines && !object) fail(name, forms, " is expected, got JSON lines under another ending; name it .jsonl");
  if (*content == Form::yaml && form == Form::lines)
    fail(name, forms, " is expected, got the names of a data.yaml under another ending; name it .yaml");
}
}  // namespace

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view blanks = " \t\r\n";
  text.remove_prefix(std::min(text.find_first_not_of(blanks), text.size()));
  return text.substr(0, text.find_last_not_of(blanks) + 1);
}

std::string text_of(std::string bytes, const std::string& name) {
  if (bytes.starts_with("\xFF\xFE")) return text_of(from_utf16(bytes, false, name), name);
  if (bytes.starts_with("\xFE\xFF")) return text_of(from_utf16(bytes, true, name), name);
  if (bytes.starts_with("\xEF\xBB\xBF")) bytes.erase(0, 3);
  refuse_stand_in(bytes, name);
  check_text(bytes, name);
  return bytes;
}

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find_first_of("\r\n"), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(end);
    text.remove_prefix(text.starts_with("\r\n") ? 2 : text.empty() ? 0 : 1);
  }
  return lines;
}

std::vector<std::string> texts_of(const std::string& bytes, const std::string& name, bool nameless) {
  const std::string text = text_of(bytes, name);
  const Form form = nameless ? form_of_content(text).value_or(Form::lines) : form_of_name(name);
  require_form(form, text, name);
  std::vector<std::string> texts;
  const auto take = [&](const Json& value, const std::string& where) {
    require(value.is_string(), where, "a string is expected, got ", brief(value));
    texts.push_back(value.get<std::string>());
  };
  if (form == Form::yaml) return names_of_yaml(text, name);
  if (form == Form::json) {
    const Json json = parse_json(text, name);
    require(json.is_array(), name, "an array of strings is expected, got ", brief(json));
    for (const Json& value : json) take(value, name);
  } else {
    std::size_t number = 0;
    for (const std::string_view line : lines_of(text)) {
      const std::string where = name + ":" + std::to_string(++number);
      if (form == Form::lines) {
        texts.emplace_back(line);
        continue;
      }
      if (trimmed(line).empty()) continue;
      const Json json = parse_json(std::string(line), where);
      require(json.is_object() && json.contains("text"), where, "an object with \"text\" is expected, got ", brief(json));
      take(json["text"], where);
    }
  }
  require(!texts.empty(), name, "at least one text is expected, got none");
  return texts;
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
