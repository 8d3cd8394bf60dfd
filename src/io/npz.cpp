// npz.cpp — zip archives of arrays, by libzip, which is included here and nowhere else.
//
// An archive says of each member how large it is, packed and unpacked. Nothing of that is believed: packed sizes are held against the file by
// libzip, unpacked ones against what deflate can do and against the array's own header, and the stream against both.
#include "io/npz.h"
#include <zip.h>
#include <algorithm>
#include <cstring>
#include <map>
#include <numeric>
#include "io/dtype.h"
#include "io/json.h"
#include "io/mapped_file.h"
#include "io/npy_header.h"
#include "io/stand_in.h"
#include "siglip/error.h"

namespace siglip::inline SIGLIP_FLAVOUR {
struct NpzFile::Archive {
  std::string path;
  std::int64_t bytes = 0;
  zip_t* zip = nullptr;
  std::vector<TensorInfo> arrays;
  std::map<std::string, std::size_t> index;
  std::vector<bool> fortran;  // of each member

  Archive() = default;
  Archive(const Archive&) = delete;
  Archive& operator=(const Archive&) = delete;
  ~Archive() {
    if (zip) zip_discard(zip);
  }
};

struct NpzFile::Stream::Member {
  std::shared_ptr<Archive> archive;
  std::string where;
  zip_file_t* file = nullptr;
  std::int64_t left = 0;  // bytes that nobody has read
  std::string unpacked;   // of an array in column order: its numbers, turned
  std::size_t at = 0;

  Member() = default;
  Member(const Member&) = delete;
  Member& operator=(const Member&) = delete;
  ~Member() {
    if (file) zip_fclose(file);
  }

