// repair.cpp — inputs taken apart, changed in one place and put together again, so that checksums and lengths do not stop every change at the door.
#include <algorithm>
#include <array>
#include <random>
#include "bytes.h"
#include "fuzz.h"
#include "io/json.h"
#include "zip_writer.h"

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t most);

namespace fuzz {
namespace {
using siglip::Json;
using Random = std::minstd_rand;
std::size_t below(Random& random, std::size_t count) { return count ? random() % count : 0; }

// libFuzzer's own changes.
std::string changed(const std::string& bytes, std::size_t most) {
  std::string buffer = bytes.substr(0, most);
  const std::size_t size = buffer.size();
  buffer.resize(std::max(most, std::size_t{1}));
  buffer.resize(LLVMFuzzerMutate(reinterpret_cast<std::uint8_t*>(buffer.data()), size, buffer.size()));
  return buffer;
}

std::size_t number_at(const std::string& bytes, std::size_t at, int count, bool big) {
  std::size_t value = 0;
  for (int i = 0; i < count; ++i) value = value << 8 | static_cast<unsigned char>(bytes[at + static_cast<std::size_t>(big ? i : count - 1 - i)]);
  return value;
}

// ---- pictures --------------------------------------------------------------------------------------------------------------------------

// The length of each chunk stays within the file; its checksum is right.
void mend_png(std::string& file) {
  for (std::size_t at = 8; at + 12 <= file.size();) {
    const std::size_t length = std::min(number_at(file, at, 4, true), file.size() - at - 12);
    file.replace(at, 4, big_endian(length));
    file.replace(at + 8 + length, 4, big_endian(crc32(file.substr(at + 4, length + 4))));
    at += length + 12;
  }
}

void mend_jpeg(std::string& file) {
  for (std::size_t at = 2; at + 4 <= file.size();) {
    at = file.find('\xFF', at);
    if (at == std::string::npos || at + 4 > file.size()) break;
    const auto kind = static_cast<unsigned char>(file[at + 1]);
    if (kind < 0xC0 || (kind >= 0xD0 && kind <= 0xD9) || kind == 0xFF) {
      ++at;
      continue;
    }
    const std::size_t length = std::clamp<std::size_t>(number_at(file, at + 2, 2, true), 2, file.size() - at - 2);
    file.replace(at + 2, 2, big_endian(length, 2));
    at += 2 + length;
  }
  if (!file.ends_with("\xFF\xD9")) file += "\xFF\xD9";
}

// ---- JSON ------------------------------------------------------------------------------------------------------------------------------

std::size_t end_of_object(const std::string& text, std::size_t begin) {
  int open = 0;
  bool quoted = false;
  for (std::size_t at = begin; at < text.size(); ++at) {
    if (text[at] == '\\')
      ++at;
    else if (text[at] == '"')
      quoted = !quoted;
    else if (!quoted && (text[at] == '{' || text[at] == '['))
      ++open;
    else if (!quoted && (text[at] == '}' || text[at] == ']') && --open <= 0)
      return at + 1;
  }
  return text.size();
}

void collect(Json& value, std::vector<Json*>& all) {
  all.push_back(&value);
  if (value.is_structured())
    for (Json& part : value) collect(part, all);
}

Json some_value(Random& random) {
  static const std::vector<Json> values{nullptr,
                                        true,
                                        false,
                                        0,
                                        1,
                                        -1,
                                        2,
                                        3,
                                        16,
                                        65536,
                                        65537,
                                        2147483647,
                                        4294967296,
                                        0.5,
                                        1e300,
                                        -1e300,
                                        1e-30,
                                        "",
                                        " ",
                                        "</s>",
                                        "▁",
                                        "siglip",
                                        Json::array(),
                                        Json::object(),
                                        9223372036854775807,
                                        18446744073709551615u,
                                        "<unk>",
                                        "../x",
                                        "a.safetensors",
                                        "F32",
                                        "\u0000"};
  return values[below(random, values.size())];
}

// One value is replaced, changed, removed or doubled.
std::string changed_json(const std::string& text, std::size_t most, Random& random) {
  Json json = Json::parse(text, nullptr, false);
  if (json.is_discarded()) return changed(text, most);
  std::vector<Json*> all;
  collect(json, all);
  Json& value = *all[below(random, all.size())];
  switch (random() % 6) {
    case 0:
      value = some_value(random);
      break;
    case 1:
      value = *all[below(random, all.size())];
      break;
    case 2:
      if (value.is_string())
        value = changed(value.get<std::string>(), value.get<std::string>().size() + 16);
      else if (value.is_number())
        value = value.get<double>() * (random() % 2 ? 2 : -1) + static_cast<double>(random() % 3);
      break;
    case 3:
      if (value.is_structured() && !value.empty()) value.erase(std::next(value.begin(), static_cast<std::ptrdiff_t>(below(random, value.size()))));
      break;
    case 4:
      if (value.is_array()) value.push_back(value.empty() ? some_value(random) : Json(value.back()));
      if (value.is_object()) value["x" + std::to_string(random() % 9)] = some_value(random);
      break;
    default:
      if (value.is_number_integer()) value = static_cast<std::int64_t>(value.get<std::uint64_t>() + random() % 5 - 2);  // wraps
  }
  const std::string out = json.dump(-1, ' ', false, Json::error_handler_t::ignore);
  return out.size() <= most ? out : changed(text, most);
}

std::string changed_lines(const std::string& text, std::size_t most, Random& random) {
  const std::size_t lines = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
  std::size_t begin = 0;
  for (std::size_t skip = below(random, lines); skip > 0; --skip) begin = text.find('\n', begin) + 1;
  const std::size_t end = std::min(text.find('\n', begin), text.size());
  const std::string line = changed_json(text.substr(begin, end - begin), most, random);
  const std::string out = text.substr(0, begin) + line + (random() % 8 ? "" : "\n" + line) + text.substr(end);
  return out.size() <= most ? out : changed(text, most);
}

// ---- safetensors -----------------------------------------------------------------------------------------------------------------------

std::string changed_safetensors(const std::string& file, std::size_t most, Random& random) {
  if (file.size() < 10 || most < 64) return changed(file, most);
  const std::size_t end = end_of_object(file, 8);
  std::string header = file.substr(8, end - 8), data = file.substr(end);
  if (random() % 4)
    header = changed_json(header, most - 8, random);
  else
    data = changed(data, most - 8);
  // Sometimes as much data as the last tensor ends with.
  if (const Json json = Json::parse(header, nullptr, false); random() % 2 && json.is_object()) {
    std::size_t last = 0;
    for (const Json& tensor : json)
      if (tensor.is_object() && tensor.contains("data_offsets") && tensor["data_offsets"].is_array() && tensor["data_offsets"].size() == 2 &&
          tensor["data_offsets"][1].is_number_unsigned())
        last = std::max(last, tensor["data_offsets"][1].get<std::size_t>());
    if (last < most) data.resize(last);
  }
  return (little_endian(header.size(), 8) + header + data).substr(0, most);
}

// ---- zip -------------------------------------------------------------------------------------------------------------------------------

// Members that are stored, one behind the other.
std::vector<ZipMember> stored_members(const std::string& zip) {
  std::vector<ZipMember> members;
  for (std::size_t at = 0; at + 30 <= zip.size() && zip.compare(at, 4, "PK\3\4") == 0;) {
    const std::size_t packed = number_at(zip, at + 18, 4, false), name = number_at(zip, at + 26, 2, false), extra = number_at(zip, at + 28, 2, false);
    if (number_at(zip, at + 8, 2, false) != 0 || at + 30 + name + extra + packed > zip.size()) return {};
    members.push_back({zip.substr(at + 30, name), zip.substr(at + 30 + name + extra, packed)});
    at += 30 + name + extra + packed;
  }
  return members;
}

// The dictionary and the numbers of an array apart: the length between them is right.
std::string changed_npy(const std::string& npy, std::size_t most, Random& random) {
  const std::size_t end = npy.find('\n');
  if (npy.size() < 12 || end == std::string::npos || npy[6] != 1) return changed(npy, most);
  std::string text = npy.substr(10, end + 1 - 10), numbers = npy.substr(end + 1);
  if (random() % 4)
    text = changed(text, text.size() + 32);
  else
    numbers = changed(numbers, numbers.size() + 64);
  return (npy.substr(0, 8) + little_endian(text.size() & 0xFFFF, 2) + text + numbers).substr(0, most);
}

std::string changed_zip(const std::string& zip, std::size_t most, Random& random) {
  std::vector<ZipMember> members = stored_members(zip);
  if (members.empty()) return changed(zip, most);
  const std::size_t at = below(random, members.size());
  ZipMember& member = members[at];
  switch (random() % 5) {
    case 0:
      member.name = changed(member.name, member.name.size() + 8);
      break;
    case 1:
      if (random() % 2)
        members.erase(members.begin() + static_cast<std::ptrdiff_t>(at));
      else
        members.push_back({"x" + member.name, member.bytes});
      break;
    default:
      member.bytes = changed_npy(member.bytes, member.bytes.size() + 128, random);
  }
  const std::string out = zip_of(members);
  return out.size() <= most ? out : changed(zip, most);
}

// ---- protobuf --------------------------------------------------------------------------------------------------------------------------

std::string varint(std::uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes.push_back(static_cast<char>(value | 0x80));
  bytes.push_back(static_cast<char>(value));
  return bytes;
}

bool take_varint(std::string_view& rest, std::uint64_t& value) {
  value = 0;
  for (int i = 0; i < 10 && !rest.empty(); ++i) {
    const auto byte = static_cast<unsigned char>(rest[0]);
    rest.remove_prefix(1);
    value |= static_cast<std::uint64_t>(byte & 0x7F) << (7 * i);
    if (byte < 0x80) return true;
  }
  return false;
}

struct Field {
  std::uint64_t tag;
  std::string bytes;  // after the tag, without a length
};

bool fields_of(std::string_view rest, std::vector<Field>& fields) {
  while (!rest.empty()) {
    Field field{};
    std::uint64_t size = 0;
    if (!take_varint(rest, field.tag)) return false;
    const std::uint64_t wire = field.tag & 7;
    const std::string_view before = rest;
    if (wire == 0) {
      if (!take_varint(rest, size)) return false;
      field.bytes = before.substr(0, before.size() - rest.size());
    } else {
      size = wire == 1 ? 8 : 4;
      if (wire == 2 && !take_varint(rest, size)) return false;
      if ((wire != 1 && wire != 2 && wire != 5) || size > rest.size()) return false;
      field.bytes = rest.substr(0, size);
      rest.remove_prefix(size);
    }
    fields.push_back(std::move(field));
  }
  return true;
}

std::string changed_message(const std::string& bytes, std::size_t most, Random& random, int depth) {
  std::vector<Field> fields;
  if (depth == 0 || bytes.empty() || !fields_of(bytes, fields)) return changed(bytes, most);
  const std::size_t at = below(random, fields.size());
  Field& field = fields[at];
  switch (random() % 8) {
    case 0:
      fields.erase(fields.begin() + static_cast<std::ptrdiff_t>(at));
      break;
    case 1:
      fields.push_back(field);
      break;
    case 2:
      field.tag = (1 + below(random, 40)) << 3 | (field.tag & 7);
      break;
    default:
      if ((field.tag & 7) == 2)
        field.bytes = changed_message(field.bytes, field.bytes.size() + 64, random, depth - 1);
      else if ((field.tag & 7) == 0)
        field.bytes = varint(random() % 4 ? random() % 300 : ~std::uint64_t{0} >> (random() % 64));
      else
        field.bytes = (changed(field.bytes, 8) + std::string(8, '\0')).substr(0, field.bytes.size());
  }
  std::string out;
  for (const Field& f : fields) out += varint(f.tag) + ((f.tag & 7) == 2 ? varint(f.bytes.size()) : "") + f.bytes;
  return out.size() <= most ? out : changed(bytes, most);
}

// ---- by kind ---------------------------------------------------------------------------------------------------------------------------

std::string changed_file(const std::string& name, const std::string& bytes, std::size_t most, Random& random) {
  if (random() % 16 == 0) return changed(bytes, most);  // as it comes
  if (name.ends_with(".json") && random() % 4) return changed_json(bytes, most, random);
  if (name.ends_with(".jsonl") && random() % 4) return changed_lines(bytes, most, random);
  if (name.ends_with(".safetensors")) return changed_safetensors(bytes, most, random);
  if (name.ends_with(".npz")) return changed_zip(bytes, most, random);
  if (name.ends_with(".npy")) return changed_npy(bytes, most, random);
  if (name.ends_with(".model")) return changed_message(bytes, most, random, 3);
  std::string out = changed(bytes, most);
  if (name == "picture" && out.starts_with("\x89PNG")) mend_png(out);
  if (name == "picture" && out.starts_with("\xFF\xD8") && out.size() + 2 <= most) mend_jpeg(out);
  return out.substr(0, most);
}
}  // namespace

Files unpacked(const Reader& reader, const std::string& input) {
  if (reader.files.size() == 1) return {{reader.files[0], input}};
  std::vector<std::string> bytes(reader.files.size());
  std::vector<bool> there(reader.files.size());
  for (std::size_t at = 0; at + 4 <= input.size();) {
    const std::size_t file = static_cast<unsigned char>(input[at]) % reader.files.size(), length = number_at(input, at + 1, 3, false);
    bytes[file] = input.substr(at + 4, length), there[file] = true;
    at += 4 + length;
  }
  Files files;
  for (std::size_t i = 0; i < bytes.size(); ++i)
    if (there[i]) files.push_back({reader.files[i], bytes[i]});
  return files;
}

std::string packed(const Reader& reader, const Files& files) {
  if (reader.files.size() == 1) return files.empty() ? "" : files[0].bytes;
  std::string input;
  for (const File& file : files) {
    const auto at = std::find(reader.files.begin(), reader.files.end(), file.name) - reader.files.begin();
    input += static_cast<char>(at) + little_endian(file.bytes.size(), 3) + file.bytes;
  }
  return input;
}

std::string mutated(const Reader& reader, const std::string& input, std::size_t most, unsigned seed) {
  Random random(seed | 1);
  Files files = unpacked(reader, input);
  if (files.empty()) return changed(input, most);
  File& file = files[below(random, files.size())];
  const std::size_t others = packed(reader, files).size() - file.bytes.size();
  if (reader.files.size() > 1 && random() % 32 == 0)
    file.name = reader.files[below(random, reader.files.size())];
  else
    file.bytes = changed_file(file.name, file.bytes, most > others ? most - others : 1, random);
  return packed(reader, files).substr(0, most);
}
}  // namespace fuzz
