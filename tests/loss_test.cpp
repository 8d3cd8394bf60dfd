// The losses in float: golden values, the two reductions, labels, memory, threads.
#include "loss_dense.h"
#include <atomic>
#include <set>
#include "kernels.h"
#include "loss/loss_products.h"
#include "loss/ring_order.h"
#include "siglip/error.h"
using namespace siglip;

namespace {
Tensor gaussian(const Shape& shape, std::uint64_t seed, double spread = 0.5) {
  Tensor x(shape);
  Rng random(seed);
  for (Dim i = 0; i < x.size(); ++i) x.data()[i] = static_cast<Real>(spread * random.normal());
  return x.require_grad();
}

// The snippet that circulates: -log_sigmoid(labels * (image @ text.T)).mean()
double plain_snippet(const Tensor& image, const Tensor& text) {
  const Dim B = image.dim(0), E = image.dim(1);
  double sum = 0;
  for (Dim i = 0; i < B; ++i)
    for (Dim j = 0; j < B; ++j) {
      double dot = 0;
      for (Dim k = 0; k < E; ++k) dot += double(image.data()[i * E + k]) * double(text.data()[j * E + k]);
      sum -= -std::log1p(std::exp(-(i == j ? dot : -dot)));
    }
  return sum / double(B * B);
}

// Forward and backward from nothing kept: the most that is held above the inputs, in bytes.
template <class Loss>
std::int64_t extra_bytes(Dim B, Dim E, bool gradients, const Loss& loss) {
  Tensors parameters{gaussian({B, E}, 1), gaussian({B, E}, 2), number(2), number(-8)};
  for (const Tensor& p : parameters) p.require_grad(gradients);
  std::int64_t wanted = pool_stats().in_use;
  if (gradients)
    for (const Tensor& p : parameters) wanted += p.size() * static_cast<Dim>(sizeof(Real));
  reset_pool_peak();
  {
    Tape tape;
    const Tensor value = loss(parameters);
    if (gradients) tape.backward(value);
  }
  return pool_stats().peak - wanted;
}

template <class Loss>
std::vector<std::vector<Real>> value_and_gradients(int thread_count, const Shape& shape, const Loss& loss) {
  const int before = threads();
  set_threads(thread_count);
  const Tensors x{gaussian(shape, 1), gaussian(shape, 2), number(2.3), number(-6)};
  std::vector<std::vector<Real>> all;
  {
    Tape tape;
    const Tensor value = loss(x);
    all.push_back(value.to_vector());
    tape.backward(value);
  }
  for (const Tensor& t : x) all.push_back(t.grad_to_vector());
  set_threads(before);
  return all;
}

const auto sigmoid = [](const Tensors& x) { return sigmoid_loss(x[0], x[1], x[2], x[3]); };
const auto softmax_of_clip = [](const Tensors& x) { return softmax_loss(x[0], x[1], x[2]); };
}  // namespace

TEST_CASE("sigmoid loss in float: golden values, the loss at the start, two pairs by hand") {
  check_golden(1e-5);
  check_initial_loss(2e-6);
  check_two_pairs(2e-6);
}

TEST_CASE("sigmoid loss: the bias that matches the share of positives") {
  CHECK(auto_bias(8192) == doctest::Approx(-9.0108).epsilon(1e-5));
  CHECK(auto_bias(32768) == doctest::Approx(-10.3972).epsilon(1e-5));
  CHECK(1 / (1 + std::exp(-auto_bias(64))) == doctest::Approx(1.0 / 64));
  CHECK_THROWS_WITH_AS(auto_bias(1), "auto_bias: a batch of at least 2, got 1", Error);
  CHECK(initial_sigmoid_loss(8, -10, 2) == doctest::Approx(20.000363).epsilon(1e-6));
}

TEST_CASE("sigmoid loss: the plain snippet is log_t = 0, b = 0, mean") {
  const Tensor u = gaussian({37, 5}, 3, 1), v = gaussian({37, 5}, 4, 1);
  const double expected = plain_snippet(u, v);
  CHECK(double(sigmoid_loss(u, v, number(0), number(0), {}, Reduction::mean).item()) == doctest::Approx(expected).epsilon(1e-6));
  CHECK(double(sigmoid_loss(u, v, number(0), number(0)).item()) == doctest::Approx(37 * expected).epsilon(1e-6));
}

