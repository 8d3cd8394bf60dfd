// verbs.h — the verbs of the command line, a file each in verbs/, and what they share.
#pragma once
#include <CLI/CLI.hpp>
#include <cstdint>
#include <functional>
#include <iosfwd>
#include <stdexcept>
#include <string>
#include <vector>
#include "io/json.h"
#include "siglip/data.h"
#include "siglip/error.h"

namespace siglip::inline SIGLIP_FLAVOUR {
struct Pretrained;
}

namespace siglip::tools {
/// A command line that cannot be meant: exit code 2. Everything else that fails is an Error: exit code 1.
struct WrongUse : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// What is wrong with a setting of the command line is wrong use, not a failure.
template <class Call>
auto as_wrong_use(const Call& call) {
  try {
    return call();
  } catch (const Error& e) {
    throw WrongUse(e.what());
  }
}

// Each adds its verb; the verb's callback does the work.
void add_train(CLI::App& program);
void add_data(CLI::App& program);
void add_eval(CLI::App& program);
void add_classify(CLI::App& program);
void add_embed(CLI::App& program);
void add_tokenize(CLI::App& program);
void add_convert(CLI::App& program);
void add_preprocess(CLI::App& program);
void add_inspect(CLI::App& program);
void add_doctor(CLI::App& program);
void add_ops(CLI::App& program);
void add_gradcheck(CLI::App& program);  // compiled in double
void add_parity(CLI::App& program);
void add_parity_devices(CLI::App& program);
void add_bench(CLI::App& program);
void add_bench_loss(CLI::App& bench);
void add_bench_step(CLI::App& bench);
void add_bench_tower(CLI::App& bench);
void add_bench_tokenizer(CLI::App& bench);
void add_bench_load(CLI::App& bench);
void add_bench_inputs(CLI::App& bench);
void add_report(CLI::App& program);
std::string version();

/// Throws WrongUse for what CLI11 lets pass or words badly: an unknown verb or flag (naming the nearest), a repeated flag, a missing value.
void check_words(const CLI::App& program, const std::vector<std::string>& words);

// ---- flags -----------------------------------------------------------------------------------------------------------------------------

/// A verb with its description, a command that works as typed, and the keys of its --json output.
CLI::App& add_verb(CLI::App& parent, const std::string& name, const std::string& description, const std::string& example,
                   const std::string& json_keys = "");
CLI::Option* text_flag(CLI::App& verb, const std::string& flag, std::string& value, const std::string& help);
CLI::Option* whole_flag(CLI::App& verb, const std::string& flag, std::int64_t& value, std::int64_t low, std::int64_t high, const std::string& help);
CLI::Option* json_flag(CLI::App& verb, bool& value);
/// --no-follow
CLI::Option* no_follow_flag(CLI::App& verb, bool& value);
/// --no-exif, --fast-decode, --alpha, --profile and --image-size, which change what the model's folder says of pixels.
struct PixelFlags {
  bool no_exif = false, fast_decode = false;
  std::string alpha = "white", profile, positions = "bicubic";
  std::int64_t image_size = 0;
  Preprocessing applied_to(Preprocessing preprocessing) const;
  void apply(Pretrained& model) const;
};
void pixel_flags(CLI::App& verb, PixelFlags& flags);
/// These and --positions, for verbs that load a model.
void model_pixel_flags(CLI::App& verb, PixelFlags& flags);
/// --no-lower
CLI::Option* lower_flag(CLI::App& verb, TokenizerOptions& options);
CLI::Option* threads_flag(CLI::App& verb);
/// --device, cpu or cuda; find_device() makes a Device of it, and should come first: it complains of one that is not there.
CLI::Option* device_flag(CLI::App& verb, std::string& device);

/// Decimal numbers, whatever the locale: no hexadecimal, no blanks, nothing after them, finite. Throw WrongUse naming the flag.
std::int64_t parse_whole(const std::string& flag, const std::string& text);
double parse_real(const std::string& flag, const std::string& text);
/// Without the blanks around.
std::string trimmed(const std::string& text);
/// "a, b,c" without the blanks around; empty parts are dropped.
std::vector<std::string> split_list(const std::string& text, char separator = ',');

// ---- input and output ------------------------------------------------------------------------------------------------------------------

/// The texts of a file, or of standard input ("-", /dev/stdin): see texts_of() in data/text_file.h.
std::vector<std::string> read_texts(const std::string& path);
constexpr const char* text_files =
    "a file (- is standard input): one a line, a JSON array (.json), the \"text\" of each line (.jsonl), or the names of a data.yaml (.yaml)";
/// Says on standard error what the model does not see of these texts, whose tokens are `ids`: what is cut off, words it never met, and which become
/// one.
void note_texts(const std::vector<std::string>& texts, const std::vector<std::vector<std::int32_t>>& ids, const Tokenizer& tokenizer);
/// The tokens of each text.
std::vector<std::vector<std::int32_t>> token_rows(const std::vector<std::string>& texts, const Tokenizer& tokenizer);
/// The folder of `path` that holds a tokenizer: itself, or the checkpoint in it.
std::string tokenizer_folder(const std::string& path);
/// Files as they are named; folders stand for the pictures below them, sorted by path, as data sets are read. One line
/// on standard error says what was left out.
std::vector<std::string> picture_files(const std::vector<std::string>& paths, bool follow_links = true);
/// --skip-bad
CLI::Option* skip_bad_flag(CLI::App& verb, bool& value);
/// Reads pictures. What cannot be read is named on standard error and left out; unless it is to be skipped, it is an error once all others are done.
class Pictures {
 public:
  Pictures(const Preprocessing& preprocessing, bool skip_bad) : preprocessing_(preprocessing), skip_bad_(skip_bad) {}
  /// Those that can be read, in order, 64 at a time: a folder may hold more of them than memory does. A terminal is shown how many are done. Throws
  /// Error if none can be read.
  using Use = std::function<void(const std::vector<std::string>& paths, const std::vector<Image>& images)>;
  void each_batch(const std::vector<std::string>& files, const Use& use);
  /// Once the results are written: throws Error if pictures were left out that were not to be skipped.
  void finish() const;
  const std::vector<std::string>& left_out() const { return left_out_; }  // paths

 private:
  void tell();
  void show(std::size_t done, std::size_t all);
  Preprocessing preprocessing_;
  bool skip_bad_;
  std::size_t read_ = 0, columns_ = 0;  // columns_: what a terminal shows in its last line
  std::vector<std::string> left_out_;
  std::string problem_;  // the last one, not told yet: if it is the only one, it is the error
};
/// Rows of cells in columns; the first row is the head. Columns of numbers stand to the right.
void print_table(std::ostream& out, const std::vector<std::vector<std::string>>& rows);
/// JSON text cannot hold what is not UTF-8, as the name of a file may be: U+FFFD takes its place, and a note on standard error says so.
std::string json_text(const Json& value, int indent);
void print_json(const Json& value);
std::string fixed(double value, int digits);
std::string scientific(double value);
std::string with_commas(std::int64_t value);  // 1,234,567
/// How this program was called: what suggested commands begin with.
std::string& program_name();
}  // namespace siglip::tools
