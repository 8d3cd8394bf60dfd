// dtype.cpp — element types: their sizes, and what becomes of a number that changes its type.
//
//   F16    1 sign, 5 exponent and 10 fraction bits, subnormal below 2^-14
//   BF16   the upper half of an F32: 1, 8 and 7 bits
#include "io/dtype.h"
#include <algorithm>
#include <bit>
#include <cstring>
#include <map>
#include "siglip/error.h"

namespace siglip::inline SIGLIP_FLAVOUR {
std::int64_t element_bytes(const std::string& dtype) {
  static const std::map<std::string, std::int64_t> bytes = {{"F64", 8}, {"F32", 4}, {"F16", 2}, {"BF16", 2}, {"F8_E4M3", 1},
                                                            {"I64", 8}, {"I32", 4}, {"I16", 2}, {"I8", 1},   {"F8_E5M2", 1},
                                                            {"U64", 8}, {"U32", 4}, {"U16", 2}, {"U8", 1},   {"BOOL", 1}};
  const auto found = bytes.find(dtype);
  return found == bytes.end() ? 0 : found->second;
}

bool is_real(const std::string& dtype) { return dtype == "F32" || dtype == "F64" || dtype == "F16" || dtype == "BF16"; }

namespace {
// Every half is a float.
float from_half(std::uint16_t half) {
  const std::uint32_t sign = static_cast<std::uint32_t>(half & 0x8000) << 16, exponent = (half >> 10) & 31, fraction = half & 1023;
  if (exponent == 0) return std::bit_cast<float>(std::bit_cast<std::uint32_t>(static_cast<float>(fraction) * 0x1p-24f) | sign);
  const std::uint32_t rebiased = exponent == 31 ? 255 : exponent + 112;  // infinity and NaN stay what they are
  return std::bit_cast<float>(sign | rebiased << 23 | fraction << 13);
}

float from_bfloat(std::uint16_t bits) { return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16); }

// The nearest number of `fraction` bits whose exponents reach from 1 - bias to bias; Wide is float or double, of which float is exact in double.
template <int fraction, int bias, class Wide>
std::uint16_t to_small(Wide wide) {
  constexpr std::uint32_t infinity = (2 * bias + 1) << fraction;
  if (wide != wide) {
    const std::uint32_t bits = std::bit_cast<std::uint32_t>(static_cast<float>(wide)), payload = (bits & 0x7fffff) >> (23 - fraction);
    return static_cast<std::uint16_t>(bits >> 31 << 15 | infinity | (payload ? payload : 1u << (fraction - 1)));
  }
  const std::uint64_t bits = std::bit_cast<std::uint64_t>(static_cast<double>(wide));
  const std::uint32_t sign = static_cast<std::uint32_t>(bits >> 63) << 15;
  const int exponent = std::max(static_cast<int>(bits >> 52 & 2047) - 1023, 1 - bias);
  if (exponent > bias) return static_cast<std::uint16_t>(sign | infinity);
  // The magnitude in units of the last place; at 2^52 a double has no room for a fraction, so the sum is rounded to a whole number of them.
  const double unit = std::bit_cast<double>(static_cast<std::uint64_t>(1023 + fraction - exponent) << 52);
  const double units = std::bit_cast<double>(bits & ~(std::uint64_t{1} << 63)) * unit + 0x1p52 - 0x1p52;
  // The leading bit of a normal number is one of the units and raises the exponent by one; so does a carry, up to infinity.
  return static_cast<std::uint16_t>(sign | ((static_cast<std::uint32_t>(exponent + bias - 1) << fraction) + static_cast<std::uint32_t>(units)));
}

template <class Stored, class Load, class Kept, class Store>
void convert_each(char* to, const char* from, Dim count, const Load& load, const Kept*, const Store& store) {
  for (Dim i = 0; i < count; ++i) {
    Stored stored;
    std::memcpy(&stored, from + static_cast<std::size_t>(i) * sizeof(Stored), sizeof(Stored));
    const Kept kept = store(load(stored));
    std::memcpy(to + static_cast<std::size_t>(i) * sizeof(Kept), &kept, sizeof(Kept));
  }
}

template <class Stored, class Load>
void convert_from(char* to, const std::string& to_dtype, const char* from, Dim count, const Load& load) {
  const auto each = [&](auto kept, const auto& store) { convert_each<Stored>(to, from, count, load, &kept, store); };
  if (to_dtype == "F32") each(float(), [](auto x) { return static_cast<float>(x); });
  if (to_dtype == "F64") each(double(), [](auto x) { return static_cast<double>(x); });
  if (to_dtype == "F16") each(std::uint16_t(), [](auto x) { return to_small<10, 15>(x); });
  if (to_dtype == "BF16") each(std::uint16_t(), [](auto x) { return to_small<7, 127>(x); });
}
}  // namespace

void convert(void* to, const std::string& to_dtype, const void* from, const std::string& from_dtype, Dim count) {
  require(is_real(to_dtype) && is_real(from_dtype), "convert", "F64, F32, F16 or BF16 is expected, got ", from_dtype, " to ", to_dtype);
  char* out = static_cast<char*>(to);
  const char* in = static_cast<const char*>(from);
  const auto same = [](auto x) { return x; };
  if (to_dtype == from_dtype) {
    if (count) std::memcpy(out, in, static_cast<std::size_t>(count * element_bytes(to_dtype)));
  } else if (from_dtype == "F32") {
    convert_from<float>(out, to_dtype, in, count, same);
  } else if (from_dtype == "F64") {
    convert_from<double>(out, to_dtype, in, count, same);
  } else if (from_dtype == "F16") {
    convert_from<std::uint16_t>(out, to_dtype, in, count, from_half);
  } else {
    convert_from<std::uint16_t>(out, to_dtype, in, count, from_bfloat);
  }
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
