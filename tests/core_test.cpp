// Tensor, pool, tape, random numbers.
#include <doctest/doctest.h>
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <thread>
#include "core/pool.h"
#include "devices.h"
#include "siglip/error.h"
#include "siglip/ops.h"
#include "siglip/rng.h"
#include "siglip/tape.h"
#include "siglip/tensor.h"
#include "temporary_folder.h"
#include "worst.h"
using namespace siglip;

TEST_CASE("keep_worst: an error that is no number stays the worst") {
  double worst = 0;
  for (const double error : {1e-9, std::nan(""), 2e-9}) keep_worst(worst, error);
  CHECK(std::isinf(worst));
  worst = 0;
  for (const double error : {1.0, 3.0, 2.0}) keep_worst(worst, error);
  CHECK(worst == 3);
}

TEST_CASE("tensor: a handle on shared memory") {
  const Tensor x = Tensor::from({2, 3}, {1, 2, 3, 4, 5, 6});
  const Tensor y = x, z = x.reshape({3, 2});
  y.data()[0] = 7;
  CHECK(z.to_vector() == std::vector<Real>{7, 2, 3, 4, 5, 6});
  CHECK(x.rows() == 2);
  CHECK(z.columns() == 2);
  CHECK(reinterpret_cast<std::uintptr_t>(x.data()) % 64 == 0);
  CHECK_THROWS_WITH_AS(x.reshape({4}), "reshape: the new shape has as many elements as (2, 3), got (4)", Error);
  CHECK_THROWS_WITH_AS(Tensor::from({2}, {1}), "Tensor: as many values as shape (2) has, got 1", Error);
  CHECK_THROWS_WITH_AS(Tensor({-1}), "Tensor: axes are at least 0 and their product at most 2^59, got shape (-1)", Error);
  CHECK_THROWS_WITH_AS(Tensor({Dim{1} << 40, Dim{1} << 40}),
                       "Tensor: axes are at least 0 and their product at most 2^59, got shape (1099511627776, 1099511627776)", Error);
  CHECK_THROWS_WITH_AS(Tensor({(Dim{1} << 59) + 1}), "Tensor: axes are at least 0 and their product at most 2^59, got shape (576460752303423489)",
                       Error);
  CHECK_THROWS_WITH_AS(x.dim(2), "Tensor: an axis from 0 to 1 is expected, got 2", Error);
  CHECK_THROWS_WITH_AS(x.dim(-1), "Tensor: an axis from 0 to 1 is expected, got -1", Error);
  CHECK_THROWS_WITH_AS(Tensor().require_grad(), "require_grad: a tensor with a shape is expected, got an undefined one", Error);
  CHECK_THROWS_WITH_AS(Tensor().defer({}), "defer: a tensor with a shape is expected, got an undefined one", Error);
  CHECK_THROWS_WITH_AS(Tensor().device(), "Tensor: a tensor with a shape is expected, got an undefined one", Error);
  CHECK_THROWS_WITH_AS(gelu(Tensor()), "Tensor: a tensor with a shape is expected, got an undefined one", Error);
  CHECK_THROWS_WITH_AS(add(Tensor::full({}, 1), Tensor()), "Tensor: a tensor with a shape is expected, got an undefined one", Error);
  CHECK_THROWS_WITH_AS(add(Tensor(), x), "add: inputs with a shape are expected, got an undefined one", Error);
  CHECK_THROWS_WITH_AS(x.item(), "item: a tensor of one number, got shape (2, 3)", Error);
}

TEST_CASE("tensor: shape alone takes no memory, too much of it is one clear line") {
  const PoolStats before = pool_stats();
  const Tensor x({Dim{1} << 30, Dim{1} << 29});
  CHECK(x.size() == Dim{1} << 59);
  CHECK(pool_stats().reserved == before.reserved);
  const std::string said = complaint_of([&] { x.data(); });
  INFO(said);
  CHECK(said.starts_with("Tensor: 2147483648.0 GiB are wanted of the system, "));
  CHECK(contains(said, " are free; this process holds "));
  CHECK(said.ends_with(" that waited were given back"));
  CHECK(pool_stats().in_use == before.in_use);
}

