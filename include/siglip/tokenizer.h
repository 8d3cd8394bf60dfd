// tokenizer.h — text to ids. Every text becomes exactly `context` ids: SigLIP has no text mask and pools the last position, so there is
// no way to ask for an unpadded one.
#pragma once
#include <memory>
#include <string>
#include <vector>
#include "siglip/tensor.h"

namespace siglip::inline SIGLIP_FLAVOUR {
class Tokenizer {
 public:
  virtual ~Tokenizer() = default;
  virtual Dim vocab_size() const = 0;
  virtual Dim context() const = 0;  // T
  /// T ids: the first T-1 pieces of the text, the end token, then padding on the right.
  virtual std::vector<std::int32_t> encode(const std::string& text) const = 0;
  /// The pieces before truncation, end token and padding left out.
  virtual std::vector<std::string> pieces(const std::string& text) const = 0;
  /// One line for a person: kind, vocabulary, cleaning, padding.
  virtual std::string describe() const = 0;
  /// Writes tokenizer.json and tokenizer_config.json into `folder`; Hugging Face libraries load them and give the same ids.
  virtual void save(const std::string& folder) const = 0;

  /// (texts, T)
  Ids encode(const std::vector<std::string>& texts, Device device = Device::cpu) const;
};

/// Words learned from captions. ASCII letters are lowered; white space and the marks , . ; : ! ? " ' ( ) [ ] { } - _ / \ separate words and
/// are dropped; every other ASCII symbol is a word of its own; bytes above 127 count as letters. Ids: 0 <pad> (unused: like the published
/// tokenizer it pads with the end token), 1 </s>, 2 <unk>, then words by falling count, equal counts in byte order.
std::unique_ptr<Tokenizer> learn_words(const std::vector<std::string>& texts, Dim context, Dim max_vocab = 32000);

/// The tokenizer of a checkpoint folder. Throws Error naming the file and what is wrong with it.
std::unique_ptr<Tokenizer> read_tokenizer(const std::string& folder);
}  // namespace siglip::inline SIGLIP_FLAVOUR
