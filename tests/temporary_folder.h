// temporary_folder.h — a fresh folder that goes away with its owner, what a call complains about, and whether a text has a part.
#pragma once
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include "siglip/error.h"

namespace {
struct TemporaryFolder {
  std::string path = (std::filesystem::temp_directory_path() / "siglip_test_XXXXXX").string();
  TemporaryFolder() { siglip::require(mkdtemp(path.data()) != nullptr, path, "cannot be made"); }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  std::string operator/(const std::string& name) const { return path + "/" + name; }
  /// Writes a file, with its folders, and answers its path.
  std::string write(const std::string& name, const std::string& bytes) const {
    const std::string file = *this / name;
    std::filesystem::create_directories(std::filesystem::path(file).parent_path());
    std::ofstream(file, std::ios::binary) << bytes;
    return file;
  }
};

inline bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// The message of the Error that `call` throws, "nothing" if it does not. `folder` is cut out of it.
template <class Call>
std::string complaint_of(const Call& call, const std::string& folder = "") {
  try {
    call();
  } catch (const siglip::Error& e) {
    std::string message = e.what();
    if (!folder.empty())
      for (std::size_t at; (at = message.find(folder + "/")) != std::string::npos;) message.erase(at, folder.size() + 1);
    return message;
  }
  return "nothing";
}
}  // namespace
