// Sizes that the table of ops leaves out: no elements at all, what no block and no scratch memory holds at once; and AdamW, which is no op.
#include <doctest/doctest.h>
#include <cmath>
#include <functional>
#include <limits>
#include "siglip/ops.h"
#include "siglip/optim.h"
#include "siglip/rng.h"
#include "siglip/tape.h"
using namespace siglip;

namespace {
std::vector<Real> gaussians(Dim count, std::uint64_t seed) {
  Rng random(seed);
  std::vector<Real> values;
  for (Dim i = 0; i < count; ++i) values.push_back(static_cast<Real>(random.normal()));
  return values;
}

double normalised_error(const std::vector<Real>& a, const std::vector<Real>& b) {
  REQUIRE(a.size() == b.size());
  double error = 0, norm = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    error += (double(a[i]) - double(b[i])) * (double(a[i]) - double(b[i]));
    norm += double(b[i]) * double(b[i]);
  }
  return error == 0 ? 0 : error / norm;
}

// The gradient of <w, op(x)> for gaussian x and w.
std::vector<Real> gradient(Device device, const Shape& shape, const std::function<Tensor(const Tensor&)>& op) {
  const Tensor x = Tensor::from(shape, gaussians(element_count(shape), 1), device).require_grad();
  Tape tape;
  const Tensor y = op(x);
  tape.backward({y}, {Tensor::from(y.shape(), gaussians(y.size(), 2), device)});
  return x.grad_to_vector();
}
}  // namespace

TEST_CASE("emulated CUDA: column sums of many rows, and of more columns than the scratch memory has") {
  const auto check = [](Dim N, Dim C) {
    const auto sums = [=](Device device) { return gradient(device, {C}, [N](const Tensor& x) { return repeat(x, N); }); };
    INFO(N, " rows, ", C, " columns");
    CHECK(normalised_error(sums(Device::cuda), sums(Device::cpu)) <= 1e-12);
  };
  check(16500, 1);
  check(700, 3);
  check(65, 131073);
  check(2, 262145);
}

TEST_CASE("emulated CUDA: a sum over more elements than a share has") {
  const auto ds = [](Device device) {
    const Tensor x = Tensor::from({20000}, gaussians(20000, 3), device);
    return gradient(device, {1}, [&](const Tensor& s) { return scale(x, s); });
  };
  CHECK(normalised_error(ds(Device::cuda), ds(Device::cpu)) <= 1e-12);
}

TEST_CASE("emulated CUDA: more tokens than a block has threads, in rows of more columns") {
  const auto dtable = [](Device device) {
    std::vector<std::int32_t> ids;
    for (std::int32_t n = 0; n < 300; ++n) ids.push_back(n % 3 == 0 ? 0 : n < 150 ? n % 7 : 299 - n);  // many of one, first ones late
    return gradient(device, {160, 130}, [&](const Tensor& table) { return token_embedding(Ids({300}, ids, device), table); });
  };
  CHECK(normalised_error(dtable(Device::cuda), dtable(Device::cpu)) <= 1e-12);

  // More than the search for an earlier one goes through at a time: one that stands in its first stretch, one in its second, none.
  const auto far = [](Device device) {
    std::vector<std::int32_t> ids(1030);
    for (std::size_t n = 0; n < ids.size(); ++n) ids[n] = n < 1025 ? static_cast<std::int32_t>(n % 2) : n < 1028 ? 2 : n == 1028 ? 1 : 3;
    return gradient(device, {5, 3}, [&](const Tensor& table) { return token_embedding(Ids({1030}, ids, device), table); });
  };
  CHECK(normalised_error(far(Device::cuda), far(Device::cpu)) <= 1e-12);
}

TEST_CASE("emulated CUDA: no rows, no tokens, no samples") {
  const auto nothing = [](const std::function<Tensor(const Tensor&)>& op) { CHECK(gradient(Device::cuda, {0, 2, 4}, op).empty()); };
  const auto row = [] { return Tensor::from({4}, gaussians(4, 4), Device::cuda).require_grad(); };
  nothing([](const Tensor& x) { return add(x, x); });
  nothing([](const Tensor& x) { return gelu(x); });
  nothing([](const Tensor& x) { return softmax(x); });
  nothing([](const Tensor& x) { return l2_normalize(x); });
  nothing([](const Tensor& x) { return attention(x, x, x, 2); });
  nothing([](const Tensor& x) { return take_last_token(x); });
  nothing([](const Tensor& x) { return scale(x, Tensor::full({1}, 2, Device::cuda).require_grad()); });
  std::vector<Tensor> shared;
  for (int i = 0; i < 5; ++i) shared.push_back(row());
  nothing([&](const Tensor& x) { return add_rows(x, shared[0]); });
  nothing([&](const Tensor& x) { return layernorm(x, shared[1], shared[2]); });
  nothing([&](const Tensor& x) { return matmul(x, Tensor::full({4, 4}, 1, Device::cuda).require_grad(), shared[3]); });
  nothing([&](const Tensor& x) { return add(x, repeat(shared[4], 0).reshape({0, 2, 4})); });
  for (const Tensor& x : shared) CHECK(x.grad_to_vector() == std::vector<Real>(4, 0));
  CHECK(gradient(Device::cuda, {3, 2}, [](const Tensor& table) { return token_embedding(Ids({0}, {}, Device::cuda), table); }) ==
        std::vector<Real>(6, 0));
}

TEST_CASE("emulated CUDA: AdamW and the gradient norm are the CPU's") {
  const auto trained = [](Device device, std::vector<double>& norms) {
    Parameters parameters;
    for (Dim size : {0, 1, 257, 20000}) {
      const std::string name = std::to_string(size);
      parameters.push_back({name, Tensor::from({size}, gaussians(size, 5), device).require_grad(), size != 1});
    }
    AdamW optimizer(parameters, {});
    for (std::uint64_t k = 0; k < 3; ++k) {
      optimizer.zero_grad();
      for (const Parameter& p : parameters) {
        Tape tape;
        const Tensor y = add(p.value, p.value);
        tape.backward({y}, {Tensor::from(y.shape(), gaussians(y.size(), 6 + k), device)});
      }
      norms.push_back(global_grad_norm(parameters));
      optimizer.step(1e-2, clip_factor(norms.back(), 1));
    }
    return parameters;
  };
  std::vector<double> cpu_norms, cuda_norms;
  const Parameters cpu = trained(Device::cpu, cpu_norms), cuda = trained(Device::cuda, cuda_norms);
  for (std::size_t i = 0; i < cpu.size(); ++i) CHECK(normalised_error(cuda[i].value.to_vector(), cpu[i].value.to_vector()) <= 1e-12);
  for (std::size_t k = 0; k < 3; ++k) CHECK(cuda_norms[k] == doctest::Approx(cpu_norms[k]).epsilon(1e-12));

  // Read all at once, the sums still tell whose gradient is not finite.
  for (const Parameter& p : {cuda[1], cuda[3]}) {
    Tape tape;
    const Tensor y = add(p.value, p.value);
    tape.backward({y}, {Tensor::full(y.shape(), std::numeric_limits<Real>::infinity(), Device::cuda)});
  }
  std::string worst;
  CHECK(!std::isfinite(global_grad_norm(cuda, &worst)));
  CHECK(worst == "1");
}
