// checkpoint.cpp — folders that are put in their place whole.
#include "siglip/checkpoint.h"
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cerrno>
#include <filesystem>
#include "io/atomic_file.h"
#include "siglip/error.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace fs = std::filesystem;
namespace {
// The files' bytes reach the disk first, then their names. Thousands of files are flushed at once with all that the file system has waiting:
// one by one, 3,655 small pictures took 23 seconds.
void flush_folder(const std::string& folder, const std::string& where) {
  constexpr std::size_t many = 100;
  std::vector<std::string> paths;
  try {
    for (const auto& entry : fs::recursive_directory_iterator(folder)) paths.push_back(entry.path());
  } catch (const fs::filesystem_error& e) {
    fail(where, "its files cannot be listed: ", e.code().message());
  }
  if (paths.size() <= many) {
    for (const std::string& path : paths) flush_to_disk(path);
    flush_to_disk(folder);
    return;
  }
  const int descriptor = open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool flushed = descriptor >= 0 && syncfs(descriptor) == 0;
  const std::string why = reason();
  if (descriptor >= 0) close(descriptor);
  require(flushed, where, "flushing failed: ", why);
}

// Renames the folder `from` to `to`. What was there is kept under the name that is given back; empty if nothing was.
std::string put_in_place(const std::string& from, const std::string& to) {
  if (rename(from.c_str(), to.c_str()) == 0) return "";  // nothing was there, or an empty folder
  // One step: at every moment there is a whole folder.
  if (renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_EXCHANGE) == 0) return from;
  if (errno != EINVAL && errno != ENOSYS && errno != ENOTSUP) fail(to, "renaming into place failed: ", reason());
  // This file system cannot exchange: between two steps the old folder has a hidden name.
  const std::string old = from + ".old";
  if (rename(to.c_str(), old.c_str()) != 0) fail(to, "moving the old folder away failed: ", reason());
  if (rename(from.c_str(), to.c_str()) == 0) return old;
  const std::string why = reason();
  const bool restored = rename(old.c_str(), to.c_str()) == 0;
  fail(to, "renaming into place failed: ", why, restored ? "" : "; the old folder is " + old);
}
}  // namespace

FolderWriter::FolderWriter(const std::string& target) : target_(target) {
  while (target_.size() > 1 && target_.ends_with('/')) target_.pop_back();
  const fs::path place = target_;
  const std::string name = place.filename();
  require(!name.empty() && name != "." && name != "..", target, "the name of a folder to write is expected, got none");
  std::error_code error;
  require(fs::is_directory(place) || !fs::exists(fs::symlink_status(place, error)), target,
          "a folder or nothing is expected there, got something else");
  path_ = (place.parent_path() / ("." + name + ".tmp" + std::to_string(getpid()))).string();
  fs::remove_all(path_, error);  // of an earlier process with this number
  if (mkdir(path_.c_str(), 0777) != 0) fail(target, "cannot be written: ", reason());
}

FolderWriter::~FolderWriter() {
  std::error_code ignored;
  if (!committed_) fs::remove_all(path_, ignored);
}

void FolderWriter::commit() {
  require(!committed_, target_, "is committed once, got a second commit");
  flush_folder(path_, target_);
  const std::string replaced = put_in_place(path_, target_);
  committed_ = true;
  const fs::path parent = fs::path(target_).parent_path();
  flush_to_disk(parent.empty() ? "." : parent.string());
  std::error_code ignored;
  if (!replaced.empty()) fs::remove_all(replaced, ignored);
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
