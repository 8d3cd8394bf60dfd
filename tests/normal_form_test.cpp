// Unicode's normal form C, and the words of texts in many scripts, beside what the tokenizers library makes of them.
#include <doctest/doctest.h>
#include "data/utf8.h"
#include "tokenizer_goldens.h"
using namespace siglip;

TEST_CASE("normal form: one spelling of each character") {
  CHECK(normal_form("plain") == "plain");
  CHECK(normal_form("Z\u00fcrich") == "Z\u00fcrich");
  CHECK(normal_form("Zu\u0308rich") == "Z\u00fcrich");
  CHECK(normal_form("\u212b \u2126 \u1e9b\u0323") == "\u00c5 \u03a9 \u1e9b\u0323");  // one character for another; nothing to put together
  CHECK(normal_form("e\u0323\u0301 e\u0301\u0323") == "\u1eb9\u0301 \u1eb9\u0301");  // marks are sorted, the lower one first
  CHECK(normal_form("a\u0301\u0308") == "\u00e1\u0308");                             // marks of one place keep their order
  CHECK(normal_form("\u1100\u1161\u11a8 \uac00\u11a8 \u1100\uac01") == "\uac01 \uac01 \u1100\uac01");  // Hangul
  CHECK(normal_form("\u0958 \u2adc") == "\u0915\u093c \u2add\u0338");                                  // composites that stay apart
  CHECK(normal_form("\u0301a\u0301") == "\u0301\u00e1");
  std::string many = "a";
  for (int i = 0; i < 100'000; ++i) many += i % 2 ? "\u0301" : "\u0323";
  CHECK(normal_form(many).size() == many.size());  // ạ takes three bytes of UTF-8, a and the mark below it took three
  CHECK(normal_form(normal_form(many)) == normal_form(many));
}

TEST_CASE("normal form and words as the tokenizers library has them") {
  const Json words = golden("words.json");
  REQUIRE(words["sources"].size() == 300);
  for (std::size_t i = 0; i < words["sources"].size(); ++i) CHECK(normal_form(words["sources"][i]) == words["normal_forms"][i].get<std::string>());
  REQUIRE(words["texts"].size() == 600);
  const auto tokenizer = learn_words({}, 4);
  for (std::size_t i = 0; i < words["texts"].size(); ++i)
    CHECK(tokenizer->pieces(words["texts"][i]) == words["words"][i].get<std::vector<std::string>>());
}
