// metrics.cpp — ranks, recall, the best matches.
//
// A product rounds, in float, in an order of its own, so candidates that are equal but for rounding may come out either way. A rank must not depend
// on it: tiles only sort out what is clear, and every score close to the right one's is made again by dot(), in double.
#include "siglip/metrics.h"
#include <algorithm>
#include <cmath>
#include <limits>
#include <unordered_map>
#include "core/parallel.h"
#include "core/product.h"
#include "siglip/error.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
constexpr Dim query_block = 64, candidate_block = 256;

double dot(const Real* a, const Real* b, Dim E) {
  double sum = 0;
  for (Dim e = 0; e < E; ++e) sum += static_cast<double>(a[e]) * static_cast<double>(b[e]);
  return sum;
}

std::vector<double> norms(const Tensor& x) {
  std::vector<double> result(static_cast<std::size_t>(x.dim(0)));
  const Dim E = x.dim(1);
  const Real* data = x.data();
  parallel_blocks(x.dim(0), candidate_block, [&](Dim begin, Dim end) {
    for (Dim i = begin; i < end; ++i) result[static_cast<std::size_t>(i)] = std::sqrt(dot(data + i * E, data + i * E, E));
  });
  return result;
}

void check(const Tensor& queries, const Tensor& candidates, std::size_t query_ids, std::size_t candidate_ids) {
  require(queries.rank() == 2 && candidates.rank() == 2 && queries.dim(1) == candidates.dim(1), "ranks", "queries (N, E) and candidates (M, E), got ",
          queries.shape(), " and ", candidates.shape());
  require(queries.device() == Device::cpu && candidates.device() == Device::cpu, "ranks", "embeddings on the CPU, got some on another device");
  require(static_cast<Dim>(query_ids) == queries.dim(0), "ranks", "an id for each of ", queries.dim(0), " queries, got ", query_ids);
  require(static_cast<Dim>(candidate_ids) == candidates.dim(0), "ranks", "an id for each of ", candidates.dim(0), " candidates, got ", candidate_ids);
}

/// The score of each query's best right candidate; not a number if none of its right candidates has one.
std::vector<double> best_right(const Tensor& queries, const Tensor& candidates, const std::vector<std::int32_t>& query_ids,
                               const std::vector<std::int32_t>& candidate_ids) {
  std::unordered_map<std::int32_t, std::vector<Dim>> right;
  for (std::size_t j = 0; j < candidate_ids.size(); ++j) right[candidate_ids[j]].push_back(static_cast<Dim>(j));
  for (std::size_t i = 0; i < query_ids.size(); ++i)
    require(right.count(query_ids[i]) > 0, "ranks", "every query has a right candidate, got none for query ", i, " (id ", query_ids[i], ")");

  std::vector<double> best(query_ids.size());
  const Dim E = queries.dim(1);
  const Real *q = queries.data(), *c = candidates.data();
  parallel_blocks(queries.dim(0), query_block, [&](Dim begin, Dim end) {
    for (Dim i = begin; i < end; ++i) {
      double score = std::numeric_limits<double>::quiet_NaN();
      for (const Dim j : right.find(query_ids[static_cast<std::size_t>(i)])->second) score = std::fmax(score, dot(q + i * E, c + j * E, E));
      best[static_cast<std::size_t>(i)] = score;
    }
  });
  return best;
}
}  // namespace

std::vector<Dim> ranks(const Tensor& queries, const Tensor& candidates, const std::vector<std::int32_t>& query_ids,
                       const std::vector<std::int32_t>& candidate_ids) {
  check(queries, candidates, query_ids.size(), candidate_ids.size());
  const Dim N = queries.dim(0), M = candidates.dim(0), E = queries.dim(1);
  std::vector<Dim> result(static_cast<std::size_t>(N), 1);
  if (N == 0) return result;
  const std::vector<double> best = best_right(queries, candidates, query_ids, candidate_ids);
  const std::vector<double> query_norm = norms(queries), candidate_norm = norms(candidates);
  const Real *q = queries.data(), *c = candidates.data();
  // A sum of E products is off by at most E eps |q||c|, whatever its order; twice that, and a little more for the sum of the bound itself.
  const double rounding = 2.1 * static_cast<double>(E + 1) * static_cast<double>(std::numeric_limits<Real>::epsilon());

  const Dim count = blocks(N, query_block), slots = std::min<Dim>(threads(), count), size = query_block * std::min(candidate_block, M);
  const Tensor workspace({slots, size});
  Real* all_scores = workspace.data();
  parallel_for(count, slots, [&](Dim block, Dim slot) {
    const Dim begin = block * query_block, end = std::min(N, begin + query_block);
    Real* scores = all_scores + slot * size;
    for (Dim left = 0; left < M; left += candidate_block) {
      const Dim columns = std::min(candidate_block, M - left);
      product(scores, columns, {q + begin * E, E}, transposed({c + left * E, E}), end - begin, columns, E);
      for (Dim i = begin; i < end; ++i) {
        const std::size_t query = static_cast<std::size_t>(i);
        for (Dim j = left; j < left + columns; ++j) {
          const std::size_t candidate = static_cast<std::size_t>(j);
          if (candidate_ids[candidate] == query_ids[query]) continue;
          double score = static_cast<double>(scores[(i - begin) * columns + j - left]);
          const double margin = rounding * query_norm[query] * candidate_norm[candidate];
          if (!std::isfinite(score) || std::abs(score - best[query]) <= margin) score = dot(q + i * E, c + j * E, E);
          result[query] += !(score < best[query]);  // a tie counts, and so does NaN on either side
        }
      }
    }
  });
  return result;
}

Recall recall(const std::vector<Dim>& ranks, Dim candidates) {
  Recall result;
  result.queries = static_cast<Dim>(ranks.size());
  result.candidates = candidates;
  if (ranks.empty()) return result;
  auto within = [&](Dim k) {
    return static_cast<double>(std::count_if(ranks.begin(), ranks.end(), [k](Dim rank) { return rank <= k; })) / static_cast<double>(ranks.size());
  };
  result.r1 = within(1), result.r5 = within(5), result.r10 = within(10);
  return result;
}

std::vector<Match> best_matches(const Real* query, const Tensor& candidates, Dim k) {
  require(candidates.rank() == 2, "best_matches", "candidates (M, E), got ", candidates.shape());
  require(candidates.device() == Device::cpu, "best_matches", "candidates on the CPU, got some on another device");
  require(k >= 0, "best_matches", "k >= 0, got ", k);
  const Dim M = candidates.dim(0), E = candidates.dim(1);
  std::vector<Match> all(static_cast<std::size_t>(M));
  const Real* c = candidates.data();
  parallel_blocks(M, candidate_block, [&](Dim begin, Dim end) {
    for (Dim j = begin; j < end; ++j) all[static_cast<std::size_t>(j)] = {j, dot(query, c + j * E, E)};
  });
  const auto middle = all.begin() + std::min(k, M);
  std::partial_sort(all.begin(), middle, all.end(), [](const Match& a, const Match& b) {
    if (std::isnan(a.cosine) != std::isnan(b.cosine)) return std::isnan(b.cosine);  // what is not a number comes last
    if (a.cosine != b.cosine && !std::isnan(a.cosine)) return a.cosine > b.cosine;
    return a.candidate < b.candidate;
  });
  all.erase(middle, all.end());
  return all;
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
