// The doctor: each mistake that was planted in another implementation (tools/reference/make_doctor_goldens.py) or in a folder is named.
#include "siglip/doctor.h"
#include <doctest/doctest.h>
#include <algorithm>
#include <cmath>
#include <set>
#include <sstream>
#include "data/container.h"
#include "data/decode.h"
#include "data/stb.h"
#include "doctor/trial.h"
#include "io/json.h"
#include "siglip/rng.h"
#include "temporary_folder.h"
using namespace siglip;

namespace {
namespace fs = std::filesystem;
const std::string goldens = SIGLIP_GOLDENS "/doctor", golden_model = goldens + "/model";

using Names = std::vector<std::string>;

std::vector<Finding> mistakes_in(const std::vector<Finding>& findings) {
  std::vector<Finding> mistakes;
  std::copy_if(findings.begin(), findings.end(), std::back_inserter(mistakes), [](const Finding& f) { return f.level == Finding::mistake; });
  return mistakes;
}

// The names of all that is found wrong; "a|b" where two cannot be told apart.
Names diagnosis(const std::vector<Finding>& findings) {
  Names names;
  for (const Finding& f : mistakes_in(findings)) {
    std::string alternatives;
    for (const std::string& name : f.mistakes) alternatives += (alternatives.empty() ? "" : "|") + name;
    names.push_back(alternatives);
  }
  return names;
}

std::vector<Finding> against(const std::string& reference, const std::string& folder = golden_model) {
  return examine(folder, {.reference = reference, .inputs = goldens + "/inputs.safetensors"});
}

const Finding& about(const std::vector<Finding>& findings, const std::string& what) {
  const auto found = std::find_if(findings.begin(), findings.end(), [&](const Finding& f) { return f.about == what; });
  REQUIRE(found != findings.end());
  return *found;
}

// A file with some tensors of another one.
std::string part_of(const TemporaryFolder& folder, const std::string& reference, const Names& names) {
  const SafetensorsFile file(goldens + "/" + reference + ".safetensors");
  Parameters some;
  for (const std::string& name : names) some.push_back({name, file.read(name)});
  write_safetensors(folder / "part.safetensors", some);
  return folder / "part.safetensors";
}

Siglip golden() {
  Siglip model(read_config(golden_model));
  load_parameters(golden_model, model.parameters());
  return model;
}

std::string copy_of(const std::string& model, const TemporaryFolder& folder) {
  fs::copy(model, folder.path, fs::copy_options::recursive | fs::copy_options::overwrite_existing);
  return folder.path;
}

// A copy of the golden folder whose weights `change` has passed.
template <class Change>
std::string changed_folder(const TemporaryFolder& folder, const Change& change) {
  copy_of(golden_model, folder);
  Parameters all = golden().parameters();
  change(all);
  write_safetensors(folder / "model.safetensors", all);
  return folder.path;
}
template <class Change>
std::vector<Finding> with_weights(const Change& change) {
  const TemporaryFolder folder;
  return examine(changed_folder(folder, change));
}

Tensor& named(Parameters& all, const std::string& name) {
  return std::find_if(all.begin(), all.end(), [&](const Parameter& p) { return p.name == name; })->value;
}

// What the doctor says to a file of the folder that has another text.
std::vector<Finding> with_file(const std::string& name, const std::string& text) {
  const TemporaryFolder folder;
  fs::copy(golden_model, folder.path, fs::copy_options::recursive | fs::copy_options::overwrite_existing);
  write_file(folder / name, text);
  return examine(folder.path);
}
// The sentence about `what`, which is a note, in an examination that finds no mistake.
std::string note(const std::vector<Finding>& findings, const std::string& what) {
  CHECK(diagnosis(findings).empty());
  const auto found = std::find_if(findings.begin(), findings.end(), [&](const Finding& f) { return f.about == what && f.level == Finding::note; });
  return found == findings.end() ? "none" : found->sentence();
}
std::string replaced(const std::string& file, const std::string& from, const std::string& to) {
  std::string text = read_file(golden_model + "/" + file);
  const std::size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}
}  // namespace

TEST_CASE("doctor: without a mistake its forward pass is the model's, bit for bit") {
  SiglipConfig c;
  c.vision = {.width = 25, .layers = 3, .heads = 5, .mlp = 31};
  c.text = {.width = 14, .layers = 2, .heads = 2, .mlp = 9};
  c.image_size = 23, c.patch_size = 5, c.vocab_size = 50, c.context = 7, c.projection = 25;
  const Siglip model(c);
  initialize(model, 3);
  Rng random(4);
  Inputs inputs;
  inputs.pixels = Tensor({2, 3, 23, 23});
  for (Dim i = 0; i < inputs.pixels.size(); ++i) inputs.pixels.data()[i] = static_cast<Real>(random.uniform(-1, 1));
  std::vector<std::int32_t> ids;
  for (int i = 0; i < 21; ++i) ids.push_back(static_cast<std::int32_t>(random.below(50)));
  inputs.ids = Ids({3, 7}, ids);
  const Trial trial = healthy_trial(model, inputs);
  const Trace vision = run_vision(trial), text = run_text(trial);
  CHECK(vision.embeds.to_vector() == model.vision(inputs.pixels).to_vector());
  CHECK(text.embeds.to_vector() == model.text(inputs.ids).to_vector());
  CHECK(vision.hidden.size() == 4);
  CHECK(text.hidden.size() == 3);
}

TEST_CASE("doctor: names the mistake that was planted in another implementation") {
  Names cases;
  double least_margin = INFINITY;
  for (const auto& entry : fs::directory_iterator(goldens))
    if (entry.path().extension() == ".safetensors" && entry.path().stem() != "inputs") cases.push_back(entry.path().stem());
  CHECK(cases.size() >= 78);
  const std::set<std::string> embeddings{"embeddings-exchanged", "one-tower-twice"};  // seen without planting anything
  std::set<std::string> known;
  for (const MistakeName& m : known_mistake_names()) known.insert(m.name);
  for (const std::string& name : cases) {
    const std::vector<Finding> findings = against(goldens + "/" + name + ".safetensors");
    INFO(name);
    if (name == "healthy") {
      CHECK(diagnosis(findings).empty());
      CHECK(about(findings, "reference, text tower")
                .seen.starts_with("hidden.text.0, hidden.text.1, hidden.text.2, text_embeds are as here (relative error "));
      for (const Finding& f : findings) CHECK(f.error < 1e-5);
      continue;
    }
    CHECK(diagnosis(findings) == Names{name});
    CHECK((known.contains(name) || embeddings.contains(name)));
    if (embeddings.contains(name)) continue;
    for (const Finding& f : mistakes_in(findings)) {
      CHECK(f.error < 1e-5);
      CHECK(f.margin > 10);
      CHECK(!f.advice.empty());
      least_margin = std::min(least_margin, f.margin);
    }
  }
  MESSAGE(cases.size() << " cases, least margin " << least_margin);
}

TEST_CASE("doctor: says a diagnosis in one sentence") {
  const std::vector<Finding> findings = mistakes_in(against(goldens + "/erf-gelu.safetensors"));
  REQUIRE(findings.size() == 1);
  CHECK(findings[0].about == "reference, image tower and text tower");
  const std::string sentence = findings[0].sentence();
  CHECK(sentence.starts_with("hidden.vision.1 differs first: relative error "));
  CHECK(sentence.find(": the activation is the exact (erf) GELU (made here too, the error is ") != std::string::npos);
  CHECK(sentence.ends_with("; use the tanh form (PyTorch: gelu(x, approximate=\"tanh\"))"));
}

