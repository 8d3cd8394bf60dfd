// gemma.cpp — the tokenizer of SigLIP 2: Gemma's byte pair encoding.
//
// A text is cut at the added tokens that stand in it, as they are written; the parts between are lowered (character by character, as
// transformers' Siglip2Tokenizer does, and the models were trained with; the published files forgot it), blanks become ▁, and the rules of
// the model join the characters. No beginning is put before the ids. The first T-1 of them, then <eos>, then <pad>.
#include "data/bpe_file.h"
#include "data/utf8.h"
#include "siglip/checkpoint.h"
#include "siglip/error.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
class Gemma final : public Tokenizer {
 public:
  struct Settings {
    bool lower;
    Dim context;
    std::int32_t end, pad;
    Json json;  // tokenizer_config.json as it was read
  };

  Gemma(std::unique_ptr<const BpeFile> file, Settings settings) : file_(std::move(file)), settings_(std::move(settings)) {}

  Dim vocab_size() const override { return static_cast<Dim>(file_->model->pieces().size()); }
  Dim context() const override { return settings_.context; }

  std::vector<std::int32_t> encode(const std::string& text) const override {
    const std::size_t length = static_cast<std::size_t>(settings_.context);
    std::vector<std::int32_t> ids = all_ids(text, length - 1);
    if (ids.size() >= length) ids.resize(length - 1);
    ids.push_back(settings_.end);
    ids.resize(length, settings_.pad);
    return ids;
  }

  std::vector<std::string> pieces(const std::string& text) const override {
    std::vector<std::string> pieces;
    for (const std::int32_t id : all_ids(text, text.size() + 1)) pieces.push_back(piece(id));
    return pieces;
  }

  std::string piece(std::int32_t id) const override {
    require(id >= 0 && id < vocab_size(), "piece", "an id of 0 to ", vocab_size() - 1, " is expected, got ", id);
    return std::string(file_->model->pieces()[static_cast<std::size_t>(id)]);
  }

  std::string profile() const override { return "siglip2"; }

  bool lowers() const override { return settings_.lower; }

  std::string describe() const override {
    return "BPE, profile siglip2: " + std::to_string(vocab_size()) + " ids, " + (settings_.lower ? "lower case" : "not lowered") + ", ended with " +
           piece(settings_.end) + ", padded with " + piece(settings_.pad) + " to " + std::to_string(context());
  }

  void save(const std::string& folder) const override {
    write_file(folder + "/tokenizer.json", file_->bytes);
    Json json = settings_.json;
    // The class of transformers 5 that lowers as this does; the other one does not.
    json["tokenizer_class"] = settings_.lower ? "Siglip2Tokenizer" : "GemmaTokenizer";
    json["add_bos_token"] = false;
    json["add_eos_token"] = true;
    write_tokenizer_config(folder, std::move(json), profile(), settings_.lower, settings_.context);
  }

 private:
  void add_part(std::string_view part, std::size_t enough, std::vector<std::int32_t>& ids) const {
    const std::string text = settings_.lower ? lower_case(std::string(part), Sigma::plain) : std::string(part);
    std::string marked;
    marked.reserve(text.size() * 2);
    for (const char c : text)
      if (c == ' ')
        marked += blank_mark;
      else
        marked += c;
    file_->model->encode(marked, enough, ids);
  }

  std::vector<std::int32_t> all_ids(const std::string& bytes, std::size_t enough) const {
    const std::string text = is_valid_utf8(bytes) ? bytes : valid_utf8(bytes);
    std::vector<std::int32_t> ids;
    std::size_t begin = 0;
    for (std::size_t at = 0; at < text.size() && ids.size() < enough;) {
      const AddedToken* token = file_->added_tokens.at_front(std::string_view(text).substr(at));
      if (!token) {
        ++at;
        continue;
      }
      if (at > begin) add_part(std::string_view(text).substr(begin, at - begin), enough, ids);
      ids.push_back(token->id);
      begin = at += token->content.size();
    }
    if (begin < text.size() && ids.size() < enough) add_part(std::string_view(text).substr(begin), enough, ids);
    return ids;
  }

  std::unique_ptr<const BpeFile> file_;
  Settings settings_;
};
}  // namespace

std::unique_ptr<Tokenizer> read_gemma(const TokenizerConfig& config, const TokenizerOptions& options, std::string bytes) {
  const std::string file = config.folder + "/tokenizer.json";
  if (config.text("siglip_profile", "siglip2") != "siglip2") config.refuse("siglip_profile", "\"siglip2\" beside a BPE model");
  const std::string end = config.text("eos_token", "<eos>"), pad = config.text("pad_token", "<pad>");
  std::unique_ptr<BpeFile> read = read_bpe_file(std::move(bytes), file, end);
  const std::int32_t end_id = read->model->find(end), pad_id = read->model->find(pad);
  require(end_id >= 0, file, "a piece ", brief(end), " (eos_token) is expected, got none");
  require(pad_id >= 0, file, "a piece ", brief(pad), " (pad_token) is expected, got none");
  require(read->pad_id.value_or(pad_id) == pad_id, file, "padding.pad_id = ", pad_id, ", the id of ", brief(pad), ", is expected, got ",
          read->pad_id.value_or(pad_id));
  // What the template says, the settings of Gemma's class overrule.
  const bool settings_end = config.flag("add_eos_token") == true && config.flag("add_bos_token") == false;
  require(read->ends || settings_end, file, "a post_processor that adds ", end,
          " alone is expected (or add_eos_token true and add_bos_token false in tokenizer_config.json), got another");
  const auto sizes = read_text_sizes(config.folder);
  const Dim pieces = static_cast<Dim>(read->model->pieces().size());
  require(!sizes || pieces <= sizes->vocab_size, file, "at most vocab_size = ", sizes ? sizes->vocab_size : 0,
          " pieces, as config.json says, are expected, got ", pieces);
  const Dim context = config.context(read->length);
  return std::make_unique<Gemma>(std::move(read), Gemma::Settings{config.lower(options), context, end_id, pad_id, config.json});
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