  void open(zip_uint64_t member) {
    file = zip_fopen_index(archive->zip, member, 0);
    if (!file) fail(where, "a member that can be unpacked is expected, got: ", zip_strerror(archive->zip));
  }
  void read(char* to, std::int64_t bytes) {
    require(bytes <= left, where, "at most ", left, " bytes more are there, got asked for ", bytes);
    for (left -= bytes; bytes > 0;) {
      const zip_int64_t n = zip_fread(file, to, static_cast<zip_uint64_t>(bytes));
      if (n <= 0) fail(where, "a whole member is expected, got: ", n < 0 ? zip_file_strerror(file) : "an early end");
      to += n, bytes -= n;
    }
  }
  std::string next(std::int64_t bytes) {
    if (bytes > left) fail(where, "a whole .npy header is expected, got ", left, " bytes of ", bytes);
    std::string text(static_cast<std::size_t>(bytes), '\0');
    read(text.data(), bytes);
    return text;
  }
};

namespace {
constexpr zip_int64_t most_members = 20'000;
constexpr std::int64_t most_bytes = std::int64_t{1} << 36, most_ratio = 1032;  // one array of 64 GiB; what deflate can do at most
constexpr std::int64_t most_beyond_file = std::int64_t{1} << 28;

bool is_member_name(const std::string& name) {
  constexpr std::size_t longest = 1024;
  const auto is_odd = [](unsigned char c) { return c < 32 || c == 127 || c == '\\'; };
  const std::string parts = "/" + name + "/";
  return name.size() <= longest && name.size() > 4 && name.ends_with(".npy") && std::none_of(name.begin(), name.end(), is_odd) &&
         parts.find("/../") == std::string::npos && parts.find("/./") == std::string::npos && parts.find("//") == std::string::npos;
}

// The name and sizes that the archive gives a member.
zip_stat_t stat_of(zip_t* zip, zip_uint64_t member, const std::string& path) {
  zip_stat_t stat;
  constexpr zip_uint64_t needed = ZIP_STAT_NAME | ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD | ZIP_STAT_ENCRYPTION_METHOD;
  if (zip_stat_index(zip, member, 0, &stat) != 0 || (stat.valid & needed) != needed)
    fail(path, "members with a name and sizes are expected, got none");
  const std::string name = stat.name;
  if (!is_member_name(name)) fail(path, "relative names that end in .npy are expected, got ", brief(name));
  const std::string where = path + ": " + brief(name);
  if (stat.encryption_method != ZIP_EM_NONE) fail(where, "a member without encryption is expected, got an encrypted one");
  if (stat.comp_method != ZIP_CM_STORE && stat.comp_method != ZIP_CM_DEFLATE)
    fail(where, "a stored or deflated member is expected, got method ", stat.comp_method);
  const std::uint64_t most =
      std::min<std::uint64_t>(most_bytes, stat.comp_method == ZIP_CM_STORE ? stat.comp_size : stat.comp_size * most_ratio + 64);
  if (stat.comp_size > static_cast<std::uint64_t>(most_bytes) || stat.size > most)
    fail(where, "at most ", most, " bytes are expected of ", stat.comp_size, " packed ones, got ", stat.size);
  return stat;
}

// From column order to row order: the last axis runs fastest. `read(to, bytes)` gives the next numbers in column order.
template <class Read>
std::string in_rows(const Read& read, std::int64_t bytes, const Shape& shape, std::int64_t element) {
  std::string rows(static_cast<std::size_t>(bytes), '\0'), piece(1 << 20, '\0');
  Shape place(shape.size(), 0);
  for (std::int64_t done = 0; done < bytes;) {
    const std::int64_t now = std::min(std::ssize(piece), bytes - done);
    read(piece.data(), now);
    done += now;
    for (std::int64_t at = 0; at < now; at += element) {
      Dim row = 0;
      for (std::size_t axis = 0; axis < shape.size(); ++axis) row = row * shape[axis] + place[axis];
      std::memcpy(&rows[static_cast<std::size_t>(row * element)], &piece[static_cast<std::size_t>(at)], static_cast<std::size_t>(element));
      for (std::size_t axis = 0; axis < shape.size() && ++place[axis] == shape[axis]; ++axis) place[axis] = 0;
    }
  }
  return rows;
}
}  // namespace

NpzFile::NpzFile(const std::string& path) : archive_(std::make_shared<Archive>()) {
  archive_->bytes = MappedFile(path).size();  // says what is wrong with a folder or a pipe, which libzip would wait for
  archive_->path = path;
  int code = 0;
  archive_->zip = zip_open(path.c_str(), ZIP_RDONLY | ZIP_CHECKCONS, &code);
  if (!archive_->zip) {
    if (const auto other = stand_in_of(path)) fail(path, "a zip archive of .npy files is expected, got ", other->what, "; ", other->cure);
    zip_error_t error;
    zip_error_init_with_code(&error, code);
    const std::string reason = zip_error_strerror(&error);
    zip_error_fini(&error);
    fail(path, "a zip archive of .npy files is expected, got: ", reason);
  }
  const zip_int64_t members = zip_get_num_entries(archive_->zip, 0);
  require(members >= 1 && members <= most_members, path, "1 to ", most_members, " arrays are expected, got ", members);
  for (zip_int64_t i = 0; i < members; ++i) {
    const zip_stat_t stat = stat_of(archive_->zip, static_cast<zip_uint64_t>(i), path);
    const std::string member = stat.name, name = member.substr(0, member.size() - 4), where = path + ": " + brief(member);
    Stream::Member reading;
    reading.archive = archive_, reading.where = where, reading.left = static_cast<std::int64_t>(stat.size);
    reading.open(static_cast<zip_uint64_t>(i));
    const NpyHeader header = read_npy_header([&](std::int64_t count) { return reading.next(count); }, where);
    const std::string dtype = dtype_of_npy(header.descr);
    const std::int64_t bytes = reading.left;
    if (!dtype.empty()) {  // the product of the axes never exceeds the member, so it cannot overflow
      std::int64_t count = std::find(header.shape.begin(), header.shape.end(), 0) == header.shape.end() ? 1 : 0;
      for (const Dim axis : header.shape) {
        if (count && axis > bytes / count) fail(where, "a shape of at most ", bytes, " bytes is expected, got ", header.shape);
        count *= axis;
      }
      const std::int64_t expected = count * element_bytes(dtype);
      if (bytes != expected) fail(where, expected, " bytes are expected for ", header.descr, " ", header.shape, ", got ", bytes);
    }
    archive_->index.emplace(name, archive_->arrays.size());  // each name once: libzip opens no archive that has one twice
    archive_->arrays.push_back({name, dtype.empty() ? brief(header.descr) : dtype, header.shape, i, bytes});
    archive_->fortran.push_back(header.fortran_order);
  }
}

const std::string& NpzFile::path() const { return archive_->path; }
const std::vector<TensorInfo>& NpzFile::arrays() const { return archive_->arrays; }

const TensorInfo* NpzFile::find(const std::string& name) const {
  const auto found = archive_->index.find(name);
  return found == archive_->index.end() ? nullptr : &archive_->arrays[found->second];
}

NpzFile::Stream NpzFile::open(const TensorInfo& array) const {
  Stream stream;
  stream.member_ = std::make_shared<Stream::Member>();
  Stream::Member& member = *stream.member_;
  member.archive = archive_, member.where = path() + ": " + brief(array.name + ".npy");
  require(is_real(array.dtype), member.where, "<f8, <f4, <f2 or bfloat16 (|V2) is expected, got ", array.dtype);
  const zip_uint64_t i = static_cast<zip_uint64_t>(array.offset);
  member.left = static_cast<std::int64_t>(stat_of(archive_->zip, i, path()).size);
  member.open(i);
  read_npy_header([&](std::int64_t count) { return member.next(count); }, member.where);
  const bool turned = archive_->fortran[static_cast<std::size_t>(i)] && array.shape.size() > 1;
  if (!turned) return stream;
  const std::int64_t most = archive_->bytes + most_beyond_file;
  if (array.bytes > most)
    fail(member.where, "at most ", most, " bytes (the file's and 256 MiB) are expected of an array in column order, which is turned in memory, got ",
         array.bytes);
  const auto read = [&](char* to, std::int64_t bytes) { member.read(to, bytes); };
  member.unpacked = in_rows(read, array.bytes, array.shape, element_bytes(array.dtype));
  return stream;
}

void NpzFile::Stream::read(void* to, std::int64_t bytes) {
  if (member_->unpacked.empty()) return member_->read(static_cast<char*>(to), bytes);
  const std::size_t count = static_cast<std::size_t>(bytes);
  require(count <= member_->unpacked.size() - member_->at, member_->where, "at most ", member_->unpacked.size() - member_->at,
          " bytes more are there, got asked for ", bytes);
  std::memcpy(to, member_->unpacked.data() + member_->at, count);
  member_->at += count;
}

void NpzFile::Stream::finish() {
  const std::size_t kept = member_->unpacked.empty() ? 0 : member_->unpacked.size() - member_->at;
  require(member_->left == 0 && kept == 0, member_->where, "all of the array is read, got bytes left");
  char beyond = 0;  // the end: now libzip compares the checksum
  const zip_int64_t n = zip_fread(member_->file, &beyond, 1);
  require(n == 0, member_->where, "a member of the size and checksum in the archive is expected, got ",
          n > 0 ? "more" : zip_file_strerror(member_->file));
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
