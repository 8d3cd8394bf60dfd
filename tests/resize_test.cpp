// Resampling: PIL's weights, PIL's bytes, and what PIL cannot do: boxes beyond the picture.
#include <doctest/doctest.h>
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include "siglip/data.h"
#include "siglip/error.h"
using namespace siglip;

namespace {
using Bytes = std::vector<std::uint8_t>;
Image pattern(Dim width, Dim height) {
  Image image{width, height, {}};
  for (Dim y = 0; y < height; ++y)
    for (Dim x = 0; x < width; ++x)
      for (Dim c = 0; c < 3; ++c) image.rgb.push_back(static_cast<std::uint8_t>((x * x * 31 + y * 57 + c * 85 + x * y * 13) % 256));
  return image;
}

/// The weight of input k for result x, from one row that is 40 but for 240 at k: 8 bits show a weight to 1/400.
double weight(Dim in, Dim out, Filter filter, Dim x, Dim k) {
  Image image{in, 1, Bytes(static_cast<std::size_t>(3 * in), 40)};
  image.rgb[static_cast<std::size_t>(3 * k)] = 240;
  return (resize(image, out, 1, filter).rgb[static_cast<std::size_t>(3 * x)] - 40) / 200.0;
}
void check_weights(Dim in, Dim out, Filter filter, Dim x, Dim first, const std::vector<double>& want) {
  for (Dim k = 0; k < in; ++k) {
    const Dim at = k - first;
    const double w = at >= 0 && at < static_cast<Dim>(want.size()) ? want[static_cast<std::size_t>(at)] : 0;
    CHECK(std::abs(weight(in, out, filter, x, k) - w) <= 0.00251);
  }
}
}  // namespace

TEST_CASE("resize: the weights of PIL") {
  check_weights(8, 4, Filter::bicubic, 0, 0, {.464435, .464435, .121339, -.037657, -.012552});
  check_weights(8, 4, Filter::bicubic, 1, 0, {-.034749, .111969, .428571, .428571, .111969, -.034749, -.011583});
  check_weights(4, 6, Filter::bicubic, 0, 0, {1.065789, -.065789});
  check_weights(4, 6, Filter::bicubic, 1, 0, {.529412, .529412, -.058824});
  check_weights(4, 6, Filter::bicubic, 2, 0, {-.057870, .937500, .131944, -.011574});
  check_weights(8, 4, Filter::bilinear, 0, 0, {.428571, .428571, .142857});
  check_weights(8, 4, Filter::bilinear, 1, 1, {.125, .375, .375, .125});
}

TEST_CASE("resize: the bytes of Pillow 11.1") {
  CHECK(resize(pattern(13, 7), 5, 9, Filter::bilinear).rgb ==
        Bytes{43,  128, 153, 105, 112, 151, 127, 110, 100, 174, 57,  134, 121, 189, 94,  90,  135, 121, 120, 149, 78,  149, 137, 83,  147, 134, 76,
              123, 162, 107, 119, 117, 102, 152, 119, 87,  142, 138, 92,  95,  154, 102, 99,  150, 142, 137, 89,  101, 160, 80,  146, 131, 120, 113,
              74,  130, 161, 98,  139, 178, 179, 84,  110, 81,  159, 158, 174, 105, 110, 169, 122, 130, 206, 95,  180, 154, 93,  152, 153, 171, 110,
              142, 148, 124, 102, 152, 153, 162, 64,  136, 110, 125, 146, 140, 140, 126, 164, 125, 126, 125, 116, 159, 151, 123, 101, 99,  139, 104,
              117, 130, 114, 174, 123, 103, 158, 106, 129, 139, 178, 64,  135, 118, 49,  127, 166, 41,  147, 174, 61,  157, 157, 71,  112, 180, 26});
  CHECK(resize(pattern(13, 7), 5, 9, Filter::bicubic).rgb ==
        Bytes{34,  131, 152, 106, 113, 155, 127, 106, 102, 181, 43,  140, 112, 201, 90,  89,  136, 127, 118, 157, 66,  152, 144, 79,  156, 134, 63,
              124, 161, 110, 117, 119, 103, 164, 113, 75,  142, 147, 90,  84,  164, 92,  94,  148, 148, 130, 91,  95,  172, 64,  157, 130, 116, 115,
              58,  129, 170, 91,  146, 182, 184, 79,  104, 73,  167, 165, 178, 100, 101, 169, 125, 130, 207, 94,  186, 160, 81,  158, 161, 185, 97,
              141, 150, 129, 86,  167, 155, 164, 45,  135, 102, 125, 158, 143, 139, 128, 168, 123, 128, 119, 110, 172, 151, 122, 96,  90,  144, 104,
              111, 125, 122, 182, 119, 97,  167, 93,  136, 138, 192, 58,  136, 116, 43,  128, 171, 36,  148, 174, 62,  158, 162, 68,  108, 182, 21});
  CHECK(resize(pattern(13, 7), 17, 3, Filter::bilinear).rgb ==
        Bytes{49,  134, 164, 76,  125, 120, 111, 119, 102, 134, 119, 109, 107, 134, 111, 150, 116, 91,  142, 124, 99,  121, 139, 105, 153, 128,
              67,  148, 137, 104, 127, 121, 96,  118, 112, 87,  136, 129, 108, 134, 112, 133, 125, 165, 109, 104, 189, 111, 75,  160, 154, 156,
              75,  100, 162, 81,  126, 146, 102, 126, 119, 129, 114, 130, 139, 147, 120, 140, 150, 144, 141, 122, 178, 139, 92,  181, 130, 95,
              127, 88,  133, 107, 127, 141, 114, 158, 135, 139, 123, 134, 101, 143, 165, 144, 119, 161, 174, 93,  154, 164, 83,  153, 92,  122,
              116, 120, 126, 108, 118, 127, 109, 107, 128, 111, 165, 143, 85,  112, 164, 103, 130, 146, 102, 178, 126, 92,  183, 158, 97,  150,
              126, 106, 151, 127, 120, 152, 133, 137, 133, 125, 153, 131, 109, 109, 133, 141, 69,  139, 170, 53,  147, 177, 61});
  CHECK(resize(pattern(13, 7), 17, 3, Filter::bicubic).rgb ==
        Bytes{40,  136, 169, 70,  126, 118, 115, 119, 94,  136, 122, 109, 101, 133, 114, 157, 108, 89,  142, 120, 100, 110, 143, 109, 153, 126,
              67,  155, 139, 105, 129, 118, 92,  117, 106, 78,  139, 126, 109, 137, 106, 138, 128, 173, 104, 101, 202, 106, 70,  163, 157, 167,
              76,  94,  171, 76,  130, 147, 96,  133, 117, 125, 117, 137, 139, 149, 118, 138, 156, 149, 140, 124, 192, 139, 88,  178, 133, 92,
              115, 81,  144, 89,  127, 155, 104, 169, 141, 134, 128, 132, 90,  151, 167, 144, 114, 170, 179, 78,  163, 164, 71,  161, 88,  120,
              119, 123, 128, 107, 120, 128, 108, 103, 128, 109, 166, 146, 81,  100, 173, 104, 121, 148, 102, 184, 121, 90,  185, 158, 99,  151,
              124, 102, 156, 127, 114, 161, 137, 137, 136, 123, 154, 130, 102, 110, 133, 140, 61,  142, 176, 43,  151, 181, 55});
}

