// bpe_file.cpp — reads tokenizer.json in two ways: its vocabulary and merges, nearly all of its 34 MB, are scanned; what is left is parsed.
#include "data/bpe_file.h"
#include <algorithm>
#include <utility>
#include "core/limits.h"
#include "data/utf8.h"
#include "io/json_scan.h"
#include "siglip/error.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
struct Sections {
  std::string_view vocabulary, merges;  // null where the file has none
  std::string rest;                     // the file with the two emptied
};

// Calls visit(key, value) for every member, if `text` is an object.
template <class Visit>
void each_member(std::string_view text, const std::string& file, const Visit& visit) {
  std::deque<std::string> unescaped;
  JsonScan scan(text, file, unescaped);
  if (!scan.take('{') || scan.take('}')) return;
  do {
    const std::string_view key = scan.string();
    scan.expect(':');
    visit(key, scan.value());
  } while (scan.take(','));
}

// Finds model.vocab and model.merges. A key that stands twice does so in the rest too, where the parser finds it.
Sections sections_of(std::string_view text, const std::string& file) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);  // a byte-order mark
  Sections found;
  const char* copied = text.data();
  const auto cut = [&](std::string_view value, std::string_view& part, const char* empty) {
    part = value;
    found.rest.append(copied, value.data()).append(empty);
    copied = value.data() + value.size();
  };
  each_member(text, file, [&](std::string_view key, std::string_view model) {
    if (key != "model") return;
    each_member(model, file, [&](std::string_view name, std::string_view value) {
      if (name == "vocab") cut(value, found.vocabulary, "{}");
      if (name == "merges") cut(value, found.merges, "[]");
    });
  });
  found.rest.append(copied, text.data() + text.size());
  return found;
}

std::string quoted(std::string_view text) { return brief(Json(std::string(text))); }

// piece → id, each id once from 0 on; tokens that the vocabulary lacks follow it.
std::vector<std::string_view> read_vocabulary(std::string_view text, const std::vector<AddedToken>& added, BpeFile& to, const std::string& file,
                                              PieceTable& table) {
  std::vector<std::pair<std::string_view, std::int32_t>> entries;
  JsonScan scan(text, file, to.unescaped);
  scan.expect('{');
  if (!scan.take('}')) {
    do {
      const std::string_view piece = scan.string();
      scan.expect(':');
      entries.emplace_back(piece, scan.whole());
    } while (scan.take(','));
    scan.expect('}');
  }
  scan.end();
  if (entries.size() + added.size() > static_cast<std::size_t>(most_vocab)) fail(file, "at most ", most_vocab, " pieces are expected, got more");
  table = PieceTable(entries.size() + added.size());
  for (const auto& [piece, id] : entries) {
    if (!is_valid_utf8(piece)) fail(file, "pieces in UTF-8 are expected, got ", quoted(piece));
    if (!table.insert(piece, id)) fail(file, "each piece once is expected, got ", quoted(piece), " twice");
  }
  for (const AddedToken& token : added) {
    const std::int32_t id = table.find(token.content);
    if (id >= 0 && id != token.id) fail(file, "the id of ", quoted(token.content), " in model.vocab is ", token.id, ", got ", id);
    if (id >= 0) continue;
    entries.emplace_back(to.unescaped.emplace_back(token.content), token.id);
    table.insert(entries.back().first, token.id);
  }
  std::vector<std::string_view> pieces(entries.size());
  std::vector<bool> taken(entries.size());
  for (const auto& [piece, id] : entries) {
    const std::size_t i = static_cast<std::size_t>(id);
    if (i >= entries.size()) fail(file, "the id of ", quoted(piece), " is 0 to ", entries.size() - 1, ", got ", id);
    if (taken[i]) fail(file, "each id once is expected, got ", id, " for ", quoted(pieces[i]), " and ", quoted(piece));
    taken[i] = true;
    pieces[i] = piece;
  }
  return pieces;
}

