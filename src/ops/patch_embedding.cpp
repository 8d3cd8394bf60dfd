// patch_embedding.cpp — a picture becomes a sequence: cut into P x P patches, map each by one matrix.
//
// shapes    images : (B, 3, S, S)   weight : (C, 3, P, P)   bias : (C)   y : (B, T, C),  T = G²,  G = ⌊S/P⌋
// forward   patch_{b, t} = images_b[:, gP … gP + P-1, hP … hP + P-1],  t = g G + h        patchify: a rearrangement
//           y = patch weightᵀ + bias                                                      one matmul over (3PP)
// backward  of the rearrangement: each pixel takes its element's gradient back; leftover pixels on the right and bottom get none
// saves     the patches       cost  6 BTCP² operations
// source    Dosovitskiy et al. 2020, eq. 1
#include "check/rows.h"
#include "core/parallel.h"
#include "kernels.h"
#include "siglip/error.h"
#include "siglip/ops.h"
#include "siglip/tape.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
// Calls row(patch offset, image offset) for each run of P pixels.
template <class Row>
void each_row(Dim B, Dim S, Dim P, const Row& row) {
  const Dim G = S / P, T = G * G, patch = 3 * P * P;
  parallel_for(B * T, [=](Dim bt) {
    const Dim b = bt / T, g = bt % T / G, h = bt % T % G;
    for (Dim channel = 0; channel < 3; ++channel)
      for (Dim y = 0; y < P; ++y) row(bt * patch + (channel * P + y) * P, ((b * 3 + channel) * S + g * P + y) * S + h * P);
  });
}
}  // namespace

void cpu::patchify_forward(Real* y, const Real* x, Dim B, Dim S, Dim P) {
  each_row(B, S, P, [=](Dim to, Dim from) {
    for (Dim i = 0; i < P; ++i) y[to + i] = x[from + i];
  });
}

void cpu::patchify_backward(Real* dx, const Real* dy, Dim B, Dim S, Dim P) {
  if (!dx) return;
  each_row(B, S, P, [=](Dim from, Dim to) {
    for (Dim i = 0; i < P; ++i) dx[to + i] += dy[from + i];
  });
}

namespace {
struct Patchify final : Op {
  Tensor x, y;
  Dim P;
  Patchify(Tensor x_, Tensor y_, Dim P_) : x(std::move(x_)), y(std::move(y_)), P(P_) {}
  const char* name() const override { return "patchify"; }
  Saved saved() const override { return {}; }
  void backward() override { LAUNCH(y.device(), patchify_backward, x.grad(), y.grad(), x.dim(0), x.dim(3), P); }
};
}  // namespace

Tensor patchify(const Tensor& images, Dim P) {
  require(images.rank() == 4 && images.dim(1) == 3 && images.dim(2) == images.dim(3), "patchify", "images (B, 3, S, S), got ", images.shape());
  const Dim B = images.dim(0), S = images.dim(3);
  require(P >= 1 && P <= S, "patchify", "a patch edge from 1 to the image's ", S, ", got ", P);
  Tensor y({B, (S / P) * (S / P), 3 * P * P}, images.device());
  LAUNCH(images.device(), patchify_forward, y.data(), images.data(), B, S, P);
  return recorded(y, {images}, Patchify(images, y, P));
}

Tensor patch_embedding(const Tensor& images, const Tensor& weight, const Tensor& bias) {
  require(weight.rank() == 4 && weight.dim(1) == 3 && weight.dim(2) == weight.dim(3), "patch_embedding", "weight (C, 3, P, P), got ", weight.shape());
  return matmul(patchify(images, weight.dim(3)), weight.reshape({weight.dim(0), weight.size() / std::max<Dim>(1, weight.dim(0))}), bias);
}

OpRow patch_embedding_row() {
  // The convolution by its definition, one output at a time.
  const auto composition = [](const Tensors& in, const OpCase&) {
    const Tensor &images = in[0], &weight = in[1];
    const Dim B = images.dim(0), S = images.dim(3), C = weight.dim(0), P = weight.dim(3), G = S / P;
    Tensor y = Tensor::full({B, G * G, C}, 0);
    for (Dim i = 0; i < y.size(); ++i) {
      const Dim b = i / C / (G * G), g = i / C % (G * G) / G, h = i / C % G, c = i % C;
      const Tensor window =
          plain::gather(images, {3 * P * P}, [=](Dim k) { return ((b * 3 + k / (P * P)) * S + g * P + k / P % P) * S + h * P + k % P; });
      const Tensor kernel = plain::gather(weight, {3 * P * P}, [=](Dim k) { return c * 3 * P * P + k; });
      const Tensor value = plain::weighted_sum(plain::multiply(window, kernel), [](Dim) { return 1.0; });
      y = add(y, plain::gather(value, y.shape(), [i](Dim k) { return k == i ? Dim{0} : Dim{-1}; }));
    }
    return add_rows(y, in[2]);
  };
  return {
      .name = "patch_embedding",
      .shapes = "images (B, 3, S, S), weight (C, 3, P, P), bias (C) -> (B, T, C)",
      .cost = "6 BTCP^2",
      .call = [](const Tensors& in, const OpCase&) { return patch_embedding(in[0], in[1], in[2]); },
      .reference = composition,
      .cases = {{.about = "four patches", .shapes = {{2, 3, 4, 4}, {5, 3, 2, 2}, {5}}},
                {.about = "one patch", .shapes = {{1, 3, 3, 3}, {2, 3, 3, 3}, {2}}},
                {.about = "leftover pixels", .shapes = {{1, 3, 7, 7}, {2, 3, 3, 3}, {2}}},
                {.about = "single pixels", .shapes = {{1, 3, 2, 2}, {3, 3, 1, 1}, {3}}},
                {.about = "mean 1000", .shapes = {{1, 3, 4, 4}, {2, 3, 2, 2}, {2}}, .draws = {{1e3, 1}, {0, 1}, {0, 1}}}},
      .rejects = {{.about = "a patch larger than the picture",
                   .shapes = {{1, 3, 2, 2}, {2, 3, 3, 3}, {2}},
                   .message = "patchify: a patch edge from 1 to the image's 2, got 3"},
                  {.about = "one channel", .shapes = {{1, 1, 4, 4}, {2, 3, 2, 2}, {2}}, .message = "patchify: images (B, 3, S, S), got (1, 1, 4, 4)"},
                  {.about = "no square", .shapes = {{1, 3, 4, 5}, {2, 3, 2, 2}, {2}}, .message = "patchify: images (B, 3, S, S), got (1, 3, 4, 5)"},
                  {.about = "a patch that is no square",
                   .shapes = {{1, 3, 4, 4}, {2, 3, 2, 1}, {2}},
                   .message = "patch_embedding: weight (C, 3, P, P), got (2, 3, 2, 1)"}}};
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
