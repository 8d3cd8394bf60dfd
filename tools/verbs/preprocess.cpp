// preprocess.cpp — siglip preprocess: what the image tower gets to see.
#include <algorithm>
#include <filesystem>
#include <iostream>
#include <memory>
#include "io/json.h"
#include "siglip/checkpoint.h"
#include "siglip/data.h"
#include "siglip/error.h"
#include "siglip/train.h"
#include "verbs.h"

namespace siglip::tools {
namespace {
namespace fs = std::filesystem;

struct Settings {
  std::string folder, out;
  std::vector<std::string> images;
  PixelFlags pixels;
  bool no_follow = false, json = false;
};

// Whether a name is that of weights or of training state in the model's folder, or in a part of a run.
bool is_of_model(const fs::path& out, const fs::path& folder) {
  const std::string name = out.filename().string();
  const fs::path parent = out.has_parent_path() ? out.parent_path() : fs::path(".");
  std::error_code none;
  for (const char* part : {"", "best", "last"})
    if (fs::equivalent(parent, folder / part, none)) return name.starts_with("model") || name.starts_with("training_state");
  return false;
}

void check_out(const Settings& s, const std::vector<std::string>& pictures) {
  if (!s.out.ends_with(".safetensors")) throw WrongUse("--out: a name that ends in .safetensors is expected, got \"" + s.out + "\"");
  if (is_of_model(s.out, s.folder)) throw WrongUse("--out: a name that is not one of the model's files is expected, got " + s.out);
  std::error_code none;
  for (const std::string& picture : pictures)
    if (fs::equivalent(s.out, picture, none)) throw WrongUse("--out: a file that is not also read is expected, got " + s.out);
}

// The folder itself, or the checkpoint in it.
std::string preprocessing_folder(const std::string& path) {
  for (const char* part : {"", "/best", "/last"})
    if (has_preprocessing(path + part)) return path + part;
  throw Error(path + ": a folder with preprocessor_config.json or processor_config.json, or a run folder, is expected, got none of them");
}

void preprocess_verb(const Settings& s) {
  const std::vector<std::string> pictures = picture_files(s.images, !s.no_follow);
  check_out(s, pictures);
  const Preprocessing p = s.pixels.applied_to(read_preprocessing(preprocessing_folder(s.folder)));
  const Tensor values = read_pixel_values(pictures, p);
  const Json steps = {{"profile", name_of(p.profile)}, {"resample", p.resample},  {"image_size", p.image_size},
                      {"exif", p.picture.exif},        {"alpha", s.pixels.alpha}, {"fast_decode", s.pixels.fast_decode}};
  const Json names = pictures;
  write_safetensors(s.out, {{"pixel_values", values}}, {{"images", json_text(names, -1)}, {"preprocessing", steps.dump()}});
  if (s.json) {
    Json json = {{"out", s.out}, {"shape", values.shape()}, {"images", names}};
    json.update(steps);
    print_json(json);
  }
  std::cerr << s.out << ": pixel_values " << values.shape() << ", " << (p.resample == 2 ? "bilinear" : "bicubic") << " as " << name_of(p.profile)
            << " does it\n";
}
}  // namespace

void add_preprocess(CLI::App& program) {
  CLI::App& verb = add_verb(
      program, "preprocess",
      "Write what the image tower gets for pictures: pixel_values (B, 3, S, S) as safetensors, as the folder's\n"
      "preprocessor_config.json or processor_config.json says; no other file of it is needed. To compare with another implementation.",
      "siglip preprocess run shapes/val --out pixels.safetensors", "out, shape, images, profile, resample, image_size, exif, alpha, fast_decode");
  const auto s = std::make_shared<Settings>();
  verb.add_option("FOLDER", s->folder, "a folder with preprocessor_config.json or processor_config.json, a checkpoint folder or a run folder")
      ->required();
  verb.add_option("IMAGE", s->images, "pictures, or folders of them")->required();
  text_flag(verb, "--out", s->out, "the .safetensors file to write")->required();
  no_follow_flag(verb, s->no_follow);
  pixel_flags(verb, s->pixels);
  json_flag(verb, s->json);
  threads_flag(verb);
  verb.callback([s] { preprocess_verb(*s); });
}
}  // namespace siglip::tools
