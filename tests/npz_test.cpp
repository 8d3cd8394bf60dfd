// .npz: arrays come out as they went in, and no archive or header is believed.
#include "io/npz.h"
#include <doctest/doctest.h>
#include <sys/stat.h>
#include <cstring>
#include "io/npy_header.h"
#include "temporary_folder.h"
#include "zip_writer.h"
using namespace siglip;

namespace {
// What reading the header of an .npy file of these bytes says.
std::string of_npy(const std::string& bytes) {
  std::size_t at = 0;
  const auto next = [&](std::int64_t count) {
    if (bytes.size() - at < static_cast<std::size_t>(count)) throw Error("x: short");
    at += static_cast<std::size_t>(count);
    return bytes.substr(at - static_cast<std::size_t>(count), static_cast<std::size_t>(count));
  };
  return complaint_of([&] { read_npy_header(next, "x"); });
}
std::string of_dictionary(const std::string& dictionary) { return of_npy(npy_of(dictionary, "")); }

// What opening an archive of these bytes says, and reading all of its arrays.
std::string of_bytes(const std::string& bytes) {
  const TemporaryFolder folder;
  write_file(folder / "x.npz", bytes);
  return complaint_of(
      [&] {
        const NpzFile file(folder / "x.npz");
        for (const TensorInfo& array : file.arrays()) {
          NpzFile::Stream stream = file.open(array);
          std::string numbers(static_cast<std::size_t>(array.bytes), '\0');
          stream.read(numbers.data(), array.bytes);
          stream.finish();
        }
      },
      folder.path);
}
std::string of_member(const ZipMember& member) { return of_bytes(zip_of({member})); }
const std::string two_floats = npy_of("<f4", {2}, bytes_of({1, 2}));
}  // namespace

TEST_CASE("npy header: three versions, both quotes, any order of the keys") {
  for (const int version : {1, 2, 3}) CHECK(of_npy(npy_of("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", "", version)) == "nothing");
  CHECK(of_dictionary("{\"shape\":(),\"descr\":\"|V2\",\"fortran_order\":True}") == "nothing");
  std::string text = npy_of("{'descr': '<f4', 'fortran_order': True, 'shape': (5,), }", "");
  std::size_t at = 0;
  const NpyHeader header = read_npy_header(
      [&](std::int64_t count) {
        at += static_cast<std::size_t>(count);
        return text.substr(at - static_cast<std::size_t>(count), static_cast<std::size_t>(count));
      },
      "x");
  CHECK(header.descr == "<f4");
  CHECK(header.fortran_order);
  CHECK(header.shape == Shape{5});
  CHECK(header.bytes == std::ssize(text));
  CHECK(dtype_of_npy("<f4") == "F32");
  CHECK(dtype_of_npy("<f8") == "F64");
  CHECK(dtype_of_npy("<f2") == "F16");
  CHECK(dtype_of_npy("|V2") == "BF16");
  for (const char* other : {">f4", "<i4", "|O", "|V4", ""}) CHECK(dtype_of_npy(other).empty());
}

