// siglip preprocess, as its users meet it.
#ifdef SIGLIP_PROGRAM_FOLDER
#include <doctest/doctest.h>
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
  for (const char* key : {"out", "shape", "images", "profile", "resample", "image_size", "exif", "alpha"}) CHECK_MESSAGE(said.contains(key), key);
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
#endif
