// verbs.cpp — what the verbs share: flags that say what is wrong with them, numbers, tables.
#include "verbs.h"
#include <unistd.h>
#include <algorithm>
#include <charconv>
#include <cctype>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <numeric>
#include <set>
#include <sstream>
#include "core/limits.h"
#include "core/parallel_try.h"
#include "data/sources.h"
#include "data/text_file.h"
#include "data/walk.h"
#include "io/json.h"
#include "siglip/checkpoint.h"
#include "siglip/config.h"
#include "siglip/error.h"
#include "siglip/tensor.h"
#include "siglip/train.h"

namespace siglip::tools {
// ---- the words of a command line -------------------------------------------------------------------------------------------------------

namespace {
// "--lr" and "-h", but not "--", "-" and "-1".
bool is_flag(const std::string& word) {
  const std::size_t name = word.find_first_not_of('-');
  return name != std::string::npos && name > 0 && !std::isdigit(static_cast<unsigned char>(word[name])) && word[name] != '.';
}

std::vector<std::string> verb_names(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* verb : app.get_subcommands(nullptr)) names.push_back(verb->get_name());
  return names;
}

template <class Words>
std::string joined(const Words& words) {
  std::string line;
  for (const std::string& word : words) line += (line.empty() ? "" : ", ") + word;
  return line;
}

// The verb that the words name, `at` behind its name; the program itself if a flag comes first (--help, --version).
const CLI::App* find_verb(const CLI::App& program, const std::vector<std::string>& words, std::size_t& at) {
  const CLI::App* verb = &program;
  std::string so_far;  // "data: "
  while (!verb->get_subcommands(nullptr).empty()) {
    const std::vector<std::string> names = verb_names(*verb);
    if (at < words.size() && words[at].starts_with("-")) return verb;
    if (at == words.size()) throw WrongUse(so_far + "a verb is expected, one of " + joined(names) + "; --help says more");
    if (std::find(names.begin(), names.end(), words[at]) == names.end())
      throw WrongUse(so_far + "unknown verb \"" + words[at] + "\"" + nearest(words[at], names));
    verb = verb->get_subcommand(words[at]);
    so_far = words[at++] + ": ";
  }
  return verb;
}

const CLI::Option& find_flag(const CLI::App& verb, const std::string& flag) {
  std::vector<std::string> names;
  for (const CLI::Option* option : verb.get_options()) {
    if (option->check_name(flag)) return *option;
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  throw WrongUse("unknown flag " + flag + nearest(flag, names));
}
}  // namespace

void check_words(const CLI::App& program, const std::vector<std::string>& words) {
  std::size_t at = 0;
  const CLI::App& verb = *find_verb(program, words, at);
  std::map<const CLI::Option*, int> seen;
  for (; at < words.size() && words[at] != "--"; ++at) {
    if (!is_flag(words[at])) continue;
    const std::size_t equals = words[at].find('=');
    const std::string flag = words[at].substr(0, equals);
    const CLI::Option& option = find_flag(verb, flag);
    const bool several = option.get_expected_max() > 1;
    if (++seen[&option] > 1 && !several) throw WrongUse(flag + ": is given once, got it twice");
    const bool wants_value = option.get_items_expected_max() > 0;
    if (!wants_value) {
      if (equals != std::string::npos) throw WrongUse(flag + ": takes no value, got \"" + words[at].substr(equals + 1) + "\"");
    } else if (equals != std::string::npos) {
      if (equals + 1 == words[at].size()) throw WrongUse(flag + ": a value is expected, got nothing");
    } else {
      if (at + 1 == words.size() || is_flag(words[at + 1]))
        throw WrongUse(flag + ": a value is expected, got " + (at + 1 == words.size() ? "nothing" : words[at + 1]));
      ++at;
    }
  }
}

// ---- flags -----------------------------------------------------------------------------------------------------------------------------

CLI::App& add_verb(CLI::App& parent, const std::string& name, const std::string& description, const std::string& example,
                   const std::string& json_keys) {
  CLI::App* verb = parent.add_subcommand(name, description);
  const std::string typed = example.starts_with("siglip ") ? program_name() + example.substr(6) : example;
  verb->footer("\nExample:\n  " + typed + (json_keys.empty() ? "" : "\n\nJSON on standard output (--json):\n  " + json_keys) + "\n");
  return *verb;
}

CLI::Option* text_flag(CLI::App& verb, const std::string& flag, std::string& value, const std::string& help) {
  return verb.add_option(flag, value, help)->type_name("TEXT")->default_str(value);
}

CLI::Option* whole_flag(CLI::App& verb, const std::string& flag, std::int64_t& value, std::int64_t low, std::int64_t high, const std::string& help) {
  const auto take = [flag, low, high, &value](const std::string& text) {
    value = parse_whole(flag, text);
    if (value < low || value > high)
      throw WrongUse(flag + ": a whole number from " + std::to_string(low) + " to " + std::to_string(high) + " is expected, got " + text);
  };
  return verb.add_option_function<std::string>(flag, take, help)->type_name("N")->default_str(std::to_string(value));
}

CLI::Option* no_follow_flag(CLI::App& verb, bool& value) {
  return verb.add_flag("--no-follow", value, "a picture that a link finds outside the folder is an error");
}
CLI::Option* json_flag(CLI::App& verb, bool& value) { return verb.add_flag("--json", value, "the result as JSON on standard output"); }

namespace {
CLI::Option* word_flag(CLI::App& verb, const std::string& flag, std::string& value, const std::vector<std::string>& words, const std::string& help) {
  const auto take = [flag, words, &value](const std::string& text) {
    as_wrong_use([&] { require_word(text, words, flag); });
    value = text;
  };
  return verb.add_option_function<std::string>(flag, take, help)->type_name("TEXT")->default_str(value.empty() ? "as the folder says" : value);
}
}  // namespace

void pixel_flags(CLI::App& verb, PixelFlags& flags) {
  verb.add_flag("--no-exif", flags.no_exif, "leave photographs as they are stored, not turned as their EXIF orientation says");
  verb.add_flag("--fast-decode", flags.fast_decode,
                "decode large JPEG pictures at a half, a quarter or an eighth of their size, at least twice the model's");
  word_flag(verb, "--alpha", flags.alpha, {"white", "drop"}, "transparent pixels: on white, or the transparency dropped");
  word_flag(verb, "--profile", flags.profile, {"pil", "pil13", "torchvision", "big_vision"},
            "whose resize; transformers 5 has torchvision's where that is installed");
  whole_flag(verb, "--image-size", flags.image_size, 0, 1 << 14, "pixels an edge; 0: as the folder says");
}

void model_pixel_flags(CLI::App& verb, PixelFlags& flags) {
  pixel_flags(verb, flags);
  word_flag(verb, "--positions", flags.positions, {"bicubic", "bilinear"},
            "how positions get to another --image-size: as transformers or as big_vision does it");
}

Preprocessing PixelFlags::applied_to(Preprocessing p) const {
  p.picture.exif = !no_exif;
  p.picture.alpha = parse_alpha(alpha, "--alpha");
  if (!profile.empty()) p.profile = parse_profile(profile, "--profile");
  if (p.profile == Profile::big_vision) p.resample = 2;  // there is no other
  if (image_size) p.image_size = image_size;
  if (fast_decode) p.picture.enough = 2 * p.image_size;
  return p;
}

void PixelFlags::apply(Pretrained& model) const {
  model.preprocessing = applied_to(model.preprocessing);
  const PositionFilter filter = positions == "bicubic" ? PositionFilter::bicubic : PositionFilter::bilinear;
  if (image_size) model.model = at_resolution(model.model, image_size, filter);
}

CLI::Option* device_flag(CLI::App& verb, std::string& device) {
  return word_flag(verb, "--device", device, {"cpu", "cuda"}, "where to compute: cpu or cuda");
}

CLI::Option* lower_flag(CLI::App& verb, TokenizerOptions& options) {
  return verb.add_flag_callback(
      "--no-lower", [&options] { options.lower = false; }, "do not lower the texts, as published SigLIP 2 tokenizers forgot to");
}

CLI::Option* threads_flag(CLI::App& verb) {
  const auto take = [](const std::string& text) {
    const std::int64_t count = parse_whole("--threads", text);
    if (count < 0 || count > most_threads)
      throw WrongUse("--threads: a whole number from 0 to " + std::to_string(most_threads) + " is expected, got " + text);
    if (count) set_threads(static_cast<int>(count));
  };
  return verb.add_option_function<std::string>("--threads", take, "0: all processors; results do not depend on it")->type_name("N")->default_str("0");
}

namespace {
template <class Number>
bool parse_all(const std::string& text, Number& value) {
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, value);
  return error == std::errc() && rest == end;
}
}  // namespace