TEST_CASE("doctor: a reference may hold some tensors only, and what they cannot tell apart is said") {
  const TemporaryFolder folder;
  const auto by = [&](const std::string& name, const Names& tensors) { return diagnosis(against(part_of(folder, name, tensors))); };
  CHECK(by("erf-gelu", {"logits_per_image"}) == Names{"erf-gelu"});
  CHECK(by("causal-mask", {"logits_per_text"}) == Names{"causal-mask"});
  CHECK(by("bias-dropped", {"logits_per_image"}) == Names{"bias-dropped"});
  CHECK(by("bgr", {"loss"}) == Names{"bgr"});
  CHECK(by("quick-gelu", {"text_embeds", "logits_per_text"}) == Names{"quick-gelu"});
  CHECK(by("erf-gelu", {"image_embeds"}) == Names{"erf-gelu"});
  CHECK(by("map-mlp-dropped", {"hidden.vision.1", "hidden.vision.2"}).empty());  // before the head all is well
  // The pooled embedding does not know in which order the patches came, only which position each got.
  CHECK(by("patch-order", {"image_embeds"}) == Names{"positions-transposed|patch-order"});
  CHECK(by("patch-order", {"hidden.vision.0"}) == Names{"patch-order"});
  CHECK(by("scale-without-exp", {"image_embeds", "text_embeds"}).empty());
}

TEST_CASE("doctor: two mistakes at once, and more than it knows") {
  CHECK(diagnosis(against(goldens + "/several/bgr_and_erf_gelu.safetensors")) == Names{"bgr + erf-gelu", "erf-gelu"});
  const std::string reference = goldens + "/several/three.safetensors", inputs = goldens + "/inputs.safetensors";
  const std::vector<Finding> three = against(reference);
  CHECK(diagnosis(three) == Names{"unknown", "unknown"});
  CHECK(about(three, "reference, image tower").sentence().find("hidden.vision.1 differs first") == 0);
  CHECK(about(three, "reference, image tower").cause.find("no known mistake explains it (the nearest is ") == 0);
  CHECK(about(three, "reference, image tower").advice.starts_with("look at what makes the tensor that differs first"));
  CHECK(about(three, "reference, image tower").advice.ends_with(", or try two mistakes at once with --pairs"));
  // Two of the three leave no more than rounding in half precision would; the third, the erf GELU, is smaller than that.
  CHECK(diagnosis(examine(golden_model, {.reference = reference, .inputs = inputs, .pairs = true})) == Names{"post-norm + transposed-q_proj"});
}

TEST_CASE("doctor: embeddings written down before their length was made 1 are the mistake, not the scores made of them after") {
  const TemporaryFolder folder;
  const SafetensorsFile healthy(goldens + "/healthy.safetensors");
  Parameters changed;
  for (const TensorInfo& info : healthy.tensors()) {
    if (info.name.starts_with("hidden.")) continue;
    const Tensor x = healthy.read(info.name);
    if (info.name.ends_with("_embeds"))
      for (Dim i = 0; i < x.size(); ++i) x.data()[i] *= Real(3 + i / x.columns());
    changed.push_back({info.name, x});
  }
  write_safetensors(folder / "long.safetensors", changed);
  const std::vector<Finding> findings = against(folder / "long.safetensors");
  for (const char* part : {"reference, scores", "reference, loss"}) CHECK(about(findings, part).level == Finding::healthy);
  CHECK(!diagnosis(findings).empty());
}

TEST_CASE("doctor: scores that no known mistake explains are told as a line of the cosine") {
  const TemporaryFolder folder;
  const SafetensorsFile healthy(goldens + "/healthy.safetensors");
  const Siglip model(read_config(golden_model));
  load_parameters(golden_model, model.parameters());
  const double t = std::exp(double(model.log_t.item())), b = double(model.b.item());
  const Tensor logits = healthy.read("logits_per_text");
  for (Dim i = 0; i < logits.size(); ++i) logits.data()[i] = static_cast<Real>((double(logits.data()[i]) - b) / t * 7 + 2.5);
  write_safetensors(folder / "line.safetensors",
                    {{"image_embeds", healthy.read("image_embeds")}, {"text_embeds", healthy.read("text_embeds")}, {"logits_per_text", logits}});
  const Finding found = about(against(folder / "line.safetensors"), "reference, scores");
  INFO(found.cause);
  CHECK(contains(found.cause, "; they are 7 cosine + 2.5 where "));
}

TEST_CASE("doctor: rows of another length, or in another order, are told") {
  const TemporaryFolder folder;
  const auto cause = [&](const auto& change) {
    const Tensor right = SafetensorsFile(goldens + "/healthy.safetensors").read("text_embeds"), x = Tensor::like(right);
    for (Dim i = 0; i < x.dim(0); ++i)
      for (Dim c = 0; c < x.dim(1); ++c) x.data()[i * x.dim(1) + c] = change(right, i, c);
    write_safetensors(folder / "rows.safetensors", {{"text_embeds", x}});
    return about(against(folder / "rows.safetensors"), "reference, text tower").cause;
  };
  const auto at = [](const Tensor& x, Dim i, Dim c) { return x.data()[i * x.dim(1) + c]; };
  CHECK(cause([&](const Tensor& x, Dim i, Dim c) {
          return at(x, i, c) * Real(i + 2);
        }).ends_with("; each row of text_embeds points where ours does, and only its length is another: it was divided by something else"));
  CHECK(cause([&](const Tensor& x, Dim i, Dim c) {
          return at(x, x.dim(0) - 1 - i, c);
        }).ends_with("; the rows of text_embeds are ours in another order"));
  CHECK(!contains(cause([&](const Tensor& x, Dim i, Dim c) { return at(x, i, c) + Real(c % 2); }), "rows"));
}

TEST_CASE("doctor: inputs within the reference are taken where there are no others") {
  const TemporaryFolder folder;
  const SafetensorsFile healthy(goldens + "/healthy.safetensors"), inputs(goldens + "/inputs.safetensors");
  Parameters all{{"pixel_values", inputs.read("pixel_values")}};
  for (const TensorInfo& info : healthy.tensors())
    if (info.name == "image_embeds" || info.name.starts_with("hidden.vision.")) all.push_back({info.name, healthy.read(info.name)});
  write_safetensors(folder / "whole.safetensors", all);
  const std::vector<Finding> findings = examine(golden_model, {.reference = folder / "whole.safetensors"});
  CHECK(diagnosis(findings).empty());
  CHECK(about(findings, "reference, image tower").level == Finding::healthy);
}

TEST_CASE("doctor: half precision is no mistake") {
  const TemporaryFolder folder;
  const SafetensorsFile file(goldens + "/healthy.safetensors");
  Parameters rounded;
  for (const char* name : {"image_embeds", "text_embeds", "logits_per_text", "loss"}) {
    const Tensor x = file.read(name);
    for (Dim i = 0; i < x.size(); ++i) {
      int exponent = 0;
      const Real fraction = std::frexp(x.data()[i], &exponent);
      x.data()[i] = std::ldexp(std::round(fraction * 256) / 256, exponent);  // 8 bits, as bfloat16
    }
    rounded.push_back({name, x});
  }
  write_safetensors(folder / "rounded.safetensors", rounded);
  const std::vector<Finding> findings = against(folder / "rounded.safetensors");
  CHECK(diagnosis(findings).empty());
  for (const char* part : {"reference, image tower", "reference, text tower", "reference, scores"}) {
    CHECK(about(findings, part).level == Finding::note);
    CHECK(about(findings, part).cause.starts_with("half precision leaves as much, and no known mistake explains it"));
  }
}

TEST_CASE("doctor: pictures prepared in another way, seen in the embeddings and in the pixels") {
  const TemporaryFolder folder;
  for (const std::string name : {"healthy", "center-crop", "letterbox-black", "letterbox-gray", "other-filter", "no-antialiasing"}) {
    INFO(name);
    const std::string file = goldens + "/files/" + name + ".safetensors";
    const Names expected = name == "healthy" ? Names{} : Names{name};
    CHECK(diagnosis(examine(golden_model, {.images = {goldens + "/files/picture.png"}, .reference = file})) == expected);
    // With the pixels known, the mistake is in them, and the tower that got them is right.
    const std::vector<Finding> findings = examine(golden_model, {.images = {goldens + "/files/picture.png"}, .reference = file, .inputs = file});
    CHECK(diagnosis(findings) == expected);
    CHECK(about(findings, "reference, pixel_values").level == (name == "healthy" ? Finding::healthy : Finding::mistake));
    CHECK(about(findings, "reference, image tower").level == Finding::healthy);
  }
}