TEST_CASE("errors: one line of a bounded length, whatever stood in the file") {
  const auto said = [](const std::string& text) { return std::string(Error(text).what()); };
  CHECK(said("a.csv: \"\x1b[31mred\ntwo\tlines\x7f\"") == "a.csv: \"\\x1b[31mred\\ntwo\\x09lines\\x7f\"");
  CHECK(said("Prüfung: 猫 😀") == "Prüfung: 猫 😀");
  const std::string most(2000, 'x');
  CHECK(said(most) == most);
  CHECK(said("begin " + std::string(50'000'000, 'x') + " end") == "begin " + std::string(1494, 'x') + " ... " + std::string(496, 'x') + " end");
  std::string cats;
  for (int i = 0; i < 1000; ++i) cats += "猫";  // no character is cut in two
  std::string some;
  for (int i = 0; i < 500; ++i) some += "猫";
  CHECK(said(cats) == some + " ... " + some.substr(0, 3 * 166));
  CHECK(said(std::string(5000, '\x80')).size() < 2010);  // bytes that begin no character
}

TEST_CASE("pool: a buffer given back is used again") {
  trim_pool();
  { Tensor({1000}).data(); }
  const PoolStats first = pool_stats();
  { Tensor({1000}).data(); }
  CHECK(pool_stats().allocations == first.allocations);
  reset_pool_peak();
  const std::int64_t base = pool_stats().peak;
  { Tensor({1 << 20}).data(); }
  CHECK(pool_stats().peak - base == (1 << 20) * static_cast<Dim>(sizeof(Real)));
  trim_pool();
  CHECK(pool_stats().reserved == pool_stats().in_use);
}

TEST_CASE("tensor: values that lie elsewhere are used there, or fetched when they are asked for") {
  auto values = std::make_shared<std::vector<Real>>(std::vector<Real>{1, 2, 3, 4, 5, 6});
  const std::weak_ptr<std::vector<Real>> watched = values;
  {
    const Tensor x({2, 3}), same = x;
    x.borrow(values->data(), values);
    CHECK(same.data() == values->data());
    CHECK(same.allocated());
    values = nullptr;
    CHECK(x.reshape({6}).to_vector() == std::vector<Real>{1, 2, 3, 4, 5, 6});
    const Tensor y = Tensor::full({2, 3}, 0).require_grad();
    CHECK(!y.adopt_grad(x));
  }
  CHECK(watched.expired());

  std::vector<std::pair<Dim, Dim>> asked;
  const Tensor table({3, 2}), same = table;
  table.defer([&](Real* to, Dim begin, Dim count) {
    asked.push_back({begin, count});
    for (Dim i = 0; i < count; ++i) to[i] = static_cast<Real>(begin + i);
  });
  CHECK(same.deferred());
  CHECK(!same.allocated());
  CHECK(token_embedding(Ids({3}, {2, 0, 2}), same).to_vector() == std::vector<Real>{4, 5, 0, 1, 4, 5});
  CHECK(asked == std::vector<std::pair<Dim, Dim>>{{4, 2}, {0, 2}, {4, 2}});
  CHECK(same.deferred());
  CHECK_THROWS_WITH_AS(token_embedding(Ids({1}, {3}), same), "token_embedding: ids from 0 to 2, got 3 to 3", Error);
  CHECK_THROWS_WITH_AS(same.read(nullptr, 5, 2), "read: elements within 0 to 6, got 2 from 5 on", Error);
  CHECK(same.to_vector() == std::vector<Real>{0, 1, 2, 3, 4, 5});
  CHECK(!same.deferred());
  CHECK(asked.back() == std::pair<Dim, Dim>{0, 6});
  CHECK(asked.size() == 4);
  Real last = 0;
  same.read(&last, 5, 1);
  CHECK(last == 5);

  const Tensor broken({2});
  broken.defer([](Real*, Dim, Dim) { throw Error("no disk"); });
  CHECK_THROWS_WITH_AS(broken.data(), "no disk", Error);
  CHECK(broken.deferred());
  const Tensor wanted({2, 1});  // its gradient is wanted: the whole table is needed
  wanted.defer([](Real* to, Dim, Dim count) { std::fill(to, to + count, Real(7)); });
  wanted.require_grad();
  CHECK(token_embedding(Ids({1}, {1}), wanted).item() == 7);
  CHECK(!wanted.deferred());
}

