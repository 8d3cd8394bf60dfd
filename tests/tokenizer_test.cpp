// The word-level tokenizer: its rules, its files, and files that are not what they claim to be.
#include <doctest/doctest.h>
#include <ctime>
#include <functional>
#include "io/json.h"
#include "siglip/checkpoint.h"
#include "siglip/tokenizer.h"
#include "temporary_folder.h"
using namespace siglip;
using Row = std::vector<std::int32_t>;
using Pieces = std::vector<std::string>;

TEST_CASE("words: how a text falls into pieces") {
  const auto t = learn_words({}, 4);
  CHECK(t->pieces("A Big RED circle, left-of a (small) star!") == Pieces{"a", "big", "red", "circle", "left", "of", "a", "small", "star"});
  CHECK(t->pieces("C++ #1 R&D 50% x=y ~^`|<>*$@") ==
        Pieces{"c", "+", "+", "#", "1", "r", "&", "d", "50", "%", "x", "=", "y", "~", "^", "`", "|", "<", ">", "*", "$", "@"});
  CHECK(t->pieces("a,.;:!?\"'()[]{}-_/\\b") == Pieces{"a", "b"});
  CHECK(t->pieces(std::string("a\0b\x01\t\n\v\f\r\x1f\x7f"
                              "c",
                              12)) == Pieces{"a", "b", "c"});
  CHECK(t->pieces("</s>") == Pieces{"<", "s", ">"});
  CHECK(t->pieces("").empty());
  CHECK(t->pieces(" \n .").empty());
}

TEST_CASE("words: beyond ASCII") {
  const auto t = learn_words({}, 4);
  CHECK(t->pieces("ZÜRICH É Straße Красный ΟΔΟΣ") == Pieces{"zürich", "é", "straße", "красный", "οδοσ"});
  CHECK(t->pieces("cafe\u0301 CAFE\u0301 caf\u00e9 CAF\u00c9") == Pieces{"caf\u00e9", "caf\u00e9", "caf\u00e9", "caf\u00e9"});
  CHECK(t->pieces("J\u030c \u01f0") == Pieces{"\u01f0", "\u01f0"});  // there is no capital of this letter, so lower case gives two characters
  CHECK(t->pieces("a\u00a0b\u2003c\u3000d\u2028e") == Pieces{"a", "b", "c", "d", "e"});
  CHECK(t->pieces("«a» – b… “don’t” ¿c? 、d。「e」") == Pieces{"a", "b", "don", "t", "c", "d", "e"});
  CHECK(t->pieces("一只红色的cat, 2021年") == Pieces{"一", "只", "红", "色", "的", "cat", "2021", "年"});
  CHECK(t->pieces("ラーメンが好き") == Pieces{"ラ", "ー", "メ", "ン", "が", "好", "き"});
  CHECK(t->pieces("か\u3099ぎ") == Pieces{"が", "ぎ"});
  CHECK(t->pieces("แมวสีแดง") == Pieces{"แ", "ม", "ว", "สี", "แ", "ด", "ง"});  // marks stay with their letter
  CHECK(t->pieces("빨간 고양이 \u1108\u1161\u11af") == Pieces{"빨간", "고양이", "빨"});
  CHECK(t->pieces("5€ ×2 👍🏽 👨‍👩‍👧 ❤️") ==
        Pieces{"5€", "×2", "👍🏽", "👨‍👩‍👧", "❤️"});  // symbols beyond ASCII are letters
  CHECK(t->pieces("a\xff"
                  "B \xc3") == Pieces{"a\ufffdb", "\ufffd"});
  CHECK(t->pieces(std::string("\xe2\x80\x8b\xc2\x85\xcc\x81")) == Pieces{"\u200b", "\u0301"});  // U+0085 is a blank, U+200B is none
}

