// words.cpp — captions to words: the simplest tokenizer that lets a small model train on its own data.
//
// A text is brought to Unicode's normal form C and to lower case, and each character is one of four things:
//   dropped   white space, control characters and punctuation, as , . ; : ! ? " ' ( ) [ ] { } - _ / \ and « — 。   they end a word
//   symbol    every other ASCII character that is neither letter nor digit, as # & + = @   a word of its own
//   alone     a character of a script that sets no blanks between words, as Chinese, Japanese and Thai: with its marks a word of its own
//   letter    the rest: letters, digits, marks; emoji too, which stay whole
// tokenizer.json says the same in the vocabulary of the Hugging Face library, and tools/reference/check_words.py compares the two. It lists
// no added tokens: that library would look for them in the text first, and a caption could then end itself with a literal "</s>".
//
// Files of earlier versions look at ASCII alone: its letters are lowered, its blanks and punctuation dropped, and all bytes above 127 are letters.
// They are read, and give the ids that their models were trained with.
#include "data/words.h"
#include <algorithm>
#include <string_view>
#include <unordered_map>
#include <utility>
#include "core/hash.h"
#include "core/limits.h"
#include "data/character_runs.h"
#include "data/utf8.h"
#include "siglip/checkpoint.h"
#include "siglip/error.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
#include "data/word_characters.inc"

constexpr std::string_view ascii_marks = ",.;:!?\"'()[]{}-_/\\", symbols = "#$%&*+<=>@^`|~";
constexpr const char *pad = "<pad>", *end = "</s>", *unknown = "<unk>";
constexpr std::int32_t end_id = 1, unknown_id = 2;
constexpr Dim specials = 3;

enum class Rules { unicode, ascii };
enum class Kind { dropped, symbol, alone, letter };

Kind kind_of(char32_t c, Rules rules) {
  if (c < 0x80 && symbols.find(static_cast<char>(c)) != std::string_view::npos) return Kind::symbol;
  if (rules == Rules::ascii)
    return c <= 32 || c == 127 || (c < 0x80 && ascii_marks.find(static_cast<char>(c)) != std::string_view::npos) ? Kind::dropped : Kind::letter;
  return run_of(dropped_runs, c) ? Kind::dropped : run_of(alone_runs, c) ? Kind::alone : Kind::letter;
}

// Gives the words of a text one by one.
class WordsOf {
 public:
  WordsOf(const std::string& text, Rules rules)
      : text_(rules == Rules::ascii ? lower_case_ascii(text) : cleaned(text)), rest_(text_), rules_(rules) {}

  /// Empty when there is none any more.
  std::string_view next() {
    while (!rest_.empty() && first() == Kind::dropped) skip();
    const std::string_view from = rest_;
    if (rest_.empty()) return from;
    const Kind kind = first();
    skip();
    while (!rest_.empty() && goes_on(kind)) skip();
    return from.substr(0, from.size() - rest_.size());
  }

 private:
  // Lower case may leave a pair that is one character, as of J and a caron, for which no capital is.
  static std::string cleaned(const std::string& text) {
    return normal_form(lower_case(normal_form(is_valid_utf8(text) ? text : valid_utf8(text)), Sigma::plain));
  }
  // Of the ASCII rules, bytes are the characters.
  char32_t take(std::string_view& rest) const {
    if (rules_ == Rules::unicode) return take_character(rest);
    const char32_t byte = static_cast<unsigned char>(rest[0]);
    rest.remove_prefix(1);
    return byte;
  }
  void skip() { take(rest_); }
  Kind first() const {
    std::string_view rest = rest_;
    return kind_of(take(rest), rules_);
  }
  bool goes_on(Kind kind) const {
    std::string_view rest = rest_;
    if (kind == Kind::alone) return run_of(mark_runs, take(rest)) != nullptr;
    return kind == Kind::letter && first() == Kind::letter;
  }

  std::string text_;
  std::string_view rest_;
  Rules rules_;
};

