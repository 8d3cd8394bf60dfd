// checksum.cpp — checksums.txt of a checkpoint folder.
#include "io/checksum.h"
#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <vector>
#include "io/json.h"
#include "io/stand_in.h"
#include "siglip/checkpoint.h"
#include "siglip/error.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace fs = std::filesystem;
namespace {
const char* list_name = "checksums.txt";
constexpr std::size_t digits = 16;

// In pieces of a fixed size, so that a file of any length needs little memory.
std::string checksum_of(const std::string& path) {
  std::error_code none;
  require(fs::is_regular_file(path, none), path, "a regular file is expected, got ", fs::exists(path, none) ? "something else" : "nothing there");
  std::ifstream file(path, std::ios::binary);
  std::vector<char> piece(1 << 20);
  Checksum checksum;
  do {
    file.read(piece.data(), std::ssize(piece));
    checksum.add(piece.data(), static_cast<std::size_t>(file.gcount()));
  } while (file);
  require(file.eof() && !file.bad(), path, "reading failed");
  return checksum.text();
}
}  // namespace

void Checksum::add_word(std::uint64_t word) {
  state_ = (state_ ^ word) * 1099511628211u;
  state_ ^= state_ >> 32;
}

void Checksum::add(const void* piece, std::size_t size) {
  const char* bytes = static_cast<const char*>(piece);
  std::size_t done = 0;
  for (; done + 8 <= size; done += 8) {
    std::uint64_t word;
    std::memcpy(&word, bytes + done, 8);
    add_word(word);
  }
  std::uint64_t rest = 0;
  if (done < size) std::memcpy(&rest, bytes + done, size - done);
  add_word(rest);
  add_word(size);
}

std::string Checksum::text() const {
  std::string text(digits, '0');
  for (std::size_t k = 0; k < digits; ++k) text[k] = "0123456789abcdef"[state_ >> (60 - 4 * k) & 15];
  return text;
}

void write_checksums(const std::string& folder) {
  std::vector<std::string> names;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder))
    if (entry.path().filename() != list_name) names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  std::string lines;
  for (const std::string& name : names) lines += checksum_of(folder + "/" + name) + "  " + name + "\n";
  write_file(folder + "/" + list_name, lines);
}

void verify_checksums(const std::string& folder, const std::set<std::string>& passed_over) {
  const std::string list = folder + "/" + list_name, text = read_file(list, 1 << 20);
  require(text.ends_with('\n'), list, "a line \"CHECKSUM  NAME\" for each file is expected, got a file cut off");
  std::set<std::string> names;
  for (std::size_t begin = 0, end; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1) {
    const std::string line = text.substr(begin, end - begin);
    const bool whole = line.size() > digits + 2 && line.substr(digits, 2) == "  " && line.find('/') == std::string::npos;
    if (!whole) fail(list, "a line \"CHECKSUM  NAME\" for each file is expected, got ", brief(line));
    const std::string said = line.substr(0, digits), name = line.substr(digits + 2);
    if (!names.insert(name).second) fail(list, "each file once is expected, got ", brief(name), " twice");
    if (passed_over.contains(name)) continue;
    if (const std::string is = checksum_of(folder + "/" + name); said != is) {
      if (const auto other = stand_in_of(folder + "/" + name))
        fail(folder + "/" + name, "the file itself is expected, got ", other->what, "; ", other->cure);
      fail(folder + "/" + name, "the file as it was saved is expected (checksum ", said, "), got one that was changed or damaged (", is,
           "); if the change was meant, take its line out of ", list_name);
    }
  }
}

void verify_model(const std::string& folder) {
  if (has_checksums(folder)) verify_checksums(folder, {"training_state.json", "training_state.safetensors"});
}

bool has_checksums(const std::string& folder) {
  std::error_code none;
  return fs::exists(folder + "/" + list_name, none);
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
