// emoji.cpp — a data set of real images that is already on the machine: the system's emoji font, and Unicode's English names.
//
// A sequence of code points ("woman", "dark skin tone", "zero width joiner", "rocket") becomes one glyph: HarfBuzz finds which, FreeType loads
// its colour bitmap. Names of the form "base: modifier" let a split ask for combinations never seen of parts that were.
// source    Unicode Technical Standard 51, emoji-test.txt; OpenType CBDT
#include <ft2build.h>
#include FT_FREETYPE_H
#include <hb-ft.h>
#include <hb.h>
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <sstream>
#include "core/limits.h"
#include "core/parallel_try.h"
#include "io/json.h"
#include "data/new_folder.h"
#include "siglip/checkpoint.h"
#include "siglip/data.h"
#include "siglip/error.h"
#include "siglip/rng.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
namespace fs = std::filesystem;

struct Emoji {
  std::vector<std::uint32_t> code_points;
  std::string name;  // "waving hand: dark skin tone"
  bool is_val = false;
};

// ---- the list ------------------------------------------------------------------------------------------------------------------------------

// 1F44B 1F3FF                              ; fully-qualified     # 👋🏿 E1.0 waving hand: dark skin tone
std::optional<Emoji> parse_line(const std::string& line, const std::string& where) {
  const std::size_t semicolon = line.find(';'), hash = line.find('#');
  if (semicolon == std::string::npos || semicolon > hash) return {};  // a comment
  std::istringstream status(line.substr(semicolon + 1));
  std::string word;
  if (!(status >> word) || word != "fully-qualified") return {};

  Emoji emoji;
  std::istringstream codes(line.substr(0, semicolon));
  for (std::string code; codes >> code;) {
    const bool is_code = code.size() >= 2 && code.size() <= 6 && code.find_first_not_of("0123456789ABCDEFabcdef") == std::string::npos;
    require(is_code, where, "code points in hexadecimal are expected, got ", brief(code));
    emoji.code_points.push_back(static_cast<std::uint32_t>(std::stoul(code, nullptr, 16)));
  }
  const std::size_t version = hash == std::string::npos ? hash : line.find(" E", hash);
  const std::size_t space = version == std::string::npos ? version : line.find(' ', version + 1);
  require(!emoji.code_points.empty() && space != std::string::npos && space + 1 < line.size(), where,
          "\"code points ; fully-qualified # emoji version name\" is expected, got ", brief(line));
  emoji.name = line.substr(space + 1);
  return emoji;
}

std::vector<Emoji> read_list(const std::string& path) {
  std::vector<Emoji> list;
  std::istringstream lines(read_file(path, 1 << 24));
  std::string line;
  for (int number = 1; std::getline(lines, line); ++number) {
    if (line.ends_with('\r')) line.pop_back();
    if (auto emoji = parse_line(line, path + ":" + std::to_string(number))) list.push_back(std::move(*emoji));
  }
  require(!list.empty(), path, "at least one fully-qualified emoji is expected (Debian: unicode-data), got none");
  return list;
}

// ---- the split -----------------------------------------------------------------------------------------------------------------------------

// "man: dark skin tone, bald" has the parts "man", ": dark skin tone", ": bald". Other names, flags and keycaps are one part.
std::set<std::string> parts(const std::string& name) {
  const std::size_t colon = name.find(": ");
  const std::string base = name.substr(0, colon);
  if (colon == std::string::npos || base == "flag" || base == "keycap") return {name};
  std::set<std::string> found = {base};
  for (std::size_t begin = colon + 2; begin <= name.size();) {
    const std::size_t comma = std::min(name.find(", ", begin), name.size());
    found.insert(": " + name.substr(begin, comma - begin));
    begin = comma + 2;
  }
  return found;
}

// Holds out a tenth of the names of several parts, in an order drawn from the seed, as long as each part stays in a name of train.
void hold_out(std::vector<Emoji>& list, std::uint64_t seed) {
  std::map<std::string, int> in_train;
  std::vector<std::size_t> combined;
  for (std::size_t i = 0; i < list.size(); ++i) {
    const std::set<std::string> of_name = parts(list[i].name);
    for (const std::string& part : of_name) ++in_train[part];
    if (of_name.size() > 1) combined.push_back(i);
  }
  Rng rng(seed);
  rng.shuffle(combined);
  std::size_t wanted = (combined.size() + 5) / 10;
  for (const std::size_t i : combined) {
    if (wanted == 0) break;
    const std::set<std::string> of_name = parts(list[i].name);
    if (std::any_of(of_name.begin(), of_name.end(), [&](const std::string& part) { return in_train[part] < 2; })) continue;
    for (const std::string& part : of_name) --in_train[part];
    list[i].is_val = true;
    --wanted;
  }
}

// ---- the pictures --------------------------------------------------------------------------------------------------------------------------

template <auto release>
struct Release {
  template <class T>
  void operator()(T* object) const {
    release(object);
  }
};
template <class T, auto release>
using Owned = std::unique_ptr<T, Release<release>>;

/// A font with colour bitmaps. One object belongs to one thread.
class Font {
 public:
  explicit Font(const std::string& path) {
    FT_Library library = nullptr;
    require(FT_Init_FreeType(&library) == 0, path, "FreeType is expected to start");
    library_.reset(library);
    FT_Face face = nullptr;
    const FT_Error error = FT_New_Face(library, path.c_str(), 0, &face);
    require(error == 0, path, "a font is expected (Debian: fonts-noto-color-emoji), got FreeType's error ", error);
    face_.reset(face);
    require(FT_HAS_COLOR(face) && face->num_fixed_sizes >= 1 && FT_Select_Size(face, 0) == 0, path,
            "a font with colour bitmaps is expected (Debian: fonts-noto-color-emoji), got another one");
    shaper_.reset(hb_ft_font_create(face, nullptr));
    text_.reset(hb_buffer_create());
  }

