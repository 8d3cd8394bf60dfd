// safetensors.cpp — tensors in one file: 8 bytes N (little-endian), N bytes of JSON header, then the data without gaps.
//
//   {"__metadata__": {"format": "pt"}, "logit_bias": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}, …}
//
// Nothing in the header is believed before it is compared with the size of the file.
// source    huggingface/safetensors, the format's README
#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <set>
#include <unordered_map>
#include <utility>
#include "core/hash.h"
#include "io/dtype.h"
#include "io/json.h"
#include "io/mapped_file.h"
#include "io/safetensors_writer.h"
#include "io/stand_in.h"
#include "siglip/checkpoint.h"
#include "siglip/error.h"

namespace siglip::inline SIGLIP_FLAVOUR {
static_assert(std::endian::native == std::endian::little, "files are little-endian, and so is every machine this runs on");

struct SafetensorsFile::File {
  std::shared_ptr<const MappedFile> bytes;
  std::vector<TensorInfo> tensors;
  std::map<std::string, std::string> metadata;
  std::unordered_map<std::string, std::size_t, KeyedHash> index;

  explicit File(const std::string& path) : bytes(std::make_shared<MappedFile>(path)) {}
  const TensorInfo& tensor(const std::string& name) const;
  void read(Real* to, const TensorInfo& tensor, Dim begin, Dim count) const;
};

namespace {
constexpr std::int64_t most_header = 1 << 24;  // a hundred thousand tensors; a SigLIP has at most about a thousand
constexpr std::size_t most_name = 1024, most_axes = 8;

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

// Whether all of it is printable ASCII and line breaks: a server's message, where a file was asked for.
bool is_text(const std::string& bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](char c) { return (c >= ' ' && c <= '~') || c == '\n' || c == '\r' || c == '\t'; });
}

// Where the last tensor ends that the header speaks of; 0 if it speaks of none, or of none that could be.
std::int64_t end_of_data(const Json& header) {
  std::uint64_t end = 0;
  for (const auto& [name, entry] : header.items()) {
    const auto offsets = entry.is_object() ? entry.find("data_offsets") : entry.end();
    if (!entry.is_object() || offsets == entry.end() || !offsets->is_array() || offsets->size() != 2 || !(*offsets)[1].is_number_unsigned()) continue;
    end = std::max(end, (*offsets)[1].get<std::uint64_t>());
  }
  return end <= INT64_MAX ? static_cast<std::int64_t>(end) : 0;
}

[[noreturn]] void refuse_cut_off(std::int64_t size, std::int64_t wanted, const std::string& path) {
  const std::int64_t missing = wanted - size;
  fail(path, wanted, " bytes are expected, got ", size, ": the file is cut off, ", missing, missing == 1 ? " byte is" : " bytes are",
       " missing; download or copy it again");
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

std::vector<TensorInfo> read_tensors(const Json& header, std::int64_t data_bytes, const std::string& path) {
  std::vector<TensorInfo> tensors;
  for (const auto& [name, entry] : header.items())
    if (name != "__metadata__") tensors.push_back(read_entry(name, entry, data_bytes, path));
  require_no_gaps(tensors, data_bytes, path);
  return tensors;
}

// Whether nothing would be wrong with the header if there were so much data.
bool is_sound(const Json& header, std::int64_t data_bytes, const std::string& path) {
  try {
    read_tensors(header, data_bytes, path);
    return true;
  } catch (const Error&) {
    return false;
  }
}
}  // namespace

const TensorInfo& SafetensorsFile::File::tensor(const std::string& name) const {
  const auto found = index.find(name);
  if (found == index.end()) fail(bytes->path(), "a tensor ", brief(name), " is expected, got none");
  return tensors[found->second];
}

// Piece by piece, so that a conversion needs little memory of its own.
void SafetensorsFile::File::read(Real* to, const TensorInfo& tensor, Dim begin, Dim count) const {
  const std::int64_t element = element_bytes(tensor.dtype), piece = 1 << 18;
  if (tensor.dtype == real_dtype) return bytes->read(to, count * element, tensor.offset + begin * element);
  std::vector<char> stored(static_cast<std::size_t>(std::min<std::int64_t>(piece, count) * element));
  for (Dim done = 0; done < count; done += piece) {
    const Dim now = std::min(piece, count - done);
    bytes->read(stored.data(), now * element, tensor.offset + (begin + done) * element);
    convert(to + done, real_dtype, stored.data(), tensor.dtype, now);
  }
}

