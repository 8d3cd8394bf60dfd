// npy_header.h — what stands before the numbers of an .npy file.
#pragma once
#include <functional>
#include <string>
#include "siglip/tensor.h"

namespace siglip::inline SIGLIP_FLAVOUR {
struct NpyHeader {
  std::string descr;  // NumPy's name of the type: "<f4"
  bool fortran_order = false;
  Shape shape;
  std::int64_t bytes = 0;  // of the header itself: the numbers follow
};
/// Reads the header of version 1, 2 or 3 through `next(count)`, which gives the next bytes. Throws Error "where: …" for anything but the one
/// dictionary with descr, fortran_order and shape; a type that is no string, such as that of records, included.
NpyHeader read_npy_header(const std::function<std::string(std::int64_t)>& next, const std::string& where);

/// F32 for <f4, F64 for <f8, F16 for <f2, BF16 for two void bytes (|V2, <V2); empty for any other.
std::string dtype_of_npy(const std::string& descr);
}  // namespace siglip::inline SIGLIP_FLAVOUR
