// class_folders.cpp — a folder for each class, its name the class: as Ultralytics lays out data to classify.
#include <algorithm>
#include <filesystem>
#include <set>
#include "data/sources.h"
#include "siglip/error.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
namespace fs = std::filesystem;

std::vector<std::string> pictures(const std::string& folder) {
  std::vector<std::string> names;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (name[0] != '.' && !entry.is_directory() && is_picture(name)) names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

/// The pairs of one folder of class folders.
Split read_split(const std::string& name, const std::string& folder, const std::vector<std::string>& classes, const DataOptions& options) {
  Split split{name, {}};
  Root root(folder);
  for (std::size_t label = 0; label < classes.size(); ++label) {
    if (!fs::is_directory(folder + "/" + classes[label])) continue;
    for (const std::string& picture : pictures(folder + "/" + classes[label]))
      split.pairs.push_back({root.resolve(classes[label] + "/" + picture, folder), fill_template(options.text_template, classes[label]),
                             static_cast<std::int32_t>(label), false});
  }
  return split;
}
}  // namespace

bool is_picture(const std::string& name) {
  static const std::set<std::string> endings = {".jpg", ".jpeg", ".png", ".gif", ".webp", ".bmp", ".tif", ".tiff", ".avif", ".heic", ".jxl"};
  return endings.contains(ending_of(name));
}

std::string fill_template(const std::string& text_template, const std::string& name, const std::string& where) {
  std::string text = text_template;
  std::size_t at = text.find("{}");
  require(at != std::string::npos, where, "{} is expected where the name goes, got \"", text_template, "\"");
  for (; at != std::string::npos; at = text.find("{}", at + name.size())) text.replace(at, 2, name);
  return text;
}

Ids class_tokens(const DataSet& data, const Tokenizer& tokenizer) {
  if (data.classes.empty()) return {};
  std::vector<std::string> texts;
  for (const std::string& name : data.classes) texts.push_back(fill_template(data.text_template, name));
  return tokenizer.encode(texts);
}

DataSet read_class_folders(const std::string& root, const DataOptions& options) {
  fill_template(options.text_template, "");  // says what is wrong before any folder is read
  // A folder train that holds pictures itself is the class of trains.
  std::vector<std::pair<std::string, std::string>> folders;  // split, folder
  for (const std::string& name : subfolders(root)) {
    const std::string split = split_name(name);
    if ((split == "train" || split == "val" || split == "test") && !subfolders(root + "/" + name).empty())
      folders.emplace_back(split, root + "/" + name);
  }
  if (folders.empty()) folders.emplace_back("train", root);

  std::set<std::string> names;
  for (const auto& [split, folder] : folders)
    for (const std::string& name : subfolders(folder))
      if (!pictures(folder + "/" + name).empty()) names.insert(name);

  // Pictures in images/, perhaps below in images/train, and beside it labels/.
  const auto has_labels = [&](const auto& part) { return fs::is_directory(part.second + "/images") && fs::is_directory(part.second + "/labels"); };
  const bool of_detection = (names.empty() || names == std::set<std::string>{"images"}) && std::any_of(folders.begin(), folders.end(), has_labels);
  require(!of_detection, root, "a folder of pictures for each class is expected, got images/ beside labels/, as of a data set for detection");

  DataSet data;
  data.classes.assign(names.begin(), names.end());
  data.text_template = options.text_template;
  for (const std::string& name : data.classes) check_text(name, root + "/" + name);
  if (!names.empty())
    for (const auto& [split, folder] : folders) data.splits.push_back(read_split(split, folder, data.classes, options));
  return data;
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
