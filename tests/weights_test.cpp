// Weights of a folder: one file or shards, read at once or where they lie, element types converted exactly.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <array>
#include <atomic>
#include <bit>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstring>
#include <limits>
#include <thread>
#include "core/parallel.h"
#include "io/dtype.h"
#include "io/json.h"
#include "io/safetensors_writer.h"
#include "io/shards.h"
#include "siglip/checkpoint.h"
#include "siglip/model.h"
#include "temporary_folder.h"
using namespace siglip;

namespace {
Tensor ramp(const Shape& shape, Real first) {
  const Tensor x(shape);
  for (Dim i = 0; i < x.size(); ++i) x.data()[i] = first + static_cast<Real>(i) / 16;
  return x;
}

// The same tensors in another element type, after `odd` bytes of another one.
void write_as(const std::string& path, const std::string& dtype, const Parameters& tensors, Dim odd = 0) {
  std::vector<TensorInfo> infos;
  if (odd) infos.push_back({"text_model.embeddings.position_ids", "U8", {odd}});
  for (const Parameter& p : tensors) infos.push_back({p.name, dtype, p.value.shape()});
  SafetensorsWriter file(path, infos, {});
  file.write(std::string(static_cast<std::size_t>(odd), 'x').data(), odd);
  for (const Parameter& p : tensors) {
    std::vector<char> bytes(static_cast<std::size_t>(p.value.size() * element_bytes(dtype)));
    convert(bytes.data(), dtype, p.value.data(), real_dtype, p.value.size());
    file.write(bytes.data(), static_cast<Dim>(bytes.size()));
  }
  file.commit();
}

// What loading "a" (2, 3) and "b" (4) says after the folder was prepared.
struct Sharded {
  TemporaryFolder folder;
  Tensor a = Tensor::full({2, 3}, 7), b = Tensor::full({4}, 7);
  Sharded() {
    write_safetensors(folder / "model-00001-of-00002.safetensors", {{"a", ramp({2, 3}, 1)}});
    write_safetensors(folder / "model-00002-of-00002.safetensors", {{"b", ramp({4}, 2)}});
    index(R"({"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"})");
  }
  void index(const std::string& map) const {
    write_file(folder / "model.safetensors.index.json", R"({"metadata": {"total_size": 40}, "weight_map": )" + map + "}");
  }
  std::string said() const {
    return complaint_of([&] { load_parameters(folder.path, {{"a", a}, {"b", b}}); }, folder.path);
  }
  std::string said(const std::string& map) const {
    index(map);
    return said();
  }
};
}  // namespace

