// Positions at another resolution, against PyTorch and SciPy: data/goldens/pixels/positions.safetensors.
#include <doctest/doctest.h>
#include <cmath>
#include "siglip/checkpoint.h"
#include "siglip/error.h"
#include "siglip/model.h"
#include "siglip/rng.h"
#include "worst.h"
using namespace siglip;

TEST_CASE("positions: another grid, as transformers and as big_vision carry them there") {
  const SafetensorsFile goldens(SIGLIP_GOLDENS "/pixels/positions.safetensors");
  int cases = 0;
  for (const TensorInfo& info : goldens.tensors()) {  // bicubic.5.8: from a grid of 5 to one of 8
    if (info.name.starts_with("table.")) continue;
    const std::size_t dot = info.name.find('.'), last = info.name.rfind('.');
    const Tensor table = goldens.read("table." + info.name.substr(dot + 1, last - dot - 1)), want = goldens.read(info.name);
    const PositionFilter filter = info.name.starts_with("bicubic") ? PositionFilter::bicubic : PositionFilter::bilinear;
    const Tensor got = resize_positions(table, std::stoll(info.name.substr(last + 1)), filter);
    REQUIRE(got.shape() == want.shape());
    double worst = 0;
    for (Dim i = 0; i < got.size(); ++i) keep_worst(worst, std::abs(double(got.data()[i]) - double(want.data()[i])));
    CHECK_MESSAGE(worst < 2e-6, info.name);  // PyTorch's own weights are in float
    ++cases;
  }
  CHECK(cases == 24);
}

TEST_CASE("positions: a model at another resolution shares all else") {
  SiglipConfig config = preset("nano");
  Siglip model(config);
  initialize(model, 1);
  const Siglip same = at_resolution(model, config.image_size, PositionFilter::bicubic);
  CHECK(same.vision.positions.data() == model.vision.positions.data());
  const Dim size = config.image_size + 2 * config.patch_size;
  const Siglip larger = at_resolution(model, size, PositionFilter::bilinear);
  CHECK(larger.config.patches() == larger.vision.positions.dim(0));
  CHECK(larger.vision.patch_weight.data() == model.vision.patch_weight.data());
  CHECK(larger.vision(Tensor::full({2, 3, size, size}, Real(0.25))).shape() == Shape{2, config.projection});
  CHECK(model.vision.positions.dim(0) == config.patches());
}

TEST_CASE("positions: what is refused") {
  CHECK_THROWS_WITH_AS(resize_positions(Tensor({5, 2}), 3, PositionFilter::bicubic),
                       "resize_positions: the positions of a square grid are expected, got 5", Error);
  CHECK_THROWS_WITH_AS(resize_positions(Tensor({4}), 3, PositionFilter::bicubic), "resize_positions: positions (T, C) are expected, got shape (4)",
                       Error);
  CHECK_THROWS_WITH_AS(resize_positions(Tensor({4, 2}), 0, PositionFilter::bicubic),
                       "resize_positions: a grid of 1 to 256 patches an edge is expected, got 0", Error);
  Siglip model(preset("nano"));
  CHECK_THROWS_WITH_AS(at_resolution(model, 1, PositionFilter::bicubic),
                       ("at_resolution: patch_size is at most image_size 1, got " + std::to_string(model.config.patch_size)).c_str(), Error);
}
