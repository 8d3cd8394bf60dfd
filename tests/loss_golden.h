// loss_golden.h — numbers that the losses must give, computed elsewhere (PyTorch in double), checked in float and in double.
#pragma once
#include <doctest/doctest.h>
#include <cmath>
#include "siglip/loss.h"
#include "siglip/ops.h"
#include "siglip/tape.h"

namespace {
using siglip::Dim, siglip::Real, siglip::Tensor;

Tensor number(double value) { return Tensor::full({1}, static_cast<Real>(value)).require_grad(); }

void check_close(const std::vector<Real>& got, const std::vector<double>& expected, double tolerance) {
  REQUIRE(got.size() == expected.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    INFO("element ", i, ": ", double(got[i]), " where ", expected[i], " is expected");
    CHECK(std::abs(double(got[i]) - expected[i]) <= tolerance * std::max(1.0, std::abs(expected[i])));
  }
}

// Three pairs, normalised, at the paper's start and at a released model's temperature and bias.
void check_golden(double tolerance) {
  const Tensor images = Tensor::from({3, 2}, {1, 2, 3, -1, Real(0.5), Real(0.5)}).require_grad();
  const Tensor texts = Tensor::from({3, 2}, {2, 1, 1, -1, -1, 3}).require_grad();
  {
    const Tensor log_t = number(std::log(10.0)), b = number(-10);
    siglip::Tape tape;
    const Tensor loss = siglip::sigmoid_loss(siglip::l2_normalize(images), siglip::l2_normalize(texts), log_t, b);
    check_close(loss.to_vector(), {3.195461975}, tolerance);
    tape.backward(loss);
    check_close(b.grad_to_vector(), {-0.714243126}, tolerance);
    check_close(log_t.grad_to_vector(), {-4.622125932}, tolerance);
    check_close(images.grad_to_vector(), {-0.752474997, 0.376237498, 0.122551918, 0.367655754, 3.364479056, -3.364479056}, tolerance);
    check_close(texts.grad_to_vector(), {0.297297428, -0.594594856, -0.552881032, -0.552881032, -0.855006476, -0.285002159}, tolerance);
  }
  {
    const Tensor log_t = number(std::log(117.330765)), b = number(-12.932437);
    siglip::Tape tape;
    const Tensor loss = siglip::sigmoid_loss(siglip::l2_normalize(images), siglip::l2_normalize(texts), log_t, b);
    check_close(loss.to_vector(), {79.481062556}, tolerance);
    tape.backward(loss);
    check_close(b.grad_to_vector(), {1.000000806}, tolerance);
    check_close(log_t.grad_to_vector(), {92.413498750}, tolerance);
  }
}

// All cosines 0 by construction: images along the first axis, texts along the second. t does not matter then.
void check_initial_loss(double tolerance) {
  const std::pair<Dim, double> table[] = {{1, 10.000045},    {8, 10.000363},    {64, 10.002906},    {256, 10.011622},  {512, 10.023244},
                                          {1024, 10.046488}, {4096, 10.185954}, {16384, 10.743816}, {32768, 11.487631}};
  for (const auto& [B, expected] : table) {
    CHECK(std::abs(siglip::initial_sigmoid_loss(B, -10) - expected) <= 5e-7);  // as many digits as the table has
    if (B > 4096) continue;
    Tensor u = Tensor::full({B, 2}, 0), v = Tensor::full({B, 2}, 0);
    for (Dim i = 0; i < B; ++i) u.data()[2 * i] = 1, v.data()[2 * i + 1] = 1;
    check_close(siglip::sigmoid_loss(u, v, number(std::log(10.0)), number(-10)).to_vector(), {expected}, tolerance);
  }
}

// The two pairs worked out at the head of src/loss/sigmoid_loss.cpp.
void check_two_pairs(double tolerance) {
  const Tensor u = Tensor::from({2, 2}, {1, 0, 0, 1}).require_grad();
  const Tensor v = Tensor::from({2, 2}, {1, 0, Real(0.6), Real(0.8)}).require_grad();
  const Tensor log_t = number(std::log(10.0)), b = number(-10);
  siglip::Tape tape;
  const Tensor loss = siglip::sigmoid_loss(u, v, log_t, b);
  check_close(loss.to_vector(), {1.419135}, tolerance);
  tape.backward(loss);
  check_close(b.grad_to_vector(), {-0.681383}, tolerance);
  check_close(log_t.grad_to_vector(), {-5.969230}, tolerance);
  // g = [-0.250000 0.008993; 0.000023 -0.440399]:  dU = t G V,  dV = t Gᵀ U
  const double g[2][2] = {{-0.25, 0.00899310}, {0.0000226989, -0.44039854}};
  check_close(u.grad_to_vector(), {10 * (g[0][0] + 0.6 * g[0][1]), 10 * 0.8 * g[0][1], 10 * (g[1][0] + 0.6 * g[1][1]), 10 * 0.8 * g[1][1]},
              tolerance);
  check_close(v.grad_to_vector(), {10 * g[0][0], 10 * g[1][0], 10 * g[0][1], 10 * g[1][1]}, tolerance);
}
}  // namespace
