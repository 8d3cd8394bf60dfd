// safetensors.cpp — tensors in one file: 8 bytes N (little-endian), N bytes of JSON header, then the data without gaps.
//
//   {"__metadata__": {"format": "pt"}, "logit_bias": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}, …}
//
// Nothing in the header is believed before it is compared with the size of the file.
// source    huggingface/safetensors, the format's README
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <set>
#include <unordered_map>
#include <utility>
#include "io/atomic_file.h"
#include "io/json.h"
#include "siglip/checkpoint.h"
#include "siglip/error.h"

namespace siglip::inline SIGLIP_FLAVOUR {
static_assert(std::endian::native == std::endian::little, "files are little-endian, and so is every machine this runs on");

struct SafetensorsFile::File {
  std::string path;
  int descriptor = -1;
  std::int64_t data_begin = 0;
  std::vector<TensorInfo> tensors;
  std::map<std::string, std::string> metadata;
  std::unordered_map<std::string, std::size_t> index;

  File() = default;
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() {
    if (descriptor >= 0) close(descriptor);
  }
  void read(void* to, std::int64_t size, std::int64_t offset) const;
};

namespace {
constexpr std::int64_t most_header = 1 << 24;  // a hundred thousand tensors; a SigLIP has at most about a thousand
constexpr std::size_t most_name = 1024, most_axes = 8;

// Bytes of an element; 0 for a type that the format does not have.
std::int64_t element_bytes(const std::string& dtype) {
  static const std::map<std::string, std::int64_t> bytes = {{"F64", 8}, {"F32", 4}, {"F16", 2}, {"BF16", 2}, {"F8_E4M3", 1},
                                                            {"I64", 8}, {"I32", 4}, {"I16", 2}, {"I8", 1},   {"F8_E5M2", 1},
                                                            {"U64", 8}, {"U32", 4}, {"U16", 2}, {"U8", 1},   {"BOOL", 1}};
  const auto found = bytes.find(dtype);
  return found == bytes.end() ? 0 : found->second;
}

bool is_name(const std::string& name) {
  return !name.empty() && name.size() <= most_name && std::none_of(name.begin(), name.end(), [](unsigned char c) { return c < 32 || c == 127; });
}

// A list of whole numbers from 0 up; what is asked of `shape` and `data_offsets`.
std::vector<std::int64_t> whole_numbers(const Json& json, const std::string& where) {
  require(json.is_array(), where, "a list of whole numbers from 0 up is expected, got ", brief(json));
  std::vector<std::int64_t> numbers;
  for (const Json& number : json) {
    // Not require: its arguments would write the whole list out for each of its numbers.
    const bool whole = number.is_number_unsigned() && number.get<std::uint64_t>() <= INT64_MAX;
    if (!whole) fail(where, "a list of whole numbers from 0 up is expected, got ", brief(json));
    numbers.push_back(number.get<std::int64_t>());
  }
  return numbers;
}

// One entry of the header against the bytes of the data. The offset is from the data's beginning.
TensorInfo read_entry(const std::string& name, const Json& entry, std::int64_t data_bytes, const std::string& path) {
  require(is_name(name), path, "tensor names of 1 to ", most_name, " printable bytes are expected, got ", brief(name));
  const std::string where = path + ": tensor " + brief(name);
  require(entry.is_object() && entry.size() == 3 && entry.contains("dtype") && entry.contains("shape") && entry.contains("data_offsets"), where,
          "exactly dtype, shape and data_offsets are expected, got ", brief(entry));
  const std::int64_t element = entry["dtype"].is_string() ? element_bytes(entry["dtype"].get<std::string>()) : 0;
  require(element > 0, where, "a known dtype is expected, got ", brief(entry["dtype"]));
  const Shape shape = whole_numbers(entry["shape"], where + " shape");
  require(shape.size() <= most_axes, where, "at most ", most_axes, " axes are expected, got ", shape.size());
  const std::vector<std::int64_t> offsets = whole_numbers(entry["data_offsets"], where + " data_offsets");
  require(offsets.size() == 2 && offsets[0] <= offsets[1] && offsets[1] <= data_bytes, where, "data_offsets [begin, end] within the ", data_bytes,
          " bytes of data are expected, got ", brief(entry["data_offsets"]));

  // The product of the axes never exceeds the data, so it cannot overflow.
  std::int64_t count = std::find(shape.begin(), shape.end(), 0) == shape.end() ? 1 : 0;
  for (const Dim axis : shape) {
    require(count == 0 || axis <= data_bytes / element / count, where, "at most ", data_bytes, " bytes are expected, got shape ", shape);
    count *= axis;
  }
  const std::int64_t bytes = offsets[1] - offsets[0];
  require(bytes == count * element, where, count * element, " bytes of data are expected for its shape and dtype, got ", bytes);
  return {name, entry["dtype"].get<std::string>(), shape, offsets[0], bytes};
}

std::map<std::string, std::string> read_metadata(const Json& json, const std::string& path) {
  require(json.is_object(), path, "__metadata__ is an object, got ", brief(json));
  std::map<std::string, std::string> metadata;
  for (const auto& [key, value] : json.items()) {
    require(value.is_string(), path, "__metadata__ holds strings, got ", brief(value), " for ", brief(key));
    metadata[key] = value.get<std::string>();
  }
  return metadata;
}

// Sorts by place in the file, and checks that the tensors cover the data exactly.
void require_no_gaps(std::vector<TensorInfo>& tensors, std::int64_t data_bytes, const std::string& path) {
  std::stable_sort(tensors.begin(), tensors.end(),
                   [](const TensorInfo& a, const TensorInfo& b) { return std::pair(a.offset, a.bytes) < std::pair(b.offset, b.bytes); });
  std::int64_t end = 0;
  for (const TensorInfo& tensor : tensors) {
    require(tensor.offset == end, path, "tensor ", brief(tensor.name), " begins where the one before ends = ", end, ", got ", tensor.offset);
    end += tensor.bytes;
  }
  require(end == data_bytes, path, "the tensors cover all ", data_bytes, " bytes of data, got ", end);
}

// Half precision: 1 sign, 5 exponent and 10 fraction bits, subnormal below 2^-14. Every one is a float.
float from_half(std::uint16_t half) {
  const std::uint32_t sign = static_cast<std::uint32_t>(half & 0x8000) << 16, exponent = (half >> 10) & 31, fraction = half & 1023;
  if (exponent == 0) return std::bit_cast<float>(std::bit_cast<std::uint32_t>(static_cast<float>(fraction) * 0x1p-24f) | sign);
  const std::uint32_t rebiased = exponent == 31 ? 255 : exponent + 112;  // infinity and NaN stay what they are
  return std::bit_cast<float>(sign | rebiased << 23 | fraction << 13);
}

// The upper half of a float.
float from_bfloat(std::uint16_t bits) { return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16); }

template <class Stored, class Convert>
void convert(Real* to, const std::vector<char>& bytes, std::int64_t count, const Convert& one) {
  for (std::int64_t i = 0; i < count; ++i) {
    Stored stored;
    std::memcpy(&stored, bytes.data() + static_cast<std::size_t>(i) * sizeof(Stored), sizeof(Stored));
    to[i] = static_cast<Real>(one(stored));
  }
}
void convert(Real* to, const std::vector<char>& bytes, std::int64_t count, const std::string& dtype) {
  const auto same = [](auto x) { return x; };
  if (dtype == "F32") convert<float>(to, bytes, count, same);
  if (dtype == "F64") convert<double>(to, bytes, count, same);
  if (dtype == "F16") convert<std::uint16_t>(to, bytes, count, from_half);
  if (dtype == "BF16") convert<std::uint16_t>(to, bytes, count, from_bfloat);
}
}  // namespace

