// stand_in.cpp — who downloads a model or a data set may get, under the right name, something that only says where the file is, or why it is not
// there.
#include "io/stand_in.h"
#include <algorithm>
#include <filesystem>
#include <fstream>
#include "siglip/error.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
constexpr std::size_t enough = 512;

// " of 812672320 bytes", if the pointer says it.
std::string size_in(std::string_view pointer) {
  const std::string_view key = "\nsize ";
  const std::size_t at = pointer.find(key);
  if (at == std::string_view::npos) return "";
  const std::string_view rest = pointer.substr(at + key.size());
  const std::string_view digits = rest.substr(0, std::min(rest.find_first_not_of("0123456789"), rest.size()));
  return digits.empty() ? "" : " of " + std::string(digits) + " bytes";
}

// Whether the text begins with this, which is in lower case, after blanks.
bool begins(std::string_view text, std::string_view lower) {
  text.remove_prefix(std::min(text.find_first_not_of(" \t\r\n"), text.size()));
  const auto same = [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a - 'A' + 'a' : a) == b; };
  return text.size() >= lower.size() && std::equal(lower.begin(), lower.end(), text.begin(), [&](char a, char b) { return same(b, a); });
}
}  // namespace

std::optional<StandIn> stand_in(std::string_view text) {
  text = text.substr(0, enough);
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  for (const char* first : {"version https://git-lfs.github.com/spec/", "version https://hawser.github.com/spec/", "version http://git-media.io/"})
    if (text.starts_with(first))
      return StandIn{"a Git LFS pointer, which stands for a file" + size_in(text) + " that was not downloaded", "`git lfs pull` fetches it"};
  if (text.starts_with("/annex/objects/"))
    return StandIn{"a git-annex pointer, which stands for a file that was not downloaded", "`git annex get` fetches it"};
  const char* again = "download the file itself, from a link that asks for no login";
  if (begins(text, "<!doctype html") || begins(text, "<html") || begins(text, "<head>"))
    return StandIn{"a web page (HTML), as a login or an error shows it", again};
  if (begins(text, "<?xml") && (text.find("<Error>") != std::string_view::npos || text.find("<html") != std::string_view::npos))
    return StandIn{"a server's message (XML)", again};
  return std::nullopt;
}

std::optional<StandIn> stand_in_of(const std::string& path) {
  std::error_code none;
  if (!std::filesystem::is_regular_file(path, none)) return std::nullopt;
  std::string beginning(enough, '\0');
  std::ifstream file(path, std::ios::binary);
  file.read(beginning.data(), std::ssize(beginning));
  beginning.resize(static_cast<std::size_t>(file.gcount()));
  return stand_in(beginning);
}

void refuse_stand_in(std::string_view beginning, const std::string& path) {
  if (const std::optional<StandIn> found = stand_in(beginning)) fail(path, "the file itself is expected, got ", found->what, "; ", found->cure);
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