std::int64_t parse_whole(const std::string& flag, const std::string& text) {
  std::int64_t value = 0;
  if (!parse_all(text, value)) throw WrongUse(flag + ": a whole number is expected, got \"" + text + "\"");
  return value;
}

double parse_real(const std::string& flag, const std::string& text) {
  double value = 0;
  if (!parse_all(text, value) || !std::isfinite(value)) throw WrongUse(flag + ": a finite number is expected, got \"" + text + "\"");
  return value;
}

std::string trimmed(const std::string& text) { return std::string(siglip::trimmed(std::string_view(text))); }

std::vector<std::string> split_list(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, separator);) {
    if (const std::string bare = trimmed(part); !bare.empty()) parts.push_back(bare);
  }
  return parts;
}

// ---- input and output ------------------------------------------------------------------------------------------------------------------

namespace {
// A pipe has no name whose ending would say what comes through it, and no end that is known before.
std::string read_pipe(const std::string& path, const std::string& name) {
  constexpr std::size_t most = std::size_t{1} << 30, piece = 1 << 16;
  std::ifstream file;
  if (path != "-") file.open(path, std::ios::binary);
  std::istream& in = path == "-" ? std::cin : file;
  require(static_cast<bool>(in), name, "something that can be read is expected, got nothing of this name");
  std::string bytes;
  while (in && bytes.size() <= most) {
    const std::size_t before = bytes.size();
    bytes.resize(before + piece);
    in.read(bytes.data() + before, piece);
    bytes.resize(before + static_cast<std::size_t>(in.gcount()));
  }
  require(bytes.size() <= most, name, "at most ", most, " bytes are expected, got more");
  return bytes;
}
}  // namespace

