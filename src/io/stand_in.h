// stand_in.h — files that are there in name alone: what a version control system or a server put in their place.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include "siglip/real.h"

namespace siglip::inline SIGLIP_FLAVOUR {
struct StandIn {
  std::string what, cure;  // clauses: "a Git LFS pointer …", "`git lfs pull` fetches the file"
};
/// What the beginning of a file gives away (512 bytes are enough): a pointer of Git LFS or git-annex, a web page, an error of a server; none for
/// everything else.
std::optional<StandIn> stand_in(std::string_view beginning);
/// The same of a file; none if it cannot be read, which its reader says.
std::optional<StandIn> stand_in_of(const std::string& path);
/// Throws Error that names the cure if the bytes stand for the file.
void refuse_stand_in(std::string_view beginning, const std::string& path);
}  // namespace siglip::inline SIGLIP_FLAVOUR
