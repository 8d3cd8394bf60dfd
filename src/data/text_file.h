// text_file.h — files of text as people have them: which bytes are text, which lines they have, and lists of texts in the forms that are usual.
#pragma once
#include <string>
#include <string_view>
#include <vector>
#include "siglip/real.h"

namespace siglip::inline SIGLIP_FLAVOUR {
/// UTF-8 without its mark, of UTF-8 with or without mark or of UTF-16 with its mark. Throws Error "name:line: UTF-8 is expected, got byte 233" for
/// anything else, for a NUL, and for what stands for a file (io/stand_in.h).
std::string text_of(std::string bytes, const std::string& name);

/// Lines without their ends: LF, CR LF or CR. What follows the last end is a line if there is something.
std::vector<std::string_view> lines_of(std::string_view text);

/// Without the blanks around.
std::string_view trimmed(std::string_view text);

/// A list of texts, in the form that the name's ending says, in any case of letters:
///   .json           an array of strings
///   .jsonl          an object a line, of which "text" is taken
///   .yaml, .yml     the `names` of a data.yaml, a list or a map of numbers
///   any other       a text a line
/// Throws Error naming file and line: no text, another form than the ending says, a table. With `nameless`, as of a pipe, the content says the form.
std::vector<std::string> texts_of(const std::string& bytes, const std::string& name, bool nameless = false);

/// The `names` of a data.yaml, as Ultralytics writes and reads it: [red, blue], {0: red, 1: blue}, or one a line with "- " or "0: " in front.
std::vector<std::string> names_of_yaml(std::string_view text, const std::string& name);
}  // namespace siglip::inline SIGLIP_FLAVOUR
