// listing.h — a list for a message: its first entries, and how many there are.
#pragma once
#include <string>
#include "siglip/error.h"

namespace siglip {
struct Listing {
  std::string shown;
  std::size_t count = 0;

  void add(const std::string& entry) {
    constexpr std::size_t most = 5;
    if (++count <= most) shown += (shown.empty() ? "" : ", ") + entry;
    if (count == most + 1) shown += ", ...";
  }
  std::string sentence(const char* kind) const { return count ? "; " + std::to_string(count) + " " + kind + ": " + shown : ""; }
};

template <class T>
std::string shape_text(const std::vector<T>& shape) {
  std::ostringstream out;
  out << shape;
  return out.str();
}
}  // namespace siglip