namespace {
// What another implementation makes of pictures: its pixels, and their embeddings.
std::string theirs(const TemporaryFolder& folder, const std::vector<Image>& pictures, const Preprocessing& how) {
  const Tensor pixels = pixel_values(pictures, how);
  write_safetensors(folder / "theirs.safetensors", {{"pixel_values", pixels}, {"image_embeds", golden().vision(pixels)}});
  return folder / "theirs.safetensors";
}
const std::string golden_pictures = SIGLIP_GOLDENS "/pixels/pictures/";
Preprocessing golden_preprocessing() { return read_preprocessing(golden_model); }

// The pixels of a JPEG as another decoder has them: stb's, or where that is ours what Pillow decodes.
Image decoded_elsewhere(const std::string& name) {
  const std::string bytes = read_file(golden_pictures + name);
  if (jpeg_decoder() != "stb_image") return stb_decode(bytes, open_container(bytes, name), Alpha::white).image;
  const SafetensorsFile file(golden_pictures + "expected.safetensors");
  const Tensor rows = file.read(name);  // (height, width, 3)
  Image image{rows.dim(1), rows.dim(0), {}};
  for (Dim i = 0; i < rows.size(); ++i) image.rgb.push_back(static_cast<std::uint8_t>(rows.data()[i]));
  return image;
}
}  // namespace

TEST_CASE("doctor: pictures whose orientation or transparency was ignored") {
  const TemporaryFolder folder;
  const auto found = [&](const std::string& name, const PictureOptions& options, Profile profile = Profile::pil) {
    Preprocessing how = golden_preprocessing();
    how.profile = profile;
    const std::string file = theirs(folder, {read_image(golden_pictures + name, options)}, how);
    const std::vector<Finding> by_pixels = examine(golden_model, {.images = {golden_pictures + name}, .reference = file, .inputs = file});
    CHECK(about(by_pixels, "reference, image tower").level == Finding::healthy);
    const Names names = diagnosis(by_pixels);
    CHECK(diagnosis(examine(golden_model, {.images = {golden_pictures + name}, .reference = file})) == names);
    return names;
  };
  CHECK(found("exif1.jpg", {.exif = false}).empty());
  for (const char* name : {"exif2.jpg", "exif3.jpg", "exif4.jpg", "exif5.jpg", "exif6.jpg", "exif7.jpg", "exif8.jpg", "exif6.png"}) {
    INFO(name);
    CHECK(found(name, {}).empty());
    CHECK(found(name, {.exif = false}) == Names{"exif-ignored"});
  }
  for (const char* name : {"rgba.png", "gray-alpha.png", "palette-alpha.png"}) {
    INFO(name);
    CHECK(found(name, {.alpha = Alpha::drop}) == Names{"alpha-dropped"});
  }
  CHECK(found("exif6.jpg", {.exif = false}, Profile::torchvision) == Names{"exif-ignored + resize-torchvision"});
  const std::string file = theirs(folder, {read_image(golden_pictures + "exif6.jpg", {.exif = false})}, golden_preprocessing());
  const std::vector<Finding> sideways = examine(golden_model, {.images = {golden_pictures + "exif6.jpg"}, .reference = file});
  CHECK(about(sideways, "reference, image tower").cause.starts_with("the picture's EXIF orientation is ignored, so it lies on its side"));
  CHECK(about(sideways, "reference, image tower").advice == "turn it first (Pillow: ImageOps.exif_transpose)");
}

TEST_CASE("doctor: another library's resize is named, and is no mistake") {
  const TemporaryFolder folder, model;
  Image tall{40, 400, {}};
  Rng random(7);
  for (Dim i = 0; i < 3 * 40 * 400; ++i) tall.rgb.push_back(static_cast<std::uint8_t>(random.below(256)));
  write_png(folder / "tall.png", tall);
  const std::string usual = goldens + "/files/picture.png";
  const auto found = [&](const std::string& path, Profile ours, Profile others, int resample = 3) {
    Preprocessing how = golden_preprocessing();
    how.profile = ours, how.resample = resample;
    copy_of(golden_model, model);
    write_preprocessing(model.path, how);
    how.profile = others;
    const std::string file = theirs(folder, {read_image(path)}, how);
    const std::vector<Finding> by_pixels = examine(model.path, {.images = {path}, .reference = file, .inputs = file});
    CHECK(about(by_pixels, "reference, image tower").level == Finding::healthy);
    const Finding pixels = about(by_pixels, "reference, pixel_values");
    const Finding tower = about(examine(model.path, {.images = {path}, .reference = file}), "reference, image tower");
    CHECK(tower.mistakes == pixels.mistakes);
    CHECK(tower.level == pixels.level);
    CHECK((pixels.level == Finding::note) == (others != Profile::big_vision && !pixels.mistakes.empty()));
    return pixels.mistakes;
  };
  CHECK(found(usual, Profile::pil, Profile::torchvision) == Names{"resize-torchvision"});
  CHECK(found(usual, Profile::torchvision, Profile::pil) == Names{"resize-pil"});
  CHECK(found(usual, Profile::pil, Profile::pil13).empty());
  CHECK(found(folder / "tall.png", Profile::pil, Profile::pil13) == Names{"resize-pil13"});
  CHECK(found(usual, Profile::big_vision, Profile::pil, 2) == Names{"resize-pil"});
  CHECK(found(usual, Profile::big_vision, Profile::torchvision, 2) == Names{"resize-torchvision"});
  CHECK(found(usual, Profile::torchvision, Profile::big_vision, 2) == Names{"no-antialiasing"});
  const std::vector<Finding> findings = examine(model.path, {.images = {usual}, .reference = folder / "theirs.safetensors"});
  CHECK(about(findings, "reference, image tower")
            .advice.ends_with("write \"resize_profile\": \"big_vision\" and \"resample\": 2 into preprocessor_config.json"));
  theirs(folder, {read_image(usual)}, golden_preprocessing());
  CHECK(note(examine(golden_model, {.images = {usual}, .reference = folder / "theirs.safetensors"}), "reference, image tower") == "none");
}

TEST_CASE("doctor: transformers' resize by torchvision is named") {
  const std::string picture = goldens + "/files/picture.png", file = goldens + "/files/resize-torchvision.safetensors";
  const std::string said = note(examine(golden_model, {.images = {picture}, .reference = file, .inputs = file}), "reference, pixel_values");
  CHECK(said.find(": the picture is resized as the profile torchvision does it (made here too, the error is ") != std::string::npos);
  CHECK(
      said.ends_with("; nothing is wrong, another library or version resizes there; for the same pixels here write "
                     "\"resize_profile\": \"torchvision\" into preprocessor_config.json"));
  const Finding tower = about(examine(golden_model, {.images = {picture}, .reference = file}), "reference, image tower");
  CHECK(tower.mistakes == Names{"resize-torchvision"});
  CHECK(tower.level == Finding::note);
}

