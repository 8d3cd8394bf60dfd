// Pictures that people have, one case each: tests/cases/NAME holds the files.
#include <doctest/doctest.h>
#include <cstdlib>
#include "data/decode.h"
#include "siglip/data.h"
#include "siglip/pixels.h"
using namespace siglip;

namespace {
const std::string cases = SIGLIP_DATA_FOLDER "/../tests/cases/";
}  // namespace

TEST_CASE("case xmp-orientation: a picture whose orientation stands in XMP alone is upright") {
  const Image turned = read_image(cases + "xmp-orientation/turned.png"), upright = read_image(cases + "xmp-orientation/upright.png");
  CHECK(turned.width == upright.width);
  CHECK(turned.rgb == upright.rgb);
  CHECK(read_image(cases + "xmp-orientation/turned.png", {.exif = false}).rgb != upright.rgb);
}

TEST_CASE("case huge-picture: 12000 x 9000 pixels, as phones make them, are read") {
  const Image image = read_image(cases + "huge-picture/big.png");
  CHECK(image.width == 12000);
  CHECK(image.height == 9000);
  CHECK(resize(image, 16, 16, Filter::bicubic).rgb == std::vector<std::uint8_t>(3 * 16 * 16, 255));
}

TEST_CASE("case cmyk-without-adobe: four colours without Adobe's note are CMYK") {
  const Image got = read_image(cases + "cmyk-without-adobe/cmyk.jpg"), plain = read_image(cases + "cmyk-without-adobe/plain.png");
  REQUIRE(got.rgb.size() == plain.rgb.size());
  const int limit = jpeg_decoder() == "stb_image" ? 1 : 0;
  for (std::size_t i = 0; i < got.rgb.size(); ++i) CHECK(std::abs(got.rgb[i] - plain.rgb[i]) <= limit);
}
