// siglip preprocess, as its users meet it.
#ifdef SIGLIP_PROGRAM_FOLDER
#include <doctest/doctest.h>
#include "data/decode.h"
#include "io/json.h"
#include "shell.h"
#include "siglip/checkpoint.h"
#include "siglip/data.h"
using namespace siglip;

TEST_CASE("cli: preprocess writes what the image tower gets, from preprocessor_config.json alone") {
  const Shell shell;
  shell.folder.write("model/preprocessor_config.json", R"({"size": {"height": 16, "width": 16}, "resample": 2})");
  const std::string pictures = SIGLIP_GOLDENS "/pixels/";
  const Json said =
      shell.json("siglip preprocess model " + pictures + "values/ramp.png " + pictures + "pictures/exif6.png --out a.safetensors --json");
  for (const char* key : {"out", "shape", "images", "profile", "resample", "image_size", "exif", "alpha", "fast_decode"})
    CHECK_MESSAGE(said.contains(key), key);
  CHECK(said["shape"] == Json::array({2, 3, 16, 16}));
  CHECK(said["profile"] == "pil");
  const Tensor turned = SafetensorsFile(shell.folder / "a.safetensors").read("pixel_values");
  CHECK(turned.to_vector() ==
        read_pixel_values({pictures + "values/ramp.png", pictures + "pictures/exif6.png"}, read_preprocessing(shell.folder / "model")).to_vector());
  CHECK(shell("siglip preprocess model " + pictures + "values/ramp.png " + pictures + "pictures/exif6.png --out b.safetensors --no-exif").exit_code ==
        0);
  CHECK(SafetensorsFile(shell.folder / "b.safetensors").read("pixel_values").to_vector() != turned.to_vector());
  const Json other =
      shell.json("siglip preprocess model " + pictures + "values --out c.safetensors --json --profile big_vision --image-size 20 --alpha drop");
  CHECK(other["shape"] == Json::array({2, 3, 20, 20}));
  CHECK(other["profile"] == "big_vision");
  CHECK(other["alpha"] == "drop");

  const std::string verb = "siglip preprocess model " + pictures + "values/ramp.png ";
  CHECK(shell.refusal(verb + "--out a.npy") == "2 siglip: --out: a name that ends in .safetensors is expected, got \"a.npy\"");
  CHECK(shell.refusal(verb + "--out d.safetensors --alpha black") == "2 siglip: --alpha: one of white, drop is expected, got \"black\"");
  CHECK(shell.refusal("cp " + pictures + "values/ramp.png e.safetensors; siglip preprocess model e.safetensors --out e.safetensors") ==
        "2 siglip: --out: a file that is not also read is expected, got e.safetensors");
  shell.folder.write("model/model.safetensors", "weights");
  CHECK(shell.refusal(verb + "--out model/model.safetensors") ==
        "2 siglip: --out: a name that is not one of the model's files is expected, got model/model.safetensors");
  CHECK(contents(shell.folder / "model/model.safetensors") == "weights");
  CHECK(shell.refusal("siglip preprocess model none.png --out d.safetensors") ==
        "1 siglip: none.png: a readable file is expected, got: No such file or directory");
  CHECK(!std::filesystem::exists(shell.folder / "d.safetensors"));
}

TEST_CASE("cli: --fast-decode reads large JPEG pictures smaller, and nothing does without it") {
  const Shell shell;
  shell.folder.write("model/preprocessor_config.json", R"({"size": {"height": 4, "width": 4}})");
  const std::string picture = SIGLIP_GOLDENS "/pixels/pictures/wide-420.jpg", verb = "siglip preprocess model " + picture + " --out ";
  const auto values = [&](const std::string& name) { return SafetensorsFile(shell.folder / name).read("pixel_values").to_vector(); };
  CHECK(shell.json(verb + "slow.safetensors --json")["fast_decode"] == false);
  CHECK(shell.json(verb + "fast.safetensors --json --fast-decode")["fast_decode"] == true);
  CHECK(values("slow.safetensors") == read_pixel_values({picture}, {.image_size = 4}).to_vector());
  const Preprocessing smaller{.image_size = 4, .picture = {.enough = 8}};
  CHECK(values("fast.safetensors") == read_pixel_values({picture}, smaller).to_vector());
  CHECK((values("fast.safetensors") != values("slow.safetensors")) == (jpeg_decoder() != "stb_image"));  // which has one size alone
}

TEST_CASE("cli: bench inputs measures decoding and resizing") {
  const Shell shell;
  const std::string pictures = SIGLIP_GOLDENS "/pixels/values";
  const Json said = shell.json("siglip bench inputs " + pictures + " --rounds 1 --image-size 8 --json");
  CHECK(said["pictures"] == 2);
  CHECK(said["decoders"] == picture_decoders());
  for (const char* key : {"pictures_per_second", "decode_ms", "resize_ms"}) CHECK_MESSAGE(said[key].get<double>() > 0, key);
  CHECK(contains(shell("siglip bench inputs " + pictures + " --rounds 1").out, "pictures/s"));
  CHECK(shell.refusal("siglip bench inputs " + pictures + " --rounds 0") == "2 siglip: --rounds: a whole number from 1 to 1000 is expected, got 0");
}
#endif
