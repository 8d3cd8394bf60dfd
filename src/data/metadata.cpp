// metadata.cpp — captions in JSON, and the tables that a folder may have beside its pictures: the Hugging Face
// imagefolder layout and its kin.
#include <algorithm>
#include <filesystem>
#include <map>
#include <utility>
#include "data/sources.h"
#include "data/text_file.h"
#include "data/walk.h"
#include "io/json.h"
#include "siglip/checkpoint.h"
#include "siglip/error.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
/// With null for the numbers that JSON lacks and Python writes: NaN, Infinity and -Infinity outside strings.
std::string without_nan(std::string text) {
  if (text.find("NaN") == std::string::npos && text.find("Infinity") == std::string::npos) return text;
  std::string out;
  bool in_string = false;
  for (std::size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (c == '"') in_string = !in_string;
    if (in_string && c == '\\' && at + 1 < text.size()) {
      out += c, out += text[++at];
      continue;
    }
    bool replaced = false;
    for (const std::string number : {"NaN", "Infinity", "-Infinity"}) {
      if (in_string || replaced || text.compare(at, number.size(), number) != 0) continue;
      out += "null", at += number.size() - 1, replaced = true;
    }
    if (!replaced) out += c;
  }
  return out;
}

std::string string_of(const Json& value, const std::string& key, const std::string& where) {
  if (value.is_null()) return "";
  require(value.is_string(), where, "a string is expected as \"", key, "\", got ", value.type_name());
  const std::string text = value.get<std::string>();
  require(text.find('\0') == std::string::npos, where, "a text is expected as \"", key, "\", got a NUL in it");
  return text;
}

/// A caption, or an array of captions of one picture.
std::vector<std::string> strings_of(const Json& value, const std::string& key, const std::string& where) {
  if (!value.is_array()) return {string_of(value, key, where)};
  std::vector<std::string> texts;
  for (const Json& one : value) texts.push_back(string_of(one, key, where));
  return texts;
}

/// Reads records whose keys are the columns. The first one decides which they are.
class JsonRecords {
 public:
  JsonRecords(const std::string& file, const DataOptions& options, const std::string& split) : options_(options), records_(file, options, split) {}

  void add(const Json& json, const std::string& where) {
    require(json.is_object(), where, "an object is expected, got ", json.type_name());
    if (image_.empty()) choose(json, where);
    const auto value = [&](const std::string& key) { return json.contains(key) ? json[key] : Json(); };
    Record record{string_of(value(image_), image_, where), strings_of(value(text_), text_, where)};
    if (const Json of_split = value(split_); !of_split.is_null()) {
      record.split = trimmed(string_of(of_split, split_, where));
      require(!record.split.empty(), where, "a split is expected as \"", split_, "\", got an empty one");
    }
    if (json.contains("distractor")) {
      require(json["distractor"].is_boolean(), where, "true or false is expected as \"distractor\", got ", brief(json["distractor"]));
      record.distractor = json["distractor"].get<bool>();
    }
    records_.add(record, where);
  }
  DataSet data() { return records_.data(); }

 private:
  void choose(const Json& json, const std::string& where) {
    std::vector<std::string> keys;
    for (const auto& [key, value] : json.items()) keys.push_back(key);
    image_ = image_column(keys, options_), text_ = text_column(keys, options_), split_ = split_column(keys);
    require(!image_.empty(), where, "a key \"", options_.image_column, "\" is expected, got none", other_columns);
    require(!text_.empty(), where, "a key \"", options_.text_column, "\" is expected, got none", other_columns);
    records_.note_columns(image_, text_);
  }
  const DataOptions& options_;
  Records records_;
  std::string image_, text_, split_;
};

/// images [id, file_name] and annotations [image_id, caption], as COCO has captions.
DataSet read_coco(const Json& json, const std::string& file, const DataOptions& options, const std::string& split) {
  const auto id_of = [&](const Json& object, const char* key) {
    require(object.is_object() && object.contains(key), file, "an object with \"", key, "\" is expected, got ", brief(object));
    return object[key].dump();
  };
  std::map<std::string, std::string> names;
  for (const Json& image : json["images"])
    if (image.is_object() && image.contains("file_name")) names[id_of(image, "id")] = string_of(image["file_name"], "file_name", file);
  Records records(file, options, split);
  std::size_t number = 0;
  for (const Json& one : json["annotations"]) {
    const std::string where = file + ": annotation " + std::to_string(++number);
    const auto name = names.find(id_of(one, "image_id"));
    require(name != names.end(), where, "the id of an image is expected as \"image_id\", got ", brief(one["image_id"]));
    records.add({name->second, strings_of(one.contains("caption") ? one["caption"] : Json(), "caption", where)}, where);
  }
  return records.data();
}