TEST_CASE("words: ids by falling count, then byte order; cut to T - 1, ended and padded with 1") {
  const auto t = learn_words({"b a b", "c a b", "d"}, 4);
  CHECK(t->vocab_size() == 7);
  CHECK(t->context() == 4);
  CHECK(t->encode("b") == Row{3, 1, 1, 1});
  CHECK(t->encode("a c d") == Row{4, 5, 6, 1});
  CHECK(t->encode("A c d b b b") == Row{4, 5, 6, 1});
  CHECK(t->encode("z b") == Row{2, 3, 1, 1});
  CHECK(t->encode("") == Row{1, 1, 1, 1});
  CHECK(t->encode(std::string(1 << 20, ' ') + "b") == Row{3, 1, 1, 1});
  CHECK(learn_words({"b"}, 1)->encode("b") == Row{1});
  const Ids ids = t->encode(Pieces{"b", "d a"});
  CHECK(ids.shape() == Shape{2, 4});
  CHECK(ids.to_vector() == Row{3, 1, 1, 1, 6, 4, 1, 1});
  CHECK(t->encode(Pieces{}).shape() == Shape{0, 4});
  CHECK(t->describe() == "words: 7 ids, lower case, marks dropped, padded with </s> to 4");
}

TEST_CASE("words: a full vocabulary keeps the most frequent; bytes that are not UTF-8 are learned as U+FFFD") {
  const auto t = learn_words({"b b a a c", "\xff", "\xc3\xa9"}, 3, 5);
  CHECK(t->vocab_size() == 5);
  CHECK(t->encode("a b") == Row{3, 4, 1});
  CHECK(t->encode("c \xff\xff") == Row{2, 2, 1});
  CHECK(learn_words({"\xff"}, 3)->piece(3) == "\ufffd");
  CHECK(complaint_of([] { learn_words({}, 0); }) == "learn_words: context is 1 to 65536, got 0");
  CHECK(complaint_of([] { learn_words({}, 4, 2); }) == "learn_words: max_vocab is 3 to 16777216, got 2");
}

TEST_CASE("words: what is saved is read back, byte for byte the same again") {
  const TemporaryFolder folder, again;
  const auto t = learn_words({"a red circle", "café C++ \"quoted\"", "東京 👍🏽"}, 16);
  t->save(folder.path);
  const auto u = read_tokenizer(folder.path);
  for (const char* text : {"A RED café", "c + + 東京 x", "", "\"👍🏽\""}) CHECK(t->encode(text) == u->encode(text));
  CHECK(u->vocab_size() == t->vocab_size());
  u->save(again.path);
  for (const char* name : {"tokenizer.json", "tokenizer_config.json"}) CHECK(read_file(folder / name) == read_file(again / name));
}

