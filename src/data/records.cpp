// records.cpp — what tables of any format have in common: usual names of columns, where the pictures lie, and which
// split a record is of.
#include <algorithm>
#include <filesystem>
#include "data/sources.h"
#include "data/utf8.h"
#include "data/walk.h"
#include "siglip/error.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
namespace fs = std::filesystem;

bool is_inside(const std::string& path, const std::string& folder) {
  return path == folder || folder == "/" || (path.starts_with(folder) && path[folder.size()] == '/');
}

bool exists(const std::string& path) {
  std::error_code none;
  return fs::exists(path, none);
}

/// `wanted`, if there is such a name; where that is the default, the one name that is usual for the same.
std::string column_of(const std::vector<std::string>& names, const std::string& wanted, const std::string& by_default,
                      const std::vector<std::string>& usual) {
  const auto count = std::count(names.begin(), names.end(), wanted);
  if (count > 0 || wanted != by_default) return count == 1 ? wanted : "";
  std::string found;
  for (const std::string& name : names) {
    if (std::find(usual.begin(), usual.end(), lower_case_ascii(name)) == usual.end()) continue;
    if (!found.empty()) return "";
    found = name;
  }
  return found;
}

}  // namespace

std::string split_of_path(const std::string& path) {
  std::size_t begin = 0, end = path.find('/');
  if (end != std::string::npos && is_called_images(path.substr(0, end))) begin = end + 1, end = path.find('/', begin);
  return end == std::string::npos ? "" : known_split(path.substr(begin, end - begin));
}