/// {"0.png": "a cat"}, {"0.png": ["a cat", "an animal"]} or {"0.png": {"caption": "a cat"}}.
DataSet read_map(const Json& json, const std::string& file, const DataOptions& options, const std::string& split) {
  Records records(file, options, split);
  for (const auto& [name, value] : json.items()) {
    const std::string where = file + ": " + name;
    std::vector<std::string> keys;
    if (value.is_object())
      for (const auto& [key, any] : value.items()) keys.push_back(key);
    const std::string key = text_column(keys, options);
    require(!value.is_object() || !key.empty(), where, "a key \"", options.text_column, "\" is expected, got none", other_columns);
    records.add({name, strings_of(value.is_object() ? value[key] : value, key, where)}, where);
  }
  return records.data();
}
}  // namespace

DataSet read_json_lines(const std::string& file, const DataOptions& options, const std::string& split) {
  const std::string bytes = text_of(read_file(file), file);
  JsonRecords records(file, options, split);
  std::size_t line = 0;
  for (const std::string_view text : lines_of(bytes)) {
    const std::string where = file + ":" + std::to_string(++line);
    if (trimmed(text).empty()) continue;
    require(!trimmed(text).starts_with('['), where, "an object a line is expected (JSON lines), got an array");
    records.add(parse_json(without_nan(std::string(text)), where), where);
  }
  return records.data();
}

std::optional<DataSet> read_json_table(const std::string& file, const DataOptions& options, const std::string& split) {
  const Json json = parse_json(without_nan(text_of(read_file(file), file)), file);
  if (json.is_array() && !json.empty() && json[0].is_object()) {
    JsonRecords records(file, options, split);
    for (std::size_t i = 0; i < json.size(); ++i) records.add(json[i], file + ": record " + std::to_string(i + 1));
    return records.data();
  }
  if (!json.is_object() || json.empty()) return std::nullopt;
  const auto has_array = [&](const char* key) { return json.contains(key) && json[key].is_array(); };
  if (has_array("images") && has_array("annotations")) {
    const Json& annotations = json["annotations"];
    const bool captions = !annotations.empty() && annotations[0].is_object() && annotations[0].contains("caption");
    require(captions, file, "captions are expected in its annotations, got ", brief(annotations), ", as of a data set for detection");
    return read_coco(json, file, options, split);
  }
  return is_picture(json.begin().key()) ? std::optional(read_map(json, file, options, split)) : std::nullopt;
}

std::optional<DataSet> read_table_file(const std::string& file, const DataOptions& options, const std::string& split) {
  const std::string ending = ending_of(file);
  if (ending == ".csv" || ending == ".tsv" || ending == ".txt") return read_table(file, ending == ".csv" ? ',' : '\t', options, split);
  if (ending == ".jsonl") return read_json_lines(file, options, split);
  return ending == ".json" ? read_json_table(file, options, split) : std::nullopt;
}

std::vector<std::string> caption_tables(const std::string& folder) {
  std::vector<std::string> found;
  for (const char* name : {"metadata.jsonl", "metadata.csv", "metadata.tsv", "metadata.json", "captions.jsonl", "captions.csv", "captions.tsv",
                           "captions.json", "captions.txt"})
    if (std::filesystem::exists(folder + "/" + name)) found.push_back(name);
  return found;
}

std::optional<DataSet> read_captions(const std::string& folder, const DataOptions& options, const std::string& split) {
  const std::vector<std::string> tables = caption_tables(folder);
  if (tables.empty()) return std::nullopt;
  std::string names;
  for (const std::string& name : tables) names += (names.empty() ? "" : " and ") + name;
  require(tables.size() == 1, folder, "one of ", names, " is expected, got ", tables.size() == 2 ? "both" : "all of them");
  const std::string file = folder + "/" + tables[0];
  std::optional<DataSet> data = read_table_file(file, options, split);
  if (data && !tables[0].starts_with("metadata.")) data->notes.insert(data->notes.begin(), "captions are read from " + file);
  return data;  // nothing for a metadata.json about something else
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
