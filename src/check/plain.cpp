// plain.cpp — the slow and obvious ops of plain.h.
#include "check/plain.h"
#include <cmath>
#include <utility>
#include "siglip/tape.h"

namespace siglip::inline SIGLIP_FLAVOUR::plain {
namespace {
// y is linear in x near x: dx_{from(i)} += factor(i) dy_i.
struct Linear final : Op {
  Tensor x, y;
  std::function<Dim(Dim)> from;
  std::function<double(Dim)> factor;
  const char* name() const override { return "plain"; }
  Saved saved() const override { return {}; }
  void backward() override {
    Real* dx = x.grad();
    const Real* dy = y.grad();
    if (!dx) return;
    for (Dim i = 0; i < y.size(); ++i)
      if (const Dim k = from(i); k >= 0) dx[k] += static_cast<Real>(factor(i) * double(dy[i]));
  }
};

Tensor record(const Tensor& x, const Tensor& y, std::function<Dim(Dim)> from, std::function<double(Dim)> factor) {
  Linear op;
  op.x = x, op.y = y, op.from = std::move(from), op.factor = std::move(factor);
  return recorded(y, {x}, std::move(op));
}

Dim same(Dim i) { return i; }
double one(Dim) { return 1; }
}  // namespace

Tensor map(const Tensor& x, const std::function<double(double)>& f, const std::function<double(double)>& df) {
  Tensor y = Tensor::like(x);
  for (Dim i = 0; i < x.size(); ++i) y.data()[i] = static_cast<Real>(f(double(x.data()[i])));
  return record(x, y, same, [x, df](Dim i) { return df(double(x.data()[i])); });
}

Tensor gather(const Tensor& x, const Shape& shape, const std::function<Dim(Dim)>& from) {
  Tensor y(shape);
  for (Dim i = 0; i < y.size(); ++i) y.data()[i] = from(i) < 0 ? Real(0) : x.data()[from(i)];
  return record(x, y, from, one);
}

Tensor multiply(const Tensor& x, const Tensor& y) {
  Tensor z = Tensor::like(x);
  for (Dim i = 0; i < x.size(); ++i) z.data()[i] = x.data()[i] * y.data()[i];
  // z is an output of two calls, each of which carries one half of the product rule.
  record(x, z, same, [y](Dim i) { return double(y.data()[i]); });
  return record(y, z, same, [x](Dim i) { return double(x.data()[i]); });
}

Tensor subtract(const Tensor& x, const Tensor& y) {
  Tensor z = Tensor::like(x);
  for (Dim i = 0; i < x.size(); ++i) z.data()[i] = x.data()[i] - y.data()[i];
  record(x, z, same, one);
  return record(y, z, same, [](Dim) { return -1.0; });
}

namespace {
// Sums have many inputs for one output, the reverse of Linear.
struct Sum final : Op {
  Tensor x, y;
  std::function<Dim(Dim)> to;
  std::function<double(Dim)> weight;
  const char* name() const override { return "plain_sum"; }
  Saved saved() const override { return {}; }
  void backward() override {
    Real* dx = x.grad();
    const Real* dy = y.grad();
    if (!dx) return;
    for (Dim i = 0; i < x.size(); ++i) dx[i] += static_cast<Real>(weight(i) * double(dy[to(i)]));
  }
};

Tensor sum(const Tensor& x, const Shape& shape, std::function<Dim(Dim)> to, std::function<double(Dim)> weight) {
  Tensor y(shape);
  std::vector<double> total(static_cast<std::size_t>(y.size()), 0.0);
  for (Dim i = 0; i < x.size(); ++i) total[static_cast<std::size_t>(to(i))] += weight(i) * double(x.data()[i]);
  for (Dim i = 0; i < y.size(); ++i) y.data()[i] = static_cast<Real>(total[static_cast<std::size_t>(i)]);
  Sum op;
  op.x = x, op.y = y, op.to = std::move(to), op.weight = std::move(weight);
  return recorded(y, {x}, std::move(op));
}
}  // namespace

Tensor weighted_sum(const Tensor& x, const std::function<double(Dim)>& weight) {
  return sum(
      x, {1}, [](Dim) { return Dim{0}; }, weight);
}

Tensor sum_columns(const Tensor& x) {
  const Dim C = x.columns();
  return sum(
      x, {x.rows(), 1}, [C](Dim i) { return i / C; }, one);
}

Tensor transpose(const Tensor& x) {
  const Dim R = x.rows(), C = x.columns();
  return gather(x, {C, R}, [R, C](Dim i) { return (i % R) * C + i / R; });
}

Tensor spread_columns(const Tensor& x, Dim C) {
  return gather(x, {x.rows(), C}, [C](Dim i) { return i / C; });
}

Tensor slice(const Tensor& x, Dim row, Dim rows, Dim column, Dim columns) {
  const Dim C = x.columns();
  return gather(x, {rows, columns}, [=](Dim i) { return (row + i / columns) * C + column + i % columns; });
}

Tensor place(const Tensor& x, Dim N, Dim C, Dim row, Dim column) {
  const Dim rows = x.rows(), columns = x.columns();
  return gather(x, {N, C}, [=](Dim i) {
    const Dim r = i / C - row, c = i % C - column;
    return r >= 0 && r < rows && c >= 0 && c < columns ? r * columns + c : Dim{-1};
  });
}

Tensor spread_scalar(const Tensor& x, const Shape& shape) {
  return gather(x, shape, [](Dim) { return Dim{0}; });
}

Tensor softplus(const Tensor& x) {
  return map(
      x, [](double l) { return std::max(l, 0.0) + std::log1p(std::exp(-std::abs(l))); },
      [](double l) { return l >= 0 ? 1 / (1 + std::exp(-l)) : std::exp(l) / (1 + std::exp(l)); });
}

Tensor exp(const Tensor& x) {
  return map(
      x, [](double a) { return std::exp(a); }, [](double a) { return std::exp(a); });
}
}  // namespace siglip::inline SIGLIP_FLAVOUR::plain