std::string without_slash(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

std::string image_column(const std::vector<std::string>& names, const DataOptions& options) {
  return column_of(names, options.image_column, DataOptions().image_column,
                   {"file_name", "filename", "image", "image_name", "image_path", "image_file", "img", "img_path", "filepath", "file_path", "path",
                    "file", "picture"});
}

std::string text_column(const std::vector<std::string>& names, const DataOptions& options) {
  return column_of(names, options.text_column, DataOptions().text_column,
                   {"text", "caption", "captions", "title", "comment", "description", "sentence", "prompt"});
}

std::string split_column(const std::vector<std::string>& names) {
  const auto at = std::find_if(names.begin(), names.end(), [](const std::string& name) { return lower_case_ascii(name) == "split"; });
  return at == names.end() ? "" : *at;
}

// ---- where pictures lie ---------------------------------------------------------------------------------------------

Root::Root(std::string folder, bool follow_links)
    : folder_(without_slash(std::move(folder))),
      canonical_(fs::canonical(folder_).string()),
      absolute_(fs::absolute(folder_).lexically_normal().string()),
      follow_links_(follow_links) {}

void Root::require_inside(const std::string& path, const std::string& where) {
  if (follow_links_) return;
  // Folders are followed once; a file only if it is a link, because there may be millions.
  std::error_code problem;
  const std::string parent = fs::path(path).parent_path().string();
  auto [at, fresh] = inside_.try_emplace(parent, false);
  if (fresh) at->second = is_inside(fs::weakly_canonical(parent, problem).string(), canonical_);
  bool fits = at->second;
  if (fits && fs::is_symlink(fs::symlink_status(path, problem))) fits = is_inside(fs::weakly_canonical(path, problem).string(), canonical_);
  require(fits, where, "with --no-follow, pictures inside ", folder_, " are expected, got ", path, ", which leads out of it");
}

bool Root::lies_in(const std::string& path) const {
  std::error_code problem;
  return is_inside(canonical_, fs::weakly_canonical(path, problem).string());
}

std::string Root::below(const std::string& path) const {
  // Of a picture in a folder beside the table, what follows that folder says its split, or else the folder does.
  if (!base_.empty() && base_ != folder_ && is_inside(path, base_))
    if (const std::string rest = path.substr(base_.size() + 1); !split_of_path(rest).empty()) return rest;
  for (const std::string& folder : {folder_, canonical_, absolute_})
    if (is_inside(path, folder) && path != folder) return path.substr(folder == "/" ? 1 : folder.size() + 1);
  return "";
}

/// The path of a relative name: in the folder, or in the one folder beside the table that has it.
std::string Root::in_place(const std::string& name) {
  constexpr int most_tries = 16;
  if (base_.empty() && tries_ < most_tries) {
    ++tries_;
    if (exists(on_disk_.find(folder_, name))) {
      base_ = folder_;
    } else {
      if (tries_ == 1) beside_ = subfolders(folder_);
      std::vector<std::string> bases;
      for (const std::string& beside : beside_)
        if (exists(on_disk_.find(folder_ + "/" + beside, name))) bases.push_back(folder_ + "/" + beside);
      if (bases.size() == 1) base_ = bases[0];
    }
  }
  return on_disk_.find(base_.empty() ? folder_ : base_, name);
}

std::string Root::resolve(std::string name, const std::string& where) {
  const bool drive = name.size() > 2 && name[1] == ':' && (name[2] == '\\' || name[2] == '/');
  require(!drive, where, "the path of a picture on this machine is expected, got \"", name, "\", one of Windows; relative paths are read anywhere");
  if (name.find('\\') != std::string::npos && !exists(folder_ + "/" + name)) std::replace(name.begin(), name.end(), '\\', '/');
  const fs::path given(name);
  require(std::find(given.begin(), given.end(), "..") == given.end(), where, "a picture inside this file's folder is expected, got \"", name,
          "\"; an absolute path may name one elsewhere");
  name = given.lexically_normal().string();  // "./train//0.png" is in train
  const std::string path = fs::path(name).is_absolute() ? name : in_place(name);
  require_inside(path, where);
  return path;
}

// ---- records --------------------------------------------------------------------------------------------------------

Records::Records(const std::string& file, const DataOptions& options, std::string split)
    : file_(file),
      split_(std::move(split)),
      options_(options),
      root_(fs::path(file).has_parent_path() ? fs::path(file).parent_path().string() : ".", options.follow_links) {}

void Records::note_columns(const std::string& image, const std::string& text) {
  if (image == options_.image_column && text == options_.text_column) return;
  data_.notes.push_back(file_ + ": pictures are read from column \"" + image + "\", captions from \"" + text + "\"");
}

void Records::add(const Record& record, const std::string& where) {
  if (is_blank(record.image)) return data_.left_out.push_back({"no picture", where});
  const std::string path = root_.resolve(record.image, where);
  const std::string below = root_.below(path);
  const bool by_path = record.split.empty() && split_ == "train";
  bool has_text = false;
  for (const std::string& text : record.texts) {
    if (is_blank(text)) continue;
    has_text = true;
    const Pair pair{path, text, -1, record.distractor};
    if (!by_path)
      add_pair(split_name(record.split), pair);
    else if (below.empty())
      elsewhere_.push_back(pair);
    else
      add_pair(split_of_path(below), pair);
  }
  if (!has_text) data_.left_out.push_back({"no caption", where});
}

void Records::add_pair(const std::string& split, const Pair& pair) {
  const std::string& name = split.empty() ? split_ : split;
  constexpr std::size_t most_splits = 100;
  auto at = std::find_if(data_.splits.begin(), data_.splits.end(), [&](const Split& one) { return one.name == name; });
  if (at == data_.splits.end()) {
    require(data_.splits.size() < most_splits, file_, "at most ", most_splits, " splits are expected, got more: does \"split\" name them?");
    at = data_.splits.insert(at, {name, {}});
  }
  at->pairs.push_back(pair);
}

DataSet Records::data() {
  // Of paths elsewhere, the folders that all of them share say nothing: in /home/test/{train,val}/0.png those behind them do.
  std::size_t shared = elsewhere_.empty() ? 0 : elsewhere_[0].image.rfind('/') + 1;
  for (const Pair& pair : elsewhere_)
    while (pair.image.compare(0, shared, elsewhere_[0].image, 0, shared) != 0) shared = elsewhere_[0].image.rfind('/', shared - 2) + 1;
  for (const Pair& pair : elsewhere_) add_pair(split_of_path(pair.image.substr(shared)), pair);
  const std::string rest = summary(data_.left_out);
  require(!data_.splits.empty(), file_, "at least one pair is expected, got none", rest.empty() ? "" : "; ", rest);
  return std::move(data_);
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
