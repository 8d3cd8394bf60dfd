// json.cpp — a strict reader on nlohmann-json's event interface. Its own tree builders search an object at every new key, which takes minutes
// on a vocabulary; this one appends, and keeps the keys of the open objects in sets to find the one that comes twice.
#include "io/json.h"
#include <set>
#include <utility>
#include <vector>
#include "siglip/error.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
class Builder final : public nlohmann::json_sax<Json> {
 public:
  Builder(Json& root, const std::string& where) : root_(root), where_(where) {}

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

  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception& e) override {
    const std::string reason = e.what();  // "[json.exception.parse_error.101] parse error at line 1, column 2: …"
    const std::size_t end = reason.find("] ");
    fail(where_, "valid JSON is expected, got ", end == std::string::npos ? reason : reason.substr(end + 2));
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
  std::vector<Json*> open_;
  std::vector<std::set<std::string>> keys_;  // of the objects that are open
  std::string key_;
};
}  // namespace

Json parse_json(const std::string& text, const std::string& where) {
  require(text.find('\0') == std::string::npos, where, "valid JSON is expected, got a NUL byte");  // the parser would take it for the end
  Json root;
  Builder builder(root, where);
  require(Json::sax_parse(text, &builder), where, "valid JSON is expected");
  return root;
}

std::string brief(const Json& value) {
  constexpr std::size_t most = 60;
  std::string line = value.dump(-1, ' ', true, Json::error_handler_t::replace);
  if (line.size() > most) line = line.substr(0, most - 3) + "...";
  return line;
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
