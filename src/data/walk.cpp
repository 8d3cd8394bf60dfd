// walk.cpp — which files below a folder are pictures, which folders hold none of the user's, and links that lead round
// in circles.
#include "data/walk.h"
#include <sys/stat.h>
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <string_view>
#include <utility>
#include "data/sources.h"
#include "data/utf8.h"
#include "io/listing.h"
#include "siglip/error.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
namespace fs = std::filesystem;

/// Folders that systems and programs keep for themselves. They hold copies of pictures, or nothing that a user put
/// there.
bool is_of_system(const std::string& name) {
  static const std::set<std::string> names = {"@eadir",     "#recycle",   "__macosx", "thumbnails", "$recycle.bin", "system volume information",
                                              "lost+found", "__pycache__"};
  return names.contains(lower_case_ascii(name));
}

/// Files that nobody sees, and what Windows keeps beside them.
bool is_hidden_file(const std::string& name) {
  const std::string low = lower_case_ascii(name);
  return low.starts_with('.') || low == "thumbs.db" || low == "desktop.ini";
}

bool is_skipped_folder(const std::string& name) { return name.starts_with('.') || is_of_system(name); }

/// Endings of what lies beside pictures by rights: nobody takes these for pictures, and they are not counted.
bool is_companion(const std::string& ending) {
  static const std::set<std::string> endings = {".txt", ".caption", ".json", ".jsonl", ".csv", ".tsv", ".xml", ".html", ".md",          ".yaml",
                                                ".yml", ".xmp",     ".log",  ".npy",   ".npz", ".py",  ".ini", ".db",   ".safetensors", ".parquet"};
  return endings.contains(ending);
}

/// Whether a file begins as JPEG, PNG, GIF or WebP do.
bool begins_as_picture(const std::string& path) {
  char first[12] = {};
  std::ifstream(path, std::ios::binary).read(first, sizeof first);
  const std::string_view bytes(first, sizeof first);
  return bytes.starts_with("\xFF\xD8\xFF") || bytes.starts_with("\x89PNG\r\n\x1A\n") || bytes.starts_with("GIF8") ||
         (bytes.starts_with("RIFF") && bytes.ends_with("WEBP"));
}

class Walker {
 public:
  Walker(const std::string& root, bool follow_links) : folder_(root), root_(root, follow_links) {}

  std::vector<Walked> all(const std::vector<std::string>& folders) {
    walked_.resize(folders.size());
    for (std::size_t i = 0; i < folders.size(); ++i) {
      if (folders[i] == folder_ || !fs::is_symlink(folders[i])) {  // what a user names is entered, whatever it is
        enter(i, folders[i], "");
      } else {
        root_.require_inside(folders[i], folder_);
        links_.push_back({i, folders[i], ""});
      }
    }
    for (std::size_t i = 0; i < links_.size(); ++i) {  // more of them may be found on the way
      const Link link = links_[i];
      if (root_.lies_in(link.folder))
        leave("link to a folder above", link.folder);
      else if (!enter(link.of, link.folder, link.prefix))
        leave("link to a folder that is read already", link.folder);
    }
    for (Walked& walked : walked_) std::sort(walked.pictures.begin(), walked.pictures.end());
    return std::move(walked_);
  }

  void add_to(std::vector<LeftOut>& left_out) const {
    for (const auto& [what, count] : left_out_) left_out.push_back({what.first, what.second, count});
  }

 private:
  struct Link {
    std::size_t of;  // which of the folders that are walked
    std::string folder, prefix;
  };

  void leave(const std::string& reason, const std::string& place) { ++left_out_[{reason, place}]; }