void SafetensorsFile::File::read(void* to, std::int64_t size, std::int64_t offset) const {
  char* rest = static_cast<char*>(to);
  while (size > 0) {
    const ssize_t n = pread(descriptor, rest, static_cast<std::size_t>(size), offset);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail(path, "reading failed: ", std::strerror(errno));
    require(n > 0, path, "the file keeps its size while it is read, got its end at byte ", offset);
    rest += n, offset += n, size -= n;
  }
}

SafetensorsFile::SafetensorsFile(const std::string& path) {
  const auto file = std::make_shared<File>();
  file->path = path;
  file->descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // not blocking: it may be a pipe
  struct stat info {};
  if (file->descriptor < 0 || fstat(file->descriptor, &info) != 0) fail(path, "a readable file is expected, got: ", std::strerror(errno));
  require(S_ISREG(info.st_mode), path, "a regular file is expected, got a ", S_ISDIR(info.st_mode) ? "folder" : "device or pipe");
  require(info.st_size >= 8, path, "at least 8 bytes are expected, got ", info.st_size);
  std::uint64_t header_bytes = 0;
  file->read(&header_bytes, 8, 0);
  require(header_bytes <= most_header, path, "a header of at most ", most_header, " bytes is expected, got ", header_bytes);
  file->data_begin = 8 + static_cast<std::int64_t>(header_bytes);
  require(file->data_begin <= info.st_size, path, "a header within the file's ", info.st_size, " bytes is expected, got ", header_bytes);

  std::string text(header_bytes, '\0');
  file->read(text.data(), static_cast<std::int64_t>(header_bytes), 8);
  require(text.starts_with('{'), path, "a header that begins with { is expected, got ", brief(text.substr(0, 8)));
  const std::int64_t data_bytes = info.st_size - file->data_begin;
  const Json header = parse_json(text, path);
  for (const auto& [name, entry] : header.items()) {
    if (name == "__metadata__")
      file->metadata = read_metadata(entry, path);
    else
      file->tensors.push_back(read_entry(name, entry, data_bytes, path));
  }
  require_no_gaps(file->tensors, data_bytes, path);
  for (TensorInfo& tensor : file->tensors) {
    tensor.offset += file->data_begin;
    file->index.emplace(tensor.name, file->index.size());
  }
  file_ = file;
}

