// Byte pair encoding: the ids of the tokenizers library, and files that are not what they claim to be.
#include <doctest/doctest.h>
#include <ctime>
#include <functional>
#include "data/bpe_file.h"
#include "temporary_folder.h"
#include "tokenizer_goldens.h"
using namespace siglip;
using Row = std::vector<std::int32_t>;
using Pieces = std::vector<std::string>;

TEST_CASE("bpe: the ids of the tokenizers library, lowered and not") {
  check_goldens(*read_tokenizer(golden_folder + "gemma"), "siglip2", 0);
  check_goldens(*read_tokenizer(golden_folder + "gemma", {.lower = false}), "siglip2-cased", 0);
}

namespace {
// A small tokenizer.json of the published form.
Json small() {
  return parse_json(R"({
    "version": "1.0", "truncation": null, "padding": null,
    "added_tokens": [
      {"id": 0, "content": "<pad>", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true},
      {"id": 1, "content": "<eos>", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true},
      {"id": 10, "content": "\n\n", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": false}],
    "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": "▁"},
    "pre_tokenizer": {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": false},
    "post_processor": {"type": "TemplateProcessing", "single": [{"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "<eos>", "type_id": 0}}],
                       "pair": [], "special_tokens": {}},
    "decoder": null,
    "model": {"type": "BPE", "dropout": null, "unk_token": "<unk>", "continuing_subword_prefix": null, "end_of_word_suffix": null, "fuse_unk": true,
              "byte_fallback": true, "ignore_merges": false,
              "vocab": {"<pad>": 0, "<eos>": 1, "<unk>": 2, "▁": 3, "a": 4, "b": 5, "aa": 6, "aaaa": 7, "▁a": 8, "ab": 9},
              "merges": [["a", "a"], ["aa", "aa"], "▁ a", ["a", "b"]]}})",
                    "small");
}
struct Folder {
  TemporaryFolder folder;
  Json json = small(), config = {{"model_max_length", 6}};
  std::unique_ptr<Tokenizer> read(const TokenizerOptions& options = {}) const {
    folder.write("tokenizer.json", json.dump());
    folder.write("tokenizer_config.json", config.dump());
    return read_tokenizer(folder.path, options);
  }
};
std::string after(const std::function<void(Json&)>& change) {
  Folder folder;
  change(folder.json);
  return complaint_of([&] { folder.read(); }, folder.folder.path);
}
std::string after_config(const std::function<void(Folder&)>& change) {
  Folder folder;
  change(folder);
  return complaint_of([&] { folder.read(); }, folder.folder.path);
}
}  // namespace

TEST_CASE("bpe: merges in the order of the rules, the sticky end, T") {
  const Folder folder;
  const auto t = folder.read();
  CHECK(t->vocab_size() == 11);
  CHECK(t->pieces("aaaaa ab") == Pieces{"aaaa", "a", "▁a", "b"});
  CHECK(t->pieces("aab") == Pieces{"aa", "b"});
  CHECK(t->pieces("A a") == Pieces{"a", "▁a"});
  CHECK(folder.read({.lower = false})->pieces("Aa") == Pieces{"<unk>", "a"});
  CHECK(t->pieces("zéza") == Pieces{"<unk>", "a"});  // unknown ones are fused
  CHECK(t->pieces("a\n\n\na") == Pieces{"a", "\n\n", "<unk>", "a"});
  CHECK(t->pieces("a<eos>a<EOS>") == Pieces{"a", "<eos>", "a", "<unk>"});
  CHECK(t->pieces("").empty());
  CHECK(t->encode("") == Row{1, 0, 0, 0, 0, 0});
  CHECK(t->encode("b") == Row{5, 1, 0, 0, 0, 0});
  CHECK(t->encode("bbbbb") == Row{5, 5, 5, 5, 5, 1});
  CHECK(t->encode("bbbbbb") == Row{5, 5, 5, 5, 5, 1});
  CHECK(t->encode("b\xFF\xE2\x96") == t->encode("b\uFFFD\uFFFD"));
  CHECK(t->profile() == "siglip2");
  CHECK(t->describe() == "BPE, profile siglip2: 11 ids, lower case, ended with <eos>, padded with <pad> to 6");
  CHECK(folder.read({.lower = false})->describe() == "BPE, profile siglip2: 11 ids, not lowered, ended with <eos>, padded with <pad> to 6");
  CHECK(complaint_of([&] { t->piece(11); }) == "piece: an id of 0 to 10 is expected, got 11");
}

TEST_CASE("bpe: options of the model and of the folder") {
  Folder folder;
  folder.config["do_lower_case"] = false;
  CHECK(folder.read()->pieces("A") == Pieces{"<unk>"});
  CHECK(folder.read({.lower = true})->pieces("A") == Pieces{"a"});
  folder.config["model_max_length"] = 1e30;
  folder.folder.write("config.json", "{\"text_config\": {\"max_position_embeddings\": 3}}");
  CHECK(folder.read()->encode("bbb") == Row{5, 5, 1});
  folder.json["model"]["fuse_unk"] = false;
  CHECK(folder.read()->pieces("zz") == Pieces{"<unk>", "<unk>"});
  folder.json["model"]["ignore_merges"] = true;
  folder.json["model"]["merges"] = Json::array();
  CHECK(folder.read()->pieces("aaaa") == Pieces{"aaaa"});
  CHECK(folder.read()->pieces("aaa") == Pieces{"a", "a", "a"});
  folder.json["normalizer"] = {{"type", "Sequence"}, {"normalizers", Json::array({{{"type", "Lowercase"}}, folder.json["normalizer"]})}};
  folder.json["pre_tokenizer"] = nullptr;
  CHECK(folder.read()->pieces("a b") == Pieces{"a", "▁", "b"});
  // A rule that reaches over a blank: words are no longer merged one by one.
  Folder over;
  over.json["model"]["vocab"]["b▁a"] = 11;
  over.json["model"]["merges"].push_back({"b", "▁a"});
  CHECK(over.read()->pieces("b a") == Pieces{"b▁a"});
}

TEST_CASE("bpe: saved and read again it is the same") {
  for (const bool lower : {true, false}) {
    const auto t = read_tokenizer(golden_folder + "gemma", {.lower = lower});
    const TemporaryFolder saved, again;
    t->save(saved.path);
    const auto u = read_tokenizer(saved.path);
    CHECK(u->describe() == t->describe());
    for (const char* text : {"A RED café.", " two  blanks ", "", "<eos> x"}) CHECK(u->encode(text) == t->encode(text));
    u->save(again.path);
    for (const char* name : {"tokenizer.json", "tokenizer_config.json"}) CHECK(read_file(saved / name) == read_file(again / name));
  }
}

TEST_CASE("bpe: hostile texts end, and in time") {
  const auto t = read_tokenizer(golden_folder + "gemma");
  std::string bytes;
  for (int i = 0; i < 256; ++i) bytes.push_back(static_cast<char>(i));
  const std::clock_t begin = std::clock();  // of this process: other ones do not count
  for (const std::string& text :
       {bytes, std::string(1, '\0'), std::string(1 << 20, ' '), std::string(1000000, 'a'), std::string(1000000, '\n'), std::string(1000000, '<'),
        std::string("\xED\xA0\x80"), std::string("\xC0\xAF"), std::string("مرحبا 👨‍👩‍👧 \u0378")})
    CHECK(t->encode(text).size() == 64);
  CHECK(t->pieces(std::string(1000000, 'a')).size() > 100);
  CHECK(std::clock() - begin < 60 * CLOCKS_PER_SEC);
}

TEST_CASE("bpe: ten megabytes of text") {
  const auto t = read_tokenizer(golden_folder + "gemma");
  const std::clock_t begin = std::clock();
  const std::string text = ten_megabytes();
  CHECK(t->encode(text).size() == 64);
  CHECK(t->pieces(text).size() > 1'000'000);
  CHECK(std::clock() - begin < 60 * CLOCKS_PER_SEC);
}

TEST_CASE("bpe: a vocabulary of 256,000 pieces is read in time") {
  Folder folder;
  Json& vocabulary = folder.json["model"]["vocab"];
  auto& entries = vocabulary.get_ref<Json::object_t&>();
  for (int i = 11; i < 256000; ++i)
    static_cast<std::vector<std::pair<const std::string, Json>>&>(entries).emplace_back("piece" + std::to_string(i), i);
  folder.folder.write("tokenizer.json", folder.json.dump());
  folder.folder.write("tokenizer_config.json", folder.config.dump());
  const std::clock_t begin = std::clock();  // of this process: other ones do not count
  CHECK(read_tokenizer(folder.folder.path)->vocab_size() == 256000);
  CHECK(std::clock() - begin < 20 * CLOCKS_PER_SEC);
}

TEST_CASE("bpe: what is wrong with tokenizer.json is named") {
  const std::string file = "tokenizer.json: ";
  CHECK(after([](Json&) {}) == "nothing");
  const std::string replaces = file + "a normalizer that replaces \" \" by \"▁\" ";
  CHECK(after([](Json& j) { j["normalizer"] = nullptr; }) == replaces + "is expected, got null");
  CHECK(after([](Json& j) { j["normalizer"] = {{"type", "NFC"}}; }) == replaces + "is expected, got {\"type\":\"NFC\"}");
  CHECK(after([](Json& j) { j["normalizer"] = {{"type", "Lowercase"}}; }) == replaces + "once is expected, got {\"type\":\"Lowercase\"}");
  CHECK(after([](Json& j) {
          j["pre_tokenizer"] = {{"type", "Whitespace"}};
        }) == file + "a pre_tokenizer that splits at \" \" or none is expected, got {\"type\":\"Whitespace\"}");
  CHECK(
      after([](Json& j) { j["post_processor"] = nullptr; }) ==
      file +
          "a post_processor that adds <eos> alone is expected (or add_eos_token true and add_bos_token false in tokenizer_config.json), got another");
  CHECK(after([](Json& j) { j["added_tokens"] = 1; }) == file + "added_tokens is an array, got 1");
  CHECK(after([](Json& j) { j["added_tokens"][0] = {{"id", 0}}; }) == file + "an added token with content and id is expected, got {\"id\":0}");
  CHECK(after([](Json& j) { j["added_tokens"][0]["id"] = -1; }).find(file + "an added token with content and id is expected, got ") == 0);
  CHECK(after([](Json& j) { j["added_tokens"][0]["lstrip"] = true; }) == file + "lstrip false for \"<pad>\" is expected, got true");
  CHECK(after([](Json& j) { j["added_tokens"][0]["normalized"] = true; }) == file + "normalized false for \"<pad>\" is expected, got true");
  CHECK(after([](Json& j) { j["added_tokens"][1] = j["added_tokens"][0]; }) == file + "each added token once is expected, got \"<pad>\" twice");
  CHECK(after([](Json& j) { j["added_tokens"][0]["id"] = 5; }) == file + "the id of \"<pad>\" in model.vocab is 5, got 0");
  CHECK(after([](Json& j) { j["added_tokens"][2]["id"] = 11; }) == file + "the id of \"\\n\\n\" is 0 to 10, got 11");
  CHECK(after([](Json& j) { j["model"]["vocab"]["aa"] = 5; }) == file + "each id once is expected, got 5 for \"b\" and \"aa\"");
  CHECK(after([](Json& j) { j["model"]["vocab"]["aa"] = -5; }).find(file + "valid JSON is expected, got no whole number at byte ") == 0);
  CHECK(after([](Json& j) { j["model"]["vocab"]["aa"] = 6.5; }).find(file + "valid JSON is expected, got no '}' at byte ") == 0);
  CHECK(after([](Json& j) { j["model"]["vocab"] = 1; }).find(file + "valid JSON is expected, got no '{' at byte 0") == 0);
  CHECK(after([](Json& j) {
          j["model"]["merges"] = Json::array({Json::array({"a", "z"})});
        }) == file + "merge 0 is of known pieces to a known piece, got \"a\" and \"z\"");
  CHECK(after([](Json& j) {
          j["model"]["merges"] = Json::array({Json::array({"b", "a"})});
        }) == file + "merge 0 is of known pieces to a known piece, got \"b\" and \"a\"");
  CHECK(after([](Json& j) { j["model"]["merges"] = {"a a", "ab"}; }) == file + "merge 1 is two pieces with a blank between them, got \"ab\"");
  CHECK(after([](Json& j) {
          j["model"]["merges"] = Json::array({Json::array({"a", "a", "a"})});
        }).find(file + "valid JSON is expected, got no ']' at byte ") == 0);
  CHECK(after([](Json& j) { j["model"]["unk_token"] = nullptr; }) == file + "model.unk_token is a piece, got null");
  for (const char* key : {"vocab", "merges"})
    CHECK(after([key](Json& j) { j["model"].erase(key); }) == file + "model." + key + " is expected, got none");
  CHECK(after([](Json& j) { j["truncation"] = 8; }) == file + "truncation is an object or null, got 8");
  CHECK(after([](Json& j) { j["truncation"]["direction"] = "Left"; }) == file + "truncation.direction \"Right\" is expected, got \"Left\"");
  CHECK(after([](Json& j) { j["truncation"]["max_length"] = 0; }).find(file + "truncation.max_length is a whole number from 1 to ") == 0);
  CHECK(after([](Json& j) { j["padding"] = "right"; }) == file + "padding is an object or null, got \"right\"");
  CHECK(after([](Json& j) { j["padding"]["pad_id"] = "0"; }) == file + "padding.pad_id is a whole number, got \"0\"");
  CHECK(after([](Json& j) { j["padding"]["pad_id"] = 3; }) == file + "padding.pad_id = 0, the id of \"<pad>\", is expected, got 3");
  CHECK(after([](Json& j) {
          j["truncation"] = {{"direction", "Right"}, {"max_length", 9}};
          j["padding"] = {{"direction", "Left"}, {"pad_id", 0}};
        }) == "nothing");
  CHECK(after([](Json& j) { j["model"]["dropout"] = 0.5; }) == file + "no model.dropout is expected, got 0.5");
  CHECK(after([](Json& j) { j["model"]["end_of_word_suffix"] = "x"; }) == file + "no model.end_of_word_suffix is expected, got \"x\"");
  CHECK(after([](Json& j) { j["model"]["fuse_unk"] = 1; }) == file + "model.fuse_unk is true or false, got 1");
}

TEST_CASE("bpe: what does not fit the folder is named") {
  CHECK(after_config([](Folder& f) { f.config["siglip_profile"] = "hf_v1"; }) ==
        "tokenizer_config.json: siglip_profile is \"siglip2\" beside a BPE model, got \"hf_v1\"");
  CHECK(after_config([](Folder& f) { f.config["eos_token"] = "</s>", f.config["add_eos_token"] = true, f.config["add_bos_token"] = false; }) ==
        "tokenizer.json: a piece \"</s>\" (eos_token) is expected, got none");
  CHECK(after_config([](Folder& f) { f.config["pad_token"] = "[PAD]"; }) == "tokenizer.json: a piece \"[PAD]\" (pad_token) is expected, got none");
  CHECK(after_config([](Folder& f) { f.json["post_processor"] = nullptr, f.config["add_eos_token"] = true, f.config["add_bos_token"] = false; }) ==
        "nothing");
  CHECK(after_config([](Folder& f) { f.folder.write("config.json", "{\"text_config\": {\"vocab_size\": 10}}"); }) ==
        "tokenizer.json: at most vocab_size = 10 pieces, as config.json says, are expected, got 11");
}

TEST_CASE("bpe: T is the tokenizer's own where no other file names one") {
  Folder folder;
  folder.json["truncation"] = {{"max_length", 9}};
  CHECK(folder.read()->context() == 6);
  folder.config = Json::object();
  CHECK(folder.read()->context() == 9);
  folder.folder.write("config.json", "{\"text_config\": {\"max_position_embeddings\": 12}}");
  CHECK(folder.read()->context() == 12);
}

TEST_CASE("bpe: tokenizer.json as text") {
  const TemporaryFolder folder;
  const auto of_text = [&](const std::string& text) {
    folder.write("tokenizer.json", text);
    folder.write("tokenizer_config.json", "{\"model_max_length\": 6}");
    return complaint_of([&] { read_tokenizer(folder.path); }, folder.path);
  };
  const std::string text = small().dump(), file = "tokenizer.json: valid JSON is expected, got ";
  CHECK(of_text(text) == "nothing");
  CHECK(of_text("\xEF\xBB\xBF" + text) == "nothing");
  CHECK(read_tokenizer(folder.path)->encode("aaaa") == Folder().read()->encode("aaaa"));
  const auto with = [&](const std::string& old, const std::string& now) {
    std::string changed = text;
    return of_text(changed.replace(changed.find(old), old.size(), now));
  };
  CHECK(with("\"aa\":6", "\"a\\u0061\":6") == "nothing");
  CHECK(with("\"aa\":6", "\"\\ud83d\\ude00\":6").find("tokenizer.json: merge 0 is of known pieces") == 0);
  CHECK(with("\"aa\":6", "\"\\ud83d\":6").find(file + "no second surrogate at byte ") == 0);
  CHECK(with("\"aa\":6", "\"\\udc00\":6").find(file + "no second surrogate at byte ") == 0);
  CHECK(with("\"aa\":6", "\"\\u12\":6").find(file + "no four hexadecimal digits at byte ") == 0);
  CHECK(with("\"aa\":6", "\"\\x\":6").find(file + "no escape at byte ") == 0);
  CHECK(with("\"aa\":6", "\"a\na\":6").find(file + "no escape of a control character at byte ") == 0);
  CHECK(of_text(text.substr(0, text.find("\"merges\"") + 3)).find(file + "no end of a string at byte ") == 0);
  CHECK(with("\"aa\":6", "\"a\xFF\":6") == "tokenizer.json: pieces in UTF-8 are expected, got \"a\ufffd\"");
  CHECK(with("\"aa\":6", "\"b\":6") == "tokenizer.json: each piece once is expected, got \"b\" twice");
  CHECK(with("\"aa\":6", "\"aa\":06").find(file + "no whole number at byte ") == 0);
  CHECK(with("\"aa\":6", "\"aa\":99999999999").find(file + "no whole number at byte ") == 0);
  CHECK(with("\"aa\":6", "\"aa\" 6").find(file + "no ':' at byte ") == 0);
  CHECK(with("\"merges\":[", "\"merges\":[],\"merges\":[") == "tokenizer.json: each key once is expected, got \"merges\" twice");
  for (std::size_t size = 0; size < text.size(); ++size) CHECK(of_text(text.substr(0, size)) != "nothing");
}