  /// On white, in the middle of a square as large as the bitmap's longer edge. Nothing if the font has no single glyph for the sequence.
  std::optional<Image> draw(const std::vector<std::uint32_t>& code_points) {
    const FT_UInt glyph = glyph_of(code_points);
    if (glyph == 0 || FT_Load_Glyph(face_.get(), glyph, FT_LOAD_COLOR) != 0) return {};
    const FT_Bitmap& bitmap = face_->glyph->bitmap;
    if (bitmap.pixel_mode != FT_PIXEL_MODE_BGRA || bitmap.width == 0 || bitmap.rows == 0) return {};
    const Dim width = bitmap.width, height = bitmap.rows, edge = std::max(width, height), left = (edge - width) / 2, top = (edge - height) / 2;
    Image image{edge, edge, std::vector<std::uint8_t>(static_cast<std::size_t>(3 * edge * edge), 255)};
    for (Dim y = 0; y < height; ++y)
      for (Dim x = 0; x < width; ++x) {
        const std::uint8_t* bgra = bitmap.buffer + y * bitmap.pitch + 4 * x;  // colours are multiplied by alpha already
        std::uint8_t* rgb = &image.rgb[static_cast<std::size_t>(3 * ((y + top) * edge + x + left))];
        for (int c = 0; c < 3; ++c) rgb[c] = static_cast<std::uint8_t>(std::min(255, bgra[2 - c] + 255 - bgra[3]));
      }
    return image;
  }

 private:
  FT_UInt glyph_of(const std::vector<std::uint32_t>& code_points) {
    hb_buffer_t* text = text_.get();
    hb_buffer_clear_contents(text);
    hb_buffer_add_codepoints(text, code_points.data(), static_cast<int>(code_points.size()), 0, -1);
    hb_buffer_set_flags(text, HB_BUFFER_FLAG_REMOVE_DEFAULT_IGNORABLES);
    hb_buffer_guess_segment_properties(text);
    hb_shape(shaper_.get(), text, nullptr, 0);
    unsigned count = 0;
    const hb_glyph_info_t* glyphs = hb_buffer_get_glyph_infos(text, &count);
    return count == 1 ? glyphs[0].codepoint : 0;
  }

  Owned<FT_LibraryRec_, FT_Done_FreeType> library_;  // released last
  Owned<FT_FaceRec_, FT_Done_Face> face_;
  Owned<hb_font_t, hb_font_destroy> shaper_;
  Owned<hb_buffer_t, hb_buffer_destroy> text_;
};

// The PNG file of each emoji; empty for those that the font does not have.
std::vector<std::string> draw_all(const std::vector<Emoji>& list, const EmojiOptions& options) {
  constexpr std::size_t block = 128;  // that share a font, which no two threads may
  std::vector<std::string> files(list.size());
  parallel_try(blocks(std::ssize(list), Dim{block}), [&](Dim b) {
    Font font(options.font);
    const std::size_t begin = static_cast<std::size_t>(b) * block;
    for (std::size_t i = begin; i < std::min(begin + block, list.size()); ++i)
      if (const auto drawn = font.draw(list[i].code_points)) files[i] = encode_png(resize(*drawn, options.size, options.size, Filter::bicubic));
  });
  return files;
}

// "1f44b-1f3ff.png"
std::string file_name(const Emoji& emoji) {
  std::ostringstream name;
  for (std::size_t i = 0; i < emoji.code_points.size(); ++i) name << (i ? "-" : "") << std::hex << emoji.code_points[i];
  return name.str() + ".png";
}
}  // namespace

bool has_emoji() { return true; }

void make_emoji(const std::string& dir, const EmojiOptions& options) {
  require(options.size >= least_emoji_size && options.size <= most_made_size, "make_emoji", "size is ", least_emoji_size, " to ", most_made_size,
          " pixels, got ", options.size);
  require_new_folder(dir);
  std::vector<Emoji> list = read_list(options.list);
  std::vector<std::string> files = draw_all(list, options);

  // What the font lacks (its version may be older than the list's) is no part of the data set, and must not count as seen.
  std::vector<Emoji> drawn;
  for (std::size_t i = 0; i < list.size(); ++i)
    if (!files[i].empty()) drawn.push_back(std::move(list[i]));
  std::erase(files, "");
  require(!drawn.empty(), options.font, "a glyph for at least one emoji of ", options.list, " is expected, got none");
  hold_out(drawn, options.seed);

  FolderWriter folder(dir);
  for (const bool is_val : {false, true}) {
    const std::string split = folder.path() + (is_val ? "/val" : "/train");
    fs::create_directory(split);
    std::string metadata;
    for (std::size_t i = 0; i < drawn.size(); ++i) {
      if (drawn[i].is_val != is_val) continue;
      const std::string name = file_name(drawn[i]);
      write_plainly(split + "/" + name, files[i]);
      metadata += Json{{"file_name", name}, {"text", drawn[i].name}}.dump() + "\n";
    }
    write_plainly(split + "/metadata.jsonl", metadata);
  }
  folder.commit();
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
