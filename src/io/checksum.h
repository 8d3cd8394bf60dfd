// checksum.h — one flipped bit anywhere in a checkpoint folder must not go unnoticed.
#pragma once
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include "siglip/real.h"

namespace siglip::inline SIGLIP_FLAVOUR {
/// FNV-1a by words of 8 bytes, its upper half mixed down: every step is a bijection, so two inputs that differ in one word never agree.
/// The value depends on how the bytes were cut into pieces.
class Checksum {
 public:
  void add(const void* piece, std::size_t size);
  std::string text() const;  // 16 hexadecimal digits

 private:
  void add_word(std::uint64_t word);
  std::uint64_t state_ = 14695981039346656037u;
};

/// Writes FOLDER/checksums.txt: "CHECKSUM  NAME" for each other file, sorted by name.
void write_checksums(const std::string& folder);
/// Throws Error naming the first file that is not as checksums.txt says, or the line of checksums.txt that is none. Files it does not name are
/// left alone: what a user adds to a checkpoint is the user's. Files of `passed_over` are not read.
void verify_checksums(const std::string& folder, const std::set<std::string>& passed_over = {});
/// The same for who uses the model: the training state, twice as large and of no use then, is passed over. Nothing without checksums.txt.
void verify_model(const std::string& folder);
bool has_checksums(const std::string& folder);
}  // namespace siglip::inline SIGLIP_FLAVOUR