TEST_CASE("dtype: to a half or a bfloat and back, all 65,536 patterns, nearest with ties to even") {
  for (const std::string dtype : {"F16", "BF16"}) {
    const int fraction = dtype == "F16" ? 10 : 7, bias = dtype == "F16" ? 15 : 127;
    CAPTURE(dtype);
    const int infinity = (2 * bias + 1) << fraction;
    int wrong = 0;
    const auto rounded = [&](double x, const char* from) {
      std::uint16_t bits = 0;
      const float narrow = static_cast<float>(x);
      convert(&bits, dtype, from[1] == '3' ? static_cast<const void*>(&narrow) : &x, from, 1);
      return int{bits};
    };
    const auto value = [&](int pattern) {
      const std::uint16_t bits = static_cast<std::uint16_t>(pattern);
      double x = 0;
      convert(&x, "F64", &bits, dtype, 1);
      return x;
    };
    for (int bits = 0; bits < 65536; ++bits) {
      const std::uint16_t stored = static_cast<std::uint16_t>(bits);
      float wide = 0;
      std::uint16_t back = 0;
      convert(&wide, "F32", &stored, dtype, 1);
      convert(&back, dtype, &wide, "F32", 1);
      wrong += back != stored;  // NaN too
      const int magnitude = bits & 0x7fff, sign = bits & 0x8000;
      if (magnitude >= infinity) continue;
      wrong += rounded(value(bits), "F64") != bits;
      // Between this number and the next: the middle goes to the even one, either side of it to the nearer. After the largest comes infinity.
      const double x = value(magnitude), next = magnitude + 1 < infinity ? value(magnitude + 1) : std::ldexp(1.0, bias + 1);
      const double middle = x + (next - x) / 2, s = sign ? -1 : 1;
      wrong += rounded(s * middle, "F64") != (sign | (magnitude + (magnitude & 1)));
      wrong += rounded(s * std::nextafter(middle, 0.0), "F64") != (sign | magnitude);
      wrong += rounded(s * std::nextafter(middle, 1e300), "F64") != (sign | (magnitude + 1));
      if (dtype[0] == 'B') continue;  // the middles of bfloats below 2^-126 are no floats
      wrong += rounded(s * middle, "F32") != (sign | (magnitude + (magnitude & 1)));
      wrong += rounded(double(s) * std::nextafterf(static_cast<float>(middle), 0.0f), "F32") != (sign | magnitude);
    }
    CHECK(wrong == 0);
    for (const char* from : {"F32", "F64"}) {
      CHECK(rounded(std::numeric_limits<double>::infinity(), from) == infinity);
      CHECK(rounded(-1e39, from) == (0x8000 | infinity));
      CHECK(rounded(0.0, from) == 0);
      CHECK(rounded(-0.0, from) == 0x8000);
      CHECK(rounded(1e-300, from) == 0);
      CHECK((rounded(std::numeric_limits<double>::quiet_NaN(), from) & 0x7fff) > infinity);
    }
    // A NaN whose payload lies in the bits that are cut off stays a NaN.
    const std::uint32_t low_payload = 0x7f800001;
    std::uint16_t small = 0;
    convert(&small, dtype, &low_payload, "F32", 1);
    CHECK(small == (infinity | 1 << (fraction - 1)));
  }
  CHECK(complaint_of([] { convert(nullptr, "I32", nullptr, "F32", 0); }) == "convert: F64, F32, F16 or BF16 is expected, got F32 to I32");
}

TEST_CASE("weights: shards are one model") {
  const Sharded sharded;
  CHECK(sharded.said() == "nothing");
  CHECK(sharded.a.to_vector() == ramp({2, 3}, 1).to_vector());
  CHECK(sharded.b.to_vector() == ramp({4}, 2).to_vector());
  CHECK(has_weights(sharded.folder.path));
  const Weights weights(sharded.folder.path);
  CHECK(weights.files().size() == 2);
  CHECK(weights.find("b")->path() == sharded.folder / "model-00002-of-00002.safetensors");
  CHECK(weights.find("c") == nullptr);
  CHECK(complaint_of(
            [&] {
              load_parameters(sharded.folder.path, {{"a", Tensor({3, 2})}, {"c", Tensor({1})}});
            },
            sharded.folder.path) ==
        "model.safetensors.index.json: exactly the model's 2 tensors are expected; 1 missing: c; 1 misshapen: a (3, 2) is F32 (2, 3); "
        "1 left over: \"b\"");
  write_safetensors(sharded.folder / "model.safetensors", {{"a", ramp({2, 3}, 5)}, {"b", ramp({4}, 5)}});
  CHECK(sharded.said() == "nothing");  // a single file is taken before shards, as transformers does
  CHECK(sharded.a.data()[0] == 5);
  CHECK(!has_weights(sharded.folder / "nothing"));
}

TEST_CASE("weights: shards get as much data as their tensors have") {
  const TemporaryFolder folder;
  const std::vector<TensorInfo> tensors{{"a", "F32", {2}, 0, 8}, {"b", "F32", {1}, 0, 4}};
  const char data[13] = {};
  const auto said_after = [&](std::int64_t bytes) {
    return complaint_of(
        [&] {
          ShardWriter writer(folder.path, tensors, {}, 8);
          writer.write(data, bytes);
          writer.finish();
        },
        folder.path);
  };
  CHECK(said_after(12) == "nothing");
  CHECK(said_after(13) == folder.path + ": as much data as the tensors have is expected, got more");
  CHECK(said_after(8) != "nothing");
}

