// metadata.cpp — the Hugging Face imagefolder layout: pictures beside a metadata.jsonl or metadata.csv that names them.
#include <filesystem>
#include "data/sources.h"
#include "data/text_file.h"
#include "io/json.h"
#include "siglip/checkpoint.h"
#include "siglip/error.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
std::string text_of(const Json& record, const std::string& key, const std::string& where) {
  require(record.contains(key), where, "a key \"", key, "\" is expected, got none; --image-column and --text-column name others");
  require(record[key].is_string(), where, "a string is expected as \"", key, "\", got ", record[key].type_name());
  const std::string text = record[key].get<std::string>();
  require(!is_blank(text), where, "a text is expected as \"", key, "\", got an empty one");
  require(text.find('\0') == std::string::npos, where, "a text is expected as \"", key, "\", got a NUL in it");
  return text;
}
}  // namespace

std::vector<Pair> read_json_lines(const std::string& file, const DataOptions& options) {
  const std::string bytes = text_of(read_file(file), file);
  Root root(file.substr(0, file.rfind('/') + 1));
  std::vector<Pair> pairs;
  std::size_t line = 0;
  for (const std::string_view text : lines_of(bytes)) {
    const std::string where = file + ":" + std::to_string(++line);
    if (trimmed(text).empty()) continue;
    require(!trimmed(text).starts_with('['), where, "an object a line is expected (JSON lines), got an array");
    const Json record = parse_json(std::string(text), where);
    require(record.is_object(), where, "an object is expected, got ", record.type_name());
    Pair pair{root.resolve(text_of(record, options.image_column, where), where), text_of(record, options.text_column, where)};
    if (record.contains("distractor")) {
      require(record["distractor"].is_boolean(), where, "true or false is expected as \"distractor\", got ", brief(record["distractor"]));
      pair.distractor = record["distractor"].get<bool>();
    }
    pairs.push_back(std::move(pair));
  }
  require(!pairs.empty(), file, "at least one pair is expected, got none");
  return pairs;
}

std::optional<std::vector<Pair>> read_metadata(const std::string& folder, const DataOptions& options) {
  const std::string json = folder + "/metadata.jsonl", csv = folder + "/metadata.csv";
  const bool has_json = std::filesystem::exists(json), has_csv = std::filesystem::exists(csv);
  require(!has_json || !has_csv, folder, "one of metadata.jsonl and metadata.csv is expected, got both");
  if (has_json) return read_json_lines(json, options);
  if (has_csv) return read_table(csv, ',', options);
  return std::nullopt;
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
