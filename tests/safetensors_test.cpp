// safetensors and .npy: exact, deterministic, and suspicious of every number in a header.
#include <doctest/doctest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmath>
#include <csignal>
#include <cstring>
#include <limits>
#include "io/json.h"
#include "siglip/checkpoint.h"
#include "temporary_folder.h"
using namespace siglip;

namespace {
std::string little_endian(std::uint64_t n) {
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &n, 8);
  return bytes;
}
std::string file_of(const std::string& header, std::size_t data_bytes) {
  return little_endian(header.size()) + header + std::string(data_bytes, '\0');
}
// What opening a file of these bytes says.
std::string of_bytes(const std::string& bytes) {
  const TemporaryFolder folder;
  write_file(folder / "x", bytes);
  return complaint_of([&] { SafetensorsFile file(folder / "x"); }, folder.path);
}
std::string of_header(const std::string& header, std::size_t data_bytes = 0) { return of_bytes(file_of(header, data_bytes)); }
// The entry of one tensor "a".
std::string one(const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return "{\"a\": {\"dtype\": " + dtype + ", \"shape\": " + shape + ", \"data_offsets\": " + offsets + "}}";
}
}  // namespace

TEST_CASE("safetensors: what is written is read back, with equal bytes for equal input") {
  const TemporaryFolder folder;
  const Tensor a = Tensor::from({2, 3}, {1, -2, 3.5, 0, 1e-40f, 6}), b = Tensor::from({1}, {-10}), none({0, 4});
  const Real special[] = {std::numeric_limits<Real>::quiet_NaN(), std::numeric_limits<Real>::infinity(), -std::numeric_limits<Real>::denorm_min()};
  const Tensor c = Tensor::from({3}, {special[0], special[1], special[2]});
  const Parameters tensors = {{"z.weight", a}, {"b", b}, {"none", none}, {"Zürich \"c\"", c}};
  write_safetensors(folder / "x", tensors, {{"step", "3"}});
  write_safetensors(folder / "y", tensors, {{"step", "3"}});
  const std::string bytes = read_file(folder / "x");
  CHECK(bytes == read_file(folder / "y"));
  std::uint64_t header = 0;
  std::memcpy(&header, bytes.data(), 8);
  CHECK(header % 8 == 0);
  CHECK(bytes.substr(8, 69) == "{\"__metadata__\":{\"format\":\"pt\",\"step\":\"3\"},\"z.weight\":{\"dtype\":\"F32\",");

  const SafetensorsFile file(folder / "x");
  CHECK(file.metadata() == std::map<std::string, std::string>{{"format", "pt"}, {"step", "3"}});
  CHECK(file.tensors().size() == 4);
  CHECK(file.tensors()[0].name == "z.weight");
  CHECK(file.tensors()[0].shape == Shape{2, 3});
  CHECK(file.tensors()[0].bytes == 24);
  CHECK(file.find("nothing") == nullptr);
  CHECK(file.read("z.weight").to_vector() == a.to_vector());
  CHECK(file.read("none").shape() == Shape{0, 4});
  CHECK(std::memcmp(file.read("Zürich \"c\"").data(), c.data(), 12) == 0);
  const Tensor into({1});
  file.read_into("b", into);
  CHECK(into.item() == -10);
}

TEST_CASE("safetensors: a tensor larger than a reading piece") {
  const TemporaryFolder folder;
  const Dim n = (1 << 18) * 2 + 7;
  const Tensor x({n});
  for (Dim i = 0; i < n; ++i) x.data()[i] = static_cast<Real>(i);
  write_safetensors(folder / "x", {{"x", x}});
  CHECK(SafetensorsFile(folder / "x").read("x").to_vector() == x.to_vector());
}

