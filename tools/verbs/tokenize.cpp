// tokenize.cpp — siglip tokenize: what the text tower gets to see.
#include <filesystem>
#include <iostream>
#include <memory>
#include "io/json.h"
#include "siglip/train.h"
#include "verbs.h"

namespace siglip::tools {
namespace {
struct Settings {
  std::string run, texts;
  bool json = false;
};

void tokenize_verb(const Settings& s) {
  std::error_code none;
  const bool is_tokenizer = std::filesystem::exists(s.run + "/tokenizer_config.json", none);
  const std::unique_ptr<Tokenizer> tokenizer = read_tokenizer(is_tokenizer ? s.run : checkpoint_folder(s.run));
  Json ids = Json::array(), pieces = Json::array();
  for (const std::string& text : read_texts(s.texts)) {
    ids.push_back(tokenizer->encode(text));
    pieces.push_back(tokenizer->pieces(text));
  }
  if (s.json) {
    std::cout << Json{{"ids", ids}, {"pieces", pieces}}.dump(-1, ' ', false, Json::error_handler_t::replace) << '\n';
    return;
  }
  std::cerr << tokenizer->describe() << '\n';
  for (std::size_t i = 0; i < ids.size(); ++i) {
    std::string line;
    for (const Json& piece : pieces[i]) line += (line.empty() ? "" : " | ") + piece.get<std::string>();
    std::cout << line << "  ->  " << ids[i].dump() << '\n';
  }
}
}  // namespace

void add_tokenize(CLI::App& program) {
  CLI::App& verb = add_verb(program, "tokenize", "Show how texts become ids: the pieces of each, and the padded ids that the text tower gets.",
                            "siglip tokenize run --texts shapes/val/metadata.jsonl", "ids [[number]], pieces [[text]]: one entry a text");
  const auto s = std::make_shared<Settings>();
  verb.add_option("RUN", s->run, "a run folder, a checkpoint folder, or a folder with tokenizer.json")->required();
  text_flag(verb, "--texts", s->texts, "a file of texts: one a line, a JSON array (.json), or the \"text\" of each line (.jsonl)")->required();
  json_flag(verb, s->json);
  verb.callback([s] { tokenize_verb(*s); });
}
}  // namespace siglip::tools
