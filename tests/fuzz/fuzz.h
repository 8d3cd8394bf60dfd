// fuzz.h — what fuzzing needs to know of each reader, and how an input stands for the files that it reads.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace fuzz {
struct File {
  std::string name, bytes;
};
using Files = std::vector<File>;

/// A reader of files from outside. Error is its answer to bad ones; any other end is a finding.
struct Reader {
  const char* name;
  std::size_t longest;             // bytes of an input; so that it ends within a second
  std::vector<std::string> files;  // that an input may hold
  void (*read)(const std::string& folder, const Files& files);
  std::vector<Files> (*seeds)();
};
const std::vector<Reader>& readers();

/// An input is the bytes of the file where a reader has one. Otherwise it is any number of parts: the number of a file, three bytes of length
/// (little-endian), the bytes; the last of equal files counts, and what is cut off is shorter.
Files unpacked(const Reader& reader, const std::string& input);
std::string packed(const Reader& reader, const Files& files);

/// Changes one part of an input, then mends what no change gets past: checksums, lengths, the brackets of JSON.
std::string mutated(const Reader& reader, const std::string& input, std::size_t most, unsigned seed);

// Seeds of each reader: seeds.cpp.
std::vector<Files> picture_seeds(), exif_seeds(), safetensors_seeds(), npz_seeds(), npy_seeds(), big_vision_seeds(), config_seeds(), words_seeds(),
    bpe_seeds(), spiece_seeds(), table_seeds(), json_lines_seeds(), label_seeds(), folder_seeds(), state_seeds(), history_seeds();
}  // namespace fuzz
