// zip_writer.h — .npz files as NumPy writes them, and such as nobody should: every field of the archive can be a lie.
#pragma once
#include <cstdint>
#include <string>
#include <vector>
#include "bytes.h"
#include "siglip/tensor.h"

namespace {
struct ZipMember {
  std::string name, bytes;
  int method = 0;         // 0 stored, 8 deflated
  int flags = 0;          // 1: encrypted
  std::int64_t more = 0;  // that the unpacked size is said to be larger
  std::uint32_t crc_error = 0;
};

// A deflate stream of blocks that are not compressed: RFC 1951, 3.2.4.
[[maybe_unused]] std::string deflated(const std::string& bytes) {
  std::string out;
  constexpr std::size_t most = 60000;
  for (std::size_t at = 0; at == 0 || at < bytes.size(); at += most) {
    const std::string block = bytes.substr(at, most);
    out += static_cast<char>(at + most >= bytes.size());
    out += little_endian(block.size(), 2) + little_endian(~block.size(), 2) + block;
  }
  return out;
}

[[maybe_unused]] std::string zip_of(const std::vector<ZipMember>& members) {
  std::string out, directory;
  for (const ZipMember& m : members) {
    const std::string packed = m.method == 8 ? deflated(m.bytes) : m.bytes;
    const std::string fields =
        little_endian(20, 2) + little_endian(static_cast<std::uint64_t>(m.flags), 2) + little_endian(static_cast<std::uint64_t>(m.method), 2) +
        little_endian(0, 2) + little_endian(0x21, 2) + little_endian(crc32(m.bytes) ^ m.crc_error, 4) + little_endian(packed.size(), 4) +
        little_endian(m.bytes.size() + static_cast<std::uint64_t>(m.more), 4) + little_endian(m.name.size(), 2) + little_endian(0, 2);
    directory += "PK\1\2" + little_endian(20, 2) + fields + little_endian(0, 2) + little_endian(0, 2) + little_endian(0, 2) + little_endian(0, 4) +
                 little_endian(out.size(), 4) + m.name;
    out += "PK\3\4" + fields + m.name + packed;
  }
  const std::size_t begin = out.size();
  return out + directory + "PK\5\6" + little_endian(0, 4) + little_endian(members.size(), 2) + little_endian(members.size(), 2) +
         little_endian(directory.size(), 4) + little_endian(begin, 4) + little_endian(0, 2);
}

[[maybe_unused]] std::string npy_of(const std::string& dictionary, const std::string& numbers, int version = 1) {
  std::string text = dictionary;
  text.append(64 - (text.size() + 13) % 64, ' ');
  text += '\n';
  return std::string("\x93NUMPY") + static_cast<char>(version) + '\0' + little_endian(text.size(), version == 1 ? 2 : 4) + text + numbers;
}

[[maybe_unused]] std::string npy_of(const std::string& descr, const siglip::Shape& shape, const std::string& numbers, bool fortran = false) {
  std::string axes;
  for (const siglip::Dim axis : shape) axes += std::to_string(axis) + ", ";
  if (shape.size() > 1) axes.resize(axes.size() - 2);
  return npy_of("{'descr': '" + descr + "', 'fortran_order': " + (fortran ? "True" : "False") + ", 'shape': (" + axes + "), }", numbers);
}

[[maybe_unused]] std::string bytes_of(const std::vector<float>& numbers) {
  return {reinterpret_cast<const char*>(numbers.data()), numbers.size() * sizeof(float)};
}
}  // namespace
