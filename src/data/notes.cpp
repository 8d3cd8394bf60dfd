// notes.cpp — where pictures keep EXIF and XMP: the segments APP1 of a JPEG, the chunk eXIf and the texts of a PNG.
#include <algorithm>
#include "data/exif.h"
#include "data/stb.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
using namespace std::string_view_literals;

/// Without its first `prefix`, if it has one.
bool cut(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

/// What precedes the next NUL; the text begins behind it afterwards.
std::string_view cut_word(std::string_view& text) {
  const std::string_view word = text.substr(0, text.find('\0'));
  text.remove_prefix(std::min(text.size(), word.size() + 1));
  return word;
}

int digit(char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1; }

/// "\nexif\n    1234\n", then hexadecimal digits in lines; empty if they are not.
std::string from_profile(std::string_view text) {
  for (int line = 0; line < 3; ++line) text.remove_prefix(std::min(text.size(), text.find('\n')) + (text.find('\n') < text.size()));
  std::string bytes;
  int high = -1;
  for (const char c : text) {
    if (c == '\n' || c == '\r' || c == ' ' || c == '\t') continue;
    const int value = digit(c);
    if (value < 0) return "";
    if (high >= 0) bytes += static_cast<char>(high << 4 | value);
    high = high < 0 ? value : -1;
  }
  return high < 0 ? bytes : "";
}
}  // namespace

void Notes::take_jpeg(std::string_view app1) {
  if (cut(app1, "Exif\0\0"sv)) {
    exif += app1;  // a long one is continued in the next segment
    has_exif = true;
  } else if (cut(app1, "http://ns.adobe.com/xap/1.0/\0"sv)) {
    xmp = app1;
  }
}

void Notes::take_png(std::string_view kind, std::string_view content) {
  if (kind == "eXIf") {
    exif = content;
    has_exif = true;
    return;
  }
  constexpr int most_notes = 16;  // unpacking one costs up to a thousand times its size
  if ((kind != "tEXt" && kind != "zTXt" && kind != "iTXt") || texts == most_notes) return;
  const std::string_view key = cut_word(content);
  std::string* to = key == "XML:com.adobe.xmp" ? &xmp : key == "Raw profile type exif" ? &profile : nullptr;
  if (!to || content.empty()) return;
  ++texts;
  bool packed = kind == "zTXt";
  if (kind == "iTXt") {
    packed = content[0] != 0;
    content.remove_prefix(std::min(content.size(), packed ? std::size_t{1} : std::size_t{2}));  // the way of packing is read below
  }
  if (packed && !cut(content, "\0"sv)) return;               // deflate is the only way there is
  if (kind == "iTXt") cut_word(content), cut_word(content);  // the language, and the key in it
  *to = packed ? stb_inflated(content) : std::string(content);
  if (to == &profile) profile = from_profile(profile);
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