TEST_CASE("safetensors: all 65,536 halves and bfloats, and doubles, become the reals they stand for") {
  const TemporaryFolder folder;
  std::string patterns;
  for (int bits = 0; bits < 65536; ++bits) patterns += {static_cast<char>(bits & 255), static_cast<char>(bits >> 8)};
  for (const auto& [dtype, fraction_bits, bias] : {std::tuple{"F16", 10, 15}, std::tuple{"BF16", 7, 127}}) {
    const std::string quoted = std::string("\"") + dtype + "\"", header = one(quoted, "[65536]", "[0, 131072]");
    write_file(folder / "x", little_endian(header.size()) + header + patterns);
    const Tensor x = SafetensorsFile(folder / "x").read("a");
    int wrong = 0;
    for (int bits = 0; bits < 65536; ++bits) {
      const int fraction = bits & ((1 << fraction_bits) - 1), exponent = (bits & 0x7fff) >> fraction_bits, highest = (0x7fff >> fraction_bits);
      const double sign = bits >> 15 ? -1 : 1, got = static_cast<double>(x.data()[bits]);
      const double expected = exponent == highest ? std::numeric_limits<double>::infinity()
                              : exponent == 0     ? std::ldexp(fraction, 1 - bias - fraction_bits)
                                                  : std::ldexp((1 << fraction_bits) + fraction, exponent - bias - fraction_bits);
      if (exponent == highest && fraction)
        wrong += !std::isnan(got);
      else
        wrong += got != sign * expected || std::signbit(got) != (sign < 0);
    }
    CHECK(wrong == 0);
  }
  const double values[] = {1.5, -3e-300, 1e30};
  const std::string header = one("\"F64\"", "[3]", "[0, 24]");
  std::string data(24, '\0');
  std::memcpy(data.data(), values, 24);
  write_file(folder / "x", little_endian(header.size()) + header + data);
  CHECK(SafetensorsFile(folder / "x").read("a").to_vector() == std::vector<Real>{1.5, static_cast<Real>(-3e-300), static_cast<Real>(1e30)});
}

TEST_CASE("safetensors: sizes that do not fit the file") {
  CHECK(of_bytes("") == "x: at least 8 bytes are expected, got 0");
  CHECK(of_bytes("1234567") == "x: at least 8 bytes are expected, got 7");
  CHECK(of_bytes(little_endian(0)) == "x: a header that begins with { is expected, got \"\"");
  CHECK(of_bytes(little_endian(1) + "{").find("x: valid JSON is expected, got parse error at line 1, column 2") == 0);
  CHECK(of_bytes(little_endian(std::uint64_t{1} << 63) + "{}") == "x: a header of at most 16777216 bytes is expected, got 9223372036854775808");
  CHECK(of_bytes(little_endian(~std::uint64_t{0}) + "{}") == "x: a header of at most 16777216 bytes is expected, got 18446744073709551615");
  CHECK(of_bytes(little_endian(100000001) + "{}") == "x: a header of at most 16777216 bytes is expected, got 100000001");
  CHECK(of_bytes(little_endian(3) + "{}") == "x: 11 bytes are expected, got 10: the file is cut off, 1 byte is missing; download or copy it again");
  CHECK(of_bytes(little_endian(30) + "[]") == "x: a header within the file's 10 bytes is expected, got 30");
  CHECK(of_bytes("Invalid username or password.") == "x: safetensors are expected, got a text that begins with \"Invalid username or password.\"");
  CHECK(of_header("{}") == "nothing");
  CHECK(of_header("{}", 1) == "x: the tensors cover all 1 bytes of data, got 0");
  CHECK(of_header(one("\"F32\"", "[2]", "[0, 8]"), 9) == "x: the tensors cover all 9 bytes of data, got 8");
  CHECK(contains(of_header(one("\"F32\"", "[2]", "[0, 8]"), 5), ": the file is cut off, 3 bytes are missing; download or copy it again"));
  CHECK(of_header(one("\"F32\"", "[2]", "[4, 12]"), 7) ==
        "x: tensor \"a\": data_offsets [begin, end] within the 7 bytes of data are expected, got [4,12]");
}

