// read.cpp — recognises what a path holds, and holds out a val split where there is none.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include "core/hash.h"
#include "data/sources.h"
#include "siglip/error.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
namespace fs = std::filesystem;

/// Tables: one of the folder itself, or one for each split in the folders below.
DataSet read_tables(const std::string& root, const DataOptions& options) {
  DataSet data;
  std::vector<std::string> others;
  std::optional<DataSet> whole = read_captions(root, options, "train");
  for (const std::string& name : subfolders(root)) {
    const std::string folder = root + "/" + name;
    if (whole) {
      for (const std::string& table : caption_tables(folder)) whole->left_out.push_back({"table below another", folder + "/" + table});
      continue;
    }
    std::optional<DataSet> part = read_captions(folder, options, split_name(name));
    if (!part) {
      others.push_back(folder);
      continue;
    }
    check_text(name, folder);  // it is the name of a split
    Root(root, options.follow_links).require_inside(folder, root);
    std::move(part->splits.begin(), part->splits.end(), std::back_inserter(data.splits));
    std::move(part->left_out.begin(), part->left_out.end(), std::back_inserter(data.left_out));
    std::move(part->notes.begin(), part->notes.end(), std::back_inserter(data.notes));
  }
  if (whole) return std::move(*whole);
  if (!data.splits.empty())
    for (const std::string& folder : others) data.left_out.push_back({"folder without captions", folder});
  return data;
}

/// train, val, test, then the others by name.
void sort_splits(std::vector<Split>& splits, const std::string& root) {
  auto place = [](const Split& split) { return split.name == "train" ? 0 : split.name == "val" ? 1 : split.name == "test" ? 2 : 3; };
  std::sort(splits.begin(), splits.end(),
            [&](const Split& a, const Split& b) { return place(a) != place(b) ? place(a) < place(b) : a.name < b.name; });
  for (std::size_t i = 1; i < splits.size(); ++i)
    require(splits[i].name != splits[i - 1].name, root, "one folder for split ", splits[i].name, " is expected, got several");
}

/// The words of a caption: "A cat." would give away "a cat". The caption itself if it has none.
std::string words_of(const std::string& caption, const Tokenizer& words) {
  std::string all;
  for (const std::string& word : words.pieces(caption)) all += word + " ";
  return all.empty() ? caption : all;
}

using KeysByLabel = std::map<std::int32_t, std::set<std::uint64_t>>;

/// A share of the keys, from each label alike, but one of each label.
std::set<std::uint64_t> keys_of_fraction(const KeysByLabel& by_label, double fraction) {
  std::vector<std::pair<double, std::uint64_t>> order;  // place within the label, from 0 to 1; key
  std::size_t count = 0;
  for (const auto& [label, own] : by_label) {
    const double size = static_cast<double>(own.size());
    double place = 0.5;
    for (auto key = own.begin(); std::next(key) != own.end(); ++key, ++place) order.emplace_back(place / size, *key);
    count += own.size();
  }
  std::sort(order.begin(), order.end());
  const std::size_t wanted = std::max<std::size_t>(1, static_cast<std::size_t>(std::lround(fraction * static_cast<double>(count))));
  std::set<std::uint64_t> held;
  for (std::size_t i = 0; i < std::min(wanted, order.size()); ++i) held.insert(order[i].second);
  return held;
}

/// Keys are dealt to the folds in turn, label by label, so each fold has its share of each. A class of one picture is never held out.
std::set<std::uint64_t> keys_of_fold(const KeysByLabel& by_label, const DataOptions& options) {
  std::set<std::uint64_t> held;
  Dim turn = 0;
  for (const auto& [label, own] : by_label) {
    if (label >= 0 && own.size() == 1) continue;
    for (const std::uint64_t key : own)
      if (turn++ % options.folds == options.fold - 1) held.insert(key);
  }
  return held;
}

