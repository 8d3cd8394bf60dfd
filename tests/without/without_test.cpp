// Builds without libsentencepiece, libzip or FreeType: one line says which library is missing, and nothing is written.
#include <doctest/doctest.h>
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

TEST_CASE("without FreeType and HarfBuzz: no emoji are drawn") {
  const TemporaryFolder folder;
  CHECK(!has_emoji());
  CHECK(complaint_of([&] { make_emoji(folder / "out", {}); }) ==
        "make_emoji: a build with FreeType and HarfBuzz is expected (Debian: libfreetype-dev libharfbuzz-dev), got one without");
  CHECK(!std::filesystem::exists(folder / "out"));
}
