// yaml_names.cpp — the one key of a data.yaml that names classes. Of YAML it reads what such files have: one list or map of plain or quoted words.
#include <algorithm>
#include <charconv>
#include <map>
#include <utility>
#include "data/text_file.h"
#include "io/json.h"
#include "siglip/error.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
// Where the first of `wanted` stands outside quotes; its size if nowhere. A quote opens only where a word begins.
std::size_t find_outside(std::string_view text, std::string_view wanted) {
  char quote = 0, before = ' ';
  for (std::size_t i = 0; i < text.size(); before = text[i++]) {
    const char c = text[i];
    if (quote && c == '\\' && quote == '"')
      ++i;
    else if (quote && c == quote)
      quote = 0;
    else if (!quote && (c == '"' || c == '\'') && std::string_view(" \t[{,:").find(before) != std::string_view::npos)
      quote = c;
    else if (!quote && wanted.find(c) != std::string_view::npos)
      return i;
  }
  return text.size();
}

std::string_view without_comment(std::string_view line) {
  for (std::size_t from = 0, at; (at = from + find_outside(line.substr(from), "#")) < line.size(); from = at + 1)
    if (at == 0 || line[at - 1] == ' ' || line[at - 1] == '\t') return trimmed(line.substr(0, at));
  return trimmed(line);
}

std::string word_of(std::string_view text, const std::string& where) {
  text = trimmed(text);
  if (text.starts_with('"')) {
    const Json json = parse_json(std::string(text), where);
    require(json.is_string(), where, "a quoted name is expected, got ", brief(json));
    return json.get<std::string>();
  }
  if (!text.starts_with('\'')) return std::string(text);
  require(text.size() >= 2 && text.ends_with('\''), where, "a closing quote is expected, got ", brief(std::string(text)));
  std::string word;
  for (std::size_t i = 1; i + 1 < text.size(); ++i) {
    word += text[i];
    if (text[i] == '\'') ++i;  // '' is one
  }
  return word;
}

class Names {
 public:
  void add(std::string_view entry, bool numbered, const std::string& where) {
    int number = static_cast<int>(names_.size());
    if (numbered) {
      const std::size_t colon = find_outside(entry, ":");
      const std::string_view key = trimmed(entry.substr(0, colon));
      const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), number);
      const bool fits = error == std::errc() && end == key.data() + key.size() && number >= 0 && colon < entry.size();
      require(fits, where, "a number, a colon and a name are expected, got ", brief(std::string(entry)));
      entry.remove_prefix(colon + 1);
    }
    const std::string word = word_of(entry, where);
    require(!word.empty(), where, "a name is expected, got none");
    require(names_.emplace(number, word).second, where, "each number once is expected, got ", number, " twice");
  }
  std::vector<std::string> in_order(const std::string& where) const {
    std::vector<std::string> all;
    for (const auto& [number, name] : names_) {
      require(number == static_cast<int>(all.size()), where, "names numbered from 0 on without a gap are expected, got none for ", all.size());
      all.push_back(name);
    }
    require(!all.empty(), where, "at least one name is expected, got none");
    return all;
  }

 private:
  std::map<int, std::string> names_;
};

// [red, blue] or {0: red, 1: blue}, perhaps over several lines.
void read_flow(std::string_view flow, Names& names, const std::string& where) {
  const bool numbered = flow[0] == '{';
  flow.remove_prefix(1);
  const std::size_t end = find_outside(flow, numbered ? "}" : "]");
  require(end < flow.size(), where, numbered ? "a closing } is expected, got none" : "a closing ] is expected, got none");
  for (flow = flow.substr(0, end); !trimmed(flow).empty();) {
    const std::size_t comma = find_outside(flow, ",");
    names.add(trimmed(flow.substr(0, comma)), numbered, where);
    flow.remove_prefix(std::min(comma + 1, flow.size()));
  }
}
}  // namespace

std::vector<std::string> names_of_yaml(std::string_view text, const std::string& name) {
  const std::vector<std::string_view> lines = lines_of(text);
  const auto found = std::find_if(lines.begin(), lines.end(), [](std::string_view line) { return line.starts_with("names:"); });
  require(found != lines.end(), name, "a line \"names:\" is expected, as in a data.yaml, got none");
  const auto where_of = [&](auto line) { return name + ":" + std::to_string(line - lines.begin() + 1); };
  const std::string where = where_of(found);
  std::string flow(without_comment(found->substr(6)));
  Names names;
  if (flow.starts_with('[') || flow.starts_with('{')) {
    // A quoted name does not go on in the next line, so each line is looked at by itself.
    const std::string_view closing = flow[0] == '[' ? "]" : "}";
    bool closed = find_outside(std::string_view(flow).substr(1), closing) + 1 < flow.size();
    for (auto line = found + 1; line != lines.end() && !closed; ++line) {
      const std::string_view more = without_comment(*line);
      closed = find_outside(more, closing) < more.size();
      flow.append(" ").append(more);
    }
    read_flow(flow, names, where);
    return names.in_order(where);
  }
  require(flow.empty(), where, "a list of names is expected, got ", brief(flow));
  for (auto line = found + 1; line != lines.end(); ++line) {
    const std::string_view entry = without_comment(*line);
    if (entry.empty()) continue;
    const bool listed = entry == "-" || entry.starts_with("- ");
    if (!listed && !line->starts_with(' ') && !line->starts_with('\t')) break;  // the next key
    names.add(listed ? entry.substr(1) : entry, !listed, where_of(line));
  }
  return names.in_order(where);
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
