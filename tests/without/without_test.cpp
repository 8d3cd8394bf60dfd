// Builds without the optional libraries: one line says which is missing, and nothing is written. JPEG pictures are decoded by stb_image then.
#include <doctest/doctest.h>
#include <cmath>
#include <sstream>
#include "siglip/siglip.h"
#include "temporary_folder.h"
using namespace siglip;

TEST_CASE("without libsentencepiece: a SigLIP 1 tokenizer names the option") {
  CHECK(complaint_of([] { read_tokenizer(SIGLIP_DATA_FOLDER "/goldens/tokenizers/english"); }, SIGLIP_DATA_FOLDER "/goldens/tokenizers/english") ==
        "spiece.model: a build with libsentencepiece is expected (SIGLIP_SENTENCEPIECE=ON; Debian: libsentencepiece-dev), got one without");
}

TEST_CASE("without libzip: an .npz of weights names the library, and no folder is left") {
  const TemporaryFolder folder;
  const std::string in = folder.write("weights.npz", "PK");
  std::ostringstream log;
  CHECK(complaint_of([&] { convert_model(in, folder / "out", {}, log); }, folder.path) ==
        "weights.npz: a build with libzip is expected (SIGLIP_ZIP=ON; Debian: libzip-dev), got one without");
  CHECK(!std::filesystem::exists(folder / "out"));
}

TEST_CASE("without libjpeg-turbo: stb_image decodes, CMYK without Adobe's note included, and always in full") {
  CHECK(picture_decoders() == "JPEG stb_image, PNG and BMP stb_image, GIF built in, WebP none");
  const std::string pictures = SIGLIP_DATA_FOLDER "/goldens/pixels/pictures/";
  const SafetensorsFile expected(pictures + "expected.safetensors");
  for (const char* name : {"420.jpg", "progressive.jpg", "cmyk.jpg", "cmyk-plain.jpg", "ycck-odd.jpg"}) {
    const Image image = read_image(pictures + name, {.enough = 1});
    const Tensor want = expected.read(name);
    INFO(name);
    REQUIRE(static_cast<Dim>(image.rgb.size()) == want.size());
    for (std::size_t i = 0; i < image.rgb.size(); ++i) CHECK(std::abs(image.rgb[i] - want.data()[i]) <= 2);
  }
}

TEST_CASE("without libwebp: a WebP picture names the library") {
  const std::string file = SIGLIP_DATA_FOLDER "/goldens/pixels/pictures/lossy.webp";
  CHECK(complaint_of([&] { read_image(file); }, SIGLIP_DATA_FOLDER "/goldens/pixels/pictures") ==
        "lossy.webp: a build with libwebp is expected for a WebP picture (SIGLIP_WEBP=ON; Debian: libwebp-dev), got one without");
}

TEST_CASE("without FreeType and HarfBuzz: no emoji are drawn") {
  const TemporaryFolder folder;
  CHECK(!has_emoji());
  CHECK(complaint_of([&] { make_emoji(folder / "out", {}); }) ==
        "make_emoji: a build with FreeType and HarfBuzz is expected (Debian: libfreetype-dev libharfbuzz-dev), got one without");
  CHECK(!std::filesystem::exists(folder / "out"));
}
