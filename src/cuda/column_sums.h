// column_sums.h — sums over the rows of a matrix: gradients of biases, of position tables, of whatever every row shares.
#pragma once
#include "core/blocks.h"

namespace siglip::inline SIGLIP_FLAVOUR::cuda {
/// Rows that one share of a column sum is made of: at least 64, and so many that there are at most 256 shares.
inline Dim share_rows(Dim N) { return N > 256 * 64 ? blocks(N, 256) : 64; }

/// sum_c += Σ_n x_nc for x (N, C). Uses the scratch memory.
void column_sums(Real* sum, const Real* x, Dim N, Dim C);

/// sum_c += Σ_k shares_kc for shares (count, C), added in the order of k.
void add_shares(Real* sum, const Real* shares, Dim count, Dim C);
}  // namespace siglip::inline SIGLIP_FLAVOUR::cuda
