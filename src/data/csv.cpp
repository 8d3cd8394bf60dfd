// csv.cpp — separated values: records, and the pairs in them.
#include <algorithm>
#include <utility>
#include "data/sources.h"
#include "data/text_file.h"
#include "data/utf8.h"
#include "data/walk.h"
#include "siglip/checkpoint.h"
#include "siglip/error.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : ", ") + word;
  return out;
}

std::size_t column(const std::vector<std::string>& header, const std::string& name, const std::string& found, const std::string& where) {
  const std::string& wanted = found.empty() ? name : found;
  const auto count = std::count(header.begin(), header.end(), wanted);
  const bool no_header = std::any_of(header.begin(), header.end(), is_picture);
  require(count == 1, where, "one column \"", name, "\" is expected in the header, got ", count ? "several" : "none", " among: ", joined(header),
          no_header ? "; the first line names a picture: is the header missing?" : other_columns);
  return static_cast<std::size_t>(std::find(header.begin(), header.end(), wanted) - header.begin());
}

bool truth(const std::string& word, const std::string& where) {
  const bool yes = word == "true" || word == "True" || word == "1";
  require(yes || word.empty() || word == "false" || word == "False" || word == "0", where, "true or false is expected as distractor, got ", word);
  return yes;
}

/// The header as it reads under a delimiter; empty if it does not.
std::vector<std::string> header_by(Table& table, char delimiter) {
  std::vector<std::string> header;
  table.restart(delimiter, true);
  try {
    table.next(header);
  } catch (const Error&) {  // a quote ends where no field does
    header.clear();
  }
  return header;
}

/// Reads the header by the delimiter that finds both columns in it: `usual` if that does.
std::vector<std::string> read_header(Table& table, char usual, const DataOptions& options) {
  char best = usual;
  std::size_t most = 0;
  for (const char delimiter : {usual, ',', '\t', ';', '|'}) {
    const std::vector<std::string> header = header_by(table, delimiter);
    const bool has_both = !image_column(header, options).empty() && !text_column(header, options).empty();
    if (has_both) return header;
    if (header.size() > most) best = delimiter, most = header.size();  // the columns that a message should show
  }
  std::vector<std::string> header;
  table.restart(best, true);
  table.next(header);
  return header;
}
}  // namespace

bool is_blank(const std::string& text) { return trimmed(text).empty(); }

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
    : bytes_(text_of(std::move(bytes), name)), name_(std::move(name)), delimiter_(delimiter) {
  const std::size_t end = bytes_.find_first_of("\r\n");
  const std::string first = bytes_.substr(0, end);
  if (first.size() == 5 && lower_case_ascii(first).starts_with("sep=")) {
    delimiter_ = first[4], names_delimiter_ = true;
    start_ = first.size() + (bytes_.compare(first.size(), 2, "\r\n") == 0 ? 2 : end < bytes_.size() ? 1 : 0);
    first_line_ = end < bytes_.size() ? 2 : 1;
  }
  at_ = start_, line_ = first_line_;
}

std::string Table::where() const { return name_ + ":" + std::to_string(record_line_); }

void Table::restart(char delimiter, bool padded) {
  if (!names_delimiter_) delimiter_ = delimiter;
  at_ = start_, line_ = record_line_ = first_line_;
  padded_ = padded, met_padding_ = false;
}

void Table::skip_blanks() {
  for (; padded_ && is_blank_here(); ++at_) met_padding_ = true;
}

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
  skip_blanks();
  const char after = at_ < bytes_.size() ? bytes_[at_] : '\n';
  require(after == delimiter_ || after == '\n' || after == '\r', where(), "the field's end is expected behind its closing quote, got ", after);
}

void Table::bare(std::string& field) {
  const std::size_t begin = at_;
  while (at_ < bytes_.size() && bytes_[at_] != delimiter_ && bytes_[at_] != '\n' && bytes_[at_] != '\r') ++at_;
  field.assign(bytes_, begin, at_ - begin);
  if (!padded_) return;
  const std::string bare_field(trimmed(field));
  met_padding_ = met_padding_ || bare_field.size() < field.size();
  field = bare_field;
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
    skip_blanks();
    if (at_ < bytes_.size() && bytes_[at_] == '"') {
      ++at_;
      quoted(field);
    } else {
      bare(field);
    }
    if (at_ == bytes_.size()) return true;
    if (at_break()) {
      skip_break();
      return true;
    }
    ++at_;  // the delimiter
  }
}

DataSet read_table(const std::string& file, char delimiter, const DataOptions& options, const std::string& split) {
  Table table(read_file(file), file, delimiter);
  std::vector<std::string> fields;
  const std::vector<std::string> header = read_header(table, delimiter, options);
  require(!header.empty(), file, "a header line is expected, got an empty file");
  const bool json = header[0].starts_with('{') || header[0].starts_with('[');
  require(!json, file, "a table with a header line is expected, got JSON; JSON is read from .json and .jsonl files");
  table.set_padded(table.met_padding());  // "file_name, text": then the blanks in other lines are no part of the fields either
  const std::string image_name = image_column(header, options), text_name = text_column(header, options);
  const std::size_t image = column(header, options.image_column, image_name, table.where());
  const std::size_t text = column(header, options.text_column, text_name, table.where());
  const auto place = [&](const std::string& name) {
    return static_cast<std::size_t>(std::find(header.begin(), header.end(), name) - header.begin());
  };
  const std::size_t distractor = place("distractor"), of_split = place(split_column(header));

  Records records(file, options, split);
  records.note_columns(image_name, text_name);
  while (table.next(fields)) {
    require(fields.size() == header.size(), table.where(), header.size(), " columns as in the header are expected, got ", fields.size());
    Record record{fields[image], {fields[text]}};
    record.distractor = distractor < header.size() && truth(fields[distractor], table.where());
    if (of_split < header.size()) {
      record.split = trimmed(fields[of_split]);
      require(!record.split.empty(), table.where(), "a split is expected as split, got an empty one");
    }
    records.add(record, table.where());
  }
  return records.data();
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
