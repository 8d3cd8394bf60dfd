// embed.cpp — siglip embed: pictures and texts as rows of an .npy file.
#include <algorithm>
#include <filesystem>
#include <iostream>
#include <memory>
#include <optional>
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
  std::optional<std::string> text_template;
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

// The texts in the template that --template gives. Without it they are taken as they are, which is said where the training had one.
std::vector<std::string> captions_of(const std::vector<std::string>& texts, const Settings& s, const KnownLabels& trained) {
  if (!s.text_template) {
    if (!texts.empty() && trained.text_template != "{}")
      std::cerr << "note: texts are taken as they are; in training they stood in " << brief(trained.text_template)
                << ", which --template puts them into\n";
    return texts;
  }
  std::vector<std::string> captions;
  for (const std::string& text : texts) captions.push_back(fill_template(*s.text_template, text, "--template"));
  return captions;
}

void copy_rows(const Tensor& to, Dim row, const Tensor& from) { std::copy(from.data(), from.data() + from.size(), to.data() + row * to.columns()); }

void embed_verb(const Settings& s) {
  if (s.images.empty() && s.texts.empty()) throw WrongUse("--images: pictures or --texts are expected, got neither");
  if (s.text_template) as_wrong_use([&] { fill_template(*s.text_template, "", "--template"); });
  const std::string list = list_path(s);
  const Device device = find_device(s.device, "--device");
  std::vector<std::string> files = picture_files(s.images, !s.no_follow), pictures;
  std::sort(files.begin(), files.end());
  const std::vector<std::string> texts = s.texts.empty() ? std::vector<std::string>() : read_texts(s.texts);
  Pretrained model = Pretrained::load(s.run, s.tokenizer, !texts.empty());
  const std::vector<std::string> captions = captions_of(texts, s, model.labels);
  if (!texts.empty()) note_texts(captions, token_rows(captions, *model.tokenizer), *model.tokenizer);
  s.pixels.apply(model);
  move_to(model.model.parameters(), device);
  model.expect(files.size(), texts.size());

  std::vector<Tensor> parts;
  Pictures readable(model.preprocessing, s.skip_bad);
  readable.each_batch(files, [&](const std::vector<std::string>& paths, const std::vector<Image>& decoded) {
    parts.push_back(model.embed(decoded));
    pictures.insert(pictures.end(), paths.begin(), paths.end());
  });
  const Dim images = std::ssize(pictures);
  const Tensor rows({images + std::ssize(texts), model.model.config.projection});
  Dim row = 0;
  for (const Tensor& part : parts) copy_rows(rows, row, part), row += part.rows();
  if (!texts.empty()) copy_rows(rows, images, model.embed(captions));

  std::string items;
  for (const std::vector<std::string>& part : {pictures, texts})
    for (std::string item : part) {
      std::replace(item.begin(), item.end(), '\n', ' ');
      items += item + "\n";
    }
  write_npy(s.out, rows);
  write_file(list, items);
  std::cerr << s.out << ": " << rows.rows() << " rows of " << rows.columns() << ", named in " << list << '\n';
  const Json json{{"out", s.out},     {"list", list},          {"rows", rows.rows()},           {"dim", rows.columns()},
                  {"images", images}, {"texts", texts.size()}, {"skipped", readable.left_out()}};
  if (s.json) print_json(json);
  readable.finish();
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
  verb.add_option("--template", s->text_template, "the caption of a text, {} is the text; default: texts are taken as they are")->type_name("TEXT");
  text_flag(verb, "--out", s->out, "the .npy file to write")->required();
  skip_bad_flag(verb, s->skip_bad);
  no_follow_flag(verb, s->no_follow);
  model_pixel_flags(verb, s->pixels);
  device_flag(verb, s->device);
  lower_flag(verb, s->tokenizer);
  json_flag(verb, s->json);
  threads_flag(verb);
  verb.callback([s] { embed_verb(*s); });
}
}  // namespace siglip::tools