const std::vector<TensorInfo>& SafetensorsFile::tensors() const { return file_->tensors; }
const std::map<std::string, std::string>& SafetensorsFile::metadata() const { return file_->metadata; }

const TensorInfo* SafetensorsFile::find(const std::string& name) const {
  const auto found = file_->index.find(name);
  return found == file_->index.end() ? nullptr : &file_->tensors[found->second];
}

Tensor SafetensorsFile::read(const std::string& name) const {
  const TensorInfo* info = find(name);
  require(info, file_->path, "a tensor ", brief(name), " is expected, got none");
  const Tensor x(info->shape);
  read_into(name, x);
  return x;
}

void SafetensorsFile::read_into(const std::string& name, const Tensor& to) const {
  const TensorInfo* info = find(name);
  require(info, file_->path, "a tensor ", brief(name), " is expected, got none");
  const std::string where = file_->path + ": tensor " + brief(name);
  require(info->dtype == "F32" || info->dtype == "F64" || info->dtype == "F16" || info->dtype == "BF16", where,
          "F64, F32, F16 or BF16 is expected, got ", info->dtype);
  require(info->shape == to.shape(), where, "shape ", to.shape(), " is expected, got ", info->shape);

  // Piece by piece, so that a conversion needs little memory of its own.
  std::vector<Real> host(to.device() == Device::cpu ? 0 : static_cast<std::size_t>(to.size()));
  Real* out = to.device() == Device::cpu ? to.data() : host.data();
  const std::int64_t element = element_bytes(info->dtype), piece = 1 << 18;
  std::vector<char> bytes(static_cast<std::size_t>(std::min<std::int64_t>(piece, to.size()) * element));
  for (std::int64_t begin = 0; begin < to.size(); begin += piece) {
    const std::int64_t count = std::min(piece, to.size() - begin);
    file_->read(bytes.data(), count * element, info->offset + begin * element);
    convert(out + begin, bytes, count, info->dtype);
  }
  if (to.device() != Device::cpu) to.copy_from(host.data());
}

void write_safetensors(const std::string& path, const Parameters& tensors, const std::map<std::string, std::string>& metadata) {
  std::map<std::string, std::string> described = metadata;
  described.emplace("format", "pt");
  Json header = {{"__metadata__", described}};
  auto& entries = header.get_ref<Json::object_t&>();
  std::set<std::string> names;
  std::int64_t end = 0;
  for (const Parameter& tensor : tensors) {
    require(is_name(tensor.name), path, "tensor names of 1 to ", most_name, " printable bytes are expected, got ", brief(tensor.name));
    require(names.insert(tensor.name).second && tensor.name != "__metadata__", path, "each name once is expected, got ", brief(tensor.name));
    require(tensor.value.defined(), path, "a tensor ", brief(tensor.name), " is expected, got an undefined one");
    const std::int64_t begin = std::exchange(end, end + tensor.value.size() * static_cast<std::int64_t>(sizeof(Real)));
    const Json entry = {{"dtype", sizeof(Real) == 4 ? "F32" : "F64"}, {"shape", tensor.value.shape()}, {"data_offsets", {begin, end}}};
    entries.push_back({tensor.name, entry});
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');  // so that the data is aligned
  const std::uint64_t header_bytes = text.size();

  AtomicFile file(path);
  file.write(&header_bytes, 8);
  file.write(text);
  for (const Parameter& tensor : tensors) {
    const Tensor host = tensor.value.device() == Device::cpu ? tensor.value : tensor.value.to(Device::cpu);
    file.write(host.data(), static_cast<std::size_t>(host.size()) * sizeof(Real));
  }
  file.commit();
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
