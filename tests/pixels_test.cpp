// From files to the numbers a model gets, against the published implementations: data/goldens/pixels, see tools/reference/make_pixel_goldens.py.
#include <doctest/doctest.h>
#include <cmath>
#include <sstream>
#include "data/decode.h"
#include "data/exif.h"
#include "data/stb.h"
#include "io/json.h"
#include "siglip/checkpoint.h"
#include "siglip/data.h"
#include "siglip/error.h"
#include "siglip/rng.h"
#include "temporary_folder.h"
#include "worst.h"
using namespace siglip;

namespace {
const std::string goldens = SIGLIP_GOLDENS "/pixels/";

/// As in make_pixel_goldens.py.
Image pattern(std::uint32_t seed, Dim width, Dim height) {
  Image image{width, height, {}};
  for (std::uint64_t i = 0; i < static_cast<std::uint64_t>(3 * width * height); ++i) {
    auto h = static_cast<std::uint32_t>((i + 7919 * std::uint64_t{seed}) * 2654435761u);
    h ^= h >> 15;
    h *= 2246822519u;
    image.rgb.push_back(static_cast<std::uint8_t>(seed % 2 ? (h >> 31) * 255 : h >> 24));
  }
  return image;
}

std::string hash(const std::vector<std::uint8_t>& bytes) {
  std::uint64_t h = 14695981039346656037u;
  for (std::uint8_t byte : bytes) h = (h ^ byte) * 1099511628211u;
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(h));
  return text;
}

std::string of_preprocessing(const std::string& text) {
  const TemporaryFolder folder;
  write_file(folder / "preprocessor_config.json", text);
  return complaint_of([&] { read_preprocessing(folder.path); }, folder.path);
}

/// The largest difference between a picture and (h, w, 3) values; 1000 if the sizes differ.
double difference(const Image& image, const Tensor& want) {
  if (want.shape() != Shape{image.height, image.width, 3}) return 1000;
  double worst = 0;
  for (std::size_t i = 0; i < image.rgb.size(); ++i) keep_worst(worst, std::abs(double(image.rgb[i]) - double(want.data()[i])));
  return worst;
}
}  // namespace

TEST_CASE("pixels: resize gives the bytes of Pillow, torchvision and TensorFlow") {
  std::istringstream lines(read_file(goldens + "resize.jsonl") + read_file(goldens + "resize-pil.jsonl"));
  int cases[4] = {};
  for (std::string line; std::getline(lines, line);) {
    const Json c = parse_json(line, "resize.jsonl");
    const Image image = pattern(c["seed"].get<std::uint32_t>(), c["in"][0].get<Dim>(), c["in"][1].get<Dim>());
    const Profile profile = parse_profile(c["profile"].get<std::string>(), "resize.jsonl");
    const Filter filter = c["resample"] == 2 ? Filter::bilinear : Filter::bicubic;
    const std::string got = hash(resize(image, c["out"][0].get<Dim>(), c["out"][1].get<Dim>(), filter, profile).rgb);
    CHECK_MESSAGE(got == c["hash"].get<std::string>(), line);
    ++cases[static_cast<int>(profile)];
  }
  CHECK(cases[0] == 400);
  CHECK(cases[1] == 400);
  CHECK(cases[2] > 150);
  CHECK(cases[3] == 150);
}

TEST_CASE("pixels: resize gives the same bytes for any number of threads") {
  const Image image = pattern(3, 1200, 700);  // large enough for threads
  const int before = threads();
  for (Profile profile : {Profile::pil, Profile::pil13, Profile::torchvision, Profile::big_vision}) {
    set_threads(1);
    const Image one = resize(image, 224, 240, Filter::bilinear, profile);
    set_threads(3);
    CHECK(resize(image, 224, 240, Filter::bilinear, profile).rgb == one.rgb);
  }
  set_threads(before);
  CHECK_THROWS_WITH_AS(resize(image, 2, 2, Filter::bicubic, Profile::big_vision),
                       "resize: the profile big_vision with the bilinear filter is expected, got bicubic", Error);
}

TEST_CASE("pixels: every kind of file decodes as Pillow and transformers do it") {
  const SafetensorsFile expected(goldens + "pictures/expected.safetensors");
  const Json limits = parse_json(read_file(goldens + "pictures/pictures.json"), "pictures.json");
  int files = 0;
  for (const auto& item : limits.items()) {
    const std::string name = item.key();
    // What stb_image may differ by; libjpeg-turbo does not.
    const double limit = name.ends_with(".jpg") && jpeg_decoder() != "stb_image" ? 0 : item.value().get<double>();
    const std::string file = goldens + "pictures/" + name;
    ++files;
    if (name.ends_with(".webp") && webp_decoder().empty()) continue;
    const auto differs = [&](const std::string& tensor, const PictureOptions& options) {
      return difference(read_image(file, options), expected.read(tensor));
    };
    INFO(name);
    CHECK(differs(name, {}) <= limit);
    CHECK(differs(name + "|drop", {.alpha = Alpha::drop}) <= limit);
    if (expected.find(name + "|stored")) CHECK(differs(name + "|stored", {.exif = false}) <= limit);
  }
  CHECK(files == 63);
}

