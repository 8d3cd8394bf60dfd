// words.cpp — captions to words: the simplest tokenizer that lets a small model train on its own data.
//
// A text is a row of bytes, and each byte is one of three things:
//   dropped   white space, control characters (all bytes up to 32, and 127) and the marks , . ; : ! ? " ' ( ) [ ] { } - _ / \   they end a word
//   symbol    every other ASCII character that is neither letter nor digit, as # & + = @   a word of its own
//   letter    the rest: ASCII letters (lowered), digits, and all bytes above 127, so accents, other scripts and emoji stay whole
// tokenizer.json says the same in the vocabulary of the Hugging Face library, and tools/reference/check_export.py compares the two. It lists
// no added tokens: that library would look for them in the text first, and a caption could then end itself with a literal "</s>".
#include "data/words.h"
#include <algorithm>
#include <string_view>
#include <unordered_map>
#include <utility>
#include "core/hash.h"
#include "core/limits.h"
#include "data/utf8.h"
#include "siglip/checkpoint.h"
#include "siglip/error.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
constexpr std::string_view marks = ",.;:!?\"'()[]{}-_/\\", symbols = "#$%&*+<=>@^`|~";
constexpr const char *pad = "<pad>", *end = "</s>", *unknown = "<unk>";
constexpr std::int32_t end_id = 1, unknown_id = 2;
constexpr Dim specials = 3;

bool is_dropped(char c) {
  const unsigned char byte = static_cast<unsigned char>(c);
  return byte <= 32 || byte == 127 || marks.find(c) != std::string_view::npos;
}
bool is_symbol(char c) { return symbols.find(c) != std::string_view::npos; }

/// Takes the next word off the front of `rest`; empty when there is none.
std::string next_word(std::string_view& rest) {
  std::size_t begin = 0;
  while (begin < rest.size() && is_dropped(rest[begin])) ++begin;
  std::size_t stop = begin;
  if (begin < rest.size() && is_symbol(rest[begin]))
    ++stop;
  else
    while (stop < rest.size() && !is_dropped(rest[stop]) && !is_symbol(rest[stop])) ++stop;
  std::string word = lower_case_ascii(std::string(rest.substr(begin, stop - begin)));
  rest.remove_prefix(stop);
  return word;
}

// What the Hugging Face library has to do to give the same ids; the vocabulary is added by save().
Json form(Dim context) {
  Json lowering = Json::array();
  for (char c = 'A'; c <= 'Z'; ++c)
    lowering.push_back({{"type", "Replace"}, {"pattern", {{"String", std::string(1, c)}}}, {"content", lower_case_ascii(std::string(1, c))}});
  const auto split = [](const char* regex, const char* behavior) {
    return Json{{"type", "Split"}, {"pattern", {{"Regex", regex}}}, {"behavior", behavior}, {"invert", false}};
  };
  const Json dropped = split(R"([\x00-\x20\x7f,.;:!?"'()\[\]{}\-_/\\]+)", "Removed"), isolated = split(R"([#$%&*+<=>@\^`|~])", "Isolated");
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
      {"normalizer", {{"type", "Sequence"}, {"normalizers", lowering}}},
      {"pre_tokenizer", {{"type", "Sequence"}, {"pretokenizers", Json::array({dropped, isolated})}}},
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
  Words(std::vector<std::string> words, Dim context) : words_(std::move(words)), context_(context) {
    for (const std::string& word : words_) ids_.emplace(word, static_cast<std::int32_t>(ids_.size()));
  }

  Dim vocab_size() const override { return static_cast<Dim>(words_.size()); }
  Dim context() const override { return context_; }

  std::vector<std::int32_t> encode(const std::string& text) const override {
    std::vector<std::int32_t> ids;
    const std::size_t length = static_cast<std::size_t>(context_);
    ids.reserve(length);
    std::string_view rest = text;
    while (ids.size() + 1 < length) {
      const std::string word = next_word(rest);
      if (word.empty()) break;
      const auto found = ids_.find(word);
      ids.push_back(found == ids_.end() ? unknown_id : found->second);
    }
    ids.resize(length, end_id);  // the end token, then the padding, which is the end token too
    return ids;
  }

  std::vector<std::string> pieces(const std::string& text) const override {
    std::vector<std::string> words;
    std::string_view rest = text;
    for (std::string word = next_word(rest); !word.empty(); word = next_word(rest)) words.push_back(std::move(word));
    return words;
  }

  std::string piece(std::int32_t id) const override {
    require(id >= 0 && id < vocab_size(), "piece", "an id of 0 to ", vocab_size() - 1, " is expected, got ", id);
    return words_[static_cast<std::size_t>(id)];
  }

  std::string profile() const override { return "words"; }

  std::string describe() const override {
    return "words: " + std::to_string(vocab_size()) + " ids, ASCII lower case, marks dropped, padded with </s> to " + std::to_string(context_);
  }

  void save(const std::string& folder) const override {
    Json json = form(context_);
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
    std::string_view rest = text;
    for (std::string word = next_word(rest); !word.empty(); word = next_word(rest)) ++counts[std::move(word)];
  }
  std::vector<std::pair<std::int64_t, std::string>> ranked;
  for (const auto& [word, count] : counts)
    if (is_valid_utf8(word)) ranked.emplace_back(-count, word);  // others cannot stand in tokenizer.json
  std::sort(ranked.begin(), ranked.end());
  std::vector<std::string> words = {pad, end, unknown};
  for (std::size_t i = 0; i < ranked.size() && static_cast<Dim>(words.size()) < max_vocab; ++i) words.push_back(std::move(ranked[i].second));
  return std::make_unique<Words>(std::move(words), context);
}

std::unique_ptr<Tokenizer> words_from_json(const Json& json, const std::string& file) {
  const Json::json_pointer length("/truncation/max_length"), vocabulary("/model/vocab");
  require(json.contains(length) && json.at(length).is_number_unsigned(), file, "a whole number truncation.max_length is expected, got ",
          json.contains(length) ? brief(json.at(length)) : "none");
  const std::uint64_t context = json.at(length).get<std::uint64_t>();
  require(context >= 1 && context <= most_tokens, file, "truncation.max_length is 1 to ", most_tokens, ", got ", context);
  require(json.contains(vocabulary), file, "model.vocab is expected, got none");

  // Everything but the vocabulary stands exactly as save() writes it; the order of keys is free.
  const nlohmann::json expected = form(static_cast<Dim>(context));
  for (const auto& [key, value] : expected.items()) {
    const auto found = json.find(key);
    require(found != json.end(), file, "\"", key, "\" is expected, got none");
    nlohmann::json got = *found;
    if (key == "model") got["vocab"] = nlohmann::json::object();
    require(got == value, file, "\"", key, "\" of a tokenizer written by siglip is expected, got another one");
  }
  for (const auto& [key, value] : json.items()) require(expected.contains(key), file, "no ", brief(key), " is expected, got one");
  return std::make_unique<Words>(read_vocabulary(json.at(vocabulary), file), static_cast<Dim>(context));
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
