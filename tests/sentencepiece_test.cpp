// SentencePiece models: the ids of other libraries, the profiles, and models that are not what they claim to be.
#include <doctest/doctest.h>
#include <cmath>
#include <cstring>
#include <ctime>
#include <functional>
#include <limits>
#include "data/spiece_check.h"
#include "data/utf8.h"
#include "temporary_folder.h"
#include "tokenizer_goldens.h"
using namespace siglip;
using Row = std::vector<std::int32_t>;
using Pieces = std::vector<std::string>;

TEST_CASE("spiece.model: the ids of transformers' SiglipTokenizer") {
  check_goldens(*read_tokenizer(golden_folder + "english"), "hf_v1-english", 1);
  check_goldens(*read_tokenizer(golden_folder + "multilingual"), "hf_v1", 1);
}

namespace {
// A folder with a copy of a golden tokenizer.
struct Copy {
  TemporaryFolder folder;
  Json config;
  explicit Copy(const std::string& name = "multilingual") {
    folder.write("spiece.model", read_file(golden_folder + name + "/spiece.model"));
    config = parse_json(read_file(golden_folder + name + "/tokenizer_config.json"), "tokenizer_config.json");
  }
  std::unique_ptr<Tokenizer> read(const TokenizerOptions& options = {}) const {
    folder.write("tokenizer_config.json", config.dump());
    return read_tokenizer(folder.path, options);
  }
  std::string complaint() const {
    return complaint_of([&] { read(); }, folder.path);
  }
};
}  // namespace

TEST_CASE("spiece.model: the ids of sentencepiece with the big_vision profile") {
  Copy copy;
  copy.config["siglip_profile"] = "big_vision";
  const auto t = copy.read();
  check_goldens(*t, "big_vision", 1);
  CHECK(t->profile() == "big_vision");
  CHECK(t->describe() == "SentencePiece unigram, profile big_vision: 6000 ids, ASCII lower case, padded with </s> to 64");
  // Bytes that are no UTF-8: the library makes each a U+FFFD, which has no piece here and falls into its own bytes.
  CHECK(t->pieces("a\xE2\x96z") == Pieces{"▁", "a", "<0xEF>", "<0xBF>", "<0xBD>", "<0xEF>", "<0xBF>", "<0xBD>", "z"});
}

TEST_CASE("spiece.model: saved and read again it is the same, profile included") {
  for (const char* profile : {"hf_v1", "big_vision"}) {
    Copy copy;
    copy.config["siglip_profile"] = profile;
    const auto t = copy.read({.lower = false});
    const TemporaryFolder saved, again;
    t->save(saved.path);
    const auto u = read_tokenizer(saved.path);
    CHECK(u->profile() == profile);
    CHECK(u->describe() == t->describe());
    for (const char* text : {"A RED café.", " two  blanks ", "", "</s> x"}) CHECK(u->encode(text) == t->encode(text));
    CHECK(t->encode("RED") != copy.read()->encode("RED"));
    u->save(again.path);
    for (const char* name : {"spiece.model", "tokenizer_config.json"}) CHECK(read_file(saved / name) == read_file(again / name));
  }
}

TEST_CASE("spiece.model: pieces, the sticky end, T") {
  Copy copy("english");
  copy.config["model_max_length"] = 3;
  const auto t = copy.read();
  CHECK(t->context() == 3);
  CHECK(t->vocab_size() == 3000);
  const std::int32_t a = t->encode("a")[0];
  CHECK(t->piece(a) == "▁a");
  CHECK(t->encode("a") == Row{a, 1, 1});
  CHECK(t->encode("a a") == Row{a, a, 1});
  CHECK(t->encode("a a a") == Row{a, a, 1});
  CHECK(t->encode("") == Row{1, 1, 1});
  CHECK(t->pieces("a A, a!") == Pieces{"▁a", "▁a", "▁a"});
  CHECK(t->pieces("").empty());
  CHECK(t->describe() ==
        "SentencePiece unigram, profile hf_v1: 3000 ids, lower case, ASCII punctuation dropped, white space collapsed, padded with </s> to 3");
  CHECK(complaint_of([&] { t->piece(3000); }) == "piece: an id of 0 to 2999 is expected, got 3000");
  CHECK(complaint_of([&] { t->piece(-1); }) == "piece: an id of 0 to 2999 is expected, got -1");
  copy.config["model_max_length"] = 1;
  CHECK(copy.read()->encode("a") == Row{1});
  // Unknown lengths: the position table of the model counts.
  copy.config["model_max_length"] = 1e30;
  copy.folder.write("config.json", "{\"text_config\": {\"max_position_embeddings\": 5}}");
  CHECK(copy.read()->context() == 5);
  copy.config.erase("model_max_length");
  copy.folder.write("config.json", "{}");
  CHECK(copy.read()->context() == 64);
}

TEST_CASE("spiece.model: special tokens in a text") {
  const auto t = read_tokenizer(golden_folder + "multilingual");
  CHECK(t->pieces("z </s> z<unk>z") == Pieces{"▁", "z", "</s>", "z", "<unk>", "z"});
  // Invalid UTF-8 becomes U+FFFD before all else.
  CHECK(t->encode("z\xE2\x96z\xFF") == t->encode("z\uFFFDz\uFFFD"));
  CHECK(t->pieces("</s></s>") == Pieces{"</s>", "</s>"});
  CHECK(t->encode("<unk>")[0] == 2);
  CHECK(t->pieces("<pad>") == t->pieces("pad"));
}