TEST_CASE("safetensors: headers that are not what they should be") {
  CHECK(of_header("[]") == "x: a header that begins with { is expected, got \"[]\"");
  CHECK(of_header("null") == "x: a header that begins with { is expected, got \"null\"");
  CHECK(of_header("  {}") == "x: a header that begins with { is expected, got \"  {}\"");
  CHECK(of_header("\xef\xbb\xbf{}") == "x: a header that begins with { is expected, got \"\\ufeff{}\"");
  CHECK(of_header("\xff\xfe") == "x: a header that begins with { is expected, got \"\ufffd\ufffd\"");
  CHECK(of_header("{\"\xff\": 1}").find("x: valid JSON is expected, got parse error at line 1, column 3") == 0);
  CHECK(of_header("{} trailing").find("x: valid JSON is expected, got parse error at line 1, column ") == 0);
  CHECK(of_header("{}      ") == "nothing");
  CHECK(of_header(std::string("{}\0\0\0\0\0\0", 8)) == "x: valid JSON is expected, got a NUL byte");
  CHECK(of_header("{\"a\": " + std::string(100000, '[')) == "x: JSON nested at most 64 deep is expected, got deeper");
  CHECK(of_header("{\"a\": 1, \"a\": 2}") == "x: each key once is expected, got \"a\" twice");
  CHECK(of_header("{\"__metadata__\": []}") == "x: __metadata__ is an object, got []");
  CHECK(of_header("{\"__metadata__\": {\"a\": 1}}") == "x: __metadata__ holds strings, got 1 for \"a\"");
  const std::string rest = R"({"dtype": "F32", "shape": [0], "data_offsets": [0, 0]})";
  CHECK(of_header("{\"\": " + rest + "}") == "x: tensor names of 1 to 1024 printable bytes are expected, got \"\"");
  CHECK(of_header("{\"a\\u0000\": " + rest + "}") == "x: tensor names of 1 to 1024 printable bytes are expected, got \"a\\u0000\"");
  CHECK(of_header("{\"a\\nb\": " + rest + "}") == "x: tensor names of 1 to 1024 printable bytes are expected, got \"a\\nb\"");
  CHECK(of_header("{\"" + std::string(1 << 20, 'a') + "\": " + rest + "}") ==
        "x: tensor names of 1 to 1024 printable bytes are expected, got \"" + std::string(56, 'a') + "...");
  CHECK(of_header("{\"../../x\": " + rest + "}") == "nothing");  // a name is no path here
}

TEST_CASE("safetensors: entries that are not what they should be") {
  const std::string keys = "x: tensor \"a\": exactly dtype, shape and data_offsets are expected, got ";
  CHECK(of_header("{\"a\": 1}") == keys + "1");
  CHECK(of_header("{\"a\": {\"dtype\": \"F32\", \"shape\": [0]}}") == keys + "{\"dtype\":\"F32\",\"shape\":[0]}");
  for (const char* dtype : {"\"f32\"", "\"F4\"", "\"\"", "1", "null"})
    CHECK(of_header(one(dtype, "[0]", "[0, 0]")) == std::string("x: tensor \"a\": a known dtype is expected, got ") + dtype);
  for (const char* shape : {"2", "[-1]", "[1.0]", "[\"2\"]", "[null]", "[18446744073709551615]", "[9223372036854775808]"})
    CHECK(of_header(one("\"F32\"", shape, "[0, 0]")) ==
          std::string("x: tensor \"a\" shape: a list of whole numbers from 0 up is expected, got ") + shape);
  for (const char* offsets : {"[-1,0]", "[0.0,0]", "[\"0\",0]", "{}"})
    CHECK(of_header(one("\"F32\"", "[0]", offsets)) ==
          std::string("x: tensor \"a\" data_offsets: a list of whole numbers from 0 up is expected, got ") + offsets);
  for (const char* offsets : {"[0,0,0]", "[0]", "[4,0]", "[0,9]", "[9223372036854775807,9223372036854775807]"})
    CHECK(of_header(one("\"F32\"", "[0]", offsets), 8) ==
          std::string("x: tensor \"a\": data_offsets [begin, end] within the 8 bytes of data are expected, got ") + offsets);
  CHECK(of_header(one("\"F32\"", "[2, 9223372036854775807]", "[0, 8]"), 8) ==
        "x: tensor \"a\": at most 8 bytes are expected, got shape (2, 9223372036854775807)");
  CHECK(of_header(one("\"F64\"", "[4611686018427387904]", "[0, 8]"), 8) ==
        "x: tensor \"a\": at most 8 bytes are expected, got shape (4611686018427387904)");
  CHECK(of_header(one("\"F32\"", "[1]", "[0, 8]"), 8) == "x: tensor \"a\": 4 bytes of data are expected for its shape and dtype, got 8");
  CHECK(of_header(one("\"F32\"", "[]", "[0, 4]"), 4) == "nothing");  // one number
  CHECK(of_header(one("\"F32\"", "[0, 9223372036854775807]", "[0, 0]")) == "nothing");
}

