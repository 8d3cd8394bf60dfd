// tokenizer.h — text to ids. Every text becomes exactly `context` ids: SigLIP has no text mask and pools the last position, so there is
// no way to ask for an unpadded one.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <vector>
#include "siglip/tensor.h"

namespace siglip::inline SIGLIP_FLAVOUR {
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;
  virtual Dim vocab_size() const = 0;
  virtual Dim context() const = 0;  // T
  /// T ids: the first T-1 pieces of the text, the end token, then padding on the right. A text may be any bytes; what is not UTF-8 becomes
  /// U+FFFD (words learned by earlier versions take bytes above 127 as they are).
  virtual std::vector<std::int32_t> encode(const std::string& text) const = 0;
  /// The pieces before truncation, end token and padding left out.
  virtual std::vector<std::string> pieces(const std::string& text) const = 0;
  /// The piece of an id, the special ones included. Throws Error for ids that there are not.
  virtual std::string piece(std::int32_t id) const = 0;
  /// How a text is cleaned and ended, in a word: "words", "hf_v1", "big_vision", "siglip2".
  virtual std::string profile() const = 0;
  /// One line for a person: kind, profile, vocabulary, cleaning, padding.
  virtual std::string describe() const = 0;
  /// Writes the tokenizer's file (tokenizer.json or spiece.model) and tokenizer_config.json, which names the profile as "siglip_profile", into
  /// `folder`; read back it is the same tokenizer. Hugging Face libraries load them and give the same ids (not so for "big_vision", which they
  /// do not have).
  virtual void save(const std::string& folder) const = 0;
  virtual bool lowers() const { return true; }  // whether texts are lowered

  /// (texts, T)
  Ids encode(const std::vector<std::string>& texts, Device device = Device::cpu) const;
};

/// Words learned from captions, lowered and in Unicode's normal form C. White space and punctuation separate words; # $ % & * + < = > @ ^ ` | ~ and
/// characters of scripts that set no blanks (Chinese, Japanese, Thai, …) are words of their own. Ids: 0 <pad> (unused: like the published
/// tokenizer it pads with the end token), 1 </s>, 2 <unk>, then words by falling count, equal counts in byte order.
std::unique_ptr<Tokenizer> learn_words(const std::vector<std::string>& texts, Dim context, Dim max_vocab = 32000);

struct TokenizerOptions {
  std::optional<bool> lower;  // whether texts are lowered; else do_lower_case of tokenizer_config.json; else they are
};

/// The tokenizer of a checkpoint folder, by what the folder holds:
///   spiece.model                      SigLIP 1: SentencePiece unigram; "hf_v1", or the siglip_profile "big_vision" of tokenizer_config.json
///   tokenizer.json, model WordLevel   words that were learned here; "words"
///   tokenizer.json, model BPE         SigLIP 2: Gemma's BPE; "siglip2"
/// T is model_max_length of tokenizer_config.json, or, where that is absent or above 65536, max_position_embeddings of config.json (words: what
/// tokenizer.json says). Padding is always to T and on the right. Throws Error naming the file and what is wrong with it.
std::unique_ptr<Tokenizer> read_tokenizer(const std::string& folder, const TokenizerOptions& options = {});
}  // namespace siglip::inline SIGLIP_FLAVOUR
