// embed.cpp — siglip embed: pictures and texts as rows of an .npy file.
#include <algorithm>
#include <filesystem>
#include <iostream>
#include <memory>
#include "io/json.h"
#include "siglip/error.h"
#include "siglip/train.h"
#include "train/run_folder.h"
#include "verbs.h"

namespace siglip::tools {
namespace {
namespace fs = std::filesystem;

struct Settings {
  std::string run, texts, out;
  std::vector<std::string> images;
  std::string device = "cpu";
  PixelFlags pixels;
  TokenizerOptions tokenizer;
  bool skip_bad = false, no_follow = false, json = false;
};

// X.txt says what each row of X.npy is.
std::string list_path(const Settings& s) {
  if (!s.out.ends_with(".npy") || s.out.size() == 4) throw WrongUse("--out: a name that ends in .npy is expected, got \"" + s.out + "\"");
  const std::string list = s.out.substr(0, s.out.size() - 4) + ".txt";
  std::error_code none;
  for (const std::string& written : {s.out, list})
    if (!s.texts.empty() && is_same_path(written, s.texts))
      throw WrongUse("--out: a file that is not also read is expected, got " + written + ", which --texts names");
  if (fs::exists(list, none) && !fs::exists(s.out, none))
    throw WrongUse("--out: a name is expected whose list of rows, " + list + ", is free or lies beside its .npy, got " + s.out);
  return list;
}

void copy_rows(const Tensor& to, Dim row, const Tensor& from) { std::copy(from.data(), from.data() + from.size(), to.data() + row * to.columns()); }

void embed_verb(const Settings& s) {
  if (s.images.empty() && s.texts.empty()) throw WrongUse("--images: pictures or --texts are expected, got neither");
  const std::string list = list_path(s);
  const Device device = find_device(s.device, "--device");
  std::vector<std::string> files = picture_files(s.images, !s.no_follow), pictures;
  std::sort(files.begin(), files.end());
  const std::vector<std::string> texts = s.texts.empty() ? std::vector<std::string>() : read_texts(s.texts);
  Pretrained model = Pretrained::load(s.run, s.tokenizer, !texts.empty());
  if (!texts.empty()) note_texts(texts, token_rows(texts, *model.tokenizer), *model.tokenizer);
  s.pixels.apply(model);
  move_to(model.model.parameters(), device);
  model.expect(files.size(), texts.size());

  // Pictures are decoded a batch at a time: a folder may hold more of them than memory does.
  constexpr std::size_t batch = 64;
  std::vector<Tensor> parts;
  std::vector<Image> decoded;
  Pictures readable(model.preprocessing, s.skip_bad);
  const auto embed_decoded = [&] {
    if (!decoded.empty()) parts.push_back(model.embed(decoded));
    decoded.clear();
  };
  for (const std::string& file : files) {
    std::optional<Image> picture = readable.read(file);
    if (!picture) continue;
    decoded.push_back(std::move(*picture)), pictures.push_back(file);
    if (decoded.size() == batch) embed_decoded();
  }
  embed_decoded();
  readable.finish();
  const Dim images = std::ssize(pictures);
  const Tensor rows({images + std::ssize(texts), model.model.config.projection});
  Dim row = 0;
  for (const Tensor& part : parts) copy_rows(rows, row, part), row += part.rows();
  if (!texts.empty()) copy_rows(rows, images, model.embed(texts));

  std::string items;
  for (const std::vector<std::string>& part : {pictures, texts})
    for (std::string item : part) {
      std::replace(item.begin(), item.end(), '\n', ' ');
      items += item + "\n";
    }
  write_npy(s.out, rows);
  write_file(list, items);
  std::cerr << s.out << ": " << rows.rows() << " rows of " << rows.columns() << ", named in " << list << '\n';
  if (!s.json) return;
  const Json json{{"out", s.out},     {"list", list},          {"rows", rows.rows()},           {"dim", rows.columns()},
                  {"images", images}, {"texts", texts.size()}, {"skipped", readable.left_out()}};
  print_json(json);
}
}  // namespace

void add_embed(CLI::App& program) {
  CLI::App& verb =
      add_verb(program, "embed",
               "Embed pictures and texts as unit rows of a NumPy file. Pictures come first, sorted by path, then texts in the order of their\n"
               "file. X.txt beside X.npy says what each row is.",
               "siglip embed run --images shapes/val --texts shapes/val/metadata.jsonl --out val.npy",
               "out, list (the files written), rows, dim, images, texts (rows of each), skipped [path]");
  const auto s = std::make_shared<Settings>();
  verb.add_option("RUN", s->run, "a run folder or a checkpoint folder")->required();
  verb.add_option("--images", s->images, "pictures, or folders of them")->type_name("PATH");
  text_flag(verb, "--texts", s->texts, text_files);
  text_flag(verb, "--out", s->out, "the .npy file to write")->required();
  verb.add_flag("--skip-bad", s->skip_bad, "a picture that cannot be read is named and left out, not an error");
  no_follow_flag(verb, s->no_follow);
  model_pixel_flags(verb, s->pixels);
  device_flag(verb, s->device);
  lower_flag(verb, s->tokenizer);
  json_flag(verb, s->json);
  threads_flag(verb);
  verb.callback([s] { embed_verb(*s); });
}
}  // namespace siglip::tools