TEST_CASE("npy header: anything else is refused") {
  CHECK(of_npy("") == "x: short");
  CHECK(of_npy("NUMPY\x01\x00\x01") == "x: short");
  CHECK(of_npy(std::string("PK\3\4\0\0\0\0", 8)).find("x: an array that begins with \\x93NUMPY is expected, got ") == 0);
  CHECK(of_npy(std::string("\x93NUMPY\x04\x00", 8)) == "x: version 1.0, 2.0 or 3.0 of the .npy format is expected, got 4.0");
  CHECK(of_npy(std::string("\x93NUMPY\x01\x01", 8)) == "x: version 1.0, 2.0 or 3.0 of the .npy format is expected, got 1.1");
  CHECK(of_npy(std::string("\x93NUMPY\x02\x00\xff\xff\xff\xff", 12)) == "x: an .npy header of at most 65536 bytes is expected, got 4294967295");
  const std::string rest = ", 'fortran_order': False, 'shape': (2,)}";
  const auto got = [](const std::string& expected) { return "x: " + expected + " is expected in the .npy header, got "; };
  CHECK(of_dictionary("[1]").find(got("a dictionary") + "\"[1]") == 0);
  CHECK(of_dictionary("{'descr' '<f4'" + rest).find(got("a colon")) == 0);
  CHECK(of_dictionary("{'descr': [('a', '<f4')]" + rest).find(got("a string") + "\"[('a', '<f4')]") == 0);
  CHECK(of_dictionary("{'descr': '<f4").find(got("a string")) == 0);
  CHECK(of_dictionary("{'descr': '\\x3cf4'" + rest).find(got("a plain string")) == 0);
  CHECK(of_dictionary("{'descr': '<f4' 1" + rest).find(got("a comma or the end of the dictionary")) == 0);
  CHECK(of_dictionary("{'descr': '<f4', 'descr': '<f4'" + rest) == "x: each key of the .npy header once is expected, got \"descr\" twice");
  CHECK(of_dictionary("{'descr': '<f4', 'order': 1" + rest) == "x: descr, fortran_order and shape are expected in the .npy header, got \"order\"");
  CHECK(of_dictionary("{'descr': '<f4', 'shape': (2,)}") == "x: descr, fortran_order and shape are expected in the .npy header, got 2 of them");
  CHECK(of_dictionary("{'descr': '<f4', 'fortran_order': 0}").find(got("True or False")) == 0);
  CHECK(of_dictionary("{'descr': '<f4'" + rest + " import os").find(got("nothing after the dictionary") + "\"import os") == 0);
  for (const auto& [shape, expected] : {std::pair{"[2]", "a tuple"},
                                        {"(2)", "a comma after a single axis"},
                                        {"(-2,)", "a whole number"},
                                        {"(2.5,)", "a comma or the end of the tuple"},
                                        {"(2L,)", "a comma or the end of the tuple"},
                                        {"(9223372036854775808,)", "a number below 2^63"},
                                        {"(1,1,1,1,1,1,1,1,1)", "at most 8 axes"},
                                        {"(2,", "a whole number"}})
    CHECK(of_dictionary(std::string("{'descr': '<f4', 'fortran_order': False, 'shape': ") + shape + "}").find(got(expected)) == 0);
}