SafetensorsFile::SafetensorsFile(const std::string& path) {
  const auto file = std::make_shared<File>(path);
  const std::int64_t size = file->bytes->size();
  std::string beginning(static_cast<std::size_t>(std::min<std::int64_t>(size, 512)), '\0');
  file->bytes->read(beginning.data(), std::ssize(beginning), 0);
  refuse_stand_in(beginning, path);
  require(size >= 8, path, "at least 8 bytes are expected, got ", size);
  std::uint64_t header_bytes = 0;
  std::memcpy(&header_bytes, beginning.data(), 8);
  if (header_bytes > most_header && is_text(beginning)) fail(path, "safetensors are expected, got a text that begins with ", brief(beginning));
  require(header_bytes <= most_header, path, "a header of at most ", most_header, " bytes is expected, got ", header_bytes);
  const std::int64_t data_begin = 8 + static_cast<std::int64_t>(header_bytes), data_bytes = size - data_begin;
  if (data_bytes < 0 && beginning.substr(8, 1) == "{") refuse_cut_off(size, data_begin, path);
  require(data_bytes >= 0, path, "a header within the file's ", size, " bytes is expected, got ", header_bytes);

  std::string text(header_bytes, '\0');
  file->bytes->read(text.data(), static_cast<std::int64_t>(header_bytes), 8);
  require(text.starts_with('{'), path, "a header that begins with { is expected, got ", brief(text.substr(0, 8)));
  const Json header = parse_json(text, path);
  if (const std::int64_t end = end_of_data(header); end > data_bytes && end <= INT64_MAX - data_begin && is_sound(header, end, path))
    refuse_cut_off(size, data_begin + end, path);
  for (const auto& [name, entry] : header.items())
    if (name == "__metadata__") file->metadata = read_metadata(entry, path);
  file->tensors = read_tensors(header, data_bytes, path);
  for (TensorInfo& tensor : file->tensors) {
    tensor.offset += data_begin;
    file->index.emplace(tensor.name, file->index.size());
  }
  file_ = file;
}

const std::string& SafetensorsFile::path() const { return file_->bytes->path(); }
const std::vector<TensorInfo>& SafetensorsFile::tensors() const { return file_->tensors; }
const std::map<std::string, std::string>& SafetensorsFile::metadata() const { return file_->metadata; }

void SafetensorsFile::rename(const std::vector<std::string>& names) {
  const auto renamed = std::make_shared<File>(*file_);
  require(names.size() == renamed->tensors.size(), path(), "a name for each of ", renamed->tensors.size(), " tensors is expected, got ",
          names.size());
  renamed->index.clear();
  for (std::size_t i = 0; i < names.size(); ++i) {
    renamed->tensors[i].name = names[i];
    require(renamed->index.emplace(names[i], i).second, path(), "each name once is expected, got ", brief(names[i]), " twice");
  }
  file_ = renamed;
}

const TensorInfo* SafetensorsFile::find(const std::string& name) const {
  const auto found = file_->index.find(name);
  return found == file_->index.end() ? nullptr : &file_->tensors[found->second];
}

Tensor SafetensorsFile::read(const std::string& name) const {
  const Tensor x(file_->tensor(name).shape);
  read_into(name, x);
  return x;
}

namespace {
void require_fits(const TensorInfo& tensor, const Tensor& to, const std::string& path) {
  const std::string where = path + ": tensor " + brief(tensor.name);
  require(is_real(tensor.dtype), where, "F64, F32, F16 or BF16 is expected, got ", tensor.dtype);
  require(tensor.shape == to.shape(), where, "shape ", to.shape(), " is expected, got ", tensor.shape);
}
}  // namespace

void SafetensorsFile::read_into(const std::string& name, const Tensor& to) const {
  const TensorInfo& tensor = file_->tensor(name);
  require_fits(tensor, to, path());
  std::vector<Real> host(to.device() == Device::cpu ? 0 : static_cast<std::size_t>(to.size()));
  file_->read(host.empty() ? to.data() : host.data(), tensor, 0, to.size());
  if (!host.empty()) to.copy_from(host.data());
}