// ["a", "b"] or "a b"
std::pair<std::string_view, std::string_view> read_merge(JsonScan& scan, std::size_t rank, const std::string& file) {
  if (scan.take('[')) {
    const std::string_view left = scan.string();
    scan.expect(',');
    const std::string_view right = scan.string();
    scan.expect(']');
    return {left, right};
  }
  const std::string_view both = scan.string();
  const std::size_t blank = both.find(' ');
  if (blank == std::string_view::npos || both.find(' ', blank + 1) != std::string_view::npos)
    fail(file, "merge ", rank, " is two pieces with a blank between them, got ", quoted(both));
  return {both.substr(0, blank), both.substr(blank + 1)};
}

std::vector<Merge> read_merges(std::string_view text, const PieceTable& table, BpeFile& to, const std::string& file) {
  std::vector<Merge> merges;
  JsonScan scan(text, file, to.unescaped);
  scan.expect('[');
  if (!scan.take(']')) {
    std::string joined;
    do {
      const auto [left, right] = read_merge(scan, merges.size(), file);
      joined.assign(left).append(right);
      const Merge merge{table.find(left), table.find(right), table.find(joined)};
      if (merge.left < 0 || merge.right < 0 || merge.merged < 0)
        fail(file, "merge ", merges.size(), " is of known pieces to a known piece, got ", quoted(left), " and ", quoted(right));
      merges.push_back(merge);
    } while (scan.take(','));
    scan.expect(']');
  }
  scan.end();
  return merges;
}

const Json& member(const Json& json, const char* key) {
  static const Json none = nullptr;
  const auto found = json.is_object() ? json.find(key) : json.end();
  return json.is_object() && found != json.end() ? *found : none;
}

bool is_replace(const Json& step) {
  return member(step, "type") == "Replace" && member(step, "content") == "\u2581" && member(member(step, "pattern"), "String") == " ";
}

// Replace " " by ▁, with or without Lowercase.
void check_normalizer(const Json& normalizer, const std::string& file) {
  const bool is_sequence = member(normalizer, "type") == "Sequence" && member(normalizer, "normalizers").is_array();
  const Json steps = is_sequence ? member(normalizer, "normalizers") : Json::array({normalizer});
  int replaced = 0;
  for (const Json& step : steps) {
    if (is_replace(step)) ++replaced;
    if (!is_replace(step) && member(step, "type") != "Lowercase")
      fail(file, "a normalizer that replaces \" \" by \"\u2581\" is expected, got ", brief(normalizer));
  }
  require(replaced == 1, file, "a normalizer that replaces \" \" by \"\u2581\" once is expected, got ", brief(normalizer));
}

// No blank is left after the normalizer, so a split at blanks does nothing.
void check_split(const Json& split, const std::string& file) {
  const bool at_blanks = member(split, "type") == "Split" && member(member(split, "pattern"), "String") == " " && member(split, "invert") == false;
  require(split.is_null() || at_blanks, file, "a pre_tokenizer that splits at \" \" or none is expected, got ", brief(split));
}

AddedTokens read_added_tokens(const Json& list, const std::string& file) {
  require(list.is_null() || list.is_array(), file, "added_tokens is an array, got ", brief(list));
  std::vector<AddedToken> tokens;
  for (const Json& token : list) {
    const Json &content = member(token, "content"), &id = member(token, "id");
    const bool has_id = id.is_number_integer() && id.get<std::int64_t>() >= 0 && id.get<std::int64_t>() < most_vocab;
    if (!content.is_string() || content == "" || !has_id) fail(file, "an added token with content and id is expected, got ", brief(token));
    for (const char* key : {"single_word", "lstrip", "rstrip", "normalized"}) {
      const Json& value = member(token, key);
      if (value != false && !value.is_null()) fail(file, key, " false for ", brief(content), " is expected, got ", brief(value));
    }
    tokens.push_back({content.get<std::string>(), id.get<std::int32_t>()});
  }
  return AddedTokens(std::move(tokens), file);
}

