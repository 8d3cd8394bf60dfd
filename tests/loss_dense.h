// loss_dense.h — both losses by their definitions, with the whole matrix, in double and out of nothing of the library; checked in float and in double
// at batches of the largest tile and around them, which the table of ops leaves out.
#pragma once
#include <algorithm>
#include <functional>
#include <numeric>
#include "loss/tiles.h"
#include "loss_golden.h"
#include "siglip/rng.h"
#include "worst.h"

namespace {
struct Dense {
  double loss = 0;
  std::vector<double> du, dv;
  double dlog_t = 0, db = 0;
};

// What the losses are asked about: (B, E) rows, t and b.
struct Pairs {
  Dim B, E;
  Tensor u, v, log_t = number(2), b = number(-3);
  std::vector<double> us, vs;  // the same numbers
  double t = std::exp(double(log_t.item())), bias = double(b.item());

  Pairs(Dim B_, Dim E_) : B(B_), E(E_), u({B, E}), v({B, E}) {
    siglip::Rng random(static_cast<std::uint64_t>(B));
    for (const Tensor& x : {u, v}) {
      for (Dim i = 0; i < x.size(); ++i) x.data()[i] = static_cast<Real>(0.5 * random.normal());
      x.require_grad();
    }
    const std::vector<Real> of_u = u.to_vector(), of_v = v.to_vector();
    us.assign(of_u.begin(), of_u.end()), vs.assign(of_v.begin(), of_v.end());
  }
  double cosine(Dim i, Dim j) const { return std::inner_product(&us[at(i)], &us[at(i)] + E, &vs[at(j)], 0.0); }
  // Adds what a pair's ∂L/∂l = g gives.
  void add(Dense& sums, Dim i, Dim j, double g) const {
    for (std::size_t k = 0; k < static_cast<std::size_t>(E); ++k) {
      sums.du[at(i) + k] += t * g * vs[at(j) + k];
      sums.dv[at(j) + k] += t * g * us[at(i) + k];
    }
    sums.dlog_t += g * t * cosine(i, j);
    sums.db += g;
  }
  Dense zero() const {
    const std::vector<double> none(us.size(), 0.0);
    return {0, none, none};
  }

 private:
  std::size_t at(Dim row) const { return static_cast<std::size_t>(row * E); }
};

template <class IsMatch>
Dense dense_sigmoid(const Pairs& x, const IsMatch& is_match) {
  const Dim B = x.B;
  Dense sums = x.zero();
  for (Dim i = 0; i < B; ++i)
    for (Dim j = 0; j < B; ++j) {
      const double z = is_match(i, j) ? 1 : -1, l = x.t * x.cosine(i, j) + x.bias;
      const double e = std::exp(-std::abs(l));
      sums.loss += std::max(-z * l, 0.0) + std::log1p(e);
      x.add(sums, i, j, -z * (-z * l >= 0 ? 1 : e) / (1 + e) / double(B));
    }
  sums.loss /= double(B);
  return sums;
}

Dense dense_softmax(const Pairs& x) {
  const Dim B = x.B;
  std::vector<double> rows(static_cast<std::size_t>(B), 0.0), columns = rows;  // of exp(l), which is small here: it needs no maximum
  for (Dim i = 0; i < B; ++i)
    for (Dim j = 0; j < B; ++j) {
      const double e = std::exp(x.t * x.cosine(i, j));
      rows[static_cast<std::size_t>(i)] += e, columns[static_cast<std::size_t>(j)] += e;
    }
  Dense sums = x.zero();
  for (Dim i = 0; i < B; ++i) {
    sums.loss += (std::log(rows[static_cast<std::size_t>(i)]) + std::log(columns[static_cast<std::size_t>(i)])) / 2 - x.t * x.cosine(i, i);
    for (Dim j = 0; j < B; ++j) {
      const double e = std::exp(x.t * x.cosine(i, j));
      x.add(sums, i, j, (e / rows[static_cast<std::size_t>(i)] + e / columns[static_cast<std::size_t>(j)] - 2 * (i == j)) / (2 * double(B)));
    }
  }
  sums.loss /= double(B);
  return sums;
}

// The largest |got - expected| / max(|expected|, rms of expected) of the loss and its gradients; infinity if one of them is not finite.
double error_of(const Pairs& x, const Tensor& loss, const Dense& expected) {
  double worst = 0;
  const auto compare = [&](const std::vector<Real>& got, const std::vector<double>& exact) {
    REQUIRE(got.size() == exact.size());
    const double rms = std::sqrt(std::inner_product(exact.begin(), exact.end(), exact.begin(), 0.0) / double(exact.size()));
    for (std::size_t i = 0; i < got.size(); ++i) {
      const double error = std::abs(double(got[i]) - exact[i]) / std::max(std::abs(exact[i]), rms);
      keep_worst(worst, error);
    }
  };
  compare(loss.to_vector(), {expected.loss});
  compare(x.u.grad_to_vector(), expected.du);
  compare(x.v.grad_to_vector(), expected.dv);
  compare(x.log_t.grad_to_vector(), {expected.dlog_t});
  if (x.b.has_grad()) compare(x.b.grad_to_vector(), {expected.db});
  return worst;
}

// Four blocks of the largest tile, one row less, one more: a ragged last block, and a ring of five.
void check_largest_tiles(double tolerance) {
  constexpr Dim edge = siglip::largest_tile_edge;
  for (const Dim B : {4 * edge - 1, 4 * edge, 4 * edge + 1}) {
    REQUIRE(siglip::tile_edge(B) == edge);
    std::vector<std::int32_t> images, texts;  // captions repeat, differently for images and texts: matches lie off the diagonal tiles
    for (Dim i = 0; i < B; ++i) images.push_back(static_cast<std::int32_t>(i / 2)), texts.push_back(static_cast<std::int32_t>(i * 3 % B / 2));
    const siglip::Labels ids{siglip::Ids({B}, images), siglip::Ids({B}, texts)};
    const auto same_id = [&](Dim i, Dim j) { return images[static_cast<std::size_t>(i)] == texts[static_cast<std::size_t>(j)]; };
    const auto check = [&](const std::string& what, const auto& loss_of, const auto& expected) {
      const Pairs x(B, 3);
      siglip::Tape tape;
      const Tensor loss = loss_of(x);
      tape.backward(loss);
      const double error = error_of(x, loss, expected(x));
      INFO(what, ", B = ", B, ": relative error ", error);
      CHECK(error <= tolerance);
      MESSAGE(what, ", B = ", B, ": relative error ", error);
    };
    check(
        "sigmoid loss", [](const Pairs& x) { return siglip::sigmoid_loss(x.u, x.v, x.log_t, x.b); },
        [](const Pairs& x) { return dense_sigmoid(x, std::equal_to<>()); });
    check(
        "sigmoid loss by ids", [&](const Pairs& x) { return siglip::sigmoid_loss(x.u, x.v, x.log_t, x.b, ids); },
        [&](const Pairs& x) { return dense_sigmoid(x, same_id); });
    check(
        "softmax loss", [](const Pairs& x) { return siglip::softmax_loss(x.u, x.v, x.log_t); }, dense_softmax);
  }
}
}  // namespace