TEST_CASE("safetensors: gaps and overlaps") {
  const auto two = [](const std::string& first, const std::string& second) {
    const auto entry = [](const std::string& offsets) { return "{\"dtype\": \"F32\", \"shape\": [2], \"data_offsets\": " + offsets + "}"; };
    return of_header("{\"a\": " + entry(first) + ", \"b\": " + entry(second) + "}", 20);
  };
  CHECK(two("[0, 8]", "[12, 20]") == "x: tensor \"b\" begins where the one before ends = 8, got 12");
  CHECK(two("[0, 8]", "[4, 12]") == "x: tensor \"b\" begins where the one before ends = 8, got 4");
  CHECK(two("[0, 8]", "[0, 8]") == "x: tensor \"b\" begins where the one before ends = 8, got 0");
  CHECK(two("[4, 12]", "[12, 20]") == "x: tensor \"a\" begins where the one before ends = 0, got 4");
  const std::string shared = R"({"b": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]},
                                "none": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}})";
  CHECK(of_header(shared, 4) == "nothing");  // a tensor without elements may share its place
}

TEST_CASE("safetensors: a header of very many tensors is read in linear time") {
  std::string header = "{";
  for (int i = 0; i < 100000; ++i) header += (i ? ",\"" : "\"") + std::to_string(i) + R"(":{"dtype":"F32","shape":[0],"data_offsets":[0,0]})";
  CHECK(of_header(header + "}") == "nothing");
}

TEST_CASE("safetensors: a header of a million tensors is refused by its length") {
  std::string header = "{";
  for (int i = 0; i < 1'000'000; ++i)
    header += (i ? ",\"tensor" : "\"tensor") + std::to_string(i) + R"(" : {"dtype" : "F32", "shape" : [0, 0, 0], "data_offsets" : [0, 0] })";
  header += "}";
  CHECK(header.size() > 80'000'000);
  CHECK(of_header(header) == "x: a header of at most 16777216 bytes is expected, got " + std::to_string(header.size()));
}

TEST_CASE("safetensors: a shape of very many axes is refused, in linear time") {
  std::string axes = "1";
  for (int i = 0; i < 1000000; ++i) axes += ",1";
  CHECK(of_header(one("\"F32\"", "[" + axes + "]", "[0, 4]"), 4) == "x: tensor \"a\": at most 8 axes are expected, got 1000001");
  CHECK(of_header(one("\"F32\"", "[1, 1, 1, 1, 1, 1, 1, 1]", "[0, 4]"), 4) == "nothing");
}

TEST_CASE("safetensors: what cannot be read or is not real") {
  const TemporaryFolder folder;
  const auto said = [&](const std::string& path) { return complaint_of([&] { SafetensorsFile file(path); }, folder.path); };
  CHECK(said(folder / "none") == "none: a readable file is expected, got: No such file or directory");
  CHECK(said("/tmp") == "/tmp: a regular file is expected, got a folder");
  CHECK(said("/dev/zero") == "/dev/zero: a regular file is expected, got a device or pipe");
  REQUIRE(mkfifo((folder / "pipe").c_str(), 0600) == 0);
  CHECK(said(folder / "pipe") == "pipe: a regular file is expected, got a device or pipe");
  write_file(folder / "secret", file_of("{}", 0));
  REQUIRE(chmod((folder / "secret").c_str(), 0) == 0);
  if (geteuid() == 0)
    MESSAGE("skipped: a file without permission, which root reads all the same");
  else
    CHECK(said(folder / "secret") == "secret: a readable file is expected, got: Permission denied");
  REQUIRE(symlink("loop", (folder / "loop").c_str()) == 0);
  CHECK(said(folder / "loop") == "loop: a readable file is expected, got: Too many levels of symbolic links");

  write_file(folder / "x", file_of(one("\"I32\"", "[2]", "[0, 8]"), 8));
  const SafetensorsFile whole(folder / "x");
  CHECK(complaint_of([&] { whole.read("a"); }, folder.path) == "x: tensor \"a\": F64, F32, F16 or BF16 is expected, got I32");
  CHECK(complaint_of([&] { whole.read("b"); }, folder.path) == "x: a tensor \"b\" is expected, got none");
  CHECK(complaint_of([&] { whole.read_into("b", Tensor({1})); }, folder.path) == "x: a tensor \"b\" is expected, got none");
  const std::string header = one("\"F32\"", "[2]", "[0, 8]");
  write_file(folder / "x", file_of(header, 8));
  const SafetensorsFile shrinking(folder / "x");
  CHECK(complaint_of([&] { shrinking.read_into("a", Tensor({1, 2})); }, folder.path) == "x: tensor \"a\": shape (1, 2) is expected, got (2)");
  REQUIRE(truncate((folder / "x").c_str(), static_cast<off_t>(8 + header.size() + 3)) == 0);
  CHECK(complaint_of([&] { shrinking.read("a"); }, folder.path) ==
        "x: the file keeps its size while it is read, got its end at byte " + std::to_string(8 + header.size() + 3));
}