TEST_CASE("doctor: a small difference of pixels is blamed on the decoder or the resize") {
  const TemporaryFolder folder;
  const std::string jpeg = golden_pictures + "420-coarse.jpg";
  const std::string file = theirs(folder, {decoded_elsewhere("420-coarse.jpg")}, golden_preprocessing());
  const std::string said = note(examine(golden_model, {.images = {jpeg}, .reference = file, .inputs = file}), "reference, pixel_values");
  CHECK(said.starts_with("pixel_values differs first: relative error "));
  CHECK(said.find(": another JPEG decoder than " + jpeg_decoder() +
                  " or another library's resize leaves as much, and no known mistake explains it") != std::string::npos);
  CHECK(said.ends_with(
      "; save the picture as PNG and compare again; if their pixel_values are given with --inputs, the towers are compared without this "
      "difference"));
  CHECK(note(examine(golden_model, {.images = {jpeg}, .reference = file}), "reference, image tower")
            .find("half precision, another JPEG decoder than " + jpeg_decoder() + " or another library's resize leaves as much") !=
        std::string::npos);
  Image noisy = read_image(goldens + "/files/picture.png");
  for (std::size_t i = 0; i < noisy.rgb.size(); i += 5) noisy.rgb[i] ^= 2;
  theirs(folder, {noisy}, golden_preprocessing());
  const DoctorOptions png{.images = {goldens + "/files/picture.png"}, .reference = file, .inputs = file};
  CHECK(note(examine(golden_model, png), "reference, pixel_values").find(": another library's resize leaves as much, and no known") !=
        std::string::npos);
  // Too much for that.
  for (std::size_t i = 0; i < noisy.rgb.size(); i += 3) noisy.rgb[i] ^= 128;
  theirs(folder, {noisy}, golden_preprocessing());
  const std::vector<Finding> other = examine(golden_model, png);
  CHECK(diagnosis(other) == Names{"unknown"});
  CHECK(about(other, "reference, pixel_values").advice.starts_with("compare with what `siglip preprocess` writes"));
}

TEST_CASE("doctor: the texts of a SigLIP 1, padded with its end token") {
  const std::string v1 = goldens + "/v1/";
  const Json cases = parse_json(read_file(v1 + "cases.json"), v1 + "cases.json");
  const std::set<std::string> in_the_tower{"not-padded", "end-token-pooled", "padding-mask", "causal-mask"};
  CHECK(cases.size() == 16);
  for (const auto& item : cases.items()) {
    const std::string name = item.key();
    const Json& entry = item.value();
    INFO(name);
    const std::string file = v1 + name + ".safetensors", mistake = entry.at("mistake").is_null() ? "" : entry.at("mistake").get<std::string>();
    const Names texts = entry.at("texts").get<Names>(), expected = mistake.empty() ? Names{} : Names{mistake};
    const std::vector<Finding> by_embeddings = examine(v1 + "model", {.texts = texts, .reference = file});
    CHECK(diagnosis(by_embeddings) == expected);
    const std::vector<Finding> by_ids = examine(v1 + "model", {.texts = texts, .reference = file, .inputs = file});
    CHECK(diagnosis(by_ids) == expected);
    const bool tower = in_the_tower.contains(mistake);
    CHECK((about(by_ids, "reference, input_ids").level == Finding::healthy) == (tower || mistake.empty()));
    CHECK((about(by_ids, "reference, text tower").level == Finding::healthy) == !tower);
    for (const Finding& f : mistakes_in(by_ids)) CHECK(f.error < 1e-5);
  }
}

TEST_CASE("doctor: one other id is a difference, however small the number") {
  const TemporaryFolder folder;
  const std::string v1 = goldens + "/v1/";
  const auto tokenizer = read_tokenizer(v1 + "model");
  const Names texts{"a smiling face with open hands", "two red circles"};
  std::vector<std::int32_t> ids = tokenizer->encode(texts).to_vector();
  ids[2] += 1;
  const std::string header = R"({"input_ids":{"dtype":"I32","shape":[2,16],"data_offsets":[0,128]}})";
  const std::uint64_t size = header.size();
  std::string bytes(reinterpret_cast<const char*>(&size), 8);
  bytes.append(header).append(reinterpret_cast<const char*>(ids.data()), ids.size() * 4);
  const std::string inputs = folder.write("ids.safetensors", bytes);
  Siglip model(read_config(v1 + "model"));
  load_parameters(v1 + "model", model.parameters());
  write_safetensors(folder / "given.safetensors", {{"text_embeds", model.text(Ids({2, 16}, ids))}});
  const std::vector<Finding> findings = examine(v1 + "model", {.texts = texts, .reference = folder / "given.safetensors", .inputs = inputs});
  CHECK(diagnosis(findings) == Names{"unknown"});
  const Finding found = about(findings, "reference, input_ids");
  CHECK(found.seen ==
        "input_ids differs in 1 of 32 ids, first at (0, 2) it is " + std::to_string(ids[2]) + ", right is " + std::to_string(ids[2] - 1));
  CHECK(found.cause == "no known mistake explains it");  // none leaves half of it
  CHECK(found.advice.starts_with("compare with what `siglip tokenize` prints"));
  CHECK(about(findings, "reference, text tower").level == Finding::healthy);
}

TEST_CASE("doctor: the other profile of a tokenizer") {
  const TemporaryFolder folder;
  const std::string v1 = goldens + "/v1/", config = read_file(v1 + "model/tokenizer_config.json");
  copy_of(v1 + "model", folder);
  write_file(folder / "tokenizer_config.json", "{\"siglip_profile\": \"big_vision\"," + config.substr(config.find('{') + 1));
  const DoctorOptions options{.texts = {"A cat, sleeping!", "two red circles", "a dog"}, .reference = v1 + "healthy.safetensors"};
  CHECK(diagnosis(examine(folder.path)).empty());
  CHECK(diagnosis(examine(folder.path, options)) == Names{"punctuation-dropped"});
}

TEST_CASE("doctor: texts encoded in another way") {
  const TemporaryFolder folder;
  SiglipConfig c = read_config(golden_model);
  const auto tokenizer = learn_words({"a red circle on a blue star", "two green cats"}, c.context);
  fs::copy(golden_model, folder.path, fs::copy_options::recursive | fs::copy_options::overwrite_existing);
  tokenizer->save(folder.path);
  const Names texts{"a red circle", "two cats"};
  const auto ids_file = [&](const std::vector<std::int32_t>& ids, Dim columns) {
    Parameters all{{"pixel_values", Tensor::full({1, 3, 24, 24}, 0)}};
    std::string bytes;  // write_safetensors writes reals, so the ids are put together by hand
    const std::string header =
        R"({"input_ids":{"dtype":"I32","shape":[2,)" + std::to_string(columns) + "],\"data_offsets\":[0," + std::to_string(ids.size() * 4) + "]}}";
    const std::uint64_t size = header.size();
    bytes.append(reinterpret_cast<const char*>(&size), 8).append(header).append(reinterpret_cast<const char*>(ids.data()), ids.size() * 4);
    return folder.write("ids.safetensors", bytes);
  };
  const Ids right = tokenizer->encode(texts);
  const Siglip model = golden();
  const auto found = [&](const std::vector<std::int32_t>& ids, Dim columns) {
    const std::string inputs = ids_file(ids, columns);
    Trial trial = healthy_trial(model, {});
    trial.inputs.ids = Ids({2, columns}, ids);
    write_safetensors(folder / "given.safetensors", {{"text_embeds", run_text(trial).embeds}});
    return diagnosis(examine(folder.path, {.texts = texts, .reference = folder / "given.safetensors", .inputs = inputs}));
  };
  CHECK(found(right.to_vector(), c.context).empty());
  std::vector<std::int32_t> other = right.to_vector();
  for (std::size_t i = 4; i < 8; ++i) other[i] = 0;  // "a red circle </s>" and padding
  for (std::size_t i = 11; i < 16; ++i) other[i] = 0;
  CHECK(found(other, c.context) == Names{"wrong-pad-id"});
  const std::vector<std::int32_t> ids = right.to_vector();
  const std::vector<std::int32_t> shortened{ids[0], ids[1], ids[2], 1, ids[8], ids[9], 1, 1};
  CHECK(found(shortened, 4) == Names{"pad-to-longest"});
}