TEST_CASE("sigmoid loss: where every logit is 0, each pair costs ln 2, in tiles of any size") {
  for (const Dim B : {1, 2, 33, 250, 1024, 2048, 2060}) {
    const Tensor u = Tensor::full({B, 1}, 0), v = Tensor::full({B, 1}, 0), b = number(0);
    Tape tape;
    const Tensor loss = sigmoid_loss(u, v, number(0), b);
    CHECK(double(loss.item()) == doctest::Approx(double(B) * std::log(2.0)).epsilon(1e-6));  // measured: below 2e-7
    tape.backward(loss);
    CHECK(double(b.grad_to_vector()[0]) == doctest::Approx(double(B) / 2 - 1).epsilon(1e-6));
  }
}

TEST_CASE("sigmoid loss: pairs that cost next to nothing are not lost in a product") {
  for (const Dim B : {1, 33, 250, 2060})
    for (const double b : {-3.0, -10.0, -17.0, -30.0}) {  // e^-17 is below half a unit in the last place of 1
      std::vector<std::int32_t> images, texts;            // no match at all
      for (std::int32_t i = 0; i < B; ++i) images.push_back(i), texts.push_back(-1 - i);
      const Tensor u = Tensor::full({B, 1}, 0), v = Tensor::full({B, 1}, 0);
      const double loss = double(sigmoid_loss(u, v, number(0), number(b), {Ids({B}, images), Ids({B}, texts)}).item());
      CHECK(loss == doctest::Approx(double(B) * std::log1p(std::exp(b))).epsilon(1e-6));  // measured: below 2e-7
    }
}

TEST_CASE("sigmoid loss: ids say which pairs match") {
  const Tensor u = gaussian({4, 3}, 5, 1), v = gaussian({4, 3}, 6, 1), log_t = number(1), b = number(-1);
  const auto loss = [&](const std::vector<std::int32_t>& images, const std::vector<std::int32_t>& texts) {
    return double(sigmoid_loss(u, v, log_t, b, {Ids({4}, images), Ids({4}, texts)}).item());
  };
  const double diagonal = double(sigmoid_loss(u, v, log_t, b).item());
  CHECK(loss({7, 8, 9, 3}, {7, 8, 9, 3}) == diagonal);
  const auto logit = [&](Dim i, Dim j) {
    double dot = 0;
    for (Dim k = 0; k < 3; ++k) dot += double(u.data()[i * 3 + k]) * double(v.data()[j * 3 + k]);
    return std::exp(1.0) * dot - 1;
  };
  // Captions 0 and 2 are one: two more matches, each of which trades softplus(l) for softplus(-l), that is, loses l.
  CHECK(loss({5, 1, 5, 2}, {5, 1, 5, 2}) == doctest::Approx(diagonal - (logit(0, 2) + logit(2, 0)) / 4).epsilon(1e-5));
  // No match at all.
  CHECK(loss({1, 2, 3, 4}, {5, 6, 7, 8}) == doctest::Approx(diagonal + (logit(0, 0) + logit(1, 1) + logit(2, 2) + logit(3, 3)) / 4).epsilon(1e-5));
  CHECK_THROWS_WITH_AS(sigmoid_loss(u, v, log_t, b, {Ids({4}, {1, 2, 3, 4}), {}}),
                       "sigmoid_loss: ids of images and of texts, or neither, got only one", Error);
  CHECK_THROWS_WITH_AS(sigmoid_loss(u, v, log_t, b, {Ids({3}, {1, 2, 3}), Ids({4}, {1, 2, 3, 4})}), "sigmoid_loss: ids of shape (4), got (3)", Error);
}

TEST_CASE("losses: an upstream gradient scales every gradient") {
  for (const auto& loss : {std::function<Tensor(const Tensors&)>(sigmoid), std::function<Tensor(const Tensors&)>(softmax_of_clip)}) {
    for (const Shape& shape : {Shape{19, 4}, Shape{33, 1000}}) {  // the second has more elements than a block of the kernel that scales
      std::vector<std::vector<Real>> once, fourfold;
      for (const Real factor : {Real(1), Real(4)}) {  // a power of two changes no bit of the mantissa
        const Tensors x{gaussian(shape, 1, 0.1), gaussian(shape, 2, 0.1), number(1), number(-2)};
        Tape tape;
        tape.backward({loss(x)}, {Tensor::full({1}, factor)});
        for (const Tensor& t : x) (factor == 1 ? once : fourfold).push_back(t.grad_to_vector());
      }
      for (std::vector<Real>& gradient : once)
        for (Real& g : gradient) g *= 4;
      CHECK(fourfold == once);
    }
  }
}

