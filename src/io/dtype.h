// dtype.h — the element types of files, and conversion between those that are real numbers.
#pragma once
#include <cstdint>
#include <string>
#include "siglip/real.h"

namespace siglip::inline SIGLIP_FLAVOUR {
constexpr const char* real_dtype = sizeof(Real) == 4 ? "F32" : "F64";

/// Bytes of an element under its safetensors name; 0 for a name that the format does not have.
std::int64_t element_bytes(const std::string& dtype);
/// F64, F32, F16 or BF16: what convert() takes.
bool is_real(const std::string& dtype);
/// `count` numbers from one type to another, to nearest, ties to even; beyond the range they become infinite. To a wider type it is exact, and
/// back again gives the same bits, those of a NaN included. Neither side need be aligned; they must not overlap.
void convert(void* to, const std::string& to_dtype, const void* from, const std::string& from_dtype, Dim count);
}  // namespace siglip::inline SIGLIP_FLAVOUR