std::vector<std::string> read_texts(const std::string& path) {
  std::error_code none;
  const bool standard = path == "-" || path == "/dev/stdin", pipe = standard || path.starts_with("/dev/fd/") || path.starts_with("/proc/self/fd/");
  if (const std::string name = standard ? "standard input" : path; pipe) return texts_of(read_pipe(path, name), name, true);
  require(std::filesystem::exists(path, none), path, "a file of texts is expected, got nothing of this name (a text itself? - reads standard input)");
  return texts_of(read_file(path), path);
}

namespace {
// Words that stand for none: those that a tokenizer of learned words did not meet in training.
void add_unknown_words(std::set<std::string>& unknown, const std::vector<std::string>& pieces, const std::vector<std::int32_t>& ids,
                       const Tokenizer& tokenizer) {
  for (std::size_t i = 0; i < pieces.size() && i + 1 < ids.size(); ++i)
    if (tokenizer.piece(ids[i]) == "<unk>") unknown.insert(pieces[i]);
}
}  // namespace

std::vector<std::vector<std::int32_t>> token_rows(const std::vector<std::string>& texts, const Tokenizer& tokenizer) {
  std::vector<std::vector<std::int32_t>> rows;
  for (const std::string& text : texts) rows.push_back(tokenizer.encode(text));
  return rows;
}

