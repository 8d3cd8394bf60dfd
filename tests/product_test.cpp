// product_test.cpp — the product that all others are made of, against sums in double.
#include <doctest/doctest.h>
#include <algorithm>
#include <cmath>
#include <vector>
#include "core/panels.h"
#include "core/product.h"
#include "siglip/error.h"
#include "siglip/ops.h"
#include "siglip/rng.h"
#include "worst.h"

using namespace siglip;

namespace {
std::vector<Real> numbers(std::size_t count, std::uint64_t seed) {
  std::vector<Real> x(count);
  Rng rng(seed);
  for (Real& value : x) value = static_cast<Real>(rng.uniform(-0.5, 0.5));
  return x;
}

struct Sizes {
  Dim I, J, K;
};

// c (I, J) in rows of J + 3, which must stay as they are beyond J.
void check(Sizes s, bool a_transposed, bool b_transposed, bool add, bool with_bias) {
  INFO("I ", s.I, ", J ", s.J, ", K ", s.K, a_transposed ? ", a transposed" : "", b_transposed ? ", b transposed" : "", add ? ", added" : "");
  const Dim a_row = (a_transposed ? s.I : s.K) + 1, b_row = (b_transposed ? s.K : s.J) + 2, c_row = s.J + 3;
  const std::vector<Real> a = numbers(static_cast<std::size_t>((a_transposed ? s.K : s.I) * a_row), 1);
  const std::vector<Real> b = numbers(static_cast<std::size_t>((b_transposed ? s.J : s.K) * b_row), 2);
  const std::vector<Real> bias = numbers(static_cast<std::size_t>(s.J), 3), before = numbers(static_cast<std::size_t>(s.I * c_row), 4);
  std::vector<Real> c = before;
  const Factor left{a.data(), a_row, a_transposed}, right{b.data(), b_row, b_transposed};
  if (add)
    add_product(c.data(), c_row, left, right, s.I, s.J, s.K);
  else
    product(c.data(), c_row, left, right, s.I, s.J, s.K, with_bias ? bias.data() : nullptr);

  double worst = 0;
  Dim changed = 0;
  const auto at = [](const std::vector<Real>& x, Dim i) { return double(x[static_cast<std::size_t>(i)]); };
  for (Dim i = 0; i < s.I; ++i) {
    for (Dim j = 0; j < s.J; ++j) {
      double sum = add ? at(before, i * c_row + j) : with_bias ? at(bias, j) : 0;
      for (Dim k = 0; k < s.K; ++k) sum += at(a, a_transposed ? k * a_row + i : i * a_row + k) * at(b, b_transposed ? j * b_row + k : k * b_row + j);
      keep_worst(worst, std::abs(at(c, i * c_row + j) - sum));
    }
    for (Dim j = s.J; j < c_row; ++j) changed += at(c, i * c_row + j) != at(before, i * c_row + j);
  }
  CHECK(worst <= 1e-5);  // 2.9e-6 at K = 1025
  CHECK(changed == 0);
}
}  // namespace

TEST_CASE("product: any sizes, either factor transposed, assigned, with a bias, added") {
  const Dim tile = tile_rows;
  for (const Sizes s : {Sizes{1, 1, 1},
                        {5, 7, 3},
                        {tile, panel, 16},
                        {tile + 1, panel + 1, 17},
                        {2 * tile - 1, 2 * panel - 1, 65},
                        {49, 193, 9},
                        {48, 192, 512},
                        {13, 5, 513},
                        {3, 195, 1025},
                        {4, 6, 0}})
    for (const bool a_transposed : {false, true})
      for (const bool b_transposed : {false, true}) {
        check(s, a_transposed, b_transposed, false, false);
        check(s, a_transposed, b_transposed, false, true);
        check(s, a_transposed, b_transposed, true, false);
      }
}

TEST_CASE("product: equal rows and columns give equal bits wherever they lie") {
  const Dim I = 3 * tile_rows + 5, J = 2 * panel + 3, K = 600;
  const std::vector<Real> row = numbers(static_cast<std::size_t>(K), 5), column = numbers(static_cast<std::size_t>(K), 6);
  std::vector<Real> a, b, c(static_cast<std::size_t>(I * J));
  for (Dim i = 0; i < I; ++i) a.insert(a.end(), row.begin(), row.end());
  for (Dim j = 0; j < J; ++j) b.insert(b.end(), column.begin(), column.end());
  product(c.data(), J, {a.data(), K}, transposed({b.data(), K}), I, J, K);
  Dim other = 0;
  for (const Real x : c) other += x != c[0];
  CHECK(other == 0);
}

TEST_CASE("matmul: a row has the same bits alone, among many, and times a packed weight") {
  const Dim N = small_rows + 1, M = 2 * panel + 3;
  for (const Dim K : {Dim(1), Dim(37), depth, depth + 1, 2 * depth + 5}) {
    INFO("K ", K);
    const std::vector<Real> rows = numbers(static_cast<std::size_t>(N * K), 7), row(rows.begin(), rows.begin() + K);
    const Tensor w = Tensor::from({M, K}, numbers(static_cast<std::size_t>(M * K), 8)),
                 bias = Tensor::from({M}, numbers(static_cast<std::size_t>(M), 9));
    const Tensor x = Tensor::from({N, K}, rows), first = Tensor::from({1, K}, row);
    const Tensor packed_w = packed(w);
    const std::vector<Real> many = matmul(x, w, bias).to_vector(), one(many.begin(), many.begin() + M);
    CHECK(matmul(x, w, bias, packed_w).to_vector() == many);
    CHECK(matmul(first, w, bias).to_vector() == one);
    CHECK(matmul(first, w, bias, packed_w).to_vector() == one);
  }
}

TEST_CASE("packed: a weight is a matrix, and is multiplied as that alone") {
  const Tensor x = Tensor::full({2, 3}, 1), w = Tensor::full({5, 3}, 1), none;
  CHECK_THROWS_WITH_AS(matmul(x, w, none, packed(Tensor::full({1, 2}, 1))),
                       ("matmul: packed_w is w as packed() gives it, " + std::to_string(packed(w).size()) + " numbers, got " +
                        std::to_string(packed(Tensor::full({1, 2}, 1)).size()))
                           .c_str(),
                       Error);
  CHECK_THROWS_WITH_AS(packed(Tensor({3})), "packed: w has shape (M, K), got (3)", Error);
  CHECK(!packed(Tensor({0, 3})).defined());
}

TEST_CASE("matmul: no row of x, or none of w, is no row of y") {
  const Tensor w = Tensor::full({4, 3}, 1), none;
  for (const Tensor& packed_w : {none, packed(w)}) CHECK(matmul(Tensor({0, 3}), w, none, packed_w).shape() == Shape{0, 4});
  CHECK(matmul(Tensor::full({small_rows + 1, 3}, 1), Tensor({0, 3})).shape() == Shape{small_rows + 1, 0});
}