TEST_CASE("weights: an index that does not fit its shards") {
  const Sharded s;
  const std::string index = "model.safetensors.index.json: ", one = "model-00001-of-00002.safetensors", two = "model-00002-of-00002.safetensors";
  CHECK(s.said(R"({"a": "x.safetensors"})") ==
        index + "1 file of weights is expected beside it, got 0; 1 missing: x.safetensors; download or copy what is missing");
  const std::string plain = index + "names of .safetensors files in the same folder are expected, got ";
  for (const char* name : {"../x.safetensors", "/tmp/x.safetensors", "a/b.safetensors", "..", "", ".safetensors", ".x.safetensors", "x.bin",
                           "a\\\\b.safetensors", "x\\u0000.safetensors", "x\\n.safetensors", "model.safetensors.index.json"})
    CHECK(s.said(std::string("{\"a\": \"") + name + "\"}") == plain + "\"" + name + "\" for \"a\"");
  CHECK(s.said(R"({"a": 1})") == plain + "1 for \"a\"");
  CHECK(s.said("{\"a\": \"" + std::string(256, 'x') + ".safetensors\"}") == plain + "\"" + std::string(56, 'x') + "... for \"a\"");
  CHECK(s.said("{}") == index + "at least one tensor is expected, got none");
  CHECK(s.said("[]") == index + R"(an object with a weight_map is expected, got {"metadata":{"total_size":40},"weight_map":[]})");
  CHECK(s.said("{\"a\": \"" + one + "\", \"a\": \"" + two + "\"}") == index + "each key once is expected, got \"a\" twice");
  CHECK(s.said("{\"a\": \"" + two + "\", \"b\": \"" + two + "\"}") == two + ": the index places \"a\" there, got no such tensor");
  CHECK(s.said("{\"a\": \"" + one + "\", \"b\": \"" + one + "\"}") == one + ": the index places \"b\" there, got no such tensor");
  std::string many = "{";
  for (int i = 0; i < 201; ++i) many += (i ? ", \"" : "\"") + std::to_string(i) + "\": \"" + std::to_string(i) + ".safetensors\"";
  CHECK(s.said(many + "}") == index + "at most 200 shards are expected, got more");

  const std::string both = "{\"a\": \"" + one + "\", \"b\": \"" + two + "\"}";
  write_safetensors(s.folder / two, {{"a", ramp({2, 3}, 1)}, {"b", ramp({4}, 2)}});  // a stands in two shards
  CHECK(s.said(both) == two + ": only tensors that the index places there are expected, got \"a\"");
  write_safetensors(s.folder / two, {{"b", ramp({4}, 2)}, {"c", ramp({1}, 2)}});  // c in no map
  CHECK(s.said(both) == two + ": only tensors that the index places there are expected, got \"c\"");
  const std::string bytes = read_file(s.folder / one);
  write_file(s.folder / two, bytes.substr(0, bytes.size() - 1));
  CHECK(s.said(both) == two + ": " + std::to_string(bytes.size()) + " bytes are expected, got " + std::to_string(bytes.size() - 1) +
                            ": the file is cut off, 1 byte is missing; download or copy it again");
  write_file(s.folder / "model.safetensors.index.json", "{");
  CHECK(s.said().find(index + "valid JSON is expected, got parse error") == 0);
  for (const Tensor& x : {s.a, s.b}) CHECK(x.to_vector() == std::vector<Real>(static_cast<std::size_t>(x.size()), 7));
  std::filesystem::remove(s.folder / "model.safetensors.index.json");
  CHECK(s.said() == "model.safetensors: a readable file is expected, got: No such file or directory");
}

TEST_CASE("weights: a shard beyond a symbolic link is followed") {
  const Sharded s;
  const TemporaryFolder elsewhere;
  std::filesystem::rename(s.folder / "model-00001-of-00002.safetensors", elsewhere / "blob");
  REQUIRE(symlink((elsewhere / "blob").c_str(), (s.folder / "model-00001-of-00002.safetensors").c_str()) == 0);
  CHECK(s.said() == "nothing");
}

