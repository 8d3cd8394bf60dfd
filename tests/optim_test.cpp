// AdamW against its formulas, clipping, the schedule.
#include <doctest/doctest.h>
#include <cmath>
#include <limits>
#include "siglip/error.h"
#include "siglip/optim.h"
#include "siglip/rng.h"
#include "worst.h"
using namespace siglip;

namespace {
// One number, in double, as the paper writes it.
struct Scalar {
  double p, m = 0, v = 0;
  void step(double g, double lr, double decay, int k, const AdamWOptions& o) {
    m = o.beta1 * m + (1 - o.beta1) * g;
    v = o.beta2 * v + (1 - o.beta2) * g * g;
    const double m_hat = m / (1 - std::pow(o.beta1, k)), v_hat = v / (1 - std::pow(o.beta2, k));
    p -= lr * (m_hat / (std::sqrt(v_hat) + o.eps) + decay * p);
  }
};

void set_grad(const Tensor& x, const std::vector<Real>& values) { std::copy(values.begin(), values.end(), x.grad()); }
}  // namespace

TEST_CASE("AdamW: twenty steps as the formulas say, decay where it is asked for") {
  const AdamWOptions options;
  const Parameters parameters{{"kernel", Tensor::full({3}, 1), true}, {"bias", Tensor::full({3}, 1), false}};
  AdamW optimizer(parameters, options);
  std::vector<Scalar> expected(6, Scalar{1});
  Rng random(5);
  for (int k = 1; k <= 20; ++k) {
    const double lr = 1e-2 / k, scale = k % 3 ? 1 : 0.25;
    for (std::size_t t = 0; t < 2; ++t) {
      std::vector<Real> gradient;
      for (std::size_t i = 0; i < 3; ++i) {
        gradient.push_back(static_cast<Real>(random.normal()));
        expected[3 * t + i].step(scale * double(gradient.back()), lr, t == 0 ? options.weight_decay : 0, k, options);
      }
      set_grad(parameters[t].value, gradient);
    }
    optimizer.step(lr, scale);
  }
  CHECK(optimizer.steps() == 20);
  for (std::size_t t = 0; t < 2; ++t)
    for (std::size_t i = 0; i < 3; ++i) CHECK(double(parameters[t].value.to_vector()[i]) == doctest::Approx(expected[3 * t + i].p).epsilon(2e-6));

  const Parameters state = optimizer.state();
  REQUIRE(state.size() == 4);
  CHECK(state[0].name == "m.kernel");
  CHECK(state[1].name == "v.kernel");
  CHECK(double(state[0].value.to_vector()[0]) == doctest::Approx(expected[0].m).epsilon(1e-5));
  CHECK(double(state[3].value.to_vector()[2]) == doctest::Approx(expected[5].v).epsilon(1e-5));

  optimizer.zero_grad();
  CHECK(parameters[0].value.grad_to_vector() == std::vector<Real>{0, 0, 0});
}

TEST_CASE("AdamW: every element of a tensor larger than a thread's block, the same bits for any number of threads") {
  constexpr Dim block = 1 << 14;
  const AdamWOptions options;
  const int before = threads();
  for (const Dim size : {block - 1, block, block + 1, 3 * block + 5}) {
    std::vector<Real> values, gradient;
    Rng random(static_cast<std::uint64_t>(size));
    for (Dim i = 0; i < size; ++i) values.push_back(static_cast<Real>(random.normal())), gradient.push_back(static_cast<Real>(random.normal()));
    std::vector<std::vector<Real>> results;
    for (const int count : {1, 3}) {
      set_threads(count);
      const Parameters parameters{{"p", Tensor::from({size}, values), true}};
      AdamW optimizer(parameters, options);
      for (int k = 1; k <= 2; ++k) {
        set_grad(parameters[0].value, gradient);
        optimizer.step(0.1, 0.5);
      }
      results.push_back(parameters[0].value.to_vector());
    }
    CHECK(results[0] == results[1]);
    double worst = 0;
    for (std::size_t i = 0; i < values.size(); ++i) {
      Scalar expected{double(values[i])};
      for (int k = 1; k <= 2; ++k) expected.step(0.5 * double(gradient[i]), 0.1, options.weight_decay, k, options);
      keep_worst(worst, std::abs(double(results[0][i]) - expected.p));
    }
    INFO(size, " elements, off by ", worst);
    CHECK(worst <= 1e-6);
  }
  set_threads(before);
}

