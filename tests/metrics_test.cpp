// Ranks, recall, best matches.
#include <doctest/doctest.h>
#include <cmath>
#include <limits>
#include "siglip/error.h"
#include "siglip/metrics.h"
#include "siglip/rng.h"
using namespace siglip;

namespace {
constexpr Real nan_value = std::numeric_limits<Real>::quiet_NaN();

std::vector<std::int32_t> numbers(Dim n) {
  std::vector<std::int32_t> ids;
  for (Dim i = 0; i < n; ++i) ids.push_back(static_cast<std::int32_t>(i));
  return ids;
}

Tensor random_unit_rows(Dim N, Dim E, std::uint64_t stream) {
  Rng rng(5, stream);
  std::vector<Real> x;
  for (Dim i = 0; i < N; ++i) {
    std::vector<double> row;
    double squares = 0;
    for (Dim e = 0; e < E; ++e) row.push_back(rng.normal()), squares += row.back() * row.back();
    for (const double value : row) x.push_back(static_cast<Real>(value / std::sqrt(squares)));
  }
  return Tensor::from({N, E}, x);
}
}  // namespace

TEST_CASE("metrics: ranks worked by hand") {
  // Scores: query 0: 1 0 0.6, query 1: 0 1 0.8, query 2 (1, 1): 1 1 1.4.
  const Tensor candidates = Tensor::from({3, 2}, {1, 0, 0, 1, Real(0.6), Real(0.8)});
  const Tensor queries = Tensor::from({3, 2}, {1, 0, 0, 1, 1, 1});
  CHECK(ranks(queries, candidates, {0, 1, 2}, {0, 1, 2}) == std::vector<Dim>{1, 1, 1});
  CHECK(ranks(queries, candidates, {2, 2, 0}, {0, 1, 2}) == std::vector<Dim>{2, 2, 3});  // query 2: right at 1, above it 1.4, beside it 1
}

TEST_CASE("metrics: several right candidates: the best one counts, and another right one is never in its way") {
  const Tensor candidates = Tensor::from({4, 1}, {4, 3, 2, 1});
  CHECK(ranks(Tensor::from({1, 1}, {1}), candidates, {7}, {0, 7, 7, 1}) == std::vector<Dim>{2});
  CHECK(ranks(Tensor::from({1, 1}, {1}), candidates, {7}, {7, 7, 7, 1}) == std::vector<Dim>{1});
  CHECK(ranks(Tensor::from({1, 1}, {-1}), candidates, {7}, {7, 7, 7, 1}) == std::vector<Dim>{2});
}

TEST_CASE("metrics: a collapsed model gets nothing, wherever a row lies in its tile") {
  const Dim M = 331, E = 53;
  const Tensor one = random_unit_rows(1, E, 1);
  std::vector<Real> rows;
  for (Dim i = 0; i < M; ++i) rows.insert(rows.end(), one.data(), one.data() + E);
  const Tensor x = Tensor::from({M, E}, rows);
  CHECK(ranks(x, x, numbers(M), numbers(M)) == std::vector<Dim>(static_cast<std::size_t>(M), M));
  const Tensor zero = Tensor::full({M, E}, 0);
  CHECK(ranks(zero, zero, numbers(M), numbers(M)) == std::vector<Dim>(static_cast<std::size_t>(M), M));
}

TEST_CASE("metrics: what is not a number counts against the query") {
  const Tensor candidates = Tensor::from({3, 1}, {3, nan_value, 1});
  CHECK(ranks(Tensor::from({1, 1}, {1}), candidates, {0}, {0, 1, 2}) == std::vector<Dim>{2});  // a wrong candidate is NaN
  CHECK(ranks(Tensor::from({1, 1}, {1}), candidates, {1}, {0, 1, 2}) == std::vector<Dim>{3});  // the right one is
  CHECK(ranks(Tensor::from({1, 1}, {1}), candidates, {0}, {0, 0, 2}) == std::vector<Dim>{1});  // one of two right ones is
  CHECK(ranks(Tensor::from({1, 1}, {nan_value}), candidates, {0}, {0, 1, 2}) == std::vector<Dim>{3});
  const Real huge = Real(1e30);  // products beyond float's range are still compared
  CHECK(ranks(Tensor::from({1, 1}, {huge}), Tensor::from({2, 1}, {huge, huge / 2}), {0}, {0, 1}) == std::vector<Dim>{1});
}