TEST_CASE("spiece.model: hostile texts end, and in time") {
  const auto hf = read_tokenizer(golden_folder + "multilingual");
  Copy copy;
  copy.config["siglip_profile"] = "big_vision";
  const auto bv = copy.read();
  std::string bytes;
  for (int i = 0; i < 256; ++i) bytes.push_back(static_cast<char>(i));
  const std::string words = "ab cd ";
  std::string many;
  for (int i = 0; i < 200000; ++i) many += words;
  const std::clock_t begin = std::clock();  // of this process: other ones do not count
  for (const std::string& text : {std::string(), bytes, std::string(1, '\0'), std::string(1 << 20, ' '), std::string(1 << 20, '.'),
                                  std::string(1 << 20, 'a'), std::string("\xED\xA0\x80"), std::string("\xC0\xAF"), many, std::string("▁▁ ▁")}) {
    CHECK(hf->encode(text).size() == 64);
    CHECK(bv->encode(text).size() == 64);
  }
  CHECK(std::clock() - begin < 60 * CLOCKS_PER_SEC);
  // A long text is only read as far as it counts, and gives the ids of the whole.
  const Pieces whole = hf->pieces(many);
  const Row row = hf->encode(many);
  for (std::size_t i = 0; i < 63; ++i) CHECK(hf->piece(row[i]) == whole[i]);
  CHECK(row[63] == 1);
}

TEST_CASE("spiece.model: ten megabytes of text") {
  Copy copy;
  const std::clock_t begin = std::clock();
  const std::string text = ten_megabytes();
  const auto hf = copy.read();
  CHECK(hf->encode(text).size() == 64);
  CHECK(hf->pieces(text).size() > 1'000'000);
  copy.config["siglip_profile"] = "big_vision";
  CHECK(copy.read()->encode(text).size() == 64);
  CHECK(std::clock() - begin < 60 * CLOCKS_PER_SEC);
}

TEST_CASE("spiece.model: what is wrong beside it is named") {
  const auto after = [](const std::function<void(Json&)>& change) {
    Copy copy;
    change(copy.config);
    return copy.complaint();
  };
  CHECK(after([](Json&) {}) == "nothing");
  const std::string file = "tokenizer_config.json: ";
  CHECK(after([](Json& j) { j["siglip_profile"] = "siglip2"; }) ==
        file + "siglip_profile is \"hf_v1\" or \"big_vision\" beside spiece.model, got \"siglip2\"");
  CHECK(after([](Json& j) { j["pad_token"] = "<pad>"; }) == file + "pad_token is \"</s>\", got \"<pad>\"");
  CHECK(after([](Json& j) { j["pad_token"] = 1; }) == file + "pad_token is a string, got 1");
  CHECK(after([](Json& j) { j["pad_token"] = {{"content", "</s>"}}; }) == "nothing");
  CHECK(after([](Json& j) { j["unk_token"] = "?"; }) == file + "unk_token is \"<unk>\", got \"?\"");
  CHECK(after([](Json& j) { j["do_lower_case"] = "yes"; }) == file + "do_lower_case is true or false, got \"yes\"");
  CHECK(after([](Json& j) { j["model_max_length"] = -1; }) == file + "model_max_length is a number from 1, got -1");
  CHECK(after([](Json& j) { j["model_max_length"] = 2.5; }) == file + "model_max_length is a whole number, got 2.5");
  CHECK(after([](Json& j) { j.erase("model_max_length"); }) == file + "model_max_length, or a config.json beside it, is expected, got neither");
  CHECK(after([](Json& j) { j["added_tokens_decoder"] = 1; }) == file + "added_tokens_decoder is an object, got 1");
  CHECK(after([](Json& j) { j["added_tokens_decoder"] = {{"x", 1}}; }) == file + "added_tokens_decoder is tokens with content, by id, got {\"x\":1}");
  CHECK(after([](Json& j) { j["added_tokens_decoder"]["2"]["single_word"] = true; }) ==
        file + "single_word false for \"<unk>\" is expected, got true");
  CHECK(after([](Json& j) {
          j["added_tokens_decoder"] = {{"6000", {{"content", "x"}}}};
        }) == "spiece.model: an id below 6000 for \"x\" is expected, got 6000");
  Copy copy;
  copy.folder.write("tokenizer_config.json", "[]");
  CHECK(complaint_of([&] { read_tokenizer(copy.folder.path); }, copy.folder.path) == file + "an object is expected, got []");
}

TEST_CASE("spiece.model: no more pieces than the embedding has rows") {
  Copy copy;
  copy.folder.write("config.json", "{\"text_config\": {\"vocab_size\": 5999}}");
  CHECK(copy.complaint() == "spiece.model: at most vocab_size = 5999 pieces, as config.json says, are expected, got 6000");
  copy.folder.write("config.json", "{\"text_config\": {\"vocab_size\": 7000}}");
  CHECK(copy.read()->vocab_size() == 6000);
  copy.folder.write("config.json", "{\"text_config\": {\"vocab_size\": 0}}");
  CHECK(copy.complaint() == "config.json: text_config.vocab_size is a whole number from 1 to 16777216, got 0");
  copy.folder.write("config.json", "{\"text_config\": 7}");
  CHECK(copy.complaint() == "config.json: text_config is an object, got 7");
}