TEST_CASE("resize: the same size is the same picture, one colour stays one colour") {
  const Image image = pattern(9, 5);
  for (Filter filter : {Filter::bilinear, Filter::bicubic}) {
    CHECK(resize(image, 9, 5, filter).rgb == image.rgb);
    CHECK(resize(image, {0, 0, 9, 5}, 9, 5, filter).rgb == image.rgb);
    for (Dim in : {1, 2, 7, 31})
      for (Dim out : {1, 3, 8, 40}) {
        const Image flat{in, in, Bytes(static_cast<std::size_t>(3 * in * in), 201)};
        CHECK(resize(flat, out, out, filter).rgb == Bytes(static_cast<std::size_t>(3 * out * out), 201));
        const double d = static_cast<double>(in);
        CHECK(resize(flat, {-d, -0.3 * d, 1.7 * d, 3 * d}, out, out, filter).rgb == Bytes(static_cast<std::size_t>(3 * out * out), 201));
      }
  }
}

TEST_CASE("resize: beyond the picture its edge repeats") {
  const Image image = pattern(6, 4);
  Image padded{16, 14, {}};  // five more pixels at each side
  for (Dim y = 0; y < 14; ++y)
    for (Dim x = 0; x < 16; ++x)
      for (Dim c = 0; c < 3; ++c)
        padded.rgb.push_back(
            image.rgb[static_cast<std::size_t>(3 * (std::clamp(y - 5, Dim{0}, Dim{3}) * 6 + std::clamp(x - 5, Dim{0}, Dim{5})) + c)]);
  // Whole pixels moved: a shift by two to the right and one down.
  CHECK(resize(image, {-2, -1, 4, 3}, 6, 4, Filter::bicubic).rgb == resize(padded, {3, 4, 9, 8}, 6, 4, Filter::bicubic).rgb);
  // Shrunk into its frame. The padded picture ends where the box does.
  for (Filter filter : {Filter::bilinear, Filter::bicubic}) {
    const Image a = resize(image, {-5, -5, 11, 9}, 7, 5, filter), b = resize(padded, 7, 5, filter);
    for (std::size_t i = 0; i < a.rgb.size(); ++i) CHECK(std::abs(a.rgb[i] - b.rgb[i]) <= 1);  // weights are rounded after they are added
  }
  // Wholly outside only the corner is seen.
  const Image outside = resize(image, {100, 100, 110, 110}, 2, 2, Filter::bicubic);
  for (std::size_t i = 0; i < 12; ++i) CHECK(outside.rgb[i] == image.rgb[image.rgb.size() - 3 + i % 3]);
}

TEST_CASE("resize: what it refuses") {
  const Image image = pattern(3, 2);
  CHECK_THROWS_WITH_AS(resize(image, 0, 2, Filter::bicubic), "resize: 1 to 178956970 pixels are expected, got 0 x 2", Error);
  CHECK_THROWS_WITH_AS(resize(image, Dim{1} << 40, 1 << 30, Filter::bicubic),
                       "resize: 1 to 178956970 pixels are expected, got 1099511627776 x 1073741824", Error);
  CHECK_THROWS_WITH_AS(resize({}, 2, 2, Filter::bicubic), "resize: a picture of at least one pixel is expected, got 0 x 0 and 0 bytes", Error);
  CHECK_THROWS_WITH_AS(resize(image, {1, 0, 1, 2}, 2, 2, Filter::bicubic), "resize: a box near the picture is expected, got 1 0 1 2", Error);
  CHECK_THROWS_WITH_AS(resize(image, {0, 0, std::nan(""), 2}, 2, 2, Filter::bicubic), "resize: a box near the picture is expected, got 0 0 nan 2",
                       Error);
  CHECK_THROWS_WITH_AS(resize(image, {-1e300, 0, 1e300, 2}, 2, 2, Filter::bicubic),
                       "resize: a box near the picture is expected, got -1e+300 0 1e+300 2", Error);
}
