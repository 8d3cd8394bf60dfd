// npz_none.cpp — stands in for npz.cpp in a build without libzip (SIGLIP_ZIP=OFF).
#include "io/npz.h"
#include "siglip/error.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
[[noreturn]] void no_library(const std::string& path) {
  fail(path, "a build with libzip is expected (SIGLIP_ZIP=ON; Debian: libzip-dev), got one without");
}
}  // namespace

NpzFile::NpzFile(const std::string& path) { no_library(path); }

// There is no NpzFile to ask.
const std::string& NpzFile::path() const { no_library(".npz"); }
const std::vector<TensorInfo>& NpzFile::arrays() const { no_library(".npz"); }
const TensorInfo* NpzFile::find(const std::string&) const { no_library(".npz"); }
NpzFile::Stream NpzFile::open(const TensorInfo&) const { no_library(".npz"); }
void NpzFile::Stream::read(void*, std::int64_t) { no_library(".npz"); }
void NpzFile::Stream::finish() { no_library(".npz"); }
}  // namespace siglip::inline SIGLIP_FLAVOUR
