// class_folders.cpp — a folder for each class, its name the class, everything below it of that class: as Ultralytics
// and torchvision read them.
#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <utility>
#include "data/sources.h"
#include "data/utf8.h"
#include "io/listing.h"
#include "siglip/error.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
namespace fs = std::filesystem;

constexpr const char* outside_a_class = "picture outside a class folder";

std::string class_of(const std::string& picture) { return picture.substr(0, picture.find('/')); }
bool has_class(const std::string& picture) { return picture.find('/') != std::string::npos; }

bool is_empty(const std::string& folder) {
  const fs::directory_iterator entries(folder);
  return std::all_of(begin(entries), end(entries), [](const fs::directory_entry& entry) { return entry.path().filename().string()[0] == '.'; });
}

bool has_picture(const std::string& folder) {
  const fs::recursive_directory_iterator entries(folder);
  return std::any_of(begin(entries), end(entries), [](const fs::directory_entry& entry) { return is_picture(entry.path().filename().string()); });
}

/// Folders train, val and test if these are splits, else the root as train. A single one that holds no folders, beside
/// other folders of pictures, is a class: that of trains.
std::vector<SplitFolder> parts_of(const std::string& root, std::vector<LeftOut>& left_out) {
  std::vector<SplitFolder> parts;
  std::vector<std::string> others;
  bool nested = false;
  for (const std::string& name : subfolders(root)) {
    const std::string folder = root + "/" + name;
    if (const std::string split = known_split(name); split.empty())
      others.push_back(folder);
    else if (!is_empty(folder))
      parts.push_back({split, folder, {}}), nested = nested || !subfolders(folder).empty();
  }
  const bool is_class = parts.size() == 1 && !nested && std::any_of(others.begin(), others.end(), has_picture);
  if (parts.empty() || is_class) return {{"train", root, {}}};
  for (const std::string& folder : others) left_out.push_back({"folder beside the splits", folder});
  const fs::directory_iterator entries(root);
  const Dim strays = std::count_if(begin(entries), end(entries), [](const fs::directory_entry& entry) {
    return !entry.is_directory() && is_picture(entry.path().filename().string());
  });
  if (strays > 0) left_out.push_back({outside_a_class, root, strays});
  return parts;
}

/// Ultralytics finds labels in a folder labels/ that takes the place of images/.
bool is_of_detection(const std::string& folder) {
  if (fs::is_directory(folder + "/images") && fs::is_directory(folder + "/labels")) return true;
  for (fs::path at = fs::canonical(folder); at.has_relative_path(); at = at.parent_path())
    if (at.filename() == "images" && fs::is_directory(at.parent_path() / "labels")) return true;
  return false;
}

/// What a message about captions that were not found adds: where they may be.
std::string hint(const std::string& root, const std::set<std::string>& classes, const std::vector<SplitFolder>& parts) {
  Listing tables;
  std::string first;
  std::vector<std::string> names;
  for (const fs::directory_entry& entry : fs::directory_iterator(root))
    if (entry.is_regular_file()) names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  for (const std::string& name : names) {
    const std::string ending = ending_of(name);
    if (name[0] == '.' || (ending != ".csv" && ending != ".tsv" && ending != ".txt" && ending != ".json" && ending != ".jsonl")) continue;
    first = first.empty() ? name : first;
    tables.add(name);
  }
  if (tables.count > 0)
    return ", beside " + tables.shown + "; a table of captions is read by --data " + root + "/" + first +
           ", where --image-column and --text-column name its columns";
  for (const SplitFolder& part : parts)
    for (const std::string& picture : part.walked.pictures)
      if (classes.size() == 1 && std::count(picture.begin(), picture.end(), '/') > 1)
        return "; if the folders in it are classes or splits, --data " + part.folder + "/" + *classes.begin() + " reads them";
  return "";
}

/// The second folder of a path: "monday" of red/monday/0.png. Empty if there is none.
std::string below_class(const std::string& picture) {
  const std::size_t begin = picture.find('/') + 1, end = begin == 0 ? begin : picture.find('/', begin);
  return begin == 0 || end == std::string::npos ? "" : picture.substr(begin, end - begin);
}

/// Refuses splits below class folders: their test pictures would be trained on.
void require_splits_above(const std::string& root, const std::vector<SplitFolder>& parts) {
  for (const SplitFolder& part : parts)
    for (const std::string& picture : part.walked.pictures) {
      const std::string split = known_split(below_class(picture));
      require(split != "val" && split != "test", root, "folders of splits above those of classes are expected, got ",
              part.folder + "/" + class_of(picture) + "/" + below_class(picture), " below a class; if ", class_of(picture),
              " is a data set of its own, --data ", part.folder + "/" + class_of(picture), " reads it");
    }
}

