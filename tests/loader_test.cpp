// Samples and batches: decoded once, kept in order, the same for any number of workers.
#include <doctest/doctest.h>
#include <algorithm>
#include <cmath>
#include <set>
#include "temporary_folder.h"
#include "siglip/data.h"
#include "siglip/error.h"
using namespace siglip;

namespace {
/// Its ids are the caption's first bytes.
struct Letters : Tokenizer {
  Dim vocab_size() const override { return 256; }
  Dim context() const override { return 3; }
  std::vector<std::int32_t> encode(const std::string& text) const override {
    std::vector<std::int32_t> ids(3, 0);
    for (std::size_t i = 0; i < std::min<std::size_t>(3, text.size()); ++i) ids[i] = text[i];
    return ids;
  }
  std::vector<std::string> pieces(const std::string&) const override { return {}; }
  std::string piece(std::int32_t) const override { return {}; }
  std::string profile() const override { return "letters"; }
  std::string describe() const override { return "letters"; }
  void save(const std::string&) const override {}
};

Image gradient(Dim width, Dim height, Dim k) {
  Image image{width, height, {}};
  for (Dim y = 0; y < height; ++y)
    for (Dim x = 0; x < width; ++x)
      for (Dim c = 0; c < 3; ++c) image.rgb.push_back(static_cast<std::uint8_t>((x * 20 + y * 9 + c * 50 + k * 31) % 256));
  return image;
}

Preprocessing bilinear(Dim size) { return {.image_size = size, .resample = 2}; }

struct Scene {
  TemporaryFolder folder;
  Split split{"train", {}};
  explicit Scene(Dim count = 11) {
    for (Dim k = 0; k < count; ++k) {
      const std::string file = folder / (std::to_string(k) + ".png");
      write_png(file, gradient(8 + k, 8, k));
      split.pairs.push_back({file, std::string(1, static_cast<char>('a' + k % 4)) + "bc", -1, false});
    }
  }
  std::shared_ptr<const Samples> samples() const { return std::make_shared<Samples>(split, Letters(), bilinear(8), SampleOptions{.views = true}); }
};

void check_equal(const Batch& a, const Batch& b) {
  CHECK(a.samples == b.samples);
  CHECK(a.images.to_vector() == b.images.to_vector());
  CHECK(a.tokens.to_vector() == b.tokens.to_vector());
  CHECK(a.caption_ids.to_vector() == b.caption_ids.to_vector());
}
}  // namespace

TEST_CASE("samples: in order, bad ones left out and named") {
  Scene scene;
  scene.folder.write("3.png", "no picture at all");
  std::filesystem::remove(scene.folder / "5.png");
  const auto samples = scene.samples();
  CHECK(samples->size() == 9);
  CHECK(samples->captions() == 4);
  REQUIRE(samples->problems().size() == 2);
  CHECK(samples->problems()[0] == scene.folder / "3.png: a JPEG, PNG, WebP, GIF or BMP picture is expected, got no picture");
  CHECK(samples->problems()[1] == scene.folder / "5.png: a readable file is expected, got: No such file or directory");
  CHECK(samples->pair(3).image == scene.folder / "4.png");
  CHECK(samples->picture(3).rgb == resize(gradient(12, 8, 4), 8, 8, Filter::bilinear).rgb);
  CHECK(samples->ids(3) == std::vector<std::int32_t>{'a', 'b', 'c'});
  CHECK(samples->caption_id(0) == samples->caption_id(3));
  CHECK(samples->caption_id(0) != samples->caption_id(1));
  CHECK(samples->text_id(0) == samples->text_id(3));
  CHECK(samples->text_id(0) != samples->text_id(1));
  CHECK_THROWS_WITH_AS(Samples(scene.split, Letters(), bilinear(8), {.strict = true}),
                       (scene.folder / "3.png: a JPEG, PNG, WebP, GIF or BMP picture is expected, got no picture").c_str(), Error);
}

TEST_CASE("samples: captions that the tokenizer cannot tell apart are one text, and matches in a batch") {
  Scene scene(4);
  scene.split.pairs[2].text = "abcdef";  // cut off it is "abc"
  const auto samples = scene.samples();
  CHECK(samples->captions() == 4);
  CHECK(samples->texts() == 3);
  CHECK(samples->caption_id(0) != samples->caption_id(2));
  CHECK(samples->text_id(0) == samples->text_id(2));
  Loader loader(samples, {.batch_size = 4});
  const Batch batch = loader.next();
  for (std::size_t i = 0; i < 4; ++i) CHECK(batch.caption_ids.to_vector()[i] == samples->text_id(batch.samples[i]));
}