TEST_CASE("weights: attached tensors are used in place, or read when they are asked for") {
  const TemporaryFolder folder;
  const std::string path = folder / "model.safetensors";
  const Tensor large = ramp({256, 64}, -300), row = ramp({64}, 1);
  struct Case {
    const char* dtype;
    Dim odd;
    bool in_place;
  };
  for (const auto& [type, bytes_before, in_place] :
       {Case{"F32", 0, true}, {"F32", 3, false}, {"BF16", 0, false}, {"F16", 1, false}, {"F64", 0, false}}) {
    const std::string dtype = type;
    const Dim odd = bytes_before;
    CAPTURE(dtype);
    CAPTURE(odd);
    write_as(path, dtype, {{"large", large}, {"row", row}}, odd);
    const Tensor now({256, 64}), later({256, 64}), small({64});
    load_parameters(folder.path, {{"large", now}, {"row", Tensor({64})}});
    attach_parameters(folder.path, {{"large", later}, {"row", small}});
    CHECK(later.allocated() == in_place);
    CHECK(later.deferred() == !in_place);
    CHECK(small.deferred());
    const Ids ids({4}, {255, 0, 17, 255});
    CHECK(token_embedding(ids, later).to_vector() == token_embedding(ids, now).to_vector());
    CHECK(later.deferred() == !in_place);  // four rows do not fetch a table
    write_file(path, "");                  // the old file stays open
    CHECK(later.to_vector() == now.to_vector());
    CHECK(small.to_vector() == row.to_vector());
  }
  write_safetensors(path, {{"large", large}});
  const std::string before = read_file(path);
  const Tensor mine({256, 64});
  attach_parameters(folder.path, {{"large", mine}});
  mine.fill(1);
  CHECK(mine.to_vector() == std::vector<Real>(256 * 64, 1));
  CHECK(read_file(path) == before);  // the copy of this program was written to, not the file
}

TEST_CASE("weights: several threads may be the first to ask for a tensor") {
  const TemporaryFolder folder;
  const auto at_once = [](const auto& call) { parallel_for(4, 4, [&](Dim i, Dim) { call(static_cast<std::size_t>(i)); }); };
  // One thread fetches, slowly; the others wait for it. Parts are read meanwhile.
  const Tensor x({64});
  std::atomic<int> whole = 0, parts = 0;
  x.defer([&](Real* to, Dim begin, Dim count) {
    ++(count == 64 ? whole : parts);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    for (Dim i = 0; i < count; ++i) to[i] = static_cast<Real>(begin + i);
  });
  std::vector<const Real*> seen(4);
  std::vector<Real> part(4);
  at_once([&](std::size_t i) {
    seen[i] = i == 3 ? nullptr : x.data();
    x.read(&part[i], static_cast<Dim>(10 * i), 1);
  });
  CHECK(whole == 1);
  CHECK(parts <= 1);
  CHECK(seen[1] == seen[0]);
  CHECK(seen[2] == seen[0]);
  for (std::size_t i = 0; i < 4; ++i) CHECK(part[i] == static_cast<Real>(10 * i));
  CHECK(!x.deferred());
  CHECK(x.allocated());
  CHECK(x.to_vector()[63] == 63);

  // A fetch that fails is tried again.
  const Tensor y({1});
  bool fails = true;
  y.defer([&](Real* to, Dim, Dim) { fails ? throw Error("y: gone") : * to = 5; });
  CHECK(complaint_of([&] { y.data(); }) == "y: gone");
  CHECK(y.deferred());
  fails = false;
  CHECK(y.item() == 5);

  // A model that was only attached, used by all of them.
  const SiglipConfig config{{16, 2, 2, 24}, {16, 1, 2, 24}, 16, 8, 40, 5, 16};
  const Siglip made(config);
  initialize(made, 3);
  write_as(folder / "model.safetensors", "BF16", made.parameters());
  load_parameters(folder.path, made.parameters());
  const Tensor images = ramp({2, 3, 16, 16}, -0.9f);
  const Ids ids({1, 5}, {3, 39, 0, 7, 1});
  const std::vector<Real> u = made.vision(images).to_vector(), v = made.text(ids).to_vector();
  for (int round = 0; round < 5; ++round) {
    const Siglip shared(config);
    attach_parameters(folder.path, shared.parameters());
    std::array<std::vector<Real>, 4> got;
    at_once([&](std::size_t i) { got[i] = i % 2 ? shared.vision(images).to_vector() : shared.text(ids).to_vector(); });
    for (std::size_t i = 0; i < 4; ++i) CHECK(got[i] == (i % 2 ? u : v));
  }
}