TEST_CASE("gradient memory is shared, lazy and adoptable") {
  const Tensor x = Tensor::full({4}, 1);
  CHECK(x.grad() == nullptr);
  x.require_grad();
  CHECK(!x.has_grad());
  CHECK(x.grad_to_vector() == std::vector<Real>(4, 0));
  CHECK(x.adopt_grad(Tensor::full({4}, 2)));
  CHECK(x.reshape({2, 2}).grad()[3] == 2);
  CHECK(!x.adopt_grad(Tensor::full({4}, 2)));
  CHECK_THROWS_WITH_AS(x.adopt_grad(Tensor::full({3}, 2)), "adopt_grad: a gradient of 4 reals on the same device, got shape (3)", Error);
  x.zero_grad();
  CHECK(x.grad()[0] == 0);
}

TEST_CASE("pool: buffers have exactly the size asked for") {
  const std::int64_t before = pool_stats().in_use;
  const Tensor x({3}), nothing({0});
  x.data();
  CHECK(pool_stats().in_use == before + 3 * static_cast<std::int64_t>(sizeof(Real)));
  nothing.data();
  CHECK(pool_stats().in_use == before + 3 * static_cast<std::int64_t>(sizeof(Real)) + 1);
  poison_pool(true);
  CHECK(std::isnan(Tensor({5}).data()[4]));
  poison_pool(false);
}

TEST_CASE("devices: what is not there is named, and nothing has moved") {
  CHECK(find_device("cpu") == Device::cpu);
  CHECK(device_name(Device::cpu) == "CPU");
  CHECK(built_for(Device::cpu));
  CHECK_THROWS_WITH_AS(find_device("gpu", "--device"), "--device: one of cpu, cuda is expected, got \"gpu\"; the nearest is \"cpu\"", Error);
  const Tensor x = Tensor::full({2}, 3);
  x.require_grad().grad()[0] = 5;
  x.move_to(Device::cpu);
  CHECK(x.grad()[0] == 5);
  const Ids ids({2}, {1, 2});
  CHECK(ids.to(Device::cpu).data() == ids.data());
  const std::string why = why_no_cuda();
  if (why.empty()) return;
  CHECK((why == "this build has no CUDA backend" || why.starts_with("no CUDA device")));  // and CUDA's own words, where it has some
  CHECK_THROWS_WITH_AS(Tensor({2}, Device::cuda).fill(0), ("fill: " + why).c_str(), NoBackend);
  CHECK_THROWS_WITH_AS(Tensor({2}, Device::cuda).data(), ("Tensor: " + why).c_str(), NoBackend);
  CHECK_THROWS_WITH_AS(packed(Tensor({2, 3}, Device::cuda)), ("matmul: " + why).c_str(), NoBackend);
  CHECK_THROWS_WITH_AS(set_matmul_precision(Device::cuda, MatmulPrecision::tf32), ("matmul: " + why).c_str(), NoBackend);
  CHECK_THROWS_WITH_AS(find_device("cuda"), ("device cuda: " + why).c_str(), NoBackend);
  CHECK_THROWS_WITH_AS(device_name(Device::cuda), ("device_name: " + why).c_str(), NoBackend);
  CHECK_THROWS_WITH_AS(x.move_to(Device::cuda), ("move_to: " + why).c_str(), NoBackend);
  CHECK(x.to_vector() == std::vector<Real>{3, 3});
  CHECK(x.grad()[0] == 5);
  CHECK_THROWS_WITH_AS(set_matmul_precision(Device::cpu, MatmulPrecision::tf32), "matmul: products on the CPU are of full precision, got tf32",
                       Error);
}