TEST_CASE("samples: a split without a usable picture is an error") {
  const Split split{"train", {{"/nowhere/a.png", "a", -1, false}}};
  CHECK_THROWS_WITH_AS(Samples(split, Letters(), bilinear(8)),
                       "split train: a usable picture is expected, got none of 1; the first: /nowhere/a.png: a readable file is expected, "
                       "got: No such file or directory",
                       Error);
  CHECK_THROWS_WITH_AS(Samples({"val", {}}, Letters(), bilinear(8)), "split val: a usable picture is expected, got none of 0", Error);
  CHECK_THROWS_WITH_AS(Samples(split, Letters(), bilinear(0)), "samples: an image size of 1 to 16384 pixels is expected, got 0", Error);
}

TEST_CASE("samples: tensors of a range") {
  const auto samples = Scene().samples();
  const Tensor images = samples->images(2, 4);
  CHECK(images.shape() == Shape{2, 3, 8, 8});
  CHECK(images.to_vector() == to_tensor({samples->picture(2), samples->picture(3)}).to_vector());
  CHECK(samples->tokens(2, 4).shape() == Shape{2, 3});
  CHECK(samples->tokens(2, 4).to_vector() == std::vector<std::int32_t>{'c', 'b', 'c', 'd', 'b', 'c'});
  CHECK_THROWS_WITH_AS(samples->images(5, 12), "samples: a range within 0 to 11 is expected, got 5 to 12", Error);
  CHECK_THROWS_WITH_AS(samples->tokens(5, 4), "samples: a range within 0 to 11 is expected, got 5 to 4", Error);
}

TEST_CASE("augmentation: a function of seed, draw and sample") {
  const auto samples = Scene().samples();
  const Augmentation some{.shift = 0.2, .scale = 0.2, .flip = 0.5};
  CHECK(samples->augmented(1, {}, 0, 0).rgb == samples->picture(1).rgb);
  CHECK(samples->augmented(1, some, 5, 2).rgb == samples->augmented(1, some, 5, 2).rgb);
  CHECK(samples->augmented(1, some, 5, 2).rgb != samples->augmented(1, some, 5, 3).rgb);
  CHECK(samples->augmented(1, some, 5, 2).rgb != samples->augmented(1, some, 6, 2).rgb);

  const Image flipped = samples->augmented(0, {.flip = 1}, 0, 0), plain = samples->picture(0);
  for (std::size_t y = 0; y < 8; ++y)
    for (std::size_t i = 0; i < 24; ++i) CHECK(flipped.rgb[24 * y + i] == plain.rgb[24 * y + 3 * (7 - i / 3) + i % 3]);

  const Scene scene;
  const Samples frugal(scene.split, Letters(), bilinear(8));
  CHECK(frugal.augmented(0, {.flip = 1}, 0, 0).rgb == flipped.rgb);
  CHECK_THROWS_WITH_AS(frugal.augmented(0, {.shift = 0.1}, 0, 0),
                       "augmentation: samples with views are expected for a shift or a scale, got samples without", Error);
  CHECK_THROWS_WITH_AS(samples->augmented(0, {.shift = -1}, 0, 0), "augmentation: a shift in [0, 1] is expected, got -1", Error);
  CHECK_THROWS_WITH_AS(samples->augmented(0, {.scale = 1}, 0, 0), "augmentation: a scale in [0, 1) is expected, got 1", Error);
  CHECK_THROWS_WITH_AS(samples->augmented(0, {.flip = 2}, 0, 0), "augmentation: a flip in [0, 1] is expected, got 2", Error);
}

TEST_CASE("augmentation: views stay within the shift and the zoom that were asked for") {
  const TemporaryFolder folder;  // a black square in the middle of white
  Image image{64, 64, std::vector<std::uint8_t>(3 * 64 * 64, 255)};
  for (std::size_t y = 24; y < 40; ++y) std::fill_n(&image.rgb[3 * (64 * y + 24)], 3 * 16, std::uint8_t{0});
  write_png(folder / "a.png", image);
  const Samples samples({"train", {{folder / "a.png", "a", -1, false}}}, Letters(), bilinear(64), {.views = true});
  double left = 1, right = 0, small = 1, large = 0;
  for (std::uint64_t draw = 0; draw < 300; ++draw) {
    const Image view = samples.augmented(0, {.shift = 0.1, .scale = 0.25}, 0, draw);
    double mass = 0, moment = 0;
    for (std::size_t i = 0; i < 64 * 64; ++i) {
      const double ink = (255 - view.rgb[3 * i]) / 255.0;
      mass += ink, moment += ink * (static_cast<double>(i % 64) + 0.5) / 64;
    }
    left = std::min(left, moment / mass - 0.5), right = std::max(right, moment / mass - 0.5);
    small = std::min(small, std::sqrt(mass) / 16), large = std::max(large, std::sqrt(mass) / 16);
  }
  CHECK(left == doctest::Approx(-0.1).epsilon(0.05));  // measured: within 0.002 of the ends
  CHECK(right == doctest::Approx(0.1).epsilon(0.05));
  CHECK(small == doctest::Approx(0.75).epsilon(0.02));
  CHECK(large == doctest::Approx(1.25).epsilon(0.02));
}