TEST_CASE("pixels: stb_image decodes a JPEG to nearly what libjpeg-turbo does") {
  const SafetensorsFile expected(goldens + "pictures/expected.safetensors");
  const Json limits = parse_json(read_file(goldens + "pictures/pictures.json"), "pictures.json");
  for (const auto& item : limits.items()) {
    if (!item.key().ends_with(".jpg")) continue;
    const std::string file = read_file(goldens + "pictures/" + item.key());
    const Container container = open_container(file, item.key());
    const Image image = upright(stb_decode(file, container, Alpha::drop).image, orientation_of(container.notes));
    INFO(item.key());
    CHECK(difference(image, expected.read(item.key())) <= item.value().get<double>());
  }
}

TEST_CASE("pixels: a JPEG decoded smaller is what Pillow's draft() gives") {
  if (jpeg_decoder() == "stb_image") {
    MESSAGE("skipped: libjpeg-turbo");
    return;
  }
  const SafetensorsFile expected(goldens + "pictures/expected.safetensors");
  int sizes = 0;
  for (const char* name : {"wide-420.jpg", "wide-422.jpg", "cmyk.jpg"})
    for (const Dim enough : {2, 4, 9, 12}) {
      const std::string tensor = std::string(name) + "|draft" + std::to_string(enough);
      INFO(tensor);
      const Image image = read_image(goldens + "pictures/" + name, {.enough = enough});
      CHECK(difference(image, expected.read(tensor)) == 0);
      CHECK((std::min(image.width, image.height) >= enough || image.rgb == read_image(goldens + "pictures/" + name).rgb));
      ++sizes;
    }
  CHECK(sizes == 12);
  CHECK(read_image(goldens + "pictures/rgb.png", {.enough = 1}).rgb == read_image(goldens + "pictures/rgb.png").rgb);
}

TEST_CASE("pixels: 16-bit gray keeps its upper 8 bits, where Pillow cuts at 255") {
  const SafetensorsFile expected(goldens + "pictures/expected.safetensors");
  const std::vector<Real> pillow = expected.read("gray16.png|PIL").to_vector(), promised = expected.read("gray16.png").to_vector();
  CHECK(std::vector<Real>(pillow.begin(), pillow.begin() + 3 * 13) ==
        std::vector<Real>{0,   0,   0,   1,   1,   1,   127, 127, 127, 128, 128, 128, 254, 254, 254, 255, 255, 255, 255, 255,
                          255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255});
  CHECK(std::vector<Real>(promised.begin(), promised.begin() + 3 * 13) == std::vector<Real>{0, 0, 0, 0, 0,   0,   0,   0,   0,   0,   0,   0,   0,
                                                                                            0, 0, 0, 0, 0,   1,   1,   1,   1,   1,   1,   1,   1,
                                                                                            1, 2, 2, 2, 127, 127, 127, 255, 255, 255, 255, 255, 255});
  // The same numbers with transparency Pillow reads as we do: gray-alpha16.png is among the files above.
  CHECK(expected.read("gray-alpha16.png|drop").to_vector() == promised);
}

TEST_CASE("pixels: pixel_values are the floats of transformers' processors, bit for bit") {
  int folders = 0;
  for (const auto& entry : std::filesystem::directory_iterator(goldens + "values")) {
    if (!entry.is_directory()) continue;
    INFO(entry.path().string());
    const Preprocessing p = read_preprocessing(entry.path().string());
    CHECK((p.profile == Profile::torchvision) == entry.path().filename().string().starts_with("torchvision"));
    const Tensor want = SafetensorsFile((entry.path() / "expected.safetensors").string()).read("pixel_values");
    const Tensor got = read_pixel_values({goldens + "values/ramp.png", goldens + "values/scene.png"}, p);
    CHECK(got.shape() == want.shape());
    CHECK(got.to_vector() == want.to_vector());
    CHECK(pixel_values(std::vector<Image>{read_image(goldens + "values/scene.png")}, p).to_vector() ==
          std::vector<Real>(want.data() + 768, want.data() + 1536));
    ++folders;
  }
  CHECK(folders == 16);
}

TEST_CASE("pixels: big_vision's range is the same 256 floats") {
  const PixelTable table;
  for (int v = 0; v < 256; ++v) CHECK(table(0, static_cast<std::uint8_t>(v)) == static_cast<float>(v) / 255.0f * 2.0f - 1.0f);
}

