// npz.h — arrays as NumPy's savez and savez_compressed write them: a zip archive of .npy files.
#pragma once
#include <memory>
#include <string>
#include <vector>
#include "siglip/checkpoint.h"

namespace siglip::inline SIGLIP_FLAVOUR {
/// An .npz file, its headers checked against the sizes in the archive before anything is allocated. Only float arrays are of use here; the names
/// of others are known, and reading them is an Error. A small archive can unpack to a thousand times its size: whoever reads decides how much of an
/// array is in memory at once.
class NpzFile {
 public:
  /// Throws Error naming the file and the first thing that is wrong with it.
  explicit NpzFile(const std::string& path);
  const std::string& path() const;
  /// Names without ".npy"; dtypes as in safetensors (F32, F64, F16, BF16; NumPy has no name for the last and calls it two void bytes), or NumPy's
  /// own spelling in quotes for those that cannot be read; `offset` is the number of the member, `bytes` the size of its numbers.
  const std::vector<TensorInfo>& arrays() const;
  const TensorInfo* find(const std::string& name) const;  // null if there is none

  /// The numbers of one array from front to back, row-major.
  class Stream {
   public:
    void read(void* to, std::int64_t bytes);
    void finish();  // throws Error unless everything was read and the archive's checksum is right

   private:
    friend class NpzFile;
    struct Member;
    std::shared_ptr<Member> member_;
  };
  /// An array in column order is turned in memory: one that is larger than the file and 256 MiB is an Error.
  Stream open(const TensorInfo& array) const;

 private:
  struct Archive;
  std::shared_ptr<Archive> archive_;
};
}  // namespace siglip::inline SIGLIP_FLAVOUR