TEST_CASE("doctor: texts that were not lower-cased") {
  const TemporaryFolder folder;
  const std::string tokenizers = SIGLIP_GOLDENS "/tokenizers/gemma";
  fs::copy(golden_model, folder.path, fs::copy_options::recursive | fs::copy_options::overwrite_existing);
  for (const char* name : {"tokenizer.json", "tokenizer_config.json"})
    fs::copy(tokenizers + "/" + name, folder / name, fs::copy_options::overwrite_existing);
  SiglipConfig c = read_config(golden_model);
  c.vocab_size = 8000;
  write_config(folder.path, c);
  const auto lower = read_tokenizer(folder.path), cased = read_tokenizer(folder.path, {.lower = false});
  c.context = lower->context();
  const Siglip model(c);
  initialize(model, 2);
  write_config(folder.path, c);
  write_safetensors(folder / "model.safetensors", model.parameters());
  CHECK(diagnosis(examine(folder.path)).empty());
  const Names texts{"A Photo of Zürich", "a red circle"};
  const auto found = [&](const Tokenizer& tokenizer) {
    Trial trial = healthy_trial(model, {});
    trial.inputs.ids = tokenizer.encode(texts);
    write_safetensors(folder / "given.safetensors", {{"text_embeds", run_text(trial).embeds}});
    return diagnosis(examine(folder.path, {.texts = texts, .reference = folder / "given.safetensors"}));
  };
  CHECK(found(*lower).empty());
  CHECK(found(*cased) == Names{"not-lower-cased"});
  Trial trial = healthy_trial(model, {});
  trial.inputs.ids = lower->encode(Names{"A Photo of Zürich", "a red circle"});
  write_safetensors(folder / "given.safetensors", {{"text_embeds", run_text(trial).embeds}});
  const DoctorOptions punctuated{.texts = {"A \"Photo\" of Zürich!", "a, red circle."}, .reference = folder / "given.safetensors"};
  CHECK(diagnosis(examine(folder.path, punctuated)) == Names{"punctuation-dropped"});
}

TEST_CASE("doctor: a folder in shards is examined as one file is, one without a head is told so") {
  const TemporaryFolder folder;
  std::ostringstream log;
  convert_model(golden_model, folder / "shards", {.shard_size = 20000}, log);
  fs::copy(golden_model + "/preprocessor_config.json", folder / "shards/preprocessor_config.json", fs::copy_options::overwrite_existing);
  REQUIRE(fs::exists(folder / "shards/model.safetensors.index.json"));
  CHECK(diagnosis(against(goldens + "/healthy.safetensors", folder / "shards")).empty());
  CHECK(diagnosis(against(goldens + "/bgr.safetensors", folder / "shards")) == Names{"bgr"});

  changed_folder(folder, [](Parameters& all) { std::erase_if(all, [](const Parameter& p) { return p.name.starts_with("vision_model.head."); }); });
  write_file(folder / "config.json", replaced("config.json", "\"vision_use_head\": true", "\"vision_use_head\": false"));
  CHECK(
      note(examine(folder.path), "config") ==
      "vision_config.vision_use_head is false: without the MAP head there is no image embedding that fits the texts; if you want one, take a folder "
      "with the tensors vision_model.head.*, and without this key");
}

TEST_CASE("doctor: a folder without a head is compared as far as it goes") {
  const TemporaryFolder folder, part;
  changed_folder(folder, [](Parameters& all) { std::erase_if(all, [](const Parameter& p) { return p.name.starts_with("vision_model.head."); }); });
  write_file(folder / "config.json", replaced("config.json", "\"vision_use_head\": true", "\"vision_use_head\": false"));
  const std::vector<Finding> alone = examine(folder.path, {.images = {goldens + "/files/picture.png"}});
  CHECK(about(alone, "image tower").seen.starts_with("three different pictures have last states up to "));
  CHECK(about(alone, "tensors").level == Finding::healthy);
  const std::vector<Finding> healthy = against(goldens + "/healthy.safetensors", folder.path);
  CHECK(note(healthy, "reference, image embeddings") ==
        "image_embeds was not compared: vision_use_head is false, so this model has no image embedding; compare hidden.vision.I");
  for (const char* part_name : {"reference, image tower", "reference, text tower", "reference, scores", "reference, loss"})
    CHECK(about(healthy, part_name).level == Finding::healthy);
  CHECK(diagnosis(against(goldens + "/begin-token.safetensors", folder.path)) == Names{"begin-token"});
  const std::vector<Finding> erf = against(goldens + "/erf-gelu.safetensors", folder.path);
  CHECK(diagnosis(erf) == Names{"erf-gelu"});
  CHECK(about(erf, "reference, image tower and text tower").level == Finding::mistake);
  // Nothing says what the scores are made of.
  CHECK(note(against(part_of(part, "healthy", {"text_embeds", "logits_per_text", "logits_per_image"}), folder.path), "reference, image embeddings")
            .starts_with("logits_per_text, logits_per_image were not compared: "));
  CHECK(note(against(part_of(part, "healthy", {"image_embeds"}), folder.path), "reference, image embeddings") != "none");
  CHECK(note(against(part_of(part, "healthy", {"loss", "text_embeds"}), folder.path), "reference, image embeddings").starts_with("loss was not "));
  // The head is there, and config.json drops it.
  copy_of(golden_model, folder);
  write_file(folder / "config.json", replaced("config.json", "\"vision_use_head\": true", "\"vision_use_head\": false"));
  const std::vector<Finding> dropped = examine(folder.path);
  CHECK(diagnosis(dropped) == Names{"no-head"});
  CHECK(about(dropped, "tensors").seen.starts_with("vision_use_head is false, but there are vision_model.head.attention.in_proj_bias, "));
}

TEST_CASE("doctor: a folder that is as it should be says so") {
  const std::vector<Finding> findings = examine(golden_model);
  CHECK(diagnosis(findings).empty());
  for (const char* what : {"config", "tensors", "preprocessor", "scale", "bias", "image tower", "text tower"}) {
    INFO(what);
    CHECK(about(findings, what).level == Finding::healthy);
  }
  CHECK(about(findings, "tensors").seen == "all 88 tensors are there, each of the shape that config.json asks for");
  CHECK(about(findings, "scale").seen == "t = exp(logit_scale) = 117.33");
  CHECK(about(findings, "preprocessor").seen == "pictures are squashed to 24 x 24, bicubic, pixels in [-1, 1]");
  CHECK(about(findings, "tokenizer").level == Finding::note);  // this folder has none
}

namespace {
// Two steps of training on a few scenes.
std::string trained(const TemporaryFolder& folder, const std::string& loss, const std::string& bias = "-10") {
  TrainConfig c;
  c.data = folder / "shapes", c.out = folder / (loss + bias), c.model = "nano", c.loss = loss, c.bias_init = bias;
  c.steps = 2, c.batch_size = 8, c.eval_every = 2, c.candidates = "64", c.threads = 1;
  if (!fs::exists(c.data)) make_shapes(c.data, {.size = 32, .scenes = 40, .seed = 1});
  std::ostringstream log;
  train(c, log);
  return c.out;
}
}  // namespace

TEST_CASE("doctor: runs of our own, with each loss, are healthy until a bit flips") {
  const TemporaryFolder folder;
  const std::string sigmoid = trained(folder, "sigmoid"), softmax = trained(folder, "softmax");
  const DoctorOptions options{.images = {goldens + "/files/picture.png"}, .texts = {"a small red circle"}};
  const std::vector<Finding> findings = examine(sigmoid, options);
  CHECK(diagnosis(findings).empty());
  CHECK(about(findings, "files").sentence() == "every file is as checksums.txt says");
  CHECK(about(findings, "bias").level == Finding::healthy);
  CHECK(note(examine(softmax, options), "bias") ==
        "logit_bias is 0: this run was trained with the softmax loss, which has no bias and leaves it untrained; trust ranks: probabilities mean "
        "nothing "
        "here");
  CHECK(note(examine(softmax + "/last"), "bias").starts_with("logit_bias is 0: this run was "));
  CHECK(note(examine(trained(folder, "sigmoid", "5")), "bias")
            .ends_with(": this run was trained so, but with many unrelated pairs a batch it is below 0; train with a larger --batch-size, or with "
                       "--bias-init -10"));
  // The lowest bit of one weight.
  const std::string file = sigmoid + "/best/model.safetensors";
  std::string bytes = read_file(file);
  bytes[bytes.size() - 4] ^= 1;
  write_file(file, bytes);
  const std::vector<Finding> flipped = examine(sigmoid);
  CHECK(diagnosis(flipped) == Names{"changed-file"});
  CHECK(about(flipped, "files").seen.starts_with(file + ": the file as it was saved is expected (checksum "));
  CHECK(about(flipped, "files").cause == "a copy or a disk damaged it, or somebody edited it after the training");
}