TEST_CASE("losses: memory does not grow with the square of the batch") {
  const int before = threads();
  set_threads(2);
  // Sigmoid: two tiles of 512 x 512 reals and the loss itself. A matrix of 8192 x 8192 would be 268 MB.
  const std::int64_t tiles = 2 * 512 * 512 * static_cast<std::int64_t>(sizeof(Real));
  const std::int64_t small = 3 * sizeof(Real);  // the loss, its gradient, the 1 that it is
  for (const Dim B : {Dim{4096}, Dim{8192}})
    for (const bool gradients : {true, false}) {
      const std::int64_t bytes = extra_bytes(B, 8, gradients, sigmoid);
      INFO("B = ", B, ", gradients ", gradients, ": ", bytes, " bytes");
      CHECK(bytes <= tiles + small);
    }
  // Softmax keeps the two log sums of each pair besides, and while it runs five doubles; the scalar parameter that it does not use has no gradient.
  for (const Dim B : {Dim{4096}, Dim{8192}})
    for (const bool gradients : {true, false}) {
      const std::int64_t bytes = extra_bytes(B, 8, gradients, softmax_of_clip);
      INFO("B = ", B, ", gradients ", gradients, ": ", bytes, " bytes");
      CHECK(bytes <= tiles + 2 * B * static_cast<std::int64_t>(sizeof(Real)) + 5 * B * 8 + small);
    }
  set_threads(before);
  trim_pool();
}

TEST_CASE("losses: at most 16 tiles at once, 16 MiB, however many threads there are") {
  for (const Dim B : {1, 15, 67, 2049, 12 << 10, (12 << 10) + 1, 1 << 20}) {
    const Dim edge = tile_edge(B);
    INFO("B = ", B);
    for (const Dim count : {1, 2, 15, 16, 17, 4096}) CHECK(tile_slots(B, count) == std::min({count, blocks(B, edge), Dim{16}}));
    CHECK(tile_slots(B, 4096) * edge * edge * static_cast<Dim>(sizeof(Real)) <= 16 << 20);
    Dim of_sigmoid = 0, of_softmax = 0;
    LAUNCH(Device::cpu, sigmoid_loss_workspace, &of_sigmoid, B, 64);
    LAUNCH(Device::cpu, softmax_loss_workspace, &of_softmax, B, 64);
    CHECK(of_sigmoid == tile_slots(B) * edge * edge);
    CHECK(of_softmax == of_sigmoid + blocks(5 * B, 8) * 64 / static_cast<Dim>(sizeof(Real)));
  }
  // Fewer slots than there are blocks and threads: each has one user at a time.
  const Dim B = 32 * largest_tile_edge + 1, slots = 3;
  const int before = threads();
  set_threads(8);
  std::vector<std::atomic<int>> users(static_cast<std::size_t>(slots));
  std::atomic<Dim> pairs = 0, clashes = 0;
  ring_order(B, slots, [&](const Tile& tile, Dim slot) {
    if (slot >= slots || users[static_cast<std::size_t>(slot)]++) return void(++clashes);
    pairs += tile.rows * tile.columns;
    --users[static_cast<std::size_t>(slot)];
  });
  CHECK(clashes == 0);
  CHECK(pairs == B * B);
  set_threads(before);
}

TEST_CASE("losses in float: value and gradients at the largest tile and around it") { check_largest_tiles(5e-6); }  // measured: 2e-6

TEST_CASE("losses: the same bits for any number of threads") {
  // The second: a ring of five of the largest tiles, and more gradients than one block of what scales them.
  for (const Shape& shape : {Shape{700, 11}, Shape{4 * largest_tile_edge + 1, 17}}) {
    const auto sigmoid_one = value_and_gradients(1, shape, sigmoid), softmax_one = value_and_gradients(1, shape, softmax_of_clip);
    for (const int count : {2, 3, 5}) {
      CHECK(value_and_gradients(count, shape, sigmoid) == sigmoid_one);
      CHECK(value_and_gradients(count, shape, softmax_of_clip) == softmax_one);
    }
  }
}