TEST_CASE("safetensors: what cannot be written leaves nothing behind") {
  const TemporaryFolder folder;
  const Tensor x = Tensor::full({4}, 1);
  const auto said = [&](const std::string& name, const Parameters& tensors) {
    return complaint_of([&] { write_safetensors(folder / name, tensors); }, folder.path);
  };
  CHECK(said("x", {{"a", x}, {"a", x}}) == "x: each name once is expected, got \"a\"");
  CHECK(said("x", {{"__metadata__", x}}) == "x: each name once is expected, got \"__metadata__\"");
  CHECK(said("x", {{"", x}}) == "x: tensor names of 1 to 1024 printable bytes are expected, got \"\"");
  CHECK(said("x", {{"a", Tensor()}}) == "x: a tensor \"a\" is expected, got an undefined one");
  CHECK(said("none/x", {{"a", x}}) == "none/x: cannot be written: No such file or directory");
  CHECK(std::filesystem::is_empty(folder.path));
  std::filesystem::create_directory(folder / "x");
  CHECK(said("x", {{"a", x}}) == "x: renaming into place failed: Is a directory");

  // A disk that is full, played by a limit on the size of files.
  write_file(folder / "y", "before");
  rlimit limit{};
  getrlimit(RLIMIT_FSIZE, &limit);
  const rlimit small{16, limit.rlim_max};
  std::signal(SIGXFSZ, SIG_IGN);
  setrlimit(RLIMIT_FSIZE, &small);
  const std::string message = said("y", {{"a", x}});
  setrlimit(RLIMIT_FSIZE, &limit);
  std::signal(SIGXFSZ, SIG_DFL);
  CHECK(message == "y: writing failed: File too large");
  CHECK(read_file(folder / "y") == "before");
  CHECK(std::distance(std::filesystem::directory_iterator(folder.path), {}) == 2);
}

TEST_CASE("npy: version 1.0, aligned, row-major") {
  const TemporaryFolder folder;
  write_npy(folder / "x.npy", Tensor::from({2, 3}, {1, 2, 3, 4, 5, 6}));
  const std::string bytes = read_file(folder / "x.npy");
  CHECK(bytes.size() == 128 + 24);
  CHECK(bytes.substr(0, 10) == std::string("\x93NUMPY\x01\x00\x76\x00", 10));
  CHECK(bytes.substr(10, 59) == "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }");
  CHECK(bytes[127] == '\n');
  float last = 0;
  std::memcpy(&last, bytes.data() + bytes.size() - 4, 4);
  CHECK(last == 6);
  write_npy(folder / "none.npy", Tensor({0, 3}));
  CHECK(read_file(folder / "none.npy").size() == 128);
  CHECK(complaint_of([&] { write_npy(folder / "y", Tensor({3})); }, folder.path) == "y: a tensor of shape (N, C) is expected, got (3)");
  CHECK(complaint_of([&] { write_npy(folder / "y", Tensor()); }, folder.path) == "y: a tensor of shape (N, C) is expected, got none");
}