TEST_CASE("words: files of earlier versions load, with the ids that their models were trained with") {
  const TemporaryFolder folder, again;
  learn_words({"caf\u00e9 Red"}, 8)->save(folder.path);
  Json json = parse_json(read_file(folder / "tokenizer.json"), "tokenizer.json");
  Json lowering = Json::array();
  for (char c = 'A'; c <= 'Z'; ++c)
    lowering.push_back(
        {{"type", "Replace"}, {"pattern", {{"String", std::string(1, c)}}}, {"content", std::string(1, static_cast<char>(c - 'A' + 'a'))}});
  json["normalizer"]["normalizers"] = lowering;
  json["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = R"([\x00-\x20\x7f,.;:!?"'()\[\]{}\-_/\\]+)";
  json["pre_tokenizer"]["pretokenizers"][1]["pattern"]["Regex"] = R"([#$%&*+<=>@\^`|~])";
  json["model"]["vocab"] = {{"<pad>", 0}, {"</s>", 1}, {"<unk>", 2}, {"caf\u00e9", 3}, {"red", 4}, {"\u7ea2\u8272", 5}};
  const std::string written = json.dump(2) + "\n";
  write_file(folder / "tokenizer.json", written);
  const auto t = read_tokenizer(folder.path);
  CHECK(t->describe() == "words: 6 ids, ASCII lower case, marks dropped, padded with </s> to 8");
  CHECK(t->encode("RED caf\u00e9 CAF\u00c9 cafe\u0301 \u7ea2\u8272 red\u00a0red") == Row{4, 3, 2, 2, 5, 2, 1, 1});
  CHECK(t->pieces("ZüRICH É 東京 👍🏽 \xff") == Pieces{"zürich", "É", "東京", "👍🏽", "\xff"});
  t->save(again.path);
  CHECK(read_file(again / "tokenizer.json") == written);
}

TEST_CASE("words: ten megabytes of text, in many words and in one") {
  std::string words;
  while (words.size() < 10'000'000) words += "a red circle, über-großes Haus; 東京 👍🏽\n";
  const std::clock_t begin = std::clock();  // of this process: other ones do not count
  const auto t = learn_words({words, std::string(10'000'000, 'a'), std::string(10'000'000, '.')}, 16);
  CHECK(t->vocab_size() == 3 + 10);
  CHECK(t->encode(words)[15] == 1);
  CHECK(t->pieces(words).size() > 1'000'000);
  CHECK(t->encode(std::string(10'000'000, 'a'))[1] == 1);
  CHECK(t->encode(std::string(10'000'000, 'b'))[0] == 2);
  CHECK(std::clock() - begin < 60 * CLOCKS_PER_SEC);
}

TEST_CASE("words: a large vocabulary is read in linear time") {
  const TemporaryFolder folder;
  std::string text;
  for (int i = 0; i < 31997; ++i) text += std::to_string(i) + " ";
  const auto t = learn_words({text}, 8);
  CHECK(t->vocab_size() == 32000);
  t->save(folder.path);
  CHECK(read_tokenizer(folder.path)->encode("31996 0") == t->encode("31996 0"));
}

namespace {
// What read_tokenizer says about a saved tokenizer.json after one change.
std::string after(const std::function<void(Json&)>& change) {
  const TemporaryFolder folder;
  learn_words({"b a b"}, 4)->save(folder.path);
  Json json = parse_json(read_file(folder / "tokenizer.json"), "tokenizer.json");
  change(json);
  write_file(folder / "tokenizer.json", json.dump());
  return complaint_of([&] { read_tokenizer(folder.path); }, folder.path);
}
std::string of_text(const std::string& text) {
  const TemporaryFolder folder;
  write_file(folder / "tokenizer.json", text);
  return complaint_of([&] { read_tokenizer(folder.path); }, folder.path);
}
}  // namespace

TEST_CASE("tokenizer.json: what is wrong is named") {
  CHECK(after([](Json&) {}) == "nothing");
  CHECK(complaint_of([] { read_tokenizer("/nowhere"); }) == "/nowhere: a tokenizer, tokenizer.json or spiece.model, is expected, got neither");
  CHECK(of_text("").find("tokenizer.json: valid JSON is expected, got parse error at line 1, column 1") == 0);
  CHECK(of_text("[]") == "tokenizer.json: an object is expected, got array");
  CHECK(of_text("{}") == "tokenizer.json: an object \"model\" is expected, got none");
  CHECK(of_text("{\"model\": {}}") == "tokenizer.json: model type \"WordLevel\" or \"BPE\" is expected, got none");
  CHECK(of_text("{\"model\": {\"type\": \"Unigram\"}}") == "tokenizer.json: model type \"WordLevel\" or \"BPE\" is expected, got \"Unigram\"");
  CHECK(of_text("{\"model\": {\"type\": \"WordLevel\"}}") == "tokenizer.json: a whole number truncation.max_length is expected, got none");
  CHECK(after([](Json& j) { j["truncation"]["max_length"] = 2.5; }) == "tokenizer.json: a whole number truncation.max_length is expected, got 2.5");
  CHECK(after([](Json& j) { j["truncation"]["max_length"] = 0; }) == "tokenizer.json: truncation.max_length is 1 to 65536, got 0");
  CHECK(after([](Json& j) { j["model"].erase("vocab"); }) == "tokenizer.json: model.vocab is expected, got none");
  CHECK(after([](Json& j) { j.erase("padding"); }) == "tokenizer.json: \"padding\" is expected, got none");
  CHECK(after([](Json& j) { j["padding"]["strategy"]["Fixed"] = 5; }) ==
        "tokenizer.json: \"padding\" of a tokenizer written by siglip is expected, got another one");
  CHECK(after([](Json& j) { j["normalizer"] = nullptr; }) ==
        "tokenizer.json: \"normalizer\" of a tokenizer written by siglip is expected, got another one");
  CHECK(after([](Json& j) { j["model"]["unk_token"] = "?"; }) ==
        "tokenizer.json: \"model\" of a tokenizer written by siglip is expected, got another one");
  CHECK(after([](Json& j) { j["more"] = 1; }) == "tokenizer.json: no \"more\" is expected, got one");
}

TEST_CASE("tokenizer.json: the vocabulary has every id once and the special words in their places") {
  CHECK(after([](Json& j) { j["model"]["vocab"] = Json::array(); }) == "tokenizer.json: model.vocab is an object, got array");
  CHECK(after([](Json& j) { j["model"]["vocab"] = Json::object(); }) == "tokenizer.json: model.vocab has 3 to 16777216 words, got 0");
  CHECK(after([](Json& j) { j["model"]["vocab"]["a"] = 5; }) == "tokenizer.json: the id of \"a\" is 0 to 4, got 5");
  CHECK(after([](Json& j) { j["model"]["vocab"]["a"] = -1; }) == "tokenizer.json: the id of \"a\" is 0 to 4, got -1");
  CHECK(after([](Json& j) { j["model"]["vocab"]["a"] = "4"; }) == "tokenizer.json: the id of \"a\" is 0 to 4, got \"4\"");
  CHECK(after([](Json& j) { j["model"]["vocab"]["a"] = 3; }) == "tokenizer.json: each id once is expected, got 3 for \"b\" and \"a\"");
  CHECK(after([](Json& j) { j["model"]["vocab"]["</s>"] = 2, j["model"]["vocab"]["<unk>"] = 1; }) ==
        "tokenizer.json: id 1 is \"</s>\", got \"<unk>\"");
  CHECK(of_text("{\"a\": 1, \"a\": 2}") == "tokenizer.json: each key once is expected, got \"a\" twice");
}

TEST_CASE("json: strict, bounded, one line") {
  const auto said = [](const std::string& text) { return complaint_of([&] { parse_json(text, "x.json"); }); };
  CHECK(said("{\"a\": [1, -2, 3.5, true, null, \"x\", {\"b\": {}}]}") == "nothing");
  CHECK(parse_json("{\"b\": [[], {\"a\": 1}], \"a\": -1}", "x.json").dump() == "{\"b\":[[],{\"a\":1}],\"a\":-1}");
  CHECK(said("{\"a\": 1,}").find("x.json: valid JSON is expected, got parse error at line 1, column 9") == 0);
  CHECK(said("{\"a\": NaN}").find("x.json: valid JSON is expected, got parse error at line 1, column 7") == 0);
  CHECK(said("{} // no").find("x.json: valid JSON is expected, got parse error at line 1, column 4") == 0);
  CHECK(said("1e999").find("x.json: valid JSON is expected, got number overflow") == 0);
  CHECK(said("\"\xff\"").find("x.json: valid JSON is expected, got parse error at line 1, column 2") == 0);
  CHECK(said(std::string("{}\0", 3)) == "x.json: valid JSON is expected, got a NUL byte");
  CHECK(said(std::string(64, '[') + std::string(64, ']')) == "nothing");
  CHECK(said(std::string(100000, '[')) == "x.json: JSON nested at most 64 deep is expected, got deeper");
  CHECK(said("{\"a\": {\"a\": 1}, \"a\": 2}") == "x.json: each key once is expected, got \"a\" twice");
  const std::string name(1 << 20, 'n');
  CHECK(said("{\"" + name + "\": 1, \"" + name + "\": 2}") == "x.json: each key once is expected, got \"" + name.substr(0, 56) + "... twice");
}
