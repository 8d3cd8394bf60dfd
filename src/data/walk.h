// walk.h — the pictures below folders, found in one way by all who look for them.
#pragma once
#include <set>
#include <string>
#include <vector>
#include "siglip/data.h"

namespace siglip::inline SIGLIP_FLAVOUR {
/// What lies below one folder, as paths relative to it: "red/monday/0.png".
struct Walked {
  std::vector<std::string> pictures;  // in byte order
  std::set<std::string> texts;        // .txt and .caption files, which may be captions
};
/// Walks each of `folders`, which lie in `root`, with everything below them. What is left out is added to `left_out`:
/// hidden folders, thumbnails and what systems keep in folders (@eaDir, __MACOSX), files that hold no picture, links to
/// a folder that is read already. Hidden files, tables and texts lie beside pictures by rights and are not counted.
/// Links to folders come last and each folder is entered once: loops end, and pictures that several links lead to count
/// where they really lie, if that is walked. follow_links = false: a link out of `root` throws Error. Throws
/// std::filesystem::filesystem_error for a folder that cannot be read.
std::vector<Walked> walk(const std::string& root, const std::vector<std::string>& folders, bool follow_links, std::vector<LeftOut>& left_out);

/// Names of the folders in a folder, in byte order, without those that walk() leaves out.
std::vector<std::string> subfolders(const std::string& folder);
/// The ending of a file's name in lower case: ".jpg".
std::string ending_of(const std::string& path);
/// By the name's ending. Formats that cannot be decoded count as well: the user hears of them when they are.
bool is_picture(const std::string& name);
/// Whether pictures with the ending of this name, which is_picture(), can be decoded.
bool is_decoded(const std::string& name);
}  // namespace siglip::inline SIGLIP_FLAVOUR