TEST_CASE("tape: one at a time, one number to start from") {
  Tape tape;
  CHECK_THROWS_WITH_AS(Tape(), "Tape: one tape at a time on a thread, got a second", Error);
  CHECK_THROWS_WITH_AS(tape.backward(Tensor({2})), "backward: the loss is one number, got shape (2)", Error);
  CHECK_THROWS_WITH_AS(tape.backward({Tensor({2})}, {}), "backward: one cotangent for each of 1 outputs, got 0", Error);
  const Tensor leaf = Tensor::full({}, 1).require_grad();
  CHECK_THROWS_WITH_AS(tape.backward(Tensor::full({1}, 1)),
                       "backward: an output that this tape recorded is expected, got none that depends on a tensor with require_grad()", Error);
  CHECK_THROWS_WITH_AS(tape.backward(leaf),
                       "backward: an output that this tape recorded is expected, got an empty tape: it was consumed, or began later", Error);
  const Tensor sum = add(leaf, leaf);
  CHECK_THROWS_WITH_AS(tape.backward({sum}, {Tensor()}), "Tensor: a tensor with a shape is expected, got an undefined one", Error);
  tape.backward(sum);
  CHECK(leaf.grad_to_vector() == std::vector<Real>{2});
  CHECK_THROWS_WITH_AS(tape.backward(sum),
                       "backward: an output that this tape recorded is expected, got an empty tape: it was consumed, or began later", Error);
  CHECK_THROWS_WITH_AS(tape.backward({Tensor()}, {Tensor()}), "backward: inputs with a shape are expected, got an undefined one", Error);
  CHECK_THROWS_WITH_AS(tape.backward({Tensor({2})}, {Tensor({3})}), "backward: the cotangent has its output's shape (2), got (3)", Error);
}

TEST_CASE("philox: the published known answers") {
  // Random123's kat_vectors, philox 4x32-10.
  CHECK(philox({0, 0, 0, 0}, {0, 0}) == std::array<std::uint32_t, 4>{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  CHECK(philox({~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}) == std::array<std::uint32_t, 4>{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
        std::array<std::uint32_t, 4>{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("rng: streams repeat, differ, and have the moments they claim") {
  Rng a(1, 2), b(1, 2), c(1, 3);
  int equal = 0;
  for (int i = 0; i < 100; ++i) {
    const auto x = a.bits();
    CHECK(x == b.bits());
    equal += x == c.bits();
  }
  CHECK(equal == 0);
  const int n = 100000;
  double sum = 0, squares = 0, uniform = 0, within = 0;
  Rng r(7);
  for (int i = 0; i < n; ++i) {
    const double x = r.normal();
    sum += x, squares += x * x, uniform += r.uniform();
    within = std::max(within, std::abs(r.truncated_normal()));
  }
  CHECK(std::abs(sum / n) < 4 / std::sqrt(n));  // standard error 1 / sqrt(n)
  CHECK(std::abs(squares / n - 1) < 4 * std::sqrt(2.0 / n));
  CHECK(std::abs(uniform / n - 0.5) < 4 * std::sqrt(1.0 / 12 / n));
  CHECK(within <= 2);
  CHECK(r.below(1) == 0);
  CHECK_THROWS_WITH_AS(r.below(0), "Rng::below: n >= 1, got 0", Error);
  std::vector<int> v(50);
  std::iota(v.begin(), v.end(), 0);
  std::vector<int> w = v;
  r.shuffle(w);
  CHECK(w != v);
  std::sort(w.begin(), w.end());
  CHECK(w == v);
}

TEST_CASE("threads: a number the system may not be able to start is capped, none is refused") {
  const int before = threads();
  set_threads(1'000'000);
  CHECK(threads() >= 1);
  CHECK(threads() <= 4 * static_cast<int>(std::thread::hardware_concurrency()));
  CHECK_THROWS_WITH_AS(set_threads(0), "set_threads: at least 1 thread, got 0", Error);
  set_threads(before);
}
