#include "io/json.h"
#include <set>
#include <vector>
#include "siglip/error.h"

namespace siglip::inline SIGLIP_FLAVOUR {
Json parse_json(const std::string& text, const std::string& where) {
  constexpr int deepest = 64;
  std::vector<std::set<std::string>> keys;  // of the objects that are open
  const auto watch = [&](int depth, Json::parse_event_t event, Json& value) {
    using Event = Json::parse_event_t;
    require(depth <= deepest, where, "JSON nested at most ", deepest, " deep is expected, got deeper");
    if (event == Event::object_start) keys.emplace_back();
    if (event == Event::object_end) keys.pop_back();
    if (event == Event::key) {
      const std::string& key = value.get_ref<const std::string&>();
      require(keys.back().insert(key).second, where, "each key once is expected, got \"", key, "\" twice");
    }
    return true;
  };
  try {
    return Json::parse(text, watch);
  } catch (const Json::exception& e) {
    const std::string reason = e.what();  // "[json.exception.parse_error.101] parse error at line 1, column 2: …"
    fail(where, "valid JSON is expected, got ", reason.substr(reason.find("] ") == std::string::npos ? 0 : reason.find("] ") + 2));
  }
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