Bpe::Options read_options(const Json& model, const PieceTable& table, const std::string& file) {
  const auto flag = [&](const char* key) {
    const Json& value = member(model, key);
    if (!value.is_null() && !value.is_boolean()) fail(file, "model.", key, " is true or false, got ", brief(value));
    return value == true;
  };
  for (const char* key : {"dropout", "continuing_subword_prefix", "end_of_word_suffix"})
    if (const Json& value = member(model, key); !value.is_null() && value != "" && value != 0.0)
      fail(file, "no model.", key, " is expected, got ", brief(value));
  const Json& unknown = member(model, "unk_token");
  const std::int32_t id = unknown.is_string() ? table.find(unknown.get<std::string>()) : -1;
  require(id >= 0, file, "model.unk_token is a piece, got ", brief(unknown));
  return {id, flag("byte_fallback"), flag("fuse_unk"), flag("ignore_merges")};
}

// Texts are cut at their right end, and padded there to their full length, whatever a file says of padding_side; what else would give other ids is
// refused. The length counts where no other file names one.
void read_lengths(const Json& json, BpeFile& to, const std::string& file) {
  const Json &truncation = member(json, "truncation"), &padding = member(json, "padding");
  for (const auto& [key, value] : {std::pair{"truncation", &truncation}, {"padding", &padding}})
    if (!value->is_null() && !value->is_object()) fail(file, key, " is an object or null, got ", brief(*value));
  if (const Json& side = member(truncation, "direction"); !side.is_null() && side != "Right")
    fail(file, "truncation.direction \"Right\" is expected, got ", brief(side));
  if (const Json& length = member(truncation, "max_length"); !length.is_null()) {
    const bool fits = length.is_number_integer() && length.get<std::int64_t>() >= 1 && length.get<std::int64_t>() <= most_tokens;
    require(fits, file, "truncation.max_length is a whole number from 1 to ", most_tokens, ", got ", brief(length));
    to.length = length.get<Dim>();
  }
  if (const Json& pad = member(padding, "pad_id"); !pad.is_null()) {
    if (!pad.is_number_integer()) fail(file, "padding.pad_id is a whole number, got ", brief(pad));
    to.pad_id = pad.get<std::int64_t>();
  }
}

// A text and then the end token: what a template of SigLIP 2 says.
bool only_ends(const Json& processor, const std::string& end) {
  const Json& single = member(processor, "single");
  return member(processor, "type") == "TemplateProcessing" && single.is_array() && single.size() == 2 &&
         member(member(single[0], "Sequence"), "id") == "A" && member(member(single[1], "SpecialToken"), "id") == end;
}
}  // namespace

std::string model_type(const std::string& bytes, const std::string& file) {
  const Json json = parse_json(sections_of(bytes, file).rest, file);
  require(json.is_object(), file, "an object is expected, got ", json.type_name());
  const Json& model = member(json, "model");
  require(model.is_object(), file, "an object \"model\" is expected, got none");
  const Json& type = member(model, "type");
  return type.is_null() ? "none" : brief(type);
}

std::unique_ptr<BpeFile> read_bpe_file(std::string bytes, const std::string& file, const std::string& end) {
  auto to = std::make_unique<BpeFile>();
  to->bytes = std::move(bytes);
  const Sections sections = sections_of(to->bytes, file);
  const Json json = parse_json(sections.rest, file);
  const Json& model = member(json, "model");
  check_normalizer(member(json, "normalizer"), file);
  check_split(member(json, "pre_tokenizer"), file);
  to->added_tokens = read_added_tokens(member(json, "added_tokens"), file);
  to->ends = only_ends(member(json, "post_processor"), end);
  read_lengths(json, *to, file);
  for (const auto& [name, part] : {std::pair{"model.vocab", sections.vocabulary}, {"model.merges", sections.merges}})
    require(part.data() != nullptr, file, name, " is expected, got none");
  PieceTable table(0);
  std::vector<std::string_view> pieces = read_vocabulary(sections.vocabulary, to->added_tokens.sorted(), *to, file, table);
  const std::vector<Merge> merges = read_merges(sections.merges, table, *to, file);
  const Bpe::Options options = read_options(model, table, file);
  to->model = std::make_unique<const Bpe>(std::move(pieces), std::move(table), merges, options);
  return to;
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
