// sentencepiece.cpp — SentencePiece unigram models (Kudo 2018), by libsentencepiece, which is included here and nowhere else.
//
// Two profiles clean a text before the model and spell the ids alike: the first T-1 of them, then </s>, then </s> as padding.
//   hf_v1        as SiglipTokenizer of Hugging Face's transformers 5: the text behind a ▁ is cut at the special tokens that stand in it; each part is
//                lowered (Unicode), loses its ASCII punctuation, its runs of white space become one blank, and its ends are stripped. The model
//                then gets "<unk>" before it, whose pieces are dropped again: so no dummy blank is put before a part, whatever the model says.
//   big_vision   the text with its ASCII letters lowered, as it is: what the models were trained with.
// (transformers 4 lowers character by character, so that its Σ never becomes ς; nothing else differs.)
#include "data/sentencepiece.h"
#include <sentencepiece_processor.h>
#include <algorithm>
#include <initializer_list>
#include <map>
#include <utility>
#include "core/limits.h"
#include "data/added_tokens.h"
#include "data/spiece_check.h"
#include "data/utf8.h"
#include "io/stand_in.h"
#include "siglip/checkpoint.h"
#include "siglip/error.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
using Pieces = std::vector<std::string>;

struct Part {
  std::string_view text;
  const AddedToken* special;  // or null
};

void strip_front(std::string_view& text) {
  for (std::string_view rest = text; !rest.empty() && is_blank(take_character(rest));) text = rest;
}
void strip_back(std::string_view& text) {
  std::size_t end = 0;
  for (std::string_view rest = text; !rest.empty();)
    if (!is_blank(take_character(rest))) end = text.size() - rest.size();
  text = text.substr(0, end);
}

std::vector<Part> split(std::string_view text, const AddedTokens& specials) {
  std::vector<Part> parts;
  std::size_t begin = 0;
  for (std::size_t at = 0; at < text.size();) {
    const AddedToken* special = specials.at_front(text.substr(at));
    if (!special) {
      ++at;
      continue;
    }
    if (at > begin) parts.push_back({text.substr(begin, at - begin), nullptr});
    parts.push_back({text.substr(at, special->content.size()), special});
    begin = at += special->content.size();
  }
  if (begin < text.size()) parts.push_back({text.substr(begin), nullptr});
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const AddedToken* special = parts[i].special;
    if (special && special->strips_right && i + 1 < parts.size() && !parts[i + 1].special) strip_front(parts[i + 1].text);
    if (special && special->strips_left && i > 0 && !parts[i - 1].special) strip_back(parts[i - 1].text);
  }
  return parts;
}

