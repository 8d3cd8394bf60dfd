// sources.h — the kinds of data set that read_data() recognises, one function each.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>
#include "core/hash.h"
#include "data/disk_names.h"
#include "data/walk.h"
#include "siglip/data.h"

namespace siglip::inline SIGLIP_FLAVOUR {
/// Separated records (RFC 4180): a field may stand in quotes, where "" is a quote and line breaks are text. Lines end
/// with LF, CR LF or CR; blank lines are skipped; a quote that is not a field's first character is text. A first line
/// "sep=;", as Excel writes it, names the delimiter. Throws Error for NUL, bytes that are not UTF-8, a quote that is
/// never closed, or text behind a closing one.
class Table {
 public:
  Table(std::string bytes, std::string name, char delimiter);
  bool next(std::vector<std::string>& fields);  // false at the end
  std::string where() const;                    // "file:line" of the record that next() gave
  /// Back to the first record, with another delimiter unless the file names its own. padded: blanks around fields are
  /// no part of them.
  void restart(char delimiter, bool padded);
  /// Whether next() has met blanks around fields since restart().
  bool met_padding() const { return met_padding_; }
  void set_padded(bool padded) { padded_ = padded; }

 private:
  void quoted(std::string& field);
  void bare(std::string& field);
  void skip_blanks();
  bool is_blank_here() const { return at_ < bytes_.size() && (bytes_[at_] == ' ' || (bytes_[at_] == '\t' && delimiter_ != '\t')); }
  std::string bytes_, name_;
  char delimiter_;
  bool names_delimiter_ = false, padded_ = false, met_padding_ = false;
  std::size_t start_ = 0, first_line_ = 1, at_ = 0, line_ = 1, record_line_ = 1;
};

/// Throws Error "name:line: …" unless the text is UTF-8 without NUL.
void check_text(std::string_view text, const std::string& name);

/// Turns the names of pictures that a file gives into paths.
class Root {
 public:
  Root(std::string folder, bool follow_links);
  /// The path that `name` means: see read_data(). Throws Error, which `where` opens, for a name that may not be read.
  std::string resolve(std::string name, const std::string& where);
  /// Throws Error for a path that leads out of the folder, where links are not followed.
  void require_inside(const std::string& path, const std::string& where);
  /// Whether the folder itself lies in the one that a path leads to.
  bool lies_in(const std::string& path) const;
  /// The rest of a path that begins with the folder, under any of its names; empty for others.
  std::string below(const std::string& path) const;

 private:
  std::string in_place(const std::string& name);
  std::string folder_, canonical_, absolute_, base_;
  bool follow_links_;
  int tries_ = 0;                    // to find the base
  std::vector<std::string> beside_;  // folders that may be it
  DiskNames on_disk_;
  std::unordered_map<std::string, bool, KeyedHash> inside_;  // of folders that were asked for before
};

/// What a record of a table says.
struct Record {
  std::string image;
  std::vector<std::string> texts;
  std::string split = {};  // empty: as its path says
  bool distractor = false;
};
/// Makes splits of the records of one file. Records without a picture or a caption are left out.
class Records {
 public:
  /// split: of records that say nothing else.
  Records(const std::string& file, const DataOptions& options, std::string split);
  void add(const Record& record, const std::string& where);
  /// Throws Error if there is no pair.
  DataSet data();
  /// Says in a note which columns are read, if they are not those of the options.
  void note_columns(const std::string& image, const std::string& text);

 private:
  void add_pair(const std::string& split, const Pair& pair);
  std::string file_, split_;
  const DataOptions& options_;
  Root root_;
  DataSet data_;
  std::vector<Pair> elsewhere_;  // outside the folder: what split they are of shows once all are known
};
/// The column among `names` that `wanted` means; where that is the default and missing, the one that has a usual name
/// for the same. Empty if there is none, or several.
std::string image_column(const std::vector<std::string>& names, const DataOptions& options);
std::string text_column(const std::vector<std::string>& names, const DataOptions& options);
/// The column that names splits, in any case of letters; empty if there is none.
std::string split_column(const std::vector<std::string>& names);
/// The split that a path below a table says by its folders: train/0.png, or images/train/0.png. Empty if it says none.
std::string split_of_path(const std::string& path);
/// What a message about missing columns ends with.
constexpr const char* other_columns = "; --image-column and --text-column name others";

// ---- tables ---------------------------------------------------------------------------------------------------------

DataSet read_table(const std::string& file, char delimiter, const DataOptions& options, const std::string& split = "train");
DataSet read_json_lines(const std::string& file, const DataOptions& options, const std::string& split = "train");
/// An array of records, {picture: caption or captions}, or images and annotations as COCO has captions. Nothing if it
/// is none of these.
std::optional<DataSet> read_json_table(const std::string& file, const DataOptions& options, const std::string& split = "train");
/// A table by its ending. Nothing if the ending is none of a table, or a JSON holds no captions.
std::optional<DataSet> read_table_file(const std::string& file, const DataOptions& options, const std::string& split = "train");
/// The table metadata.* or captions.* of a folder; nothing if it has none. Throws Error if it has several.
std::optional<DataSet> read_captions(const std::string& folder, const DataOptions& options, const std::string& split);
/// The names of the tables that read_captions() would look at.
std::vector<std::string> caption_tables(const std::string& folder);

// ---- folders --------------------------------------------------------------------------------------------------------

/// A folder that is read as a split, and what lies below it.
struct SplitFolder {
  std::string split, folder;
  Walked walked;
};
/// Class folders, or pictures with captions beside them, below folders of splits or directly in `root`; no splits if
/// there is no picture.
DataSet read_folders(const std::string& root, const DataOptions& options);
/// Whether most pictures have a caption file beside them.
bool have_captions(const std::vector<SplitFolder>& parts);
/// Pairs of these. Throws Error if the files hold boxes, as a data set for detection has them.
DataSet read_captions_beside(const std::vector<SplitFolder>& parts);
/// The Error for a data set for detection.
[[noreturn]] void refuse_detection(const std::string& root, const std::string& found);
/// train, val or test if that is what the name means: under any case, and as training, valid, validation, dev, eval,
/// testing. Others are empty.
std::string known_split(const std::string& name);
/// The same, but that other names stand for themselves.
std::string split_name(const std::string& name);
/// images, pictures, photos, …: a folder of this name is no class.
bool is_called_images(const std::string& name);
/// Whether a caption has nothing but blanks.
bool is_blank(const std::string& text);
/// A folder without the slashes at its end.
std::string without_slash(std::string path);
}  // namespace siglip::inline SIGLIP_FLAVOUR