TEST_CASE("doctor: healthy folders of every kind have no mistake") {
  int count = 0;
  for (const auto& entry : fs::recursive_directory_iterator(SIGLIP_GOLDENS))
    if (entry.path().filename() == "config.json" && has_weights(entry.path().parent_path())) {
      INFO(entry.path().string());
      ++count;
      CHECK(diagnosis(examine(entry.path().parent_path())).empty());
    }
  CHECK(count >= 15);  // one token, one patch, BF16 in shards, SigLIP 1's tokenizer, ...

  const TemporaryFolder identity;  // big_vision's i18n So400m has no text head, so its folder has the identity
  CHECK(diagnosis(examine(changed_folder(identity, [](Parameters& all) {
          Tensor& head = named(all, "text_model.head.weight");
          for (Dim i = 0; i < head.size(); ++i) head.data()[i] = i % 25 == 0;
          named(all, "text_model.head.bias").fill(0);
        }))).empty());
  // The authors' own profiles.
  const TemporaryFolder authors;
  copy_of(goldens + "/v1/model", authors);
  Preprocessing how = golden_preprocessing();
  how.profile = Profile::big_vision, how.resample = 2;
  write_preprocessing(authors.path, how);
  const std::string config = read_file(authors / "tokenizer_config.json");
  write_file(authors / "tokenizer_config.json", "{\"siglip_profile\": \"big_vision\"," + config.substr(config.find('{') + 1));
  CHECK(diagnosis(examine(authors.path, {.images = {goldens + "/files/picture.png"}, .texts = {"A cat, sleeping!"}})).empty());
}

TEST_CASE("doctor: a tokenizer_config.json that cannot be read is said") {
  const TemporaryFolder folder;
  copy_of(golden_model, folder);
  learn_words({"a red circle"}, 8)->save(folder.path);
  write_file(folder / "tokenizer_config.json", "[]");
  CHECK(
      note(examine(folder.path), "tokenizer").find("tokenizer_config.json: an object is expected, got []: no tokenizer of this folder can be read") !=
      std::string::npos);
}

TEST_CASE("doctor: weights that do not fit are explained") {
  const auto says = [](const std::vector<Finding>& findings, const std::string& name, const std::string& seen) {
    CHECK(diagnosis(findings) == Names{name});
    CHECK(about(findings, "tensors").seen == seen);
  };
  says(with_weights([](Parameters& all) {
         for (Parameter& p : all)
           if (p.name.ends_with("mlp.fc1.weight")) p.value = transposed(p.value);
       }),
       "transposed-weights",
       "transposed are text_model.encoder.layers.*.mlp.fc1.weight, vision_model.encoder.layers.*.mlp.fc1.weight, vision_model.head.mlp.fc1.weight "
       "(5 tensors): (24, 40) where (40, 24) is right");
  const auto drop = [](const std::string& prefix) {
    return [prefix](Parameters& all) { std::erase_if(all, [&](const Parameter& p) { return p.name.starts_with(prefix); }); };
  };
  says(with_weights(drop("vision_model.head.")), "no-head", "the MAP head (vision_model.head.*) is missing");
  says(with_weights(drop("text_model.head.")), "no-text-head", "text_model.head is missing");
  says(with_weights(drop("logit_bias")), "no-bias", "logit_bias is missing");
  says(with_weights(drop("logit_scale")), "no-scale", "logit_scale is missing");
  says(with_weights(drop("text_model.")), "half", "the weights are those of the image tower alone (no tensor of text_model)");
  says(
      with_weights(drop("text_model.encoder.layers.1.mlp")), "missing",
      "missing are text_model.encoder.layers.*.mlp.fc1.bias, "
      "text_model.encoder.layers.*.mlp.fc1.weight, text_model.encoder.layers.*.mlp.fc2.bias, text_model.encoder.layers.*.mlp.fc2.weight (4 tensors)");
  says(with_weights([](Parameters& all) {
         for (Parameter& p : all) p.name = "model." + p.name;
         all.push_back({"loss.scale", Tensor::full({1}, 1)});  // with it, nothing is what all names begin with
       }),
       "prefix", "the model's names begin with \"model.\"");
  says(with_weights([](Parameters& all) {
         all.push_back({"visual_projection.weight", Tensor::full({24, 24}, 1)});
       }),
       "clip-weights", "there are visual_projection.weight");
  says(with_weights([](Parameters& all) { all.push_back({"decoder.weight", Tensor::full({2}, 1)}); }), "left-over", "nothing uses decoder.weight");
  const auto becomes = [](const std::string& name, const Shape& shape) {
    return [name, shape](Parameters& all) { named(all, name) = Tensor::full(shape, Real(0.5)); };
  };
  says(with_weights(becomes("vision_model.embeddings.position_embedding.weight", {16, 24})), "image-size", "16 positions for 9 patches");
  says(with_weights(becomes("vision_model.embeddings.position_embedding.weight", {10, 24})), "class-token", "10 positions for 9 patches");
  says(with_weights(becomes("vision_model.embeddings.position_embedding.weight", {11, 24})), "shapes",
       "of another size are vision_model.embeddings.position_embedding.weight (11, 24) for (9, 24)");
  says(with_weights(becomes("text_model.embeddings.position_embedding.weight", {77, 24})), "context",
       "77 text positions for max_position_embeddings = 8");
  says(with_weights(becomes("text_model.embeddings.token_embedding.weight", {41, 24})), "vocabulary", "41 token embeddings for vocab_size = 40");
  says(with_weights(becomes("vision_model.embeddings.patch_embedding.weight", {8, 8, 3, 24})), "patch-flatten-order",
       "the patch kernel is (8, 8, 3, 24)");
  says(with_weights(becomes("vision_model.head.probe", {24})), "reshaped",
       "of another shape, but as large, are vision_model.head.probe (24) for (1, 1, 24)");
  const TemporaryFolder folder;
  fs::copy(golden_model, folder.path, fs::copy_options::recursive | fs::copy_options::overwrite_existing);
  write_file(folder / "model.safetensors", "damaged!");
  const std::vector<Finding> damaged = examine(folder.path, {.reference = goldens + "/healthy.safetensors"});
  CHECK(diagnosis(damaged) == Names{"file"});
  CHECK(about(damaged, "reference").seen == "the reference was not compared");
}

TEST_CASE("doctor: a fused projection in three, and the whole of CLIP") {
  const std::vector<Finding> split = with_weights([](Parameters& all) {
    std::erase_if(all, [](const Parameter& p) { return p.name.find("in_proj") != std::string::npos; });
    for (const char* part : {"q_proj", "k_proj", "v_proj"})
      all.push_back({"vision_model.head.attention." + std::string(part) + ".weight", Tensor::full({24, 24}, 1)});
  });
  CHECK(diagnosis(split) == Names{"missing", "map-in-proj-split"});
  CHECK(diagnosis(with_file("config.json", R"({"model_type": "clip"})")) == Names{"clip-folder"});
  CHECK(diagnosis(with_file("config.json", R"({"model_type": "siglip2"})")) == Names{"naflex"});
}

