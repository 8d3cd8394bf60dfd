// json.cpp — a strict reader on nlohmann-json's event interface. Its own tree builders search an object at every new key, which takes minutes
// on a vocabulary; this one appends, and keeps the keys of the open objects in sets to find the one that comes twice.
#include "io/json.h"
#include <cstdio>
#include <set>
#include <utility>
#include <vector>
#include "io/stand_in.h"
#include "siglip/error.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
class Builder final : public nlohmann::json_sax<Json> {
 public:
  Builder(Json& root, const std::string& where, std::size_t size) : root_(root), where_(where), size_(size) {}

  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(number_integer_t value) override { return add(value); }
  bool number_unsigned(number_unsigned_t value) override { return add(value); }
  bool number_float(number_float_t value, const string_t&) override { return add(value); }
  bool string(string_t& value) override { return add(std::move(value)); }
  bool binary(binary_t&) override { return false; }  // JSON text has none

  bool start_object(std::size_t) override { return open(Json::object()); }
  bool start_array(std::size_t) override { return open(Json::array()); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(string_t& name) override {
    require(keys_.back().insert(name).second, where_, "each key once is expected, got ", brief(name), " twice");
    key_ = std::move(name);
    return true;
  }

  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception& e) override {
    const std::string reason = e.what();  // "[json.exception.parse_error.101] parse error at line 1, column 2: …"
    const std::size_t end = reason.find("] ");
    const bool cut_off = position > size_ && size_ > 0;  // the end was read as a character
    fail(where_, "valid JSON is expected, got ", end == std::string::npos ? reason : reason.substr(end + 2), cut_off ? "; it is cut off" : "");
  }

 private:
  // The new value's place: the root, the end of an array, or a new key at the end of an object.
  Json& place(Json value) {
    if (open_.empty()) return root_ = std::move(value);
    Json& parent = *open_.back();
    if (parent.is_array()) return parent.get_ref<Json::array_t&>().emplace_back(std::move(value));
    return parent.get_ref<Json::object_t&>().std::vector<std::pair<const std::string, Json>>::emplace_back(std::move(key_), std::move(value)).second;
  }
  bool add(Json value) {
    place(std::move(value));
    return true;
  }
  // Appending moves the values of a parent only while none of them is open, so these pointers stay good.
  bool open(Json value) {
    constexpr std::size_t deepest = 64;
    require(open_.size() < deepest, where_, "JSON nested at most ", deepest, " deep is expected, got deeper");
    Json& opened = place(std::move(value));
    open_.push_back(&opened);
    keys_.emplace_back();
    return true;
  }
  bool close() {
    open_.pop_back();
    keys_.pop_back();
    return true;
  }

  Json& root_;
  const std::string& where_;
  std::size_t size_;  // of the text
  std::vector<Json*> open_;
  std::vector<std::set<std::string>> keys_;  // of the objects that are open
  std::string key_;
};
}  // namespace

Json parse_json(const std::string& text, const std::string& where) {
  refuse_stand_in(text, where);
  require(text.find('\0') == std::string::npos, where, "valid JSON is expected, got a NUL byte");  // the parser would take it for the end
  Json root;
  Builder builder(root, where, text.size());
  require(Json::sax_parse(text, &builder), where, "valid JSON is expected");
  return root;
}

namespace {
// A character of UTF-8; those that a terminal acts on or that nobody sees as JSON escapes them: C1 controls, ends of lines, blanks without width,
// what turns the direction of text.
std::string shown(const std::string& character) {
  const auto bits = [&](std::size_t i) { return static_cast<unsigned>(static_cast<unsigned char>(character[i]) & 0x3F); };
  const unsigned c = character.size() == 2   ? (bits(0) & 0x1F) << 6 | bits(1)
                     : character.size() == 3 ? (bits(0) & 0x0F) << 12 | bits(1) << 6 | bits(2)
                                             : 0;
  const bool hidden = (c >= 0x80 && c < 0xA0) || c == 0x200B || (c >= 0x2028 && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069) || c == 0xFEFF;
  if (!hidden) return character;
  char escaped[8];
  std::snprintf(escaped, sizeof escaped, "\\u%04x", c);
  return escaped;
}
}  // namespace

std::string brief(const Json& value) {
  constexpr std::size_t most = 60, dots = 3;
  const std::string whole = value.dump(-1, ' ', false, Json::error_handler_t::replace);  // valid UTF-8, so what begins a character says its length
  std::string line;
  std::size_t characters = 0, cut = 0;
  for (std::size_t at = 0, length = 0; at < whole.size(); at += length) {
    const unsigned char first = static_cast<unsigned char>(whole[at]);
    length = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
    if (++characters > most) return line.substr(0, cut) + "...";
    line += shown(whole.substr(at, length));
    if (characters == most - dots) cut = line.size();
  }
  return line;
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