TEST_CASE("weights: numbers that are none are loaded as they stand") {
  const TemporaryFolder folder;
  constexpr Real infinity = std::numeric_limits<Real>::infinity(), smallest = std::numeric_limits<Real>::denorm_min();
  write_safetensors(folder / "model.safetensors",
                    {{"a", Tensor::from({4}, {std::numeric_limits<Real>::quiet_NaN(), infinity, -infinity, smallest})}});
  for (const bool later : {false, true}) {
    const Tensor a({4});
    (later ? attach_parameters : load_parameters)(folder.path, {{"a", a}});
    CHECK(std::isnan(a.data()[0]));
    CHECK(a.data()[1] == infinity);
    CHECK(a.data()[2] == -infinity);
    CHECK(a.data()[3] == smallest);
    CHECK(a.data()[3] > 0);
  }
}

TEST_CASE("weights: embeddings do not depend on how the weights were read") {
  const TemporaryFolder folder;
  SiglipConfig config{{160, 2, 5, 200}, {136, 1, 4, 200}, 24, 8, 200, 5, 160};
  const Siglip made(config), eager(config), lazy(config);
  initialize(made, 3);
  write_as(folder / "model.safetensors", "F32", made.parameters(), 4);  // 4-byte alignment, not more
  load_parameters(folder.path, eager.parameters());
  attach_parameters(folder.path, lazy.parameters());
  const Tensor images = ramp({2, 3, 24, 24}, -0.9f);
  const Ids ids({2, 5}, {3, 199, 0, 7, 1, 5, 5, 1, 1, 1});
  for (const Tensor& x : {eager.vision.pooled(images), lazy.vision.pooled(images)}) CHECK(x.to_vector() == made.vision.pooled(images).to_vector());
  CHECK(lazy.text.positions.deferred());  // the text tower was not touched
  CHECK(lazy.text(ids).to_vector() == made.text(ids).to_vector());
  CHECK(!lazy.text.positions.deferred());

  // A model without a head has hidden states alone.
  config.vision_head = false;
  const Siglip headless(config);
  CHECK(made.parameters().size() == headless.parameters().size() + 11);
  Parameters without_head;
  for (const Parameter& p : made.parameters())
    if (!p.name.starts_with("vision_model.head.")) without_head.push_back(p);
  write_safetensors(folder / "model.safetensors", without_head);
  write_config(folder.path, config);
  CHECK(read_config(folder.path) == config);
  attach_parameters(folder.path, headless.parameters());
  CHECK(headless.vision.hidden(images).to_vector() == made.vision.hidden(images).to_vector());
  CHECK(complaint_of([&] { headless.vision(images); }) ==
        "VisionTower: a model with a head is expected (vision_use_head), got one that has hidden states but no image embedding");
}

TEST_CASE("weights: a file that shrinks while it is used ends the program with one line that names it") {
  const TemporaryFolder folder;
  const std::string path = folder / "model.safetensors";
  write_safetensors(path, {{"large", ramp({256, 64}, 0)}});
  const Tensor x({256, 64});
  attach_parameters(folder.path, {{"large", x}});
  REQUIRE(x.allocated());
  const auto child = [&](bool ours) {
    const pid_t pid = fork();
    if (pid == 0) {
      dup2(open((folder / "said").c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0600), STDERR_FILENO);
      std::signal(SIGBUS, SIG_DFL);  // the test runner has a handler of its own
      explain_shrunk_files();
      if (!ours) std::raise(SIGBUS);
      _exit(truncate(path.c_str(), 4096) == 0 && x.data()[256 * 64 - 1] > 0 ? 0 : 3);
    }
    int status = 0;
    waitpid(pid, &status, 0);
    return status;
  };
  const int of_another = child(false);
  CHECK(WIFSIGNALED(of_another));
  CHECK(WTERMSIG(of_another) == SIGBUS);
  const int status = child(true);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 1);
  CHECK(read_file(folder / "said") == "siglip: " + path + ": the file keeps its size while it is used, got it cut short\n");
}

TEST_CASE("weights: a writer that is given more or less than it announced") {
  const TemporaryFolder folder;
  SafetensorsWriter file(folder / "x", {{"a", "F32", {2}}}, {});
  CHECK(complaint_of([&] { file.write("123456789", 9); }, folder.path) == "x: at most 8 bytes more are expected, got 9");
  file.write("1234", 4);
  CHECK(complaint_of([&] { file.commit(); }, folder.path) == "x: all data is expected, got 4 bytes less");
}