TEST_CASE("softmax loss: a batch that chooses right is cheap, one that cannot tell pays ln B") {
  const Tensor u = Tensor::full({8, 4}, Real(0.5)), v = Tensor::full({8, 4}, Real(0.5));
  CHECK(double(softmax_loss(u, v, number(3)).item()) == doctest::Approx(std::log(8.0)).epsilon(1e-6));
  Tensor eye = Tensor::full({4, 4}, 0);
  for (Dim i = 0; i < 4; ++i) eye.data()[5 * i] = 1;
  CHECK(double(softmax_loss(eye, eye, number(std::log(10.0))).item()) == doctest::Approx(std::log(1 + 3 * std::exp(-10.0))).epsilon(1e-3));
}

TEST_CASE("tiles: the ring visits each once, and no two of a step share a block") {
  const Ring ring{67, 16};
  CHECK(ring.count() == 5);
  std::set<std::pair<Dim, Dim>> visited;
  for (Dim step = 0; step < ring.count(); ++step) {
    std::set<Dim> columns;
    for (Dim block = 0; block < ring.count(); ++block) {
      const Tile tile = ring.tile(block, ring.partner(step, block));
      columns.insert(tile.column_block);
      visited.insert({tile.row_block, tile.column_block});
      CHECK(tile.i == 16 * block);
      CHECK(tile.rows == (block == 4 ? 3 : 16));
      CHECK(tile.columns == (tile.column_block == 4 ? 3 : 16));
    }
    CHECK(columns.size() == 5);
  }
  CHECK(visited.size() == 25);
}

TEST_CASE("tiles: on a device the logits take half of its cache at most, and all tiles are about alike") {
  constexpr Dim cache = 50 << 20;
  CHECK(device_tile_edge(65536, 768, cache) == 2560);
  CHECK(device_tile_edge(65536, 768, 60 << 20) == 2688);
  CHECK(device_tile_edge(4096, 768, cache) == 2048);
  CHECK(device_tile_edge(2561, 768, cache) == 1408);
  CHECK(device_tile_edge(1, 768, cache) == 128);
  CHECK(device_tile_edge(1 << 20, 768, 1 << 30) == 4096);
  CHECK(device_tile_edge(67, 768, 4096) == 16);
  CHECK(device_tile_edge(67, 768, 0) == 16);
  // Wide rows: a block of them has at most 2^24 numbers.
  CHECK(device_tile_edge(1 << 20, 4096, 1 << 30) == 4096);
  CHECK(device_tile_edge(1 << 20, 4097, 1 << 30) == 3968);
  CHECK(device_tile_edge(65536, 65536, cache) == 256);
  CHECK(device_tile_edge(65536, 1 << 20, cache) == 16);
  CHECK(device_tile_edge(65536, 1 << 25, cache) == 16);
  for (Dim B = 1; B < 70000; B += 97) {
    const Dim edge = device_tile_edge(B, 768, cache);
    if (edge * edge * static_cast<Dim>(sizeof(Real)) > cache / 2 || edge % 128 != 0) FAIL_CHECK("B = ", B, ": ", edge);
  }
}

TEST_CASE("loss products: of one tile they are what their page says") {
  const Tensor u = gaussian({7, 3}, 1), v = gaussian({7, 3}, 2);
  u.grad()[0] = 5;  // what was there stays
  loss_products(u, v);
  const auto product = [&](const Tensor& x, const Tensor& y, Dim i, Dim k) {  // ((x yᵀ) y)_ik
    double sum = 0;
    for (Dim j = 0; j < 7; ++j)
      for (Dim l = 0; l < 3; ++l) sum += double(x.data()[i * 3 + l]) * double(y.data()[j * 3 + l]) * double(y.data()[j * 3 + k]);
    return sum;
  };
  for (Dim i = 0; i < 7; ++i)
    for (Dim k = 0; k < 3; ++k) {
      CHECK(double(u.grad()[i * 3 + k]) == doctest::Approx(product(u, v, i, k) + (i + k == 0 ? 5 : 0)).epsilon(1e-5));
      CHECK(double(v.grad()[i * 3 + k]) == doctest::Approx(product(v, u, i, k)).epsilon(1e-5));
    }
}
