// sources.h — the kinds of data set that read_data() recognises, one function each.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>
#include "core/hash.h"
#include "data/disk_names.h"
#include "siglip/data.h"

namespace siglip::inline SIGLIP_FLAVOUR {
/// Comma- or tab-separated records (RFC 4180): a field may stand in quotes, where "" is a quote and line breaks are text. Lines end with LF,
/// CR LF or CR; blank lines are skipped; a quote that is not a field's first character is text. Throws Error for NUL, bytes that are not
/// UTF-8, a quote that is never closed, or text behind a closing one.
class Table {
 public:
  Table(std::string bytes, std::string name, char delimiter);
  bool next(std::vector<std::string>& fields);  // false at the end
  std::string where() const;                    // "file:line" of the record that next() gave

 private:
  void quoted(std::string& field);
  std::string bytes_, name_;
  char delimiter_;
  std::size_t at_ = 0, line_ = 1, record_line_ = 1;
};

/// Throws Error "name:line: …" unless the text is UTF-8 without NUL.
void check_text(std::string_view text, const std::string& name);

/// Turns names that a file gives into paths, and refuses those that leave the folder: absolute ones, "..", symbolic links out of it.
class Root {
 public:
  explicit Root(std::string folder);
  std::string resolve(const std::string& name, const std::string& where);

 private:
  std::string folder_, canonical_;
  DiskNames on_disk_;
  std::unordered_map<std::string, bool, KeyedHash> inside_;  // of folders that were asked for before
};

std::vector<Pair> read_table(const std::string& file, char delimiter, const DataOptions& options);
std::vector<Pair> read_json_lines(const std::string& file, const DataOptions& options);
/// metadata.jsonl or metadata.csv of a folder; nothing if it has neither. Throws Error if it has both.
std::optional<std::vector<Pair>> read_metadata(const std::string& folder, const DataOptions& options);

/// Class folders below train, val, test or directly in `root`; no splits if there is no picture in such a place.
DataSet read_class_folders(const std::string& root, const DataOptions& options);

/// Names of the folders in a folder, in byte order; hidden ones are left out.
std::vector<std::string> subfolders(const std::string& folder);
/// validation and valid mean val; other names stand for themselves.
std::string split_name(const std::string& folder_name);
/// The ending of a file's name in lower case: ".jpg".
std::string ending_of(const std::string& path);
/// By the name's ending. Formats that cannot be decoded count as well: the user hears of them when they are.
bool is_picture(const std::string& name);
/// Whether a caption has nothing but blanks.
bool is_blank(const std::string& text);
}  // namespace siglip::inline SIGLIP_FLAVOUR
