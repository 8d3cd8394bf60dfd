// real.h — the number type, the sizes, and the letters that every shape is written in.
//
//   B pairs in a batch   T tokens or patches   C width   H heads   D = C/H   E embedding width
//   V vocabulary         P patch edge          N rows (product of the leading axes)
//   S image edge in pixels                     M rows of a weight (output width)   K its columns (input width)
//
// Arrays are row-major and contiguous; the last letter of a shape runs fastest.
#pragma once
#include <cstdint>

// The library is built twice from the same sources, once in float and once in double. Formulas are checked in double,
// numerics in float against double. Both builds live in inline namespaces, so one program may link both.
#ifdef SIGLIP_DOUBLE
#define SIGLIP_FLAVOUR f64
#else
#define SIGLIP_FLAVOUR f32
#endif

namespace siglip::inline SIGLIP_FLAVOUR {
#ifdef SIGLIP_DOUBLE
using Real = double;
#else
using Real = float;
#endif
using Dim = std::int64_t;
}  // namespace siglip::inline SIGLIP_FLAVOUR

namespace siglip {
enum class Device { cpu, cuda };
/// How matrix products of float treat their factors: as they are, or rounded to the 10 or 7 bits of mantissa that tensor cores are fastest
/// with. Sums are float in any case.
enum class MatmulPrecision { f32, tf32, bf16 };
}  // namespace siglip