// What the Hugging Face library has to do to give the same ids; the vocabulary is added by save().
Json form(Dim context, Rules rules) {
  const auto split = [](const char* regex, const char* behavior) {
    return Json{{"type", "Split"}, {"pattern", {{"Regex", regex}}}, {"behavior", behavior}, {"invert", false}};
  };
  Json cleaning, splits;
  if (rules == Rules::unicode) {
    cleaning = {{{"type", "NFC"}}, {{"type", "Lowercase"}}, {{"type", "NFC"}}};
    splits = {
        split(R"((?:(?![#%&*@])[\s\p{Cc}\p{P}])+)", "Removed"),
        split(R"([#$%&*+<=>@\^`|~]|[\p{Han}\p{Hiragana}\p{Katakana}\p{Bopomofo}\p{Yi}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tai_Le}\p{New_Tai_Lue})"
              R"(\p{Tai_Tham}\p{Tai_Viet}\p{Javanese}\p{Balinese}]\p{M}*)",
              "Isolated")};
  } else {
    for (char c = 'A'; c <= 'Z'; ++c)
      cleaning.push_back({{"type", "Replace"}, {"pattern", {{"String", std::string(1, c)}}}, {"content", lower_case_ascii(std::string(1, c))}});
    splits = {split(R"([\x00-\x20\x7f,.;:!?"'()\[\]{}\-_/\\]+)", "Removed"), split(R"([#$%&*+<=>@\^`|~])", "Isolated")};
  }
  const Json text = {{"Sequence", {{"id", "A"}, {"type_id", 0}}}}, second = {{"Sequence", {{"id", "B"}, {"type_id", 1}}}};
  const Json ending = {{"SpecialToken", {{"id", end}, {"type_id", 0}}}};
  return {
      {"version", "1.0"},
      {"truncation", {{"direction", "Right"}, {"max_length", context}, {"strategy", "LongestFirst"}, {"stride", 0}}},
      {"padding",
       {{"strategy", {{"Fixed", context}}},
        {"direction", "Right"},
        {"pad_to_multiple_of", nullptr},
        {"pad_id", end_id},
        {"pad_type_id", 0},
        {"pad_token", end}}},
      {"added_tokens", Json::array()},
      {"normalizer", {{"type", "Sequence"}, {"normalizers", cleaning}}},
      {"pre_tokenizer", {{"type", "Sequence"}, {"pretokenizers", splits}}},
      {"post_processor",
       {{"type", "TemplateProcessing"},
        {"single", Json::array({text, ending})},
        {"pair", Json::array({text, ending, second, ending})},
        {"special_tokens", {{end, {{"id", end}, {"ids", Json::array({end_id})}, {"tokens", Json::array({end})}}}}}}},
      {"decoder", nullptr},
      {"model", {{"type", "WordLevel"}, {"vocab", Json::object()}, {"unk_token", unknown}}},
  };
}

class Words final : public Tokenizer {
 public:
  /// words[id] for every id, the three special ones included; distinct.
  Words(std::vector<std::string> words, Dim context, Rules rules) : words_(std::move(words)), context_(context), rules_(rules) {
    for (const std::string& word : words_) ids_.emplace(word, static_cast<std::int32_t>(ids_.size()));
  }

  Dim vocab_size() const override { return static_cast<Dim>(words_.size()); }
  Dim context() const override { return context_; }

  std::vector<std::int32_t> encode(const std::string& text) const override {
    std::vector<std::int32_t> ids;
    const std::size_t length = static_cast<std::size_t>(context_);
    ids.reserve(length);
    WordsOf rest(text, rules_);
    while (ids.size() + 1 < length) {
      const std::string_view word = rest.next();
      if (word.empty()) break;
      const auto found = ids_.find(std::string(word));
      ids.push_back(found == ids_.end() ? unknown_id : found->second);
    }
    ids.resize(length, end_id);  // the end token, then the padding, which is the end token too
    return ids;
  }

  std::vector<std::string> pieces(const std::string& text) const override {
    std::vector<std::string> words;
    WordsOf rest(text, rules_);
    for (std::string_view word = rest.next(); !word.empty(); word = rest.next()) words.emplace_back(word);
    return words;
  }

  std::string piece(std::int32_t id) const override {
    require(id >= 0 && id < vocab_size(), "piece", "an id of 0 to ", vocab_size() - 1, " is expected, got ", id);
    return words_[static_cast<std::size_t>(id)];
  }

  std::string profile() const override { return "words"; }

  std::string describe() const override {
    return "words: " + std::to_string(vocab_size()) + " ids, " + (rules_ == Rules::ascii ? "ASCII " : "") +
           "lower case, marks dropped, padded with </s> to " + std::to_string(context_);
  }

  void save(const std::string& folder) const override {
    Json json = form(context_, rules_);
    auto& vocabulary = json["model"]["vocab"].get_ref<Json::object_t&>();
    for (std::size_t id = 0; id < words_.size(); ++id) vocabulary.push_back({words_[id], id});
    write_file(folder + "/tokenizer.json", json.dump(2) + "\n");
    const Json config = {
        {"tokenizer_class", "PreTrainedTokenizerFast"},
        {"model_max_length", context_},
        {"padding_side", "right"},
        {"truncation_side", "right"},
        {"pad_token", end},
        {"eos_token", end},
        {"unk_token", unknown},
        {"model_input_names", Json::array({"input_ids"})},
        {"split_special_tokens", true},  // a literal "</s>" in a text is text
        {"clean_up_tokenization_spaces", false},
    };
    write_file(folder + "/tokenizer_config.json", config.dump(2) + "\n");
  }

 private:
  std::vector<std::string> words_;
  std::unordered_map<std::string, std::int32_t, KeyedHash> ids_;
  Dim context_;
  Rules rules_;
};

// The vocabulary of tokenizer.json: ids 0 … V-1, each once, the special ones in their places.
std::vector<std::string> read_vocabulary(const Json& vocabulary, const std::string& file) {
  require(vocabulary.is_object(), file, "model.vocab is an object, got ", vocabulary.type_name());
  const Dim size = static_cast<Dim>(vocabulary.size());
  require(size >= specials && size <= most_vocab, file, "model.vocab has ", specials, " to ", most_vocab, " words, got ", size);
  std::vector<std::string> words(vocabulary.size());
  std::vector<bool> taken(vocabulary.size());
  for (const auto& [word, id] : vocabulary.items()) {
    require(id.is_number_unsigned() && id.get<std::uint64_t>() < vocabulary.size(), file, "the id of ", brief(word), " is 0 to ", size - 1, ", got ",
            brief(id));
    const std::size_t i = id.get<std::size_t>();
    require(!taken[i], file, "each id once is expected, got ", i, " for ", brief(words[i]), " and ", brief(word));
    taken[i] = true;
    words[i] = word;
  }
  const std::vector<std::string> special = {pad, end, unknown};
  for (std::size_t i = 0; i < special.size(); ++i) require(words[i] == special[i], file, "id ", i, " is \"", special[i], "\", got ", brief(words[i]));
  return words;
}
}  // namespace

std::unique_ptr<Tokenizer> learn_words(const std::vector<std::string>& texts, Dim context, Dim max_vocab) {
  require(context >= 1 && context <= most_tokens, "learn_words", "context is 1 to ", most_tokens, ", got ", context);
  require(max_vocab >= specials && max_vocab <= most_vocab, "learn_words", "max_vocab is ", specials, " to ", most_vocab, ", got ", max_vocab);
  std::unordered_map<std::string, std::int64_t, KeyedHash> counts;
  for (const std::string& text : texts) {
    WordsOf rest(text, Rules::unicode);
    for (std::string_view word = rest.next(); !word.empty(); word = rest.next()) ++counts[std::string(word)];
  }
  std::vector<std::pair<std::int64_t, std::string>> ranked;
  for (const auto& [word, count] : counts) ranked.emplace_back(-count, word);
  std::sort(ranked.begin(), ranked.end());
  std::vector<std::string> words = {pad, end, unknown};
  for (std::size_t i = 0; i < ranked.size() && static_cast<Dim>(words.size()) < max_vocab; ++i) words.push_back(std::move(ranked[i].second));
  return std::make_unique<Words>(std::move(words), context, Rules::unicode);
}

std::unique_ptr<Tokenizer> words_from_json(const Json& json, const std::string& file) {
  const Json::json_pointer length("/truncation/max_length"), vocabulary("/model/vocab");
  require(json.contains(length) && json.at(length).is_number_unsigned(), file, "a whole number truncation.max_length is expected, got ",
          json.contains(length) ? brief(json.at(length)) : "none");
  const std::uint64_t context = json.at(length).get<std::uint64_t>();
  require(context >= 1 && context <= most_tokens, file, "truncation.max_length is 1 to ", most_tokens, ", got ", context);
  require(json.contains(vocabulary), file, "model.vocab is expected, got none");

  // Everything but the vocabulary stands exactly as save() writes it; the order of keys is free.
  const nlohmann::json earlier = form(static_cast<Dim>(context), Rules::ascii), current = form(static_cast<Dim>(context), Rules::unicode);
  const auto normalizer = json.find("normalizer");
  const bool is_earlier = normalizer != json.end() && nlohmann::json(*normalizer) == earlier.at("normalizer");
  const nlohmann::json& expected = is_earlier ? earlier : current;
  for (const auto& [key, value] : expected.items()) {
    const auto found = json.find(key);
    require(found != json.end(), file, "\"", key, "\" is expected, got none");
    nlohmann::json got = *found;
    if (key == "model") got["vocab"] = nlohmann::json::object();
    require(got == value, file, "\"", key, "\" of a tokenizer written by siglip is expected, got another one");
  }
  for (const auto& [key, value] : json.items()) require(expected.contains(key), file, "no ", brief(key), " is expected, got one");
  return std::make_unique<Words>(read_vocabulary(json.at(vocabulary), file), static_cast<Dim>(context), is_earlier ? Rules::ascii : Rules::unicode);
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