TEST_CASE("pixels: steps that are left out") {
  const TemporaryFolder folder;
  write_png(folder / "small.png", pattern(2, 8, 8));
  write_png(folder / "wide.png", pattern(2, 9, 8));
  const Preprocessing kept{.image_size = 8, .resize = false};
  CHECK(read_pixel_values({folder / "small.png"}, kept).shape() == Shape{1, 3, 8, 8});
  CHECK_THROWS_WITH_AS(read_pixel_values({folder / "small.png", folder / "wide.png"}, kept),
                       (folder / "wide.png: a picture of 8 x 8 is expected, because do_resize is false, got 9 x 8").c_str(), Error);
  const PictureOptions only_rgb{.only_rgb = true};
  CHECK(read_image(folder / "small.png", only_rgb).width == 8);
  for (const char* name : {"gray8.png", "rgba.png", "palette.png", "rgb-key.png", "gray.jpg", "cmyk.jpg"})
    CHECK_THROWS_WITH_AS(
        read_image(goldens + "pictures/" + name, only_rgb),
        (goldens + "pictures/" + name + ": a picture stored in three colours is expected, because do_convert_rgb is false, got another").c_str(),
        Error);
  CHECK_THROWS_WITH_AS(parse_alpha("black", "x"), "x: white or drop is expected, got \"black\"", Error);
  CHECK_THROWS_WITH_AS(read_pixel_values({}, {}), "read_pixel_values: at least one picture is expected, got none", Error);
}

TEST_CASE("preprocessor_config.json") {
  const TemporaryFolder folder;
  for (Profile profile : {Profile::pil, Profile::pil13, Profile::torchvision, Profile::big_vision}) {
    write_preprocessing(folder.path, {.image_size = 32, .resample = 2, .profile = profile, .normalize = false, .mean = {0.1, 0.2, 0.3}});
    const Preprocessing again = read_preprocessing(folder.path);
    CHECK(again.image_size == 32);
    CHECK(again.resample == 2);
    CHECK(again.profile == profile);
    CHECK(!again.normalize);
    CHECK(again.mean == std::array<double, 3>{0.1, 0.2, 0.3});
    CHECK(again.rescale_factor == 1.0 / 255);
  }
  // What the hub's files leave out or set to null has the library's default, but a step that is null is no step to transformers.
  write_file(folder / "preprocessor_config.json",
             R"({"do_convert_rgb": null, "image_std": null, "size": null, "do_resize": null, "resample": null})");
  const Preprocessing absent = read_preprocessing(folder.path);
  CHECK(absent.image_size == 224);
  CHECK(absent.resample == 3);
  CHECK(absent.profile == Profile::pil);
  CHECK(!absent.resize);
  CHECK(absent.rescale);
  CHECK(absent.normalize);
  CHECK(!absent.picture.only_rgb);
  write_file(folder / "preprocessor_config.json", R"({"do_rescale": null, "do_normalize": null})");
  const Preprocessing bare = read_preprocessing(folder.path);
  CHECK(bare.resize);
  CHECK(!bare.rescale);
  CHECK(!bare.normalize);
  write_file(folder / "preprocessor_config.json",
             R"({"size": [64, 64], "do_convert_rgb": false, "image_processor_type": "SiglipImageProcessorFast"})");
  CHECK(read_preprocessing(folder.path).image_size == 64);
  CHECK(read_preprocessing(folder.path).picture.only_rgb);
  CHECK(read_preprocessing(folder.path).profile == Profile::torchvision);
}

