// disk_names.cpp — looks for a name in its folder by what it reads as.
#include "data/disk_names.h"
#include <algorithm>
#include <filesystem>
#include "data/utf8.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace fs = std::filesystem;

const DiskNames::Names& DiskNames::names_in(const std::string& folder) {
  const auto [at, fresh] = folders_.try_emplace(folder);
  std::error_code error;
  if (fresh)
    for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
      const std::string name = entry->path().filename().string();
      at->second.emplace(normal_form(valid_utf8(name)), name);
    }
  return at->second;
}

std::string DiskNames::find(const std::string& folder, const std::string& name) {
  const std::string path = folder + "/" + name;
  std::error_code none;
  const bool ascii = std::all_of(name.begin(), name.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
  if (ascii || fs::exists(fs::symlink_status(path, none))) return path;
  fs::path found = folder;
  for (const fs::path& part : fs::path(name)) {
    if (part == ".") continue;
    const Names& names = names_in(found.string());
    const auto same = names.find(normal_form(valid_utf8(part.string())));
    if (same == names.end()) return path;
    found /= same->second;
  }
  return found.string();
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