TEST_CASE("loader: the same batches for any number of workers, also from the middle") {
  const auto samples = Scene().samples();
  const Augmentation some{.shift = 0.2, .scale = 0.2, .flip = 0.5};
  std::vector<Batch> want;
  Loader one(samples, {.batch_size = 3, .seed = 7, .augmentation = some});
  for (int step = 0; step < 10; ++step) want.push_back(one.next());  // three steps an epoch
  for (Dim ahead : {1, 3}) {
    Loader four(samples, {.batch_size = 3, .seed = 7, .augmentation = some, .workers = 4, .ahead = ahead});
    for (const Batch& batch : want) check_equal(four.next(), batch);
    Loader late(samples, {.batch_size = 3, .seed = 7, .augmentation = some, .first_step = 4, .workers = 2, .ahead = ahead});
    for (std::size_t step = 4; step < 10; ++step) check_equal(late.next(), want[step]);
  }
  CHECK(want[0].images.shape() == Shape{3, 3, 8, 8});
  CHECK(want[0].tokens.shape() == Shape{3, 3});
  const Dim first = want[0].samples[1];
  CHECK(want[0].caption_ids.to_vector()[1] == samples->caption_id(first));
  CHECK(to_tensor({samples->augmented(first, some, ~std::uint64_t{7}, 0)}).to_vector() ==
        std::vector<Real>(want[0].images.data() + 192, want[0].images.data() + 384));
}

TEST_CASE("loader: an epoch is a permutation, its rest is dropped") {
  std::set<std::vector<Dim>> orders;
  for (Dim epoch = 0; epoch < 5; ++epoch) {
    std::vector<Dim> all;
    for (Dim step = 0; step < 4; ++step)
      for (Dim i : Loader::order(103, 25, 1, 4 * epoch + step)) all.push_back(i);
    orders.insert(all);
    std::sort(all.begin(), all.end());
    CHECK(std::adjacent_find(all.begin(), all.end()) == all.end());
    CHECK(all.front() >= 0);
    CHECK(all.back() < 103);
  }
  CHECK(orders.size() == 5);
  CHECK(Loader::steps_per_epoch(103, 25) == 4);
  CHECK(Loader::order(103, 25, 1, 0) != Loader::order(103, 25, 2, 0));
  CHECK_THROWS_WITH_AS(Loader::order(3, 4, 0, 0), "loader: a batch of 1 to 3 pairs and a step of at least 0 are expected, got 4 and 0", Error);
}

TEST_CASE("loader: the pool gives each step the same memory") {
  const auto samples = Scene().samples();
  Loader loader(samples, {.batch_size = 4});
  loader.next();
  const auto before = pool_stats().allocations;
  for (int i = 0; i < 5; ++i) loader.next();
  CHECK(pool_stats().allocations == before);
}

TEST_CASE("loader: what it refuses, and what its threads throw") {
  const auto samples = Scene(3).samples();
  CHECK_THROWS_WITH_AS(Loader(samples, {.batch_size = 4}), "loader: a batch of 1 to 3 pairs (as many as are usable) is expected, got 4", Error);
  CHECK_THROWS_WITH_AS(Loader(samples, {.batch_size = 0}), "loader: a batch of 1 to 3 pairs (as many as are usable) is expected, got 0", Error);
  CHECK_THROWS_WITH_AS(Loader(samples, {.batch_size = 1, .workers = 0}), "loader: 1 to 1024 workers are expected, got 0", Error);
  CHECK_THROWS_WITH_AS(Loader(samples, {.batch_size = 1, .ahead = 0}), "loader: 1 to 1024 batches ahead are expected, got 0", Error);
  CHECK_THROWS_WITH_AS(Loader(samples, {.batch_size = 1, .first_step = -1}), "loader: a first step of at least 0 is expected, got -1", Error);
  CHECK_THROWS_WITH_AS(Loader(nullptr, {}), "loader: samples are expected, got none", Error);
  Loader loader(samples, {.batch_size = 1, .augmentation = {.shift = 3}, .workers = 3});
  CHECK_THROWS_WITH_AS(loader.next(), "augmentation: a shift in [0, 1] is expected, got 3", Error);
  CHECK_THROWS_WITH_AS(loader.next(), "augmentation: a shift in [0, 1] is expected, got 3", Error);
}

TEST_CASE("loader: leaving at once waits for nobody") {
  const auto samples = Scene(3).samples();
  for (int i = 0; i < 50; ++i) Loader(samples, {.batch_size = 2, .workers = 4, .ahead = 3});
}