/// Refuses pictures whose folders say nothing of what they show.
void require_classes(const std::string& root, const std::set<std::string>& classes, const std::vector<SplitFolder>& parts) {
  const SplitFolder* with_pictures = nullptr;
  bool deeper = true;  // nothing lies in a class folder itself
  for (const SplitFolder& part : parts) {
    if (with_pictures == nullptr && !part.walked.pictures.empty()) with_pictures = &part;
    for (const std::string& picture : part.walked.pictures) deeper = deeper && !(has_class(picture) && below_class(picture).empty());
  }
  const bool nameless = classes.empty() || (classes.size() == 1 && (deeper || is_called_images(*classes.begin())));
  if (!nameless || with_pictures == nullptr) return;
  for (const std::string& folder : {root, with_pictures->folder})
    if (is_of_detection(folder)) refuse_detection(root, "images/ beside labels/");
  const std::string found = classes.empty() ? with_pictures->folder : with_pictures->folder + "/" + *classes.begin();
  fail(root, "captions, or a folder of pictures for each class, are expected, got pictures in ", found, " alone", hint(root, classes, parts));
}

/// Says which classes are in one split alone: "Cat" beside "cat", perhaps.
void note_classes(DataSet& data) {
  std::map<std::string, std::set<std::int32_t>> labels;
  for (const Split& split : data.splits)
    for (const Pair& pair : split.pairs) labels[split.name].insert(pair.label);
  if (!labels.contains("train")) return;
  const auto note = [&](const std::string& of, const std::string& lacks, bool untrained) {
    Listing names;
    for (const std::int32_t label : labels[of])
      if (!labels[lacks].contains(label)) names.add("\"" + data.classes[static_cast<std::size_t>(label)] + "\"");
    if (names.count == 0) return;
    const bool one = names.count == 1;
    data.notes.push_back(of + " has " + std::to_string(names.count) + (one ? " class that " : " classes that ") + lacks + " lacks" +
                         (untrained ? one ? ", so no picture of it is trained on" : ", so no picture of them is trained on" : "") + ": " +
                         names.shown);
  };
  for (const Split& split : data.splits) {
    if (split.name == "train") continue;
    note(split.name, "train", true);
    note("train", split.name, false);
  }
}

void add_split(DataSet& data, const SplitFolder& part, const DataOptions& options) {
  Split split{part.split, {}};
  Dim strays = 0;
  for (const std::string& picture : part.walked.pictures) {
    strays += !has_class(picture);
    if (!has_class(picture)) continue;
    const std::string name = class_of(picture);
    const auto label = std::lower_bound(data.classes.begin(), data.classes.end(), name) - data.classes.begin();
    split.pairs.push_back({part.folder + "/" + picture, fill_template(options.text_template, name), static_cast<std::int32_t>(label), false});
  }
  if (strays > 0) data.left_out.push_back({outside_a_class, part.folder, strays});
  data.splits.push_back(std::move(split));
}
}  // namespace

void refuse_detection(const std::string& root, const std::string& found) {
  fail(root, "a folder of pictures for each class is expected, got ", found, ", as of a data set for detection");
}

std::string known_split(const std::string& name) {
  static const std::map<std::string, std::string> names = {{"train", "train"}, {"training", "train"}, {"val", "val"},
                                                           {"valid", "val"},   {"validation", "val"}, {"dev", "val"},
                                                           {"eval", "val"},    {"test", "test"},      {"testing", "test"}};
  const auto at = names.find(lower_case_ascii(name));
  return at == names.end() ? "" : at->second;
}

std::string split_name(const std::string& name) {
  const std::string known = known_split(name);
  return known.empty() ? name : known;
}

bool is_called_images(const std::string& name) {
  static const std::set<std::string> names = {"image", "images", "img", "imgs", "jpegimages", "photo", "photos", "picture", "pictures"};
  return names.contains(lower_case_ascii(name));
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

DataSet read_folders(const std::string& root, const DataOptions& options) {
  fill_template(options.text_template, "");  // says what is wrong before any folder is read
  DataSet data;
  std::vector<SplitFolder> parts = parts_of(root, data.left_out);
  std::vector<std::string> folders;
  for (const SplitFolder& part : parts) folders.push_back(part.folder);
  std::vector<Walked> walked = walk(root, folders, options.follow_links, data.left_out);
  for (std::size_t i = 0; i < parts.size(); ++i) parts[i].walked = std::move(walked[i]);

  if (have_captions(parts)) {
    DataSet captions = read_captions_beside(parts);
    captions.left_out.insert(captions.left_out.begin(), data.left_out.begin(), data.left_out.end());
    return captions;
  }

  std::set<std::string> classes;
  for (const SplitFolder& part : parts)
    for (const std::string& picture : part.walked.pictures)
      if (has_class(picture)) classes.insert(class_of(picture));
  require_classes(root, classes, parts);
  require_splits_above(root, parts);
  for (const std::string& name : classes)
    require(is_valid_utf8(name), root + "/" + name, "a name in UTF-8 is expected of a class, since it becomes a caption; rename the folder");
  data.classes.assign(classes.begin(), classes.end());
  data.text_template = options.text_template;
  if (!classes.empty())
    for (const SplitFolder& part : parts) add_split(data, part, options);
  note_classes(data);
  return data;
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
