// captions_beside.cpp — pictures with a text file beside each: 0.png and 0.txt, as tools for fine-tuning keep captions.
#include <algorithm>
#include <map>
#include <optional>
#include <sstream>
#include <string_view>
#include "data/sources.h"
#include "data/text_file.h"
#include "siglip/checkpoint.h"
#include "siglip/error.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
/// The caption file of a picture; nothing if there is none.
std::optional<std::string> beside(const std::string& picture, const Walked& walked) {
  const std::size_t name = picture.rfind('/') + 1, dot = picture.rfind('.');  // npos + 1 is 0
  const std::string stem = dot == std::string::npos || dot < name ? picture : picture.substr(0, dot);
  for (const char* ending : {".txt", ".caption"})
    if (walked.texts.contains(stem + ending)) return stem + ending;
  return std::nullopt;
}

/// Whether a line is a box or a polygon: a class and at least four numbers.
bool is_box(const std::string& line) {
  std::istringstream in(line);
  int words = 0;
  for (std::string word; in >> word; ++words)
    if (word.find_first_not_of("0123456789.+-e") != std::string::npos) return false;
  return words >= 5;
}
}  // namespace

bool have_captions(const std::vector<SplitFolder>& parts) {
  std::size_t pictures = 0, with = 0;
  for (const SplitFolder& part : parts) {
    if (part.walked.texts.empty()) {
      pictures += part.walked.pictures.size();
      continue;
    }
    for (const std::string& picture : part.walked.pictures) ++pictures, with += beside(picture, part.walked).has_value();
  }
  return 2 * with > pictures;
}

DataSet read_captions_beside(const std::vector<SplitFolder>& parts) {
  DataSet data;
  std::map<std::string, std::vector<Pair>> splits;
  for (const SplitFolder& part : parts) {
    if (parts.size() > 1) splits[part.split];
    for (const std::string& picture : part.walked.pictures) {
      const std::optional<std::string> text = beside(picture, part.walked);
      const std::string file = part.folder + "/" + text.value_or(""), by_path = parts.size() == 1 ? split_of_path(picture) : "";
      bool has_caption = false;
      if (text) {
        const std::string bytes = text_of(read_file(file, 1 << 20), file);
        for (const std::string_view each : lines_of(bytes)) {
          const std::string line(trimmed(each));
          if (is_box(line)) refuse_detection(part.folder, "\"" + line + "\" in " + file);
          if (line.empty()) continue;
          splits[by_path.empty() ? part.split : by_path].push_back({part.folder + "/" + picture, line});
          has_caption = true;
        }
      }
      if (!has_caption) data.left_out.push_back({"no caption", part.folder + "/" + picture});
    }
  }
  for (auto& [name, pairs] : splits) data.splits.push_back({name, std::move(pairs)});
  data.notes.push_back("captions are read from the text files beside the pictures");
  return data;
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
