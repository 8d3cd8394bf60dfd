// The emoji data set: every picture and name, the split by combinations, and lists and fonts that are none.
#include <doctest/doctest.h>
#include <set>
#include <sstream>
#include "io/json.h"
#include "siglip/checkpoint.h"
#include "siglip/data.h"
#include "siglip/tensor.h"
#include "temporary_folder.h"
using namespace siglip;

namespace {
bool can_draw() {
  const EmojiOptions standard;
  if (!has_emoji()) MESSAGE("skipped: this build has no FreeType and HarfBuzz");
  const bool found = std::filesystem::exists(standard.font) && std::filesystem::exists(standard.list);
  if (has_emoji() && !found) MESSAGE("skipped: font or list is not installed (fonts-noto-color-emoji, unicode-data)");
  return has_emoji() && found;
}
// file name → text of a split.
std::map<std::string, std::string> texts_of(const std::string& folder) {
  std::map<std::string, std::string> texts;
  std::istringstream lines(read_file(folder + "/metadata.jsonl"));
  for (std::string line; std::getline(lines, line);) {
    const Json row = parse_json(line, "metadata.jsonl");
    texts[row["file_name"]] = row["text"];
  }
  return texts;
}
std::vector<std::string> pieces_of(const std::string& name) {
  const std::size_t colon = name.find(": ");
  std::vector<std::string> pieces = {name.substr(0, colon)};
  if (colon == std::string::npos) return pieces;
  std::istringstream rest(name.substr(colon + 1));
  for (std::string piece; std::getline(rest, piece, ',');) pieces.push_back(piece.substr(1));
  return pieces;
}
}  // namespace

TEST_CASE("emoji: a build without FreeType and HarfBuzz names the packages") {
  if (has_emoji()) return;
  CHECK(complaint_of([] { make_emoji("x"); }) ==
        "make_emoji: a build with FreeType and HarfBuzz is expected (Debian: libfreetype-dev libharfbuzz-dev), got one without");
}

TEST_CASE("emoji: every sequence is drawn; what is held out was seen in parts") {
  if (!can_draw()) return;
  const TemporaryFolder folder;
  EmojiOptions options;
  options.size = 32;
  make_emoji(folder / "emoji", options);
  const auto train = texts_of(folder / "emoji/train"), val = texts_of(folder / "emoji/val");
  MESSAGE("emoji: ", train.size(), " train, ", val.size(), " val");
  std::set<std::string> names, bases, modifiers;
  std::size_t combined = val.size();
  for (const auto& [file, name] : train) {
    names.insert(name);
    const std::vector<std::string> pieces = pieces_of(name);
    bases.insert(pieces[0]);
    modifiers.insert(pieces.begin() + 1, pieces.end());
    combined += pieces.size() > 1 && pieces[0] != "flag" && pieces[0] != "keycap";
  }
  for (const auto& [file, name] : val) {
    names.insert(name);
    const std::vector<std::string> pieces = pieces_of(name);
    CHECK(pieces.size() > 1);
    CHECK(pieces[0] != "flag");
    CHECK(bases.contains(pieces[0]));
    for (std::size_t i = 1; i < pieces.size(); ++i) CHECK(modifiers.contains(pieces[i]));
  }
  CHECK(names.size() == train.size() + val.size());
  CHECK(names.size() >= 3655);  // Unicode 15.0
  CHECK(val.size() == (combined + 5) / 10);
  CHECK(train.at("1f600.png") == "grinning face");

  const Image face = read_image(folder / "emoji/train/1f600.png");
  CHECK(face.width == 32);
  CHECK(face.height == 32);
  CHECK(std::vector<std::uint8_t>(face.rgb.begin(), face.rgb.begin() + 3) == std::vector<std::uint8_t>{255, 255, 255});  // a white corner
  const std::uint8_t* middle = &face.rgb[3 * (13 * 32 + 16)];
  CHECK(middle[0] > 200);  // a yellow nose
  CHECK(middle[2] < 120);
}