Ids SafetensorsFile::read_ids(const std::string& name) const {
  const TensorInfo& tensor = file_->tensor(name);
  const std::string where = path() + ": tensor " + brief(name);
  require(tensor.dtype == "I64" || tensor.dtype == "I32", where, "I64 or I32 is expected, got ", tensor.dtype);
  std::vector<std::int32_t> ids(static_cast<std::size_t>(element_count(tensor.shape)));
  if (tensor.dtype == "I32") {
    read_bytes(tensor, ids.data(), 0, tensor.bytes);
    return Ids(tensor.shape, ids);
  }
  std::vector<std::int64_t> wide(ids.size());
  read_bytes(tensor, wide.data(), 0, tensor.bytes);
  for (std::size_t i = 0; i < wide.size(); ++i) {
    if (wide[i] != static_cast<std::int32_t>(wide[i])) fail(where, "whole numbers of 32 bits are expected, got ", wide[i]);
    ids[i] = static_cast<std::int32_t>(wide[i]);
  }
  return Ids(tensor.shape, ids);
}

void SafetensorsFile::attach(const std::string& name, const Tensor& to) const {
  constexpr Dim large = 1 << 14;  // below that a copy is cheaper than the pages it lies on
  const TensorInfo& tensor = file_->tensor(name);
  require_fits(tensor, to, path());
  if (to.size() >= large && to.rank() >= 2 && to.device() == Device::cpu && tensor.dtype == real_dtype) {
    const char* data = file_->bytes->data();
    if (data && reinterpret_cast<std::uintptr_t>(data + tensor.offset) % sizeof(Real) == 0)
      return to.borrow(reinterpret_cast<const Real*>(data + tensor.offset), file_);
  }
  to.defer([file = file_, &tensor](Real* values, Dim begin, Dim count) { file->read(values, tensor, begin, count); });
}

void SafetensorsFile::read_bytes(const TensorInfo& tensor, void* to, std::int64_t begin, std::int64_t count) const {
  file_->bytes->read(to, count, tensor.offset + begin);
}

// ---- writing ---------------------------------------------------------------------------------------------------------------------------

SafetensorsWriter::SafetensorsWriter(const std::string& path, std::vector<TensorInfo> tensors, std::map<std::string, std::string> metadata)
    : path_(path), file_(path) {
  metadata.emplace("format", "pt");
  Json header = {{"__metadata__", metadata}};
  auto& entries = header.get_ref<Json::object_t&>();
  std::set<std::string> names;
  for (const TensorInfo& tensor : tensors) {
    require(is_name(tensor.name), path, "tensor names of 1 to ", most_name, " printable bytes are expected, got ", brief(tensor.name));
    require(names.insert(tensor.name).second && tensor.name != "__metadata__", path, "each name once is expected, got ", brief(tensor.name));
    const std::int64_t begin = std::exchange(missing_, missing_ + element_count(tensor.shape) * element_bytes(tensor.dtype));
    const Json entry = {{"dtype", tensor.dtype}, {"shape", tensor.shape}, {"data_offsets", {begin, missing_}}};
    entries.push_back({tensor.name, entry});
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');  // so that the data is aligned
  const std::uint64_t header_bytes = text.size();
  file_.write(&header_bytes, 8);
  file_.write(text);
}

void SafetensorsWriter::write(const void* bytes, std::int64_t count) {
  require(count <= missing_, path_, "at most ", missing_, " bytes more are expected, got ", count);
  file_.write(bytes, static_cast<std::size_t>(count));
  missing_ -= count;
}

void SafetensorsWriter::commit() {
  require(missing_ == 0, path_, "all data is expected, got ", missing_, " bytes less");
  file_.commit();
}

void write_safetensors(const std::string& path, const Parameters& tensors, const std::map<std::string, std::string>& metadata) {
  std::vector<TensorInfo> infos;
  for (const Parameter& tensor : tensors) {
    require(tensor.value.defined(), path, "a tensor ", brief(tensor.name), " is expected, got an undefined one");
    infos.push_back({tensor.name, real_dtype, tensor.value.shape()});
  }
  SafetensorsWriter file(path, std::move(infos), metadata);
  for (const Parameter& tensor : tensors) {
    const Tensor host = tensor.value.device() == Device::cpu ? tensor.value : tensor.value.to(Device::cpu);
    file.write(host.data(), host.size() * static_cast<Dim>(sizeof(Real)));
  }
  file.commit();
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
