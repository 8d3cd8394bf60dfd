// spiece_check.h — a SentencePiece model is read and checked here before its library sees it: version 0.1.97 trusts what a model says, and a
// hostile one makes it read outside its memory.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>
#include "siglip/real.h"

namespace siglip::inline SIGLIP_FLAVOUR {
constexpr std::int64_t most_spiece_bytes = std::int64_t{1} << 26;  // the largest published model has 4.3 MB

/// What a checked model holds.
struct SpieceModel {
  std::vector<std::string_view> pieces;  // by id; they point into the bytes
  std::int32_t end = -1;                 // of </s>
  std::int32_t unknown = -1;
  bool has_bytes = false;          // byte fallback
  bool independent_words = false;  // no piece and no rule reaches over a blank: what stands before one does not depend on what follows
};

/// Walks the whole protobuf. Throws Error "where: …" unless it is a unigram model that is safe to load: every length within the file, each piece
/// valid UTF-8, once, of at most 1024 bytes and with a finite score, one unknown piece, a </s>, all byte pieces or none, and normalization rules
/// whose trie and replacements stay within their memory.
SpieceModel check_spiece(std::string_view bytes, const std::string& where);

/// The "precompiled charsmap": a double-array trie of keys (Yata et al. 2007, in the layout of darts-clone) and the text that replaces each.
/// Throws Error unless every step that the library could take from any text stays inside. Answers whether a key holds a blank.
bool check_charsmap(std::string_view bytes, const std::string& where);
}  // namespace siglip::inline SIGLIP_FLAVOUR