TEST_CASE("npz: stored and deflated, four types, both orders") {
  const TemporaryFolder folder;
  std::vector<float> many(300000);
  for (std::size_t i = 0; i < many.size(); ++i) many[i] = static_cast<float>(i);
  const std::string eight(24, 'd'), halves = "aabbcc";
  write_file(folder / "x.npz", zip_of({{"a/many.npy", npy_of("<f4", {150000, 2}, bytes_of(many)), 8},
                                       {"turned.npy", npy_of("<f4", {2, 3}, bytes_of({1, 2, 3, 4, 5, 6}), true)},
                                       {"columns.npy", npy_of("<f4", {2, 150000}, bytes_of(many), true)},
                                       {"line.npy", npy_of("<f4", {3}, bytes_of({1, 2, 3}), true)},
                                       {"double.npy", npy_of("<f8", {3}, eight), 8},
                                       {"half.npy", npy_of("<f2", {3}, halves)},
                                       {"bfloat.npy", npy_of("|V2", {3, 1}, halves)},
                                       {"scalar.npy", npy_of("<f4", {}, bytes_of({7}))},
                                       {"none.npy", npy_of("<f4", {0, 3}, "")},
                                       {"ints.npy", npy_of("<i8", {2}, std::string(16, 'i'))}}));
  const NpzFile file(folder / "x.npz");
  CHECK(file.arrays().size() == 10);
  const auto all_of = [&](const std::string& name) {
    const TensorInfo& array = *file.find(name);
    NpzFile::Stream stream = file.open(array);
    std::string numbers(static_cast<std::size_t>(array.bytes), '\0');
    const std::int64_t first = array.bytes / 3;  // in two steps
    stream.read(numbers.data(), first);
    stream.read(numbers.data() + first, array.bytes - first);
    stream.finish();
    return numbers;
  };
  CHECK(all_of("a/many") == bytes_of(many));
  CHECK(file.find("a/many")->shape == Shape{150000, 2});
  CHECK(all_of("turned") == bytes_of({1, 3, 5, 2, 4, 6}));
  std::vector<float> rows;  // more than a piece of them
  for (std::size_t row = 0; row < 2; ++row)
    for (std::size_t column = 0; column < 150000; ++column) rows.push_back(many[2 * column + row]);
  CHECK(all_of("columns") == bytes_of(rows));
  CHECK(all_of("line") == bytes_of({1, 2, 3}));
  CHECK(all_of("double") == eight);
  CHECK(file.find("double")->dtype == "F64");
  CHECK(all_of("half") == halves);
  CHECK(all_of("bfloat") == halves);
  CHECK(file.find("bfloat")->dtype == "BF16");
  CHECK(all_of("scalar") == bytes_of({7}));
  CHECK(all_of("none").empty());
  CHECK(file.find("nothing") == nullptr);
  CHECK(complaint_of([&] { file.open(*file.find("ints")); }, folder.path) ==
        "x.npz: \"ints.npy\": <f8, <f4, <f2 or bfloat16 (|V2) is expected, got \"<i8\"");
  NpzFile::Stream stream = file.open(*file.find("half"));
  std::string more(8, '\0');
  CHECK(complaint_of([&] { stream.read(more.data(), 8); }, folder.path) == "x.npz: \"half.npy\": at most 6 bytes more are there, got asked for 8");
  CHECK(complaint_of([&] { stream.finish(); }, folder.path) == "x.npz: \"half.npy\": all of the array is read, got bytes left");
  NpzFile::Stream turned = file.open(*file.find("turned"));
  std::string much(25, '\0');
  CHECK(complaint_of([&] { turned.read(much.data(), 25); }, folder.path) ==
        "x.npz: \"turned.npy\": at most 24 bytes more are there, got asked for 25");
}

