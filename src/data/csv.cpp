// csv.cpp — comma- and tab-separated values: records, and the pairs in them.
#include <algorithm>
#include "data/sources.h"
#include "data/text_file.h"
#include "data/utf8.h"
#include "siglip/checkpoint.h"
#include "siglip/error.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : ", ") + word;
  return out;
}

std::size_t column(const std::vector<std::string>& header, const std::string& name, const std::string& where) {
  const auto count = std::count(header.begin(), header.end(), name);
  require(count == 1, where, "one column \"", name, "\" is expected in the header, got ", count ? "several" : "none", " among: ", joined(header),
          header.size() == 1 && name.find_first_of(";\t") == std::string::npos && header[0].find_first_of(";\t") != std::string::npos
              ? "; is the file separated by something else?"
              : "; --image-column and --text-column name others");
  return static_cast<std::size_t>(std::find(header.begin(), header.end(), name) - header.begin());
}

bool truth(const std::string& word, const std::string& where) {
  const bool yes = word == "true" || word == "True" || word == "1";
  require(yes || word.empty() || word == "false" || word == "False" || word == "0", where, "true or false is expected as distractor, got ", word);
  return yes;
}
}  // namespace

bool is_blank(const std::string& text) { return text.find_first_not_of(" \t\r\n") == std::string::npos; }

void check_text(std::string_view text, const std::string& name) {
  const std::size_t at = std::min(valid_bytes(text), text.find('\0'));
  if (at >= text.size()) return;
  std::size_t line = 1;
  for (std::size_t i = 0; i < at; ++i) line += text[i] == '\n' || (text[i] == '\r' && text[i + 1] != '\n');
  const int byte = static_cast<unsigned char>(text[at]);
  require(byte == 0, name + ":" + std::to_string(line), "UTF-8 is expected, got byte ", byte);
  fail(name + ":" + std::to_string(line), "text is expected, got a NUL byte");
}

Table::Table(std::string bytes, std::string name, char delimiter)
    : bytes_(text_of(std::move(bytes), name)), name_(std::move(name)), delimiter_(delimiter) {}

std::string Table::where() const { return name_ + ":" + std::to_string(record_line_); }

/// From behind the opening quote to behind the closing one.
void Table::quoted(std::string& field) {
  for (;; ++at_) {
    require(at_ < bytes_.size(), where(), "a closing quote is expected, got the end of the file");
    const char c = bytes_[at_];
    if (c == '"') {
      if (at_ + 1 == bytes_.size() || bytes_[at_ + 1] != '"') break;
      ++at_;
    }
    line_ += c == '\n' || (c == '\r' && (at_ + 1 == bytes_.size() || bytes_[at_ + 1] != '\n'));
    field.push_back(c);
  }
  ++at_;
  const char after = at_ < bytes_.size() ? bytes_[at_] : '\n';
  require(after == delimiter_ || after == '\n' || after == '\r', where(), "the field's end is expected behind its closing quote, got ", after);
}

bool Table::next(std::vector<std::string>& fields) {
  auto at_break = [&] { return bytes_[at_] == '\n' || bytes_[at_] == '\r'; };
  auto skip_break = [&] {
    at_ += bytes_.compare(at_, 2, "\r\n") == 0 ? 2 : 1;
    ++line_;
  };
  fields.clear();
  while (at_ < bytes_.size() && at_break()) skip_break();
  if (at_ == bytes_.size()) return false;
  record_line_ = line_;
  for (;;) {
    std::string& field = fields.emplace_back();
    if (at_ < bytes_.size() && bytes_[at_] == '"') {
      ++at_;
      quoted(field);
    } else {
      const std::size_t begin = at_;
      while (at_ < bytes_.size() && bytes_[at_] != delimiter_ && !at_break()) ++at_;
      field.assign(bytes_, begin, at_ - begin);
    }
    if (at_ == bytes_.size()) return true;
    if (at_break()) {
      skip_break();
      return true;
    }
    ++at_;  // the delimiter
  }
}

std::vector<Pair> read_table(const std::string& file, char delimiter, const DataOptions& options) {
  Table table(read_file(file), file, delimiter);
  std::vector<std::string> header, fields;
  require(table.next(header), file, "a header line is expected, got an empty file");
  const bool json = header[0].starts_with('{') || header[0].starts_with('[');
  require(!json, file, "a table with a header line is expected, got JSON; JSON lines are read from a folder's metadata.jsonl");
  const std::size_t image = column(header, options.image_column, table.where()), text = column(header, options.text_column, table.where());
  const auto marked = std::find(header.begin(), header.end(), "distractor");
  const auto distractor = static_cast<std::size_t>(marked - header.begin());

  Root root(file.find('/') == std::string::npos ? "." : file.substr(0, file.rfind('/') + 1));
  std::vector<Pair> pairs;
  while (table.next(fields)) {
    require(fields.size() == header.size(), table.where(), header.size(), " columns as in the header are expected, got ", fields.size());
    require(!is_blank(fields[text]), table.where(), "a text is expected, got an empty one");
    const bool apart = marked != header.end() && truth(fields[distractor], table.where());
    pairs.push_back({root.resolve(fields[image], table.where()), fields[text], -1, apart});
  }
  require(!pairs.empty(), file, "at least one pair is expected, got a header alone");
  return pairs;
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