  /// False if the folder was entered before.
  bool enter(std::size_t of, const std::string& folder, const std::string& prefix) {
    struct stat info {};
    if (stat(folder.c_str(), &info) == 0 && !entered_.insert({info.st_dev, info.st_ino}).second) return false;
    std::vector<fs::directory_entry> entries(fs::directory_iterator(folder), fs::directory_iterator{});
    std::sort(entries.begin(), entries.end());
    for (const fs::directory_entry& entry : entries) {
      const std::string name = entry.path().filename().string(), path = folder + "/" + name;
      std::error_code none;
      const bool is_link = entry.is_symlink(none);  // as the two below: known from reading the folder, unless it is a link
      if (!entry.is_directory(none)) {
        add_file(of, folder, prefix + name, entry.is_regular_file(none), is_link);
      } else if (is_skipped_folder(name)) {
        leave(name.starts_with('.') ? "hidden" : "thumbnails or a system's folder", path);
      } else if (is_link) {
        root_.require_inside(path, folder);
        links_.push_back({of, path, prefix + name + "/"});
      } else {
        enter(of, path, prefix + name + "/");
      }
    }
    return true;
  }

  void add_file(std::size_t of, const std::string& folder, const std::string& relative, bool regular, bool is_link) {
    const std::string name = relative.substr(relative.rfind('/') + 1), path = folder + "/" + name, ending = ending_of(name);
    if (is_hidden_file(name)) return;
    if (is_link && !regular && !is_picture(name)) return leave("link that leads nowhere", path);
    if (!is_link && !regular) return leave("not a regular file", path);
    if (ending == ".txt" || ending == ".caption") walked_[of].texts.insert(relative);
    if (is_companion(ending)) return;
    // A link that leads nowhere but is called a picture is one that cannot be read: who decodes it says so.
    if (!is_picture(name) && !begins_as_picture(path)) return leave("not a picture", folder);
    if (is_link) root_.require_inside(path, folder);
    walked_[of].pictures.push_back(relative);
  }

  std::string folder_;
  Root root_;
  std::vector<Walked> walked_;
  std::vector<Link> links_;
  std::set<std::pair<dev_t, ino_t>> entered_;
  std::map<std::pair<std::string, std::string>, Dim> left_out_;
};
}  // namespace

std::vector<Walked> walk(const std::string& root, const std::vector<std::string>& folders, bool follow_links, std::vector<LeftOut>& left_out) {
  Walker walker(root, follow_links);
  std::vector<Walked> walked = walker.all(folders);
  walker.add_to(left_out);
  return walked;
}

std::vector<std::string> subfolders(const std::string& folder) {
  std::vector<std::string> names;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    std::error_code none;
    if (!is_skipped_folder(name) && entry.is_directory(none)) names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::string ending_of(const std::string& path) { return lower_case_ascii(fs::path(path).extension().string()); }

bool is_picture(const std::string& name) {
  static const std::set<std::string> endings = {".jpg", ".jpeg", ".jpe", ".jfif", ".jfi",  ".jif",  ".pjpeg", ".pjp",  ".mpo", ".png", ".apng",
                                                ".gif", ".webp", ".bmp", ".tif",  ".tiff", ".avif", ".heic",  ".heif", ".jxl", ".jp2", ".dng"};
  return endings.contains(ending_of(name));
}

bool is_decoded(const std::string& name) {
  static const std::set<std::string> others = {".tif", ".tiff", ".avif", ".heic", ".heif", ".jxl", ".jp2", ".dng"};
  return !others.contains(ending_of(name));
}

std::string summary(const std::vector<LeftOut>& left_out) {
  std::vector<std::string> reasons;  // in the order they came
  std::map<std::string, std::vector<const LeftOut*>> by_reason;
  for (const LeftOut& one : left_out) {
    if (!by_reason.contains(one.reason)) reasons.push_back(one.reason);
    by_reason[one.reason].push_back(&one);
  }
  std::string line;
  for (const std::string& reason : reasons) {
    Listing places;
    Dim count = 0;
    for (const LeftOut* one : by_reason[reason]) {
      places.add(one->place + (one->count > 1 && by_reason[reason].size() > 1 ? " " + std::to_string(one->count) : ""));
      count += one->count;
    }
    line += (line.empty() ? "left out: " : "; ") + reason + ": " + std::to_string(count) + " (" + places.shown + ")";
  }
  return line;
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