void note_texts(const std::vector<std::string>& texts, const std::vector<std::vector<std::int32_t>>& ids, const Tokenizer& tokenizer) {
  std::vector<std::size_t> order(texts.size());  // of the texts, equal ones side by side
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return texts[a] != texts[b] ? texts[a] < texts[b] : a < b; });
  order.erase(std::unique(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return texts[a] == texts[b]; }), order.end());
  const std::size_t distinct = order.size();
  const bool words = tokenizer.profile() == "words";
  std::set<std::string> unknown;
  std::size_t cut = 0;
  for (const std::size_t i : order) {
    const std::vector<std::string> pieces = tokenizer.pieces(texts[i]);
    cut += std::ssize(pieces) >= tokenizer.context();
    if (words) add_unknown_words(unknown, pieces, ids[i], tokenizer);
  }
  if (cut > 0)
    std::cerr << "note: " << cut << " of " << distinct << " texts are longer than " << tokenizer.context() - 1 << " tokens; the rest is not seen\n";
  constexpr std::size_t shown = 5;
  std::size_t told = 0;
  for (const std::string& word : unknown)
    if (told++ < shown)
      std::cerr << "note: the model never saw the word " << brief(word) << ", so texts that differ in such words alone are one to it\n";
  if (unknown.size() > shown) std::cerr << "note: nor " << unknown.size() - shown << " other words of these texts\n";

  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return ids[a] != ids[b] ? ids[a] < ids[b] : a < b; });
  const auto same = [&](std::size_t a, std::size_t b) { return ids[a] == ids[b]; };
  const auto first = std::adjacent_find(order.begin(), order.end(), same);
  if (first == order.end()) return;
  const std::size_t one = first[0], other = first[1];
  const auto alike = std::distance(std::unique(order.begin(), order.end(), same), order.end());
  std::cerr << "note: " << alike << " of " << distinct << " texts are to the model what another one is, as " << brief(texts[one]) << " and "
            << brief(texts[other]) << '\n';
}

std::string tokenizer_folder(const std::string& path) {
  std::error_code none;
  for (const char* name : {"tokenizer_config.json", "tokenizer.json", "spiece.model"})
    if (std::filesystem::exists(path + "/" + name, none)) return path;
  return checkpoint_folder(path);
}

std::vector<std::string> picture_files(const std::vector<std::string>& paths, bool follow_links) {
  namespace fs = std::filesystem;
  std::vector<std::string> pictures;
  std::vector<LeftOut> left_out;
  for (const std::string& path : paths) {
    std::error_code error;
    if (!fs::is_directory(path, error)) {
      pictures.push_back(path);
      continue;
    }
    const auto before = std::ssize(pictures);
    std::map<std::string, Dim> others;  // endings
    try {
      const std::string folder = without_slash(path);
      const std::vector<Walked> walked = walk(folder, {folder}, follow_links, left_out);
      for (const std::string& picture : walked[0].pictures) {
        if (is_decoded(picture))
          pictures.push_back(folder + "/" + picture);
        else
          ++others[ending_of(picture)];
      }
    } catch (const fs::filesystem_error& e) {
      fail(e.path1().string(), "a folder that can be read is expected, got: ", e.code().message());
    }
    for (const auto& [ending, count] : others) left_out.push_back({ending + " is not read", path, count});
    require(std::ssize(pictures) > before, path, "a folder with .png, .jpg, .jpeg, .webp, .gif or .bmp files is expected, got none",
            left_out.empty() ? "" : "; " + summary(left_out));
  }
  if (!left_out.empty()) std::cerr << summary(left_out) << '\n';
  return pictures;
}

