// new_folder.h — where a data set is to be made, checked before any work is done, and its files.
#pragma once
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include "siglip/error.h"

namespace siglip::inline SIGLIP_FLAVOUR {
/// Throws Error unless `dir` is new or empty and the folder around it is there or can be made.
inline void require_new_folder(std::string dir) {
  namespace fs = std::filesystem;
  while (dir.size() > 1 && dir.ends_with('/')) dir.pop_back();
  std::error_code error;
  const bool free = !fs::exists(dir, error) || (fs::is_directory(dir, error) && fs::is_empty(dir, error));
  require(free, dir, "a new or empty folder is expected, got one that is in use");
  const fs::path around = fs::path(dir).parent_path();
  if (!around.empty()) fs::create_directories(around, error);
  require(around.empty() || fs::is_directory(around, error), dir,
          "a folder that can be made is expected, got: ", error ? error.message() : "Not a directory");
}

/// A file of a data set that a FolderWriter flushes later, with all others.
inline void write_plainly(const std::string& path, const std::string& bytes) {
  errno = 0;
  std::ofstream file(path, std::ios::binary);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  file.close();
  if (file.fail()) fail(path, "a file that can be written is expected, got: ", errno ? std::strerror(errno) : "an unknown error");
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
