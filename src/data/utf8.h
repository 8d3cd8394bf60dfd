// utf8.h — characters out of bytes that may be anything, and how they are cleaned.
#pragma once
#include <string>
#include <string_view>
#include "core/character.h"

namespace siglip::inline SIGLIP_FLAVOUR {
/// Takes the next character off the front of `rest`, which is not empty. Bytes that are no UTF-8 (overlong forms and surrogates included) become
/// U+FFFD, one for each longest start of a valid sequence, as Unicode recommends (chapter 3.9, table 3-8) and Python's errors="replace" does.
char32_t take_character(std::string_view& rest);
/// Bytes before the first that is no UTF-8: all, if all are.
std::size_t valid_bytes(std::string_view text);
inline bool is_valid_utf8(std::string_view text) { return valid_bytes(text) == text.size(); }
/// The text with every invalid part replaced by U+FFFD.
std::string valid_utf8(std::string_view text);

/// Unicode's normal form C of valid UTF-8: é as one character, however it was written. That of normalizers.NFC in Hugging Face's tokenizers.
std::string normal_form(const std::string& text);

/// "▁", which stands for a blank in the pieces of SentencePiece models and of Gemma's BPE.
constexpr std::string_view blank_mark = "\xE2\x96\x81";
/// What Python's str.isspace() and \s take for white space.
bool is_blank(char32_t c);

enum class Sigma { plain, final };  // whether Σ becomes ς where a word ends
/// Lower case of valid UTF-8 by Unicode's tables; with Sigma::final that of Python's str.lower(), with Sigma::plain that of normalizers.Lowercase
/// in Hugging Face's tokenizers.
std::string lower_case(const std::string& text, Sigma sigma);
/// ASCII letters alone.
std::string lower_case_ascii(std::string text);
}  // namespace siglip::inline SIGLIP_FLAVOUR
