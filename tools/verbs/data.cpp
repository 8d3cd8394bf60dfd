// data.cpp — siglip data shapes | emoji: data sets that are made, not downloaded.
#include <iostream>
#include <memory>
#include "core/limits.h"
#include "io/json.h"
#include "siglip/data.h"
#include "verbs.h"

namespace siglip::tools {
namespace {
struct Settings {
  std::string out;
  std::int64_t size, scenes = ShapesOptions().scenes, seed = 0;
  bool json = false;
};

std::shared_ptr<Settings> add_settings(CLI::App& verb, std::int64_t size, std::int64_t least_size) {
  const auto s = std::make_shared<Settings>(Settings{.out = "", .size = size});
  text_flag(verb, "--out", s->out, "the folder to make; it must not hold anything yet")->required();
  whole_flag(verb, "--size", s->size, least_size, most_made_size, "edge of a picture in pixels");
  whole_flag(verb, "--seed", s->seed, 0, std::int64_t{1} << 53, "of everything random");
  json_flag(verb, s->json);
  return s;
}

const char* json_keys = "out, splits [name, pairs]";

void print_splits(const Settings& s) {
  Json splits = Json::array();
  for (const Split& split : read_data(s.out).splits) {
    std::cerr << s.out << "/" << split.name << ": " << with_commas(std::ssize(split.pairs)) << " pairs\n";
    splits.push_back({{"name", split.name}, {"pairs", split.pairs.size()}});
  }
  if (s.json) print_json(Json{{"out", s.out}, {"splits", splits}});
}
}  // namespace

void add_data(CLI::App& program) {
  CLI::App& data = add_verb(program, "data", "Make a data set: shapes or emoji.", "siglip data shapes --out shapes --scenes 600");
  data.require_subcommand(1);

  CLI::App& shapes = add_verb(data, "shapes",
                              "Make scenes of one or two coloured shapes with captions. Some combinations of colour, shape and size are held out:\n"
                              "val has scenes of two objects with one of them, single has every combination alone.",
                              "siglip data shapes --out shapes --scenes 600", json_keys);
  const auto s = add_settings(shapes, ShapesOptions().size, least_shapes_size);
  whole_flag(shapes, "--scenes", s->scenes, 1, most_scenes, "scenes of the train split");
  shapes.callback([s] {
    make_shapes(s->out, {.size = s->size, .scenes = s->scenes, .seed = static_cast<std::uint64_t>(s->seed)});
    print_splits(*s);
  });

  CLI::App& emoji =
      add_verb(data, "emoji",
               "Draw every emoji of Unicode's list with the font Noto Color Emoji, its English name the caption. val holds out a tenth of the\n"
               "names \"base: modifier\". Needs the packages fonts-noto-color-emoji and unicode-data.",
               "siglip data emoji --out emoji", json_keys);
  const auto e = add_settings(emoji, EmojiOptions().size, least_emoji_size);
  emoji.callback([e] {
    make_emoji(e->out, {.size = e->size, .seed = static_cast<std::uint64_t>(e->seed)});
    print_splits(*e);
  });
}
}  // namespace siglip::tools
