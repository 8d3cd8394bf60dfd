// The shapes data set: what is held out, what is not, and the same bytes each time.
#include <doctest/doctest.h>
#include <set>
#include "temporary_folder.h"
#include "siglip/checkpoint.h"
#include "siglip/data.h"
#include "siglip/error.h"
using namespace siglip;

namespace {
/// "a small red star" of each object of a caption.
std::vector<std::string> objects(const std::string& caption) {
  for (const char* relation : {" left of ", " right of ", " above ", " below "})
    if (const auto at = caption.find(relation); at != std::string::npos)
      return {caption.substr(0, at), caption.substr(at + std::string(relation).size())};
  return {caption};
}
}  // namespace

TEST_CASE("shapes: twelve combinations are held out of train, and each of their parts is seen") {
  const TemporaryFolder folder;
  make_shapes(folder / "new/data", {.scenes = 3000});
  const DataSet data = read_data(folder / "new/data");
  CHECK(data.splits.size() == 3);
  const std::vector<Pair>&train = data.split("train").pairs, &val = data.split("val").pairs, &single = data.split("single").pairs;
  CHECK(train.size() == 3000);
  CHECK(val.size() == 256);
  REQUIRE(single.size() == 84 + 12 * 5);

  std::set<std::string> held, seen, words;
  for (const Pair& pair : single) (pair.distractor ? seen : held).insert(pair.text);
  CHECK(held.size() == 12);
  CHECK(seen.size() == 84);
  std::set<std::string> trained;
  std::size_t alone = 0;
  for (const Pair& pair : train) {
    CHECK(!pair.distractor);
    const auto both = objects(pair.text);
    alone += both.size() == 1;
    for (const std::string& object : both) trained.insert(object);
    if (both.size() == 2) CHECK(both[0] != both[1]);
  }
  CHECK(trained == seen);
  CHECK(alone > 850);
  CHECK(alone < 1150);

  for (std::size_t i = 0; i < val.size(); ++i) {
    const auto both = objects(val[i].text);
    REQUIRE(both.size() == 2);
    CHECK(held.contains(both[0]) != held.contains(both[1]));
  }
  for (std::size_t group = 0; group < 256; group += 64) {
    std::set<std::string> captions;
    for (std::size_t i = group; i < group + 64; ++i) captions.insert(val[i].text);
    CHECK(captions.size() == 64);
  }
  const Image image = read_image(val[0].image);
  CHECK(image.width == 32);
  CHECK(image.height == 32);
}

TEST_CASE("shapes: the picture shows what the caption says") {
  const TemporaryFolder folder;
  make_shapes(folder / "data", {.size = 64, .scenes = 1500, .seed = 3});
  int checked = 0;
  const DataSet data = read_data(folder / "data");
  for (const Pair& pair : data.split("train").pairs) {
    const auto both = objects(pair.text);
    if (both.size() == 1) continue;
    // Black and yellow are easily told apart: where is the middle of each, and which has more pixels?
    const auto is = [&](std::size_t k, const char* word) { return both[k].find(word) != std::string::npos; };
    const std::size_t b = is(0, "black") ? 0 : 1;
    if (!is(b, "black") || !is(1 - b, "yellow")) continue;
    const bool horizontal = pair.text.find(" of a ") != std::string::npos;
    const bool first_is_low = pair.text.find(" left of ") != std::string::npos || pair.text.find(" above ") != std::string::npos;
    const Image image = read_image(pair.image);
    double black = 0, black_at = 0, yellow = 0, yellow_at = 0;
    for (Dim i = 0; i < 64 * 64; ++i) {
      const std::uint8_t* rgb = &image.rgb[static_cast<std::size_t>(3 * i)];
      const double at = static_cast<double>(horizontal ? i % 64 : i / 64);
      if (rgb[0] < 60) black += 1, black_at += at;
      if (rgb[0] > 200 && rgb[2] < 90) yellow += 1, yellow_at += at;
    }
    CHECK((black_at / black < yellow_at / yellow) == (first_is_low == (b == 0)));
    if (is(b, "large") != is(1 - b, "large")) CHECK((black > yellow) == is(b, "large"));
    ++checked;
  }
  CHECK(checked >= 15);
}

TEST_CASE("shapes: equal options give equal bytes, another seed gives others") {
  const TemporaryFolder folder;
  const int before = threads();
  make_shapes(folder / "a", {.scenes = 20});
  set_threads(1);
  make_shapes(folder / "b/", {.scenes = 20});
  set_threads(before);
  make_shapes(folder / "c", {.scenes = 20, .seed = 1});
  std::size_t files = 0, different = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder / "a")) {
    if (!entry.is_regular_file()) continue;
    const std::string name = std::filesystem::relative(entry.path(), folder / "a").string(), bytes = read_file(entry.path().string());
    CHECK(bytes == read_file(folder / ("b/" + name)));
    different += bytes != read_file(folder / ("c/" + name));
    ++files;
  }
  CHECK(files == 20 + 256 + 84 + 12 * 5 + 3);
  CHECK(different > 300);
}

TEST_CASE("shapes: what it refuses, leaving nothing behind") {
  const TemporaryFolder folder;
  folder.write("used/file", "x");
  CHECK_THROWS_WITH_AS(make_shapes(folder / "used"), (folder / "used: a new or empty folder is expected, got one that is in use").c_str(), Error);
  CHECK_THROWS_WITH_AS(make_shapes(folder / "used/file"), (folder / "used/file: a new or empty folder is expected, got one that is in use").c_str(),
                       Error);
  CHECK_THROWS_WITH_AS(make_shapes(folder / "used/file/x"),
                       (folder / "used/file/x: a folder that can be made is expected, got: Not a directory").c_str(), Error);
  CHECK_THROWS_WITH_AS(make_shapes(folder / "x", {.size = 8}), "shapes: a size of 16 to 1024 pixels is expected, got 8", Error);
  CHECK_THROWS_WITH_AS(make_shapes(folder / "x", {.scenes = 0}), "shapes: 1 to 1000000 scenes are expected, got 0", Error);
  std::size_t left = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder.path)) ++left;
  CHECK(left == 1);
  std::filesystem::create_directory(folder / "empty");
  make_shapes(folder / "empty", {.scenes = 1});
  CHECK(read_data(folder / "empty").splits.size() == 3);
}
