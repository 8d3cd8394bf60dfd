// disk_names.h — files whose names a table spells in another way than the disk: é in one character or in two.
#pragma once
#include <map>
#include <string>
#include "siglip/real.h"

namespace siglip::inline SIGLIP_FLAVOUR {
class DiskNames {
 public:
  /// The path of `name` below `folder`, as it is or, where there is no such file, as the file is named whose name has the same normal form. Without
  /// one, as it is. Folders are listed once, and only for names beyond ASCII.
  std::string find(const std::string& folder, const std::string& name);

 private:
  using Names = std::map<std::string, std::string>;  // by normal form
  const Names& names_in(const std::string& folder);
  std::map<std::string, Names> folders_;
};
}  // namespace siglip::inline SIGLIP_FLAVOUR
