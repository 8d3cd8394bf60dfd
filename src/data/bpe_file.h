// bpe_file.h — tokenizer.json with a BPE model, as SigLIP 2 is published with.
#pragma once
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>
#include "data/added_tokens.h"
#include "data/bpe.h"
#include "data/tokenizer_config.h"

namespace siglip::inline SIGLIP_FLAVOUR {
struct BpeFile {
  std::string bytes;                  // of the file; the pieces point into it
  std::deque<std::string> unescaped;  // or into these
  std::unique_ptr<const Bpe> model;
  AddedTokens added_tokens;
  bool ends = false;                   // the post-processor puts the end token, and nothing else, around a text
  std::optional<Dim> length;           // truncation.max_length
  std::optional<std::int64_t> pad_id;  // of padding
};

/// The type of the model that tokenizer.json holds, "none" if it names none; the vocabulary is passed over.
std::string model_type(const std::string& bytes, const std::string& file);

/// Checks every part of the file against what this reader does: Replace of " " by "▁" (Lowercase before it is taken note of by nobody: the profile
/// decides), a Split at " " or none, BPE with its vocabulary and merges, added tokens that are taken as they stand, no truncation on the left. `end`
/// names the token that ends a text. Throws Error naming the file and the part.
std::unique_ptr<BpeFile> read_bpe_file(std::string bytes, const std::string& file, const std::string& end);

/// From tokenizer.json of config.folder, whose bytes are given.
std::unique_ptr<Tokenizer> read_gemma(const TokenizerConfig& config, const TokenizerOptions& options, std::string bytes);
}  // namespace siglip::inline SIGLIP_FLAVOUR