TEST_CASE("npz: archives that are none, or lie") {
  const TemporaryFolder folder;
  CHECK(complaint_of([&] { NpzFile(folder / "none.npz"); }, folder.path) == "none.npz: a readable file is expected, got: No such file or directory");
  CHECK(complaint_of([&] { NpzFile file(folder.path); }) == folder.path + ": a regular file is expected, got a folder");
  REQUIRE(mkfifo((folder / "pipe").c_str(), 0600) == 0);
  CHECK(complaint_of([&] { NpzFile(folder / "pipe"); }, folder.path) == "pipe: a regular file is expected, got a device or pipe");
  const std::string no_zip = "x.npz: a zip archive of .npy files is expected, got: ";
  CHECK(of_bytes("").find(no_zip) == 0);
  CHECK(of_bytes(std::string(1000, 'x')).find(no_zip) == 0);
  CHECK(of_bytes(two_floats).find(no_zip) == 0);
  CHECK(of_member({"a.npy", two_floats}) == "nothing");
  const std::string whole = zip_of({{"a.npy", two_floats, 8}, {"b.npy", two_floats}});
  for (std::size_t size = 0; size < whole.size(); ++size) CHECK(of_bytes(whole.substr(0, size)).find("x.npz: ") == 0);
  CHECK(of_bytes("PK\5\6" + std::string(18, '\0')) == "x.npz: 1 to 20000 arrays are expected, got 0");

  for (const char* name : {"a.txt", ".npy", "/a.npy", "../a.npy", "a/../b.npy", "a/./b.npy", "a//b.npy", "a\\b.npy", "a\nb.npy"})
    CHECK(of_member({name, two_floats}).find("x.npz: relative names that end in .npy are expected, got \"") == 0);
  CHECK(of_member({std::string(1025, 'a') + ".npy", two_floats}).find("x.npz: relative names that end in .npy are expected, got \"aaa") == 0);
  CHECK(of_bytes(zip_of({{"a.npy", two_floats}, {"a.npy", two_floats}})) == no_zip + "File already exists");
  // libzip 1.11 sees that an encrypted member would be longer, and does not open the archive.
  const std::string encrypted = of_member({"a.npy", two_floats, 0, 1});
  CHECK((encrypted == "x.npz: \"a.npy\": a member without encryption is expected, got an encrypted one" ||
         encrypted.starts_with(no_zip + "Zip archive inconsistent: ")));
  CHECK(of_member({"a.npy", two_floats, 12}) == "x.npz: \"a.npy\": a stored or deflated member is expected, got method 12");
  // Sizes that no packing could reach, that the packed bytes do not have, that the header denies.
  CHECK(of_member({"a.npy", two_floats, 0, 0, 1000}).find("x.npz: ") == 0);
  CHECK(of_member({"a.npy", two_floats, 8, 0, 1 << 30}) ==
        "x.npz: \"a.npy\": at most 143512 bytes are expected of 139 packed ones, got " + std::to_string((1 << 30) + 134));
  CHECK(of_member({"a.npy", two_floats, 8, 0, 4}) == "x.npz: \"a.npy\": 8 bytes are expected for <f4 (2), got 12");
  CHECK(of_member({"a.npy", npy_of("<f4", {3}, bytes_of({1, 2})), 8, 0, 4}) == "x.npz: \"a.npy\": a whole member is expected, got: an early end");
  CHECK(of_member({"a.npy", npy_of("<f4", {3}, bytes_of({1, 2}))}) == "x.npz: \"a.npy\": 12 bytes are expected for <f4 (3), got 8");
  CHECK(of_member({"a.npy", npy_of("<f4", {Dim{1} << 62, 4}, "")}) ==
        "x.npz: \"a.npy\": a shape of at most 0 bytes is expected, got (4611686018427387904, 4)");
  CHECK(of_member({"a.npy", npy_of("<f4", {0, Dim{1} << 62}, "")}) == "nothing");
  CHECK(of_member({"a.npy", "short"}) == "x.npz: \"a.npy\": a whole .npy header is expected, got 5 bytes of 8");
  CHECK(of_member({"a.npy", two_floats, 0, 0, 0, 1}) ==
        "x.npz: \"a.npy\": a member of the size and checksum in the archive is expected, got CRC error");
  CHECK(of_member({"a.npy", npy_of("|O", {1}, "pickle..")}) == "x.npz: \"a.npy\": <f8, <f4, <f2 or bfloat16 (|V2) is expected, got \"|O\"");
}

TEST_CASE("npz: an array that is turned in memory is not much larger than the file") {
  const TemporaryFolder folder;
  // 320 MB that are said to be packed into 400 KB, in either order.
  const Shape shape{40'000'000, 2};
  std::string packed(400'000, '\0');
  for (const bool columns : {true, false}) {
    const std::int64_t more = 4 * element_count(shape) - std::ssize(packed);
    const std::string bytes = zip_of({{"a.npy", npy_of("<f4", shape, packed, columns), 8, 0, more}});
    write_file(folder / "x.npz", bytes);
    const NpzFile file(folder / "x.npz");
    CHECK(complaint_of([&] { file.open(file.arrays()[0]); }, folder.path) ==
          (columns ? "x.npz: \"a.npy\": at most " + std::to_string(bytes.size() + (1 << 28)) +
                         " bytes (the file's and 256 MiB) are expected of an array in column order, which is turned in memory, got 320000000"
                   : "nothing"));
  }
}
