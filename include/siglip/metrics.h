// metrics.h — how well matching pairs find each other.
#pragma once
#include <vector>
#include "siglip/tensor.h"

namespace siglip::inline SIGLIP_FLAVOUR {
/// Fractions in [0, 1] of the queries whose best right candidate is among the first 1, 5, 10.
struct Recall {
  double r1 = 0, r5 = 0, r10 = 0;
  Dim queries = 0, candidates = 0;
};

/// Rank (1 = best) of the best right candidate of each query by dot product. A candidate is right if its id is the query's. Ties count
/// against the query, so a collapsed model gets nothing; so does a score that is not a number.
/// shapes    queries (N, E), candidates (M, E); ids of N and M entries. Every query has a right candidate (throws Error otherwise).
/// memory    O((N + M) E): scores are made in tiles
std::vector<Dim> ranks(const Tensor& queries, const Tensor& candidates, const std::vector<std::int32_t>& query_ids,
                       const std::vector<std::int32_t>& candidate_ids);
Recall recall(const std::vector<Dim>& ranks, Dim candidates);

/// The k best candidates of one query, best first; equal scores in index order.
struct Match {
  Dim candidate = 0;
  double cosine = 0;
};
std::vector<Match> best_matches(const Real* query, const Tensor& candidates, Dim k);
}  // namespace siglip::inline SIGLIP_FLAVOUR