TEST_CASE("doctor: scale, bias and dead weights") {
  const auto with = [](const std::string& name, Real value) { return with_weights([&](Parameters& all) { named(all, name).fill(value); }); };
  const auto sentence = [&](const std::string& name, Real value) {
    const std::vector<Finding> mistakes = mistakes_in(with(name, value));
    REQUIRE(mistakes.size() == 1);
    return mistakes[0].mistakes[0] + ": " + mistakes[0].sentence();
  };
  CHECK(sentence("logit_scale", Real(117.33)) ==
        "scale-stored-as-exp: logit_scale is 117.33: this looks like t itself, where the file holds its logarithm; store ln t = 4.765");
  CHECK(sentence("logit_scale", 10).starts_with("scale-stored-as-exp: logit_scale is 10: "));
  CHECK(sentence("logit_scale", Real(-4.765)).ends_with("this looks like the logarithm of a temperature, which divides; store ln t = 4.765"));
  CHECK(sentence("logit_scale", Real(0.0085)).ends_with("this looks like a temperature, which divides; store ln t = 4.7677"));
  CHECK(sentence("logit_scale", 0).starts_with("scale-untrained: logit_scale is 0: "));
  CHECK(sentence("logit_bias", Real(12.93)) == "bias-sign: logit_bias is 12.93: unrelated pairs would match: the sign is lost; store -12.93");
  CHECK(sentence("logit_bias", 0).starts_with("bias-dropped: logit_bias is 0: CLIP has no bias, and transformers begins with 0; "));
  CHECK(sentence("text_model.encoder.layers.1.self_attn.q_proj.weight", 0) ==
        "dead-weights: all numbers of text_model.encoder.layers.1.self_attn.q_proj.weight are 0: it was never filled, or the converter missed it; "
        "convert again");
  CHECK(sentence("vision_model.head.probe", NAN).starts_with("not-finite: vision_model.head.probe holds nan at element 0: "));
  CHECK(diagnosis(with_weights([](Parameters& all) {
          for (const char* part : {"weight", "bias"}) named(all, std::string("vision_model.head.layernorm.") + part).fill(0);
          for (const char* part : {"weight", "bias"}) named(all, std::string("vision_model.head.attention.out_proj.") + part).fill(1);
        })) == Names{"dead-weights"});
  CHECK(diagnosis(with("text_model.final_layer_norm.weight", 0)) == Names{"dead-tower"});
  for (const std::string tower : {"vision", "text"})
    CHECK(diagnosis(with_weights([&](Parameters& all) {
            for (Parameter& p : all)
              if (p.name.starts_with(tower) &&
                  (p.name.find(".q_proj.weight") != std::string::npos || p.name.find(".k_proj.weight") != std::string::npos))
                for (Dim i = 0; i < p.value.size(); ++i) p.value.data()[i] *= 100;
          })) == Names{"saturated-attention"});
  CHECK(diagnosis(with_weights([](Parameters& all) {
          for (Parameter& p : all)
            if (p.name.starts_with("text_model.encoder.")) p.value = named(all, "vision_model" + p.name.substr(10));
        })) == Names{"one-tower-twice"});
  const std::vector<Finding> huge = with("vision_model.embeddings.position_embedding.weight", Real(1e5));
  CHECK(about(huge, "image tower").level == Finding::note);
  CHECK(about(huge, "image tower").cause == "half precision ends at 65504");
}

TEST_CASE("doctor: what a folder got wrong is seen against the numbers of the right one") {
  const auto folder_against = [](const auto& change) {
    const TemporaryFolder folder;
    return diagnosis(against(goldens + "/healthy.safetensors", changed_folder(folder, change)));
  };
  CHECK(folder_against([](Parameters& all) { named(all, "logit_scale").fill(Real(117.330765)); }) ==
        Names{"scale-stored-as-exp", "scale-without-exp"});
  CHECK(folder_against([](Parameters& all) {
          for (const char* part : {"in_proj_weight", "in_proj_bias"}) {  // queries and keys exchanged
            Tensor& x = named(all, std::string("vision_model.head.attention.") + part);
            const Dim third = x.size() / 3;
            std::swap_ranges(x.data(), x.data() + third, x.data() + third);
          }
        }) == Names{"map-qkv-order"});
  CHECK(folder_against([](Parameters& all) {
          for (Parameter& p : all)
            if (p.name.ends_with("self_attn.v_proj.weight")) p.value = transposed(p.value);
        }) == Names{"transposed-v_proj"});
}

TEST_CASE("doctor: config.json, preprocessor_config.json and tokenizer_config.json of other models") {
  const auto config = [](const std::string& from, const std::string& to) {
    return diagnosis(with_file("config.json", replaced("config.json", from, to)));
  };
  const auto preprocessor = [](const std::string& from, const std::string& to) {
    return diagnosis(with_file("preprocessor_config.json", replaced("preprocessor_config.json", from, to)));
  };
  CHECK(config("\"gelu_pytorch_tanh\"", "\"gelu\"") == Names{"erf-gelu"});
  CHECK(config("\"gelu_pytorch_tanh\"", "\"quick_gelu\"") == Names{"quick-gelu"});
  CHECK(config("1e-06", "1e-05")[0] == "layer-norm-eps");
  CHECK(config("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3") == Names{"missing"});
  CHECK(config("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 0") == Names{"config"});
  CHECK(preprocessor("\"do_resize\": true", "\"do_resize\": true, \"do_center_crop\": true") == Names{"center-crop"});
  CHECK(preprocessor("0.5,\n    0.5,\n    0.5", "0.48145466, 0.4578275, 0.40821073") == Names{"clip-mean-std"});
  CHECK(preprocessor("0.5,\n    0.5,\n    0.5", "0.485, 0.456, 0.406") == Names{"imagenet-mean-std"});
  CHECK(preprocessor("0.00392156862745098", "1.0") == Names{"rescale-factor"});
  CHECK(preprocessor("\"do_normalize\": true", "\"do_normalize\": false") == Names{"pixel-range"});
  CHECK(preprocessor("\"height\": 24,\n    \"width\": 24", "\"height\": 32, \"width\": 32") == Names{"image-size"});
  // transformers 5 writes the same within processor_config.json, and believes that one.
  const std::string clip = replaced("preprocessor_config.json", "0.5,\n    0.5,\n    0.5", "0.48145466, 0.4578275, 0.40821073");
  CHECK(diagnosis(with_file("processor_config.json", "{\"image_processor\": " + clip + "}")) == Names{"clip-mean-std"});

  const TemporaryFolder folder;
  fs::copy(golden_model, folder.path, fs::copy_options::recursive | fs::copy_options::overwrite_existing);
  learn_words({"a red circle"}, 8)->save(folder.path);
  CHECK(diagnosis(examine(folder.path)).empty());
  const std::string settings = read_file(folder / "tokenizer_config.json");
  const auto tokenizer = [&](const std::string& from, const std::string& to) {
    std::string text = settings;
    write_file(folder / "tokenizer_config.json", text.replace(text.find(from), from.size(), to));
    return diagnosis(examine(folder.path));
  };
  CHECK(tokenizer("\"padding_side\": \"right\"", "\"padding_side\": \"left\"") == Names{"padded-left"});
  CHECK(tokenizer("\"model_max_length\": 8", "\"model_max_length\": 77") == Names{"context"});
  CHECK(tokenizer("\"padding_side\"", "\"add_bos_token\": true, \"padding_side\"") == Names{"begin-token"});
  CHECK(tokenizer("\"padding_side\"", "\"add_eos_token\": false, \"padding_side\"") == Names{"no-end-token"});
}

TEST_CASE("doctor: notes, and tokenizers of another model") {
  const auto preprocessor = [](const std::string& from, const std::string& to) {
    return with_file("preprocessor_config.json", replaced("preprocessor_config.json", from, to));
  };
  CHECK(note(preprocessor("\"do_resize\": true", "\"do_resize\": false"), "preprocessor") ==
        "do_resize is false: pictures must come in the model's size; write true");
  CHECK(diagnosis(preprocessor("0.5,\n    0.5,\n    0.5", "0.1, 0.2, 0.3")) == Names{"mean-std"});
  CHECK(diagnosis(preprocessor("\"SiglipImageProcessor\"", "\"ViltImageProcessor\"")) == Names{"preprocessor"});
  CHECK(diagnosis(with_file("config.json", "[]")) == Names{"config"});

  const TemporaryFolder folder;
  fs::copy(golden_model, folder.path, fs::copy_options::recursive | fs::copy_options::overwrite_existing);
  fs::remove(folder / "preprocessor_config.json");
  CHECK(note(examine(folder.path), "preprocessor").starts_with("there is no preprocessor_config.json: who uses this folder has to guess "));
  learn_words({"a red circle"}, 9)->save(folder.path);
  const DoctorOptions options{.images = {goldens + "/files/picture.png"}, .texts = {"a red circle"}};
  CHECK(diagnosis(examine(folder.path, options)) == Names{"context", "context"});  // tokenizer_config.json says it, and texts show it
  std::string many;
  for (int i = 0; i < 40; ++i) many += "word" + std::to_string(i) + " ";
  learn_words({many}, 8)->save(folder.path);
  CHECK(diagnosis(examine(folder.path, options)) == Names{"vocabulary"});

  SiglipConfig c = read_config(golden_model);
  c.image_size = 25;
  const Siglip model(c);
  initialize(model, 1);
  write_config(folder.path, c);
  write_safetensors(folder / "model.safetensors", model.parameters());
  fs::remove(folder / "tokenizer.json");
  CHECK(note(examine(folder.path), "config") ==
        "the right and lower 1 pixels are in no patch: image_size 25 is no multiple of patch_size 8; this is right for the published models of 384 "
        "pixels and patches of 14");
}

