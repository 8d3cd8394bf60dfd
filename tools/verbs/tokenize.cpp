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
  bool json = false, no_lower = false;
};

void tokenize_verb(const Settings& s) {
  std::error_code none;
  const auto holds = [&](const char* name) { return std::filesystem::exists(s.run + "/" + name, none); };
  const bool is_tokenizer = holds("tokenizer_config.json") || holds("tokenizer.json") || holds("spiece.model");
  TokenizerOptions options;
  if (s.no_lower) options.lower = false;
  const std::unique_ptr<Tokenizer> tokenizer = read_tokenizer(is_tokenizer ? s.run : checkpoint_folder(s.run), options);
  Json ids = Json::array(), pieces = Json::array();
  for (const std::string& text : read_texts(s.texts)) {
    ids.push_back(tokenizer->encode(text));
    pieces.push_back(Json::array());
    for (const Json& id : ids.back()) pieces.back().push_back(tokenizer->piece(id.get<std::int32_t>()));
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
  CLI::App& verb = add_verb(program, "tokenize", "Show how texts become ids: what the text tower gets, padding included, and the piece of each id.",
                            "siglip tokenize run --texts shapes/val/metadata.jsonl",
                            "ids [[number]], pieces [[text]]: one list a text, padded to the full length");
  const auto s = std::make_shared<Settings>();
  verb.add_option("RUN", s->run, "a run folder, a checkpoint folder, or a folder with tokenizer.json or spiece.model")->required();
  text_flag(verb, "--texts", s->texts, "a file of texts: one a line, a JSON array (.json), or the \"text\" of each line (.jsonl)")->required();
  verb.add_flag("--no-lower", s->no_lower, "do not lower the texts, as published SigLIP 2 tokenizers forgot to");
  json_flag(verb, s->json);
  verb.callback([s] { tokenize_verb(*s); });
}
}  // namespace siglip::tools