bool is_punctuation(char32_t c) { return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') || (c >= '{' && c <= '~'); }

std::string canonical(std::string_view part, bool lower) {
  const std::string text = lower ? lower_case(std::string(part), Sigma::final) : std::string(part);
  std::string clean;
  clean.reserve(text.size());
  bool after_blank = false;
  for (std::string_view rest = text; !rest.empty();) {
    const char32_t c = take_character(rest);
    if (is_punctuation(c)) continue;
    if (is_blank(c)) {
      after_blank = true;
      continue;
    }
    if (std::exchange(after_blank, false) && !clean.empty()) clean += ' ';
    append_character(clean, c);
  }
  return clean;
}

class SentencePieces final : public Tokenizer {
 public:
  struct Settings {
    bool huggingface, lower;
    Dim context, vocab_size;
    AddedTokens specials;
    Json json;  // tokenizer_config.json as it was read
  };

  SentencePieces(std::string bytes, const std::string& file, Settings settings)
      : bytes_(std::move(bytes)), model_(check_spiece(bytes_, file)), settings_(std::move(settings)) {
    try {
      const auto status = processor_.LoadFromSerializedProto(bytes_);
      require(status.ok(), file, "a model that libsentencepiece loads is expected, got: ", status.message());
    } catch (const Error&) {
      throw;
    } catch (const std::exception& e) {
      fail(file, "a model that libsentencepiece loads is expected, got: ", e.what());
    }
    unknown_pieces_ = model_pieces("<unk>").size();
    settings_.vocab_size = std::min(settings_.vocab_size, static_cast<Dim>(model_.pieces.size()));
    for (std::size_t id = static_cast<std::size_t>(settings_.vocab_size); id < model_.pieces.size(); ++id)
      if (model_.pieces[id].find("<extra_id_") == std::string_view::npos)
        fail(file, "at most vocab_size = ", settings_.vocab_size, " pieces, as config.json says, are expected, got ", model_.pieces.size());
    for (const AddedToken& special : settings_.specials.sorted())
      require(special.id >= 0 && special.id < settings_.vocab_size, file, "an id below ", settings_.vocab_size, " for ", brief(special.content),
              " is expected, got ", special.id);
  }

  Dim vocab_size() const override { return settings_.vocab_size; }
  Dim context() const override { return settings_.context; }

  std::vector<std::int32_t> encode(const std::string& text) const override {
    const std::size_t length = static_cast<std::size_t>(settings_.context);
    std::vector<std::int32_t> ids;
    for (const std::string& piece : tokens(text, length)) {
      if (ids.size() + 1 == length) break;
      ids.push_back(id_of(piece));
    }
    ids.resize(length, model_.end);  // the end token, then the padding, which is the end token too
    return ids;
  }

  Pieces pieces(const std::string& text) const override { return tokens(text, text.size()); }

  std::string piece(std::int32_t id) const override {
    require(id >= 0 && id < settings_.vocab_size, "piece", "an id of 0 to ", settings_.vocab_size - 1, " is expected, got ", id);
    return std::string(model_.pieces[static_cast<std::size_t>(id)]);
  }

  std::string profile() const override { return settings_.huggingface ? "hf_v1" : "big_vision"; }

  bool lowers() const override { return settings_.lower; }

  std::string describe() const override {
    const std::string lowered = settings_.huggingface ? "lower case, ASCII punctuation dropped, white space collapsed" : "ASCII lower case";
    const std::string cased = settings_.huggingface ? "ASCII punctuation dropped, white space collapsed" : "not lowered";
    return "SentencePiece unigram, profile " + profile() + ": " + std::to_string(vocab_size()) + " ids, " + (settings_.lower ? lowered : cased) +
           ", padded with </s> to " + std::to_string(context());
  }

  void save(const std::string& folder) const override {
    write_file(folder + "/spiece.model", bytes_);
    Json json = settings_.json;
    json["tokenizer_class"] = "SiglipTokenizer";
    write_tokenizer_config(folder, std::move(json), profile(), settings_.lower, settings_.context);
  }

 private:
  std::int32_t id_of(const std::string& piece) const {
    if (const AddedToken* special = settings_.specials.find(piece)) return special->id;
    const std::int32_t id = processor_.PieceToId(piece);
    return id < settings_.vocab_size ? id : model_.unknown;
  }

  Pieces model_pieces(std::string_view text) const {
    Pieces pieces;
    const auto status = processor_.Encode(text, &pieces);
    require(status.ok(), "tokenizer", "a text that libsentencepiece takes is expected, got: ", status.message());
    return pieces;
  }

  // At least the first `enough` pieces of the text: where words are independent, a prefix of a long text tells them.
  Pieces first_pieces(std::string_view text, std::size_t enough) const {
    if (model_.independent_words)
      for (std::size_t size = 4096; size < text.size(); size *= 8) {
        const std::size_t end = text.rfind(' ', size);
        if (end == std::string_view::npos || end == 0) continue;
        Pieces pieces = model_pieces(text.substr(0, end));
        if (pieces.size() >= enough) return pieces;
      }
    return model_pieces(text);
  }

  Pieces tokens(const std::string& text, std::size_t enough) const {
    if (!settings_.huggingface) return first_pieces(settings_.lower ? lower_case_ascii(text) : text, enough);
    std::string marked(blank_mark);
    for (std::string_view rest = text; !rest.empty();) {
      const char32_t c = take_character(rest);
      append_character(marked, c == 0x2581 ? ' ' : c);
    }
    Pieces tokens;
    for (const Part& part : split(marked, settings_.specials)) {
      if (part.special) {
        tokens.push_back(part.special->content);
      } else if (!part.text.empty()) {
        const Pieces pieces = first_pieces("<unk>" + canonical(part.text, settings_.lower), enough + unknown_pieces_);
        const std::size_t dropped = pieces.size() >= unknown_pieces_ ? unknown_pieces_ : 0;
        tokens.insert(tokens.end(), pieces.begin() + static_cast<std::ptrdiff_t>(dropped), pieces.end());
      }
      if (tokens.size() > enough) break;
    }
    if (tokens.size() > 1 && tokens[0] == blank_mark && settings_.specials.find(tokens[1])) tokens.erase(tokens.begin());
    return tokens;
  }

  std::string bytes_;  // of spiece.model; model_.pieces point into it
  SpieceModel model_;
  Settings settings_;
  sentencepiece::SentencePieceProcessor processor_;
  std::size_t unknown_pieces_ = 0;  // that "<unk>" falls into
};

// added_tokens_decoder, as transformers writes it: id → {content, lstrip, rstrip, …}.
AddedTokens read_specials(const TokenizerConfig& config) {
  std::map<std::string, AddedToken> specials;  // of equal ones the last counts
  for (const AddedToken& own : {AddedToken{"</s>", 1, true, true}, AddedToken{"<unk>", 2, true, true}})
    specials[own.content] = own;  // the class adds them
  const Json decoder = config.json.value("added_tokens_decoder", Json::object());
  if (!decoder.is_object()) config.refuse("added_tokens_decoder", "an object");
  for (auto entry = decoder.begin(); entry != decoder.end(); ++entry) {
    const std::string& id = entry.key();
    const Json& token = entry.value();
    const bool is_id = !id.empty() && id.size() <= 8 && id.find_first_not_of("0123456789") == std::string::npos;
    const bool is_token = token.is_object() && token.contains("content") && token.at("content").is_string() && token.at("content") != "";
    if (!is_id || !is_token) config.refuse("added_tokens_decoder", "tokens with content, by id");
    const auto flag = [&](const char* key) { return token.contains(key) && token.at(key) == true; };
    require(!flag("single_word"), config.file, "single_word false for ", brief(token.at("content")), " is expected, got true");
    const std::string content = token.at("content").get<std::string>();
    specials[content] = {content, std::stoi(id), flag("lstrip"), flag("rstrip")};
  }
  std::vector<AddedToken> all;
  for (auto& [content, token] : specials) all.push_back(std::move(token));
  return AddedTokens(std::move(all), config.file);
}
}  // namespace

std::unique_ptr<Tokenizer> read_sentencepiece(const TokenizerConfig& config, const TokenizerOptions& options) {
  const std::string file = config.folder + "/spiece.model";
  const std::string profile = config.text("siglip_profile", "hf_v1");
  if (profile != "hf_v1" && profile != "big_vision") config.refuse("siglip_profile", "\"hf_v1\" or \"big_vision\" beside spiece.model");
  for (const char* key : {"pad_token", "eos_token"})
    if (config.text(key, "</s>") != "</s>") config.refuse(key, "\"</s>\"");
  if (config.text("unk_token", "<unk>") != "<unk>") config.refuse("unk_token", "\"<unk>\"");
  const std::optional<TextSizes> sizes = read_text_sizes(config.folder);
  std::string bytes = read_file(file, most_spiece_bytes);
  refuse_stand_in(bytes, file);
  return std::make_unique<SentencePieces>(std::move(bytes), file,
                                          SentencePieces::Settings{profile == "hf_v1", config.lower(options), config.context(),
                                                                   sizes ? sizes->vocab_size : most_vocab, read_specials(config), config.json});
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
