// tokenize.cpp — siglip tokenize: what the text tower gets to see.
#include <iostream>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>
#include "data/text_file.h"
#include "io/json.h"
#include "siglip/checkpoint.h"
#include "siglip/train.h"
#include "verbs.h"

namespace siglip::tools {
namespace {
struct Settings {
  std::string run, texts;
  TokenizerOptions tokenizer;
  bool any_bytes = false, json = false;
};

std::vector<std::string> texts_of(const Settings& s) {
  if (!s.any_bytes) return read_texts(s.texts);
  const std::string bytes = read_file(s.texts);
  std::vector<std::string> texts;
  for (const std::string_view line : lines_of(bytes)) texts.emplace_back(line);
  return texts;
}

void tokenize_verb(const Settings& s) {
  const std::unique_ptr<Tokenizer> tokenizer = read_tokenizer(tokenizer_folder(s.run), s.tokenizer);
  const std::vector<std::string> texts = texts_of(s);
  const std::vector<std::vector<std::int32_t>> rows = token_rows(texts, *tokenizer);
  note_texts(texts, rows, *tokenizer);
  const auto pieces_of = [&](const std::vector<std::int32_t>& ids) {
    std::vector<std::string> pieces;
    for (const std::int32_t id : ids) pieces.push_back(tokenizer->piece(id));
    return pieces;
  };
  if (!s.json) {
    std::cerr << tokenizer->describe() << '\n';
    for (const auto& ids : rows) {
      std::string line;
      for (const std::string& piece : pieces_of(ids)) line += (line.empty() ? "" : " | ") + piece;
      std::cout << line << "  ->  " << Json(ids).dump() << '\n';
    }
    return;
  }
  // Row by row: a tree of all of them would take a hundred times the memory of the ids.
  const char* comma = "";
  std::cout << "{\"ids\":[";
  for (const auto& ids : rows) std::cout << std::exchange(comma, ",") << Json(ids).dump();
  std::cout << "],\"pieces\":[";
  comma = "";
  for (const auto& ids : rows) std::cout << std::exchange(comma, ",") << Json(pieces_of(ids)).dump(-1, ' ', false, Json::error_handler_t::replace);
  std::cout << "]}\n";
}
}  // namespace

void add_tokenize(CLI::App& program) {
  CLI::App& verb = add_verb(program, "tokenize", "Show how texts become ids: what the text tower gets, padding included, and the piece of each id.",
                            "siglip tokenize run --texts shapes/val/metadata.jsonl",
                            "ids [[number]], pieces [[text]]: one list a text, padded to the full length");
  const auto s = std::make_shared<Settings>();
  verb.add_option("RUN", s->run, "a run folder, a checkpoint folder, or a folder with tokenizer.json or spiece.model")->required();
  text_flag(verb, "--texts", s->texts, text_files)->required();
  verb.add_flag("--any-bytes", s->any_bytes, "a text a line, of any bytes: to compare what becomes of those that are not UTF-8");
  lower_flag(verb, s->tokenizer);
  json_flag(verb, s->json);
  verb.callback([s] { tokenize_verb(*s); });
}
}  // namespace siglip::tools