TEST_CASE("processor_config.json: where transformers 5 saves it") {
  const TemporaryFolder folder;
  const auto said = [&] { return complaint_of([&] { read_preprocessing(folder.path); }, std::filesystem::path(folder.path).parent_path()); };
  const std::string name = std::filesystem::path(folder.path).filename(), file = name + "/processor_config.json: ";
  const std::string neither = name + ": preprocessor_config.json, or processor_config.json with image_processor, is expected, got neither";
  CHECK(!has_preprocessing(folder.path));
  CHECK(said() == neither);
  // As SiglipProcessor.save_pretrained of transformers 5.23 writes it.
  write_file(folder / "processor_config.json", R"({
  "image_processor": {
    "do_convert_rgb": true,
    "do_normalize": true,
    "do_rescale": true,
    "do_resize": true,
    "image_mean": [0.5, 0.5, 0.5],
    "image_processor_type": "SiglipImageProcessor",
    "image_std": [0.5, 0.25, 0.5],
    "resample": 2,
    "rescale_factor": 0.00392156862745098,
    "size": {"height": 24, "width": 24}
  },
  "processor_class": "SiglipProcessor"
}
)");
  CHECK(has_preprocessing(folder.path));
  CHECK(read_preprocessing(folder.path).image_size == 24);
  CHECK(read_preprocessing(folder.path).resample == 2);
  CHECK(read_preprocessing(folder.path).deviation == std::array<double, 3>{0.5, 0.25, 0.5});
  // Where both are there transformers 5 believes this one; without the key, or with null, the other.
  write_preprocessing(folder.path, {.image_size = 32});
  CHECK(read_preprocessing(folder.path).image_size == 24);
  for (const char* old : {R"({"processor_class": "SiglipProcessor"})", R"({"image_processor": null})"}) {
    write_file(folder / "processor_config.json", old);
    CHECK(read_preprocessing(folder.path).image_size == 32);
  }
  std::filesystem::remove(folder / "preprocessor_config.json");
  CHECK(said() == neither);
  // Messages name the file and the key within.
  write_file(folder / "processor_config.json", R"({"image_processor": 3})");
  CHECK(said() == file + "image_processor is an object, got 3");
  write_file(folder / "processor_config.json", R"({"image_processor": {"resample": 4}})");
  CHECK(said() == file + "image_processor.resample is 2 (bilinear) or 3 (bicubic), got 4");
  write_file(folder / "processor_config.json", R"({"image_processor": {"size": {"height": 0, "width": 0}}})");
  CHECK(said() == file + "image_processor.size.height is a whole number from 1 to 16384, got 0");
  write_file(folder / "processor_config.json", R"({"image_processor": {"resize_profile": "opencv"}})");
  CHECK(said() == file + "image_processor.resize_profile: pil, pil13, torchvision or big_vision is expected, got \"opencv\"");
  write_file(folder / "processor_config.json", "[]");
  CHECK(said() == file + "an object is expected, got []");
}

TEST_CASE("preprocessor_config.json: what it refuses") {
  const std::string file = "preprocessor_config.json: ";
  CHECK(of_preprocessing("1") == file + "an object is expected, got 1");
  CHECK(of_preprocessing(R"({"image_processor_type": "Siglip2ImageProcessor"})") ==
        file +
            "image_processor_type is one of pictures of a fixed size (\"SiglipImageProcessor\"; NaFlex models are not supported), got "
            "\"Siglip2ImageProcessor\"");
  CHECK(of_preprocessing(R"({"image_processor_type": "CLIPImageProcessor"})") ==
        file + "image_processor_type is \"SiglipImageProcessor\" or \"SiglipImageProcessorFast\", got \"CLIPImageProcessor\"");
  CHECK(of_preprocessing(R"({"resize_profile": "opencv"})") ==
        file + "resize_profile: pil, pil13, torchvision or big_vision is expected, got \"opencv\"");
  CHECK(of_preprocessing(R"({"resize_profile": 3})") == file + "resize_profile is a profile's name, got 3");
  CHECK(of_preprocessing(R"({"resize_profile": "big_vision", "resample": 3})") == file + "resample is 2, got 3");
  CHECK(of_preprocessing(R"({"do_resize": 1})") == file + "do_resize is true or false, got 1");
  CHECK(of_preprocessing(R"({"do_center_crop": true})") == file + "do_center_crop is false, got true");
  CHECK(of_preprocessing(R"({"do_pad": true})") == file + "do_pad is false, got true");
  for (const char* factor : {"0", "-1", "1e300"})
    CHECK(of_preprocessing(std::string(R"({"rescale_factor": )") + factor + "}").starts_with(file + "rescale_factor is a number above 0, got "));
  CHECK(of_preprocessing(R"({"rescale_factor": "1/255"})") == file + "rescale_factor is a number, got \"1/255\"");
  CHECK(of_preprocessing(R"({"image_mean": [0.5, 0.5]})") == file + "image_mean is one number or three, got [0.5,0.5]");
  CHECK(of_preprocessing(R"({"image_std": [0.5, 0, 0.5]})") == file + "image_std is one number or three, none of them 0, got [0.5,0,0.5]");
  CHECK(of_preprocessing(R"({"image_std": "half"})") == file + "image_std is one number or three, none of them 0, got \"half\"");
  for (const char* resample : {"0", "1", "4", "5", "\"bicubic\""})
    CHECK(of_preprocessing(std::string(R"({"resample": )") + resample + "}") == file + "resample is 2 (bilinear) or 3 (bicubic), got " + resample);
  CHECK(of_preprocessing(R"({"size": 224})") == file + "size is an object of height and width (one number would keep the picture's aspect), got 224");
  CHECK(of_preprocessing(R"({"size": {"shortest_edge": 224}})") == file + "size is height and width, nothing else, got {\"shortest_edge\":224}");
  CHECK(of_preprocessing(R"({"size": {"height": 0, "width": 0}})") == file + "size.height is a whole number from 1 to 16384, got 0");
  CHECK(of_preprocessing(R"({"size": {"height": 224, "width": 256}})") == file + "size.width is the height, got 256");
}