TEST_CASE("doctor: pictures and texts of the user") {
  const TemporaryFolder folder;
  fs::copy(golden_model, folder.path, fs::copy_options::recursive | fs::copy_options::overwrite_existing);
  learn_words({"a red circle"}, 8)->save(folder.path);
  write_png(folder / "black.png", {2, 2, std::vector<std::uint8_t>(12, 0)});
  std::vector<std::uint8_t> banner(48, 9);
  banner[0] = 8;
  write_png(folder / "banner.png", {8, 2, banner});
  const std::vector<Finding> findings = examine(folder.path, {.images = {goldens + "/files/picture.png", folder / "black.png", folder / "banner.png"},
                                                              .texts = {"a red circle", "a a a a a a a a", ""}});
  CHECK(diagnosis(findings).empty());
  CHECK(about(findings, "picture 1").seen == "97 x 53, values 28 to 250");
  CHECK(about(findings, "picture 2").seen == "every pixel is 0");
  CHECK(about(findings, "picture 3").seen == "it is 8 x 2, squashed to a square");
  CHECK(about(findings, "text 1").seen == "3 pieces of at most 7");
  CHECK(about(findings, "text 2").sentence() ==
        "it has 8 pieces: 7 fit before the end token, the rest is cut; say the important things first, or embed its parts");
  CHECK(about(findings, "text 3").seen == "it has no pieces");
  CHECK(about(findings, "scores").level == Finding::healthy);
  // Both towers end in one constant vector.
  Parameters all = golden().parameters();
  for (const char* name : {"vision_model.head.attention.out_proj", "vision_model.head.mlp.fc2", "text_model.head"}) {
    named(all, name + std::string(".weight")).fill(0);
    named(all, name + std::string(".weight")).data()[0] = Real(1e-9);  // not all alike
    named(all, name + std::string(".bias")).fill(1);
  }
  write_safetensors(folder / "model.safetensors", all);
  CHECK(diagnosis(examine(folder.path, {.images = {folder / "banner.png"}, .texts = {"a"}})) == Names{"dead-tower", "dead-tower", "saturated"});
}

TEST_CASE("doctor: references and inputs that cannot be used") {
  const TemporaryFolder folder;
  const auto of_reference = [&](const Parameters& tensors) {
    write_safetensors(folder / "given.safetensors", tensors);
    return complaint_of([&] { against(folder / "given.safetensors"); }, folder.path);
  };
  const auto filled = [](const Shape& shape) { return Tensor::full(shape, 1); };
  CHECK(of_reference({{"image_embeds", filled({3, 25})}}) == "given.safetensors: image_embeds: rows of E = 24 are expected, got shape (3, 25)");
  CHECK(of_reference({{"image_embeds", filled({2, 24})}}) == "given.safetensors: image_embeds: a row for each of 3 pictures is expected, got 2");
  CHECK(of_reference({{"text_embeds", filled({24})}}) == "given.safetensors: text_embeds: shape (rows, E) is expected, got (24)");
  CHECK(of_reference({{"logits_per_text", filled({3, 2})}}) ==
        "given.safetensors: logits_per_text: a row for each of 3 pictures (columns) is expected, got 2");
  CHECK(of_reference({{"loss", filled({2})}}) == "given.safetensors: loss: one number is expected, got shape (2)");
  CHECK(of_reference({{"hidden.text.3", filled({3, 8, 24})}}) == "given.safetensors: hidden.text.3: states 0 to 2 are expected, got this one");
  CHECK(of_reference({{"hidden.text.2", filled({3, 8, 23})}}) ==
        "given.safetensors: hidden.text.2: shape (rows, T, C) with C = 24 is expected, got (3, 8, 23)");
  CHECK(of_reference({{"image_embeds", Tensor::full({3, 24}, NAN)}}) ==
        "given.safetensors: image_embeds: finite numbers are expected, got nan at element 0");
  CHECK(of_reference({{"loss", filled({0})}}) == "given.safetensors: loss: at least one number is expected, got shape (0)");
  CHECK(of_reference({{"hidden.vision.0", filled({2, 9, 24})}}) ==
        "given.safetensors: hidden.vision.0: a row for each of 3 pictures is expected, got 2");
  CHECK(of_reference({{"logits_per_image", filled({9})}}) == "given.safetensors: logits_per_image: shape (pictures, texts) is expected, got (9)");
  CHECK(of_reference({{"image_embeds", filled({3, 24})}, {"pooler_output", filled({3, 24})}}) ==
        "given.safetensors: image_embeds, text_embeds, logits_per_text, logits_per_image, loss, hidden.vision.I, hidden.text.I, grad.PARAMETER, "
        "pixel_values or input_ids is expected, got \"pooler_output\"");
  CHECK(of_reference({{"grad.x", filled({3, 24})}}) ==
        "given.safetensors: at least one of image_embeds, text_embeds, logits_per_text, logits_per_image, loss, hidden.vision.I, hidden.text.I is "
        "expected, got none");
  write_file(folder / "given.safetensors", "short");
  CHECK(complaint_of([&] { against(folder / "given.safetensors"); }, folder.path) == "given.safetensors: at least 8 bytes are expected, got 5");

  const auto of_inputs = [&](const Parameters& tensors) {
    write_safetensors(folder / "inputs.safetensors", tensors);
    const DoctorOptions options{.reference = goldens + "/healthy.safetensors", .inputs = folder / "inputs.safetensors"};
    return complaint_of([&] { examine(golden_model, options); }, folder.path);
  };
  CHECK(of_inputs({{"pixel_values", filled({3, 3, 24, 25})}}) ==
        "inputs.safetensors: pixel_values: shape (B, 3, 24, 24) is expected, got (3, 3, 24, 25)");
  CHECK(of_inputs({{"input_ids", filled({3, 8})}}) == "inputs.safetensors: tensor \"input_ids\": I64 or I32 is expected, got F32");
  CHECK(of_inputs({{"images", filled({3, 8})}}) == "inputs.safetensors: pixel_values or input_ids are expected, got neither");
  CHECK(of_inputs({{"pixel_values", filled({3, 3, 24, 24})}})
            .ends_with("input_ids are needed to compare text_embeds, got none: give --inputs or --text"));
  write_safetensors(folder / "given.safetensors", {{"loss", filled({1})}});
  const DoctorOptions two_and_one{.images = {goldens + "/files/picture.png", goldens + "/files/picture.png"},
                                  .reference = folder / "given.safetensors"};
  CHECK(complaint_of([&] { examine(golden_model, two_and_one); }, folder.path) ==
        "given.safetensors: input_ids are needed to compare loss, got none: give --inputs or --text");
  CHECK(complaint_of([&] { loss_of({}, filled({2, 3})); }) == "doctor: a loss needs as many images as texts, got logits (2, 3)");
  CHECK(complaint_of([&] { examine(golden_model, {.inputs = "x"}); }) == "doctor: inputs go with a reference, got inputs alone");
  CHECK(complaint_of([&] { examine(folder / "nowhere"); }, folder.path).starts_with("nowhere: a checkpoint folder with model.safetensors"));
}