/// Moves pairs from train to a new split val. Captions of the same words stay together, so that none of val was seen in training; where the
/// caption is a class, pictures go one by one, from each class alike, and each class keeps at least one in train. Hashes decide which.
void hold_out(DataSet& data, const DataOptions& options) {
  require(options.folds == 0 || !data.find("val"), data.root, "data without a val split are expected where a fold is held out, got some with one");
  if ((options.val_fraction == 0 && options.folds == 0) || !data.find("train") || data.find("val")) return;
  std::vector<Pair> all = std::move(data.splits[0].pairs), train, val;
  const std::unique_ptr<Tokenizer> words = learn_words({}, 1);
  std::vector<std::uint64_t> keys;  // of pairs that stay together
  KeysByLabel by_label;
  for (const Pair& pair : all) {
    keys.push_back(mixed(fnv1a(data.classes.empty() ? words_of(pair.text, *words) : pair.image.substr(data.root.size()))));
    by_label[pair.label].insert(keys.back());
  }
  const std::set<std::uint64_t> held = options.folds ? keys_of_fold(by_label, options) : keys_of_fraction(by_label, options.val_fraction);
  for (std::size_t i = 0; i < all.size(); ++i) (held.contains(keys[i]) ? val : train).push_back(std::move(all[i]));
  require(options.folds == 0 || (!val.empty() && !train.empty()), data.root, "pairs in each of ", options.folds, " folds are expected, got too few");
  data.splits[0].pairs = std::move(train);
  if (!val.empty()) data.splits.insert(data.splits.begin() + 1, {"val", std::move(val)});
}
}  // namespace

const Split* DataSet::find(const std::string& name) const {
  const auto at = std::find_if(splits.begin(), splits.end(), [&](const Split& split) { return split.name == name; });
  return at == splits.end() ? nullptr : &*at;
}

const Split& DataSet::split(const std::string& name) const {
  const Split* found = find(name);
  std::string names;
  for (const Split& one : splits) names += (names.empty() ? "" : ", ") + one.name;
  require(found != nullptr, root, "a split \"", name, "\" is expected, got only ", names.empty() ? "none" : names);
  return *found;
}

std::vector<std::string> remarks(const DataSet& data) {
  std::vector<std::string> lines;
  for (const std::string& note : data.notes) lines.push_back("note: " + note);
  if (!data.left_out.empty()) lines.push_back(summary(data.left_out));
  return lines;
}

namespace {
DataSet read_folder(const std::string& path, const DataOptions& options) {
  const std::string root = without_slash(path);
  DataSet data = read_tables(root, options);
  if (data.splits.empty()) data = read_folders(root, options);
  const std::string rest = summary(data.left_out);
  require(!data.splits.empty(), path,
          "metadata.jsonl, metadata.csv, folders train, val, … that have one, or class folders with pictures are expected, got none of these",
          rest.empty() ? "" : "; " + rest);
  data.root = root;
  return data;
}

DataSet read_file_of_data(const std::string& path, const DataOptions& options) {
  const std::string ending = ending_of(path);
  require(ending != ".yaml" && ending != ".yml", path,
          "a folder or a table of captions is expected, got the description of a data set for detection; crops of its boxes, in a folder for each "
          "class, can be trained on");
  std::optional<DataSet> data = read_table_file(path, options);
  require(data.has_value(), path,
          ending == ".json"
              ? "an array of objects, an object of pictures and captions, or COCO's images and annotations are expected, got another JSON"
              : "a folder or a table (.csv, .tsv, .txt, .jsonl, .json) is expected, got another file");
  data->root = fs::path(path).has_parent_path() ? fs::path(path).parent_path().string() : ".";
  return std::move(*data);
}
}  // namespace

DataSet read_data(const std::string& path, const DataOptions& options) {
  require(options.val_fraction >= 0 && options.val_fraction < 1, "val fraction", "a number in [0, 1) is expected, got ", options.val_fraction);
  require(options.folds >= 0 && options.folds != 1 && options.fold <= options.folds && (options.folds == 0 || options.fold > 0), "fold",
          "a part from 1 to their number, at least 2, is expected, got ", options.fold, " of ", options.folds);
  DataSet data;
  try {
    const fs::file_status status = fs::status(path);
    require(fs::exists(status), path, "a folder or a table (.csv, .tsv, .txt, .jsonl, .json) is expected, got nothing of this name");
    data = fs::is_directory(status) ? read_folder(path, options) : read_file_of_data(path, options);
  } catch (const fs::filesystem_error& error) {
    fail(error.path1().empty() ? path : error.path1().string(), "a folder that can be read is expected, got: ", error.code().message());
  }
  sort_splits(data.splits, path);
  const std::string rest = data.left_out.empty() ? "" : "; " + summary(data.left_out);
  for (const Split& split : data.splits)
    require(!split.pairs.empty(), path, "at least one pair is expected in split ", split.name, ", got none", rest);
  hold_out(data, options);
  return data;
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