TEST_CASE("emoji: the seed decides, the threads do not") {
  if (!can_draw()) return;
  const TemporaryFolder folder;
  std::string list = "# a comment; fully-qualified\n\n";
  const char* tones[] = {"light", "medium-light", "medium", "medium-dark", "dark"};
  const char* bases[][2] = {{"1F44B", "waving hand"}, {"1F44D", "thumbs up"}, {"1F44C", "OK hand"}, {"1F91A", "raised back of hand"}};
  for (const auto& [code, name] : bases)
    for (int tone = 0; tone < 5; ++tone)
      list += std::string(code) + " 1F3F" + "BCDEF"[tone] + " ; fully-qualified # x E1.0 " + name + ": " + tones[tone] + " skin tone\r\n";
  list +=
      "1F1E9 1F1EA ; fully-qualified # x E0.6 flag: Germany\n263A ; unqualified # x E0.6 smiling face\n1FBFF ; fully-qualified # x E99.0 none such\n";
  write_file(folder / "list", list);
  EmojiOptions options;
  options.size = 16;
  options.list = folder / "list";
  std::vector<std::string> held_out;
  for (const int count : {1, 3}) {
    const int before = threads();
    set_threads(count);
    for (const unsigned seed : {0u, 1u, 2u, 3u}) {
      options.seed = seed;
      const std::string out = folder / (std::to_string(count) + "_" + std::to_string(seed));
      make_emoji(out, options);
      CHECK(texts_of(out + "/train").size() == 19);
      CHECK(texts_of(out + "/val").size() == 2);
      held_out.push_back(read_file(out + "/val/metadata.jsonl"));
      CHECK(read_file(out + "/train/1f1e9-1f1ea.png") == read_file(folder / "1_0/train/1f1e9-1f1ea.png"));
    }
    set_threads(before);
  }
  CHECK(std::vector(held_out.begin(), held_out.begin() + 4) == std::vector(held_out.begin() + 4, held_out.end()));
  CHECK(std::set<std::string>(held_out.begin(), held_out.end()).size() > 1);
}

TEST_CASE("emoji: lists, fonts and places that are none; nothing is left behind") {
  if (!can_draw()) return;
  const TemporaryFolder folder;
  const auto said = [&](const EmojiOptions& options) { return complaint_of([&] { make_emoji(folder / "out", options); }, folder.path); };
  const auto of_list = [&](const std::string& text) {
    write_file(folder / "list", text);
    EmojiOptions options;
    options.list = folder / "list";
    return said(options);
  };
  CHECK(of_list("") == "list: at least one fully-qualified emoji is expected (Debian: unicode-data), got none");
  CHECK(of_list("\nXYZ ; fully-qualified # x E1.0 name") == "list:2: code points in hexadecimal are expected, got \"XYZ\"");
  CHECK(of_list("1F600 ; fully-qualified") ==
        "list:1: \"code points ; fully-qualified # emoji version name\" is expected, got \"1F600 ; fully-qualified\"");
  CHECK(of_list("1FBFF ; fully-qualified # x E99.0 none such") ==
        EmojiOptions().font + ": a glyph for at least one emoji of list is expected, got none");
  const std::string good = "1F600 ; fully-qualified # x E1.0 grinning face";
  CHECK(of_list(good) == "nothing");
  CHECK(of_list(good) == "out: a new or empty folder is expected, got one that is in use");
  std::filesystem::remove_all(folder / "out");

  EmojiOptions options;
  options.list = folder / "none";
  CHECK(said(options) == "none: a readable file is expected, got: No such file or directory");
  options.list = folder / "list";
  options.size = 4;
  CHECK(said(options) == "make_emoji: size is 8 to 1024 pixels, got 4");
  options.size = 32;
  options.font = folder / "list";
  CHECK(said(options) == "list: a font is expected (Debian: fonts-noto-color-emoji), got FreeType's error 2");
  options.font = folder / "gray.bdf";  // one black square
  write_file(
      options.font,
      "STARTFONT 2.1\nFONT gray\nSIZE 8 75 75\nFONTBOUNDINGBOX 8 8 0 0\nSTARTPROPERTIES 2\nFONT_ASCENT 8\nFONT_DESCENT 0\nENDPROPERTIES\nCHARS 1\n"
      "STARTCHAR A\nENCODING 65\nSWIDTH 1000 0\nDWIDTH 8 0\nBBX 8 8 0 0\nBITMAP\nFF\nFF\nFF\nFF\nFF\nFF\nFF\nFF\nENDCHAR\nENDFONT\n");
  CHECK(said(options) == "gray.bdf: a font with colour bitmaps is expected (Debian: fonts-noto-color-emoji), got another one");
  for (const auto& entry : std::filesystem::directory_iterator(folder.path)) CHECK(entry.path().filename().string().find("out") == std::string::npos);
}