TEST_CASE("metrics: tiles agree with one score at a time, for any number of threads") {
  const Dim N = 131, M = 517, E = 33;
  const Tensor queries = random_unit_rows(N, E, 2), candidates = random_unit_rows(M, E, 3);
  std::vector<std::int32_t> query_ids = numbers(N), candidate_ids = numbers(M);
  std::vector<Dim> expected;
  for (Dim i = 0; i < N; ++i) {
    auto score = [&](Dim j) {
      double sum = 0;
      for (Dim e = 0; e < E; ++e) sum += static_cast<double>(queries.data()[i * E + e]) * static_cast<double>(candidates.data()[j * E + e]);
      return sum;
    };
    Dim rank = 1;
    for (Dim j = 0; j < M; ++j) rank += j != i && score(j) >= score(i);
    expected.push_back(rank);
  }
  const int before = threads();
  for (const int count : {1, 3}) {
    set_threads(count);
    CHECK(ranks(queries, candidates, query_ids, candidate_ids) == expected);
    const auto best = best_matches(queries.data(), candidates, M);
    for (std::size_t k = 0; k < best.size(); ++k)
      if (best[k].candidate == 0) CHECK(static_cast<Dim>(k) + 1 == expected[0]);
  }
  set_threads(before);
}

TEST_CASE("metrics: recall") {
  const Recall r = recall({1, 1, 2, 5, 6, 10, 11, 40}, 50);
  CHECK(r.r1 == 2.0 / 8);
  CHECK(r.r5 == 4.0 / 8);
  CHECK(r.r10 == 6.0 / 8);
  CHECK(r.queries == 8);
  CHECK(r.candidates == 50);
  CHECK(recall({}, 3).r10 == 0);
  CHECK(ranks(Tensor({0, 4}), Tensor({0, 4}), {}, {}).empty());
}

TEST_CASE("metrics: best matches, equal scores in index order, what is not a number last") {
  const Tensor candidates = Tensor::from({6, 1}, {1, 3, nan_value, 2, 3, nan_value});
  const Real query = 1;
  std::vector<Dim> order;
  for (const Match& match : best_matches(&query, candidates, 9)) order.push_back(match.candidate);
  CHECK(order == std::vector<Dim>{1, 4, 3, 0, 2, 5});
  CHECK(best_matches(&query, candidates, 2).size() == 2);
  CHECK(best_matches(&query, candidates, 1)[0].cosine == 3);
  CHECK(best_matches(&query, candidates, 0).empty());
}

TEST_CASE("metrics: what does not fit is named") {
  const Tensor x({2, 3}), y({2, 4});
  CHECK_THROWS_WITH_AS(ranks(x, y, {0, 1}, {0, 1}), "ranks: queries (N, E) and candidates (M, E), got (2, 3) and (2, 4)", Error);
  CHECK_THROWS_WITH_AS(ranks(x, x, {0}, {0, 1}), "ranks: an id for each of 2 queries, got 1", Error);
  CHECK_THROWS_WITH_AS(ranks(x, x, {0, 1}, {0}), "ranks: an id for each of 2 candidates, got 1", Error);
  CHECK_THROWS_WITH_AS(ranks(x, x, {0, 5}, {0, 1}), "ranks: every query has a right candidate, got none for query 1 (id 5)", Error);
  CHECK_THROWS_WITH_AS(ranks(Tensor({2, 3}, Device::cuda), x, {0, 1}, {0, 1}), "ranks: embeddings on the CPU, got some on another device", Error);
  const Real query = 0;
  CHECK_THROWS_WITH_AS(best_matches(&query, Tensor({3}), 1), "best_matches: candidates (M, E), got (3)", Error);
  CHECK_THROWS_WITH_AS(best_matches(&query, Tensor({3, 1}), -1), "best_matches: k >= 0, got -1", Error);
  CHECK_THROWS_WITH_AS(best_matches(&query, Tensor({3, 1}, Device::cuda), 1), "best_matches: candidates on the CPU, got some on another device",
                       Error);
}