namespace {
// Columns on a terminal, near enough: bytes that do not continue a character.
std::size_t columns_of(const std::string& text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

bool looks_like_a_number(const std::string& cell) { return !cell.empty() && cell.find_first_not_of("0123456789+-.,e%naif") == std::string::npos; }
}  // namespace

CLI::Option* skip_bad_flag(CLI::App& verb, bool& value) {
  return verb.add_flag("--skip-bad", value, "name the pictures that cannot be read, leave them out and succeed");
}

void Pictures::each_batch(const std::vector<std::string>& files, const Use& use) {
  constexpr std::size_t batch = 64;
  for (std::size_t begin = 0; begin < files.size(); begin += batch) {
    show(begin, files.size());
    const std::size_t count = std::min(batch, files.size() - begin);
    std::vector<Image> images(count);
    std::vector<std::string> paths, problems(count);
    parallel_try(static_cast<Dim>(count), [&](Dim k) {
      const std::size_t i = static_cast<std::size_t>(k);
      const std::string& path = files[begin + i];
      try {
        images[i] = squash(read_image(path, preprocessing_.picture), preprocessing_, path);  // at once: a photograph is a hundred times larger
      } catch (const Error& e) {
        problems[i] = e.what();
      }
    });
    for (std::size_t i = 0; i < count; ++i) {
      if (problems[i].empty()) {
        if (paths.size() < i) images[paths.size()] = std::move(images[i]);
        paths.push_back(files[begin + i]);
        continue;
      }
      tell();
      left_out_.push_back(files[begin + i]), problem_ = problems[i];
    }
    images.resize(paths.size()), read_ += paths.size();
    if (read_ > 0) tell();
    if (!paths.empty()) use(paths, images);
  }
  show(0, 0);
  if (left_out_.empty()) return;
  if (read_ == 0) throw Error(problem_);
  if (skip_bad_) std::cerr << "pictures that could not be read and were left out: " << left_out_.size() << " of " << left_out_.size() + read_ << '\n';
}

void Pictures::finish() const {
  require(left_out_.empty() || skip_bad_, "pictures", left_out_.size(), " of ", left_out_.size() + read_,
          " could not be read (named above); the results are those of the others, and --skip-bad accepts that");
}

void Pictures::tell() {
  if (problem_.empty()) return;
  show(0, 0);
  std::cerr << "skipped: " << problem_ << '\n';
  problem_.clear();
}

// "128 of 2000 pictures", written over what stood there; nothing for none.
void Pictures::show(std::size_t done, std::size_t all) {
  if (!isatty(STDERR_FILENO)) return;
  const std::string line = all ? std::to_string(done) + " of " + std::to_string(all) + " pictures" : "";
  if (columns_ > 0) std::cerr << '\r' << std::string(columns_, ' ') << '\r';
  std::cerr << line << std::flush;
  columns_ = line.size();
}

void print_table(std::ostream& out, const std::vector<std::vector<std::string>>& cells) {
  struct Column {
    std::size_t width = 0;
    bool numbers = false;
  };
  std::vector<std::vector<std::string>> rows = cells;
  std::vector<Column> columns(rows.empty() ? 0 : rows[0].size(), {0, rows.size() > 1});
  for (std::size_t r = 0; r < rows.size(); ++r)
    for (std::size_t c = 0; c < rows[r].size(); ++c) {
      rows[r][c] = one_line(rows[r][c]);
      columns[c].width = std::max(columns[c].width, columns_of(rows[r][c]));
      columns[c].numbers = columns[c].numbers && (r == 0 || looks_like_a_number(rows[r][c]));
    }
  for (const std::vector<std::string>& row : rows) {
    std::string line;
    for (std::size_t c = 0; c < row.size(); ++c) {
      const std::string blanks(columns[c].width - columns_of(row[c]), ' ');
      line += (c ? "  " : "") + (columns[c].numbers ? blanks + row[c] : row[c] + blanks);
    }
    out << line.substr(0, line.find_last_not_of(' ') + 1) << '\n';
  }
}

std::string json_text(const Json& value, int indent) {
  try {
    return value.dump(indent);
  } catch (const Json::type_error&) {
    std::cerr << "note: JSON is UTF-8: other bytes of names are U+FFFD in it\n";
    return value.dump(indent, ' ', false, Json::error_handler_t::replace);
  }
}

void print_json(const Json& value) { std::cout << json_text(value, 2) << '\n'; }

namespace {
std::string printed(const char* format, int digits, double value) {
  char text[64];
  std::snprintf(text, sizeof text, format, digits, value);
  return text;
}
}  // namespace

std::string fixed(double value, int digits) { return std::abs(value) < 1e15 ? printed("%.*f", digits, value) : scientific(value); }
std::string scientific(double value) { return printed("%.*e", 1, value); }

std::string with_commas(std::int64_t value) {
  std::string text = std::to_string(value);
  for (std::size_t at = text.size(); at > 3 + (value < 0 ? 1u : 0u);) text.insert(at -= 3, ",");
  return text;
}

std::string& program_name() {
  static std::string name = "siglip";
  return name;
}
}  // namespace siglip::tools