TEST_CASE("AdamW: a parameter that is not trained stays, and what is not finite is refused") {
  const Parameters parameters{{"frozen", Tensor::full({2}, 1), true}, {"trained", Tensor::full({2}, 1), true}};
  AdamW optimizer(parameters, {});
  parameters[0].value.require_grad(false);
  set_grad(parameters[1].value, {1, 1});
  optimizer.step(0.1);
  CHECK(parameters[0].value.to_vector() == std::vector<Real>{1, 1});
  CHECK(double(parameters[1].value.to_vector()[0]) == doctest::Approx(1 - 0.1 * (1 + 0.1)));
  const double nan = std::numeric_limits<double>::quiet_NaN();
  CHECK_THROWS_WITH_AS(optimizer.step(0.1, nan), "AdamW: a finite rate and gradient scale, got 0.1 and nan", Error);
  CHECK_THROWS_WITH_AS(optimizer.step(std::numeric_limits<double>::infinity()), "AdamW: a finite rate and gradient scale, got inf and 1", Error);
  CHECK(optimizer.steps() == 1);
}

TEST_CASE("gradient norm: over all tensors, in double, naming what is not finite") {
  const Parameters parameters{
      {"a", Tensor::full({2}, 0).require_grad()}, {"b", Tensor::full({40000}, 0).require_grad()}, {"c", Tensor::full({1}, 0)}};
  set_grad(parameters[0].value, {3, 4});
  CHECK(global_grad_norm(parameters) == 5);
  set_grad(parameters[1].value, std::vector<Real>(40000, Real(0.1)));
  CHECK(global_grad_norm(parameters) == doctest::Approx(std::sqrt(25 + 400)).epsilon(1e-7));
  // Squares beyond the range of float.
  set_grad(parameters[0].value, {Real(3e30f), Real(4e30f)});
  CHECK(global_grad_norm(parameters) == doctest::Approx(5e30));
  std::string worst;
  global_grad_norm(parameters, &worst);
  CHECK(worst.empty());
  parameters[1].value.grad()[39999] = std::numeric_limits<Real>::quiet_NaN();
  CHECK(!std::isfinite(global_grad_norm(parameters, &worst)));
  CHECK(worst == "b");

  const Parameters apart{{"here", Tensor::full({2}, 0).require_grad()}, {"there", Tensor({2}, Device::cuda).require_grad()}};
  CHECK_THROWS_WITH_AS(global_grad_norm(apart), "global_grad_norm: parameters on one device, got there on another", Error);
  CHECK(global_grad_norm({}) == 0);
}

TEST_CASE("clipping: the factor that brings a norm down to the largest allowed") {
  CHECK(clip_factor(0.5, 1) == 1);
  CHECK(clip_factor(1, 1) == 1);
  CHECK(clip_factor(4, 1) == 0.25);
  CHECK(clip_factor(4, 0) == 1);
}

TEST_CASE("schedule: up in a straight line, down along a cosine") {
  CHECK(cosine_rate(0, 10, 110) == 0);
  CHECK(cosine_rate(5, 10, 110) == 0.5);
  CHECK(cosine_rate(10, 10, 110) == 1);
  CHECK(cosine_rate(60, 10, 110) == doctest::Approx(0.5));
  CHECK(cosine_rate(35, 10, 110) == doctest::Approx(0.5 * (1 + std::sqrt(0.5))));
  CHECK(cosine_rate(110, 10, 110) == 0);
  CHECK(cosine_rate(500, 10, 110) == 0);
  CHECK(cosine_rate(0, 0, 100) == 1);
  CHECK(cosine_rate(3, 10, 10) == doctest::Approx(0.3));
}
