// layernorm.cpp — each row shifted to mean 0 and scaled to variance 1, then a learned scale and shift.
//
// shapes    x, y, dx, dy : (N, C)   gamma, beta, dgamma, dbeta : (C)   mean, rstd : (N)
// forward   mean_n = Σ_c x_nc / C,  var_n = Σ_c (x_nc - mean_n)² / C,  rstd_n = 1 / √(var_n + eps)
//           h_nc = (x_nc - mean_n) rstd_n,  y_nc = gamma_c h_nc + beta_c
// backward  with g_nc = dy_nc gamma_c, the gradient of h, and both mean and variance depending on all of the row:
//           dx_nc     += rstd_n (g_nc - Σ_k g_nk / C - h_nc Σ_k g_nk h_nk / C)
//           dgamma_c  += Σ_n dy_nc h_nc,   dbeta_c += Σ_n dy_nc
// saves     mean, rstd, x, gamma   cost  about 8 NC operations
// numerics  two passes, so a large mean does not cancel the variance, and the mean is summed in double, so that its own rounding is all that is
//           left of it; column sums in blocks of 256 rows, added in order
// source    Ba, Kiros, Hinton 2016, eq. 4
#include <cmath>
#include "check/rows.h"
#include "core/eigen.h"
#include "core/one_device.h"
#include "core/parallel.h"
#include "core/sums.h"
#include "kernels.h"
#include "siglip/error.h"
#include "siglip/ops.h"
#include "siglip/tape.h"

namespace siglip::inline SIGLIP_FLAVOUR {
constexpr Dim row_block = 256;

void cpu::layernorm_forward(Real* y, Real* mean, Real* rstd, const Real* x, const Real* gamma, const Real* beta, Dim N, Dim C, Real eps) {
  parallel_blocks(N, 64, [=](Dim begin, Dim end) {
    const ConstArrayMap gammas(gamma, C), betas(beta, C);
    for (Dim n = begin; n < end; ++n) {
      const ConstArrayMap xn(x + n * C, C);
      const Real m = static_cast<Real>(sum_in_double(x + n * C, C) / double(C));
      const Real r = 1 / std::sqrt((xn - m).square().sum() / static_cast<Real>(C) + eps);
      ArrayMap(y + n * C, C) = (xn - m) * r * gammas + betas;
      mean[n] = m;
      rstd[n] = r;
    }
  });
}

void cpu::layernorm_workspace(Dim* reals, Dim N, Dim C) { *reals = 2 * blocks(N, row_block) * C; }

void cpu::layernorm_backward(Real* dx, Real* dgamma, Real* dbeta, Real* workspace, const Real* dy, const Real* mean, const Real* rstd, const Real* x,
                             const Real* gamma, Dim N, Dim C) {
  const Dim count = blocks(N, row_block);
  parallel_for(count, [=](Dim block) {
    const ConstArrayMap gammas(gamma, C);
    ArrayMap dgamma_share(workspace + 2 * block * C, C), dbeta_share(workspace + (2 * block + 1) * C, C);
    dgamma_share.setZero();
    dbeta_share.setZero();
    for (Dim n = block * row_block; n < std::min(N, (block + 1) * row_block); ++n) {
      const ConstArrayMap xn(x + n * C, C), dyn(dy + n * C, C);
      const auto hn = (xn - mean[n]) * rstd[n];
      dgamma_share += dyn * hn;
      dbeta_share += dyn;
      if (!dx) continue;
      const Real sum_g = (dyn * gammas).sum() / static_cast<Real>(C), sum_gh = (dyn * gammas * hn).sum() / static_cast<Real>(C);
      ArrayMap(dx + n * C, C) += rstd[n] * (dyn * gammas - sum_g - hn * sum_gh);
    }
  });
  for (Dim block = 0; block < count; ++block) {
    if (dgamma) ArrayMap(dgamma, C) += ConstArrayMap(workspace + 2 * block * C, C);
    if (dbeta) ArrayMap(dbeta, C) += ConstArrayMap(workspace + (2 * block + 1) * C, C);
  }
}

namespace {
struct Layernorm final : Op {
  Tensor x, gamma, beta, mean, rstd, y;
  const char* name() const override { return "layernorm"; }
  Saved saved() const override { return {{"x", x}, {"gamma", gamma}, {"mean", mean}, {"rstd", rstd}}; }
  void backward() override {
    Dim reals = 0;
    LAUNCH(y.device(), layernorm_workspace, &reals, y.rows(), y.columns());
    const Tensor workspace({reals}, y.device());
    LAUNCH(y.device(), layernorm_backward, x.grad(), gamma.grad(), beta.grad(), workspace.data(), y.grad(), mean.data(), rstd.data(), x.data(),
           gamma.data(), y.rows(), y.columns());
  }
};
}  // namespace

Tensor layernorm(const Tensor& x, const Tensor& gamma, const Tensor& beta, double eps) {
  require_one_device("layernorm", x, gamma, beta);
  require(x.rank() >= 1 && x.columns() >= 1, "layernorm", "x has a last axis of at least one column, got shape ", x.shape());
  const Shape row{x.columns()};
  require(gamma.shape() == row && beta.shape() == row, "layernorm", "gamma and beta have shape ", row, ", got ", gamma.shape(), " and ",
          beta.shape());
  Layernorm op;
  op.x = x, op.gamma = gamma, op.beta = beta;
  op.y = Tensor::like(x), op.mean = Tensor({x.rows()}, x.device()), op.rstd = Tensor({x.rows()}, x.device());
  LAUNCH(x.device(), layernorm_forward, op.y.data(), op.mean.data(), op.rstd.data(), x.data(), gamma.data(), beta.data(), x.rows(), x.columns(),
         static_cast<Real>(eps));
  const Tensor y = op.y;
  return recorded(y, {x, gamma, beta}, std::move(op));
}

OpRow layernorm_row() {
  // h = (x - mean) / sqrt(var + eps) out of sums, products and one elementwise power.
  const auto composition = [](const Tensors& in, const OpCase&) {
    const Tensor x = in[0].reshape({in[0].rows(), in[0].columns()});
    const Dim C = x.columns();
    const auto mean_over_columns = [C](const Tensor& a) {
      return plain::map(
          plain::sum_columns(a), [C](double s) { return s / double(C); }, [C](double) { return 1 / double(C); });
    };
    const Tensor centred = plain::subtract(x, plain::spread_columns(mean_over_columns(x), C));
    const Tensor rstd = plain::map(
        mean_over_columns(plain::multiply(centred, centred)), [](double v) { return 1 / std::sqrt(v + 1e-6); },
        [](double v) { return -0.5 / ((v + 1e-6) * std::sqrt(v + 1e-6)); });
    const Tensor h = plain::multiply(centred, plain::spread_columns(rstd, C));
    const auto along_rows = [&](const Tensor& row) { return plain::gather(row, x.shape(), [C](Dim i) { return i % C; }); };
    return add_rows(plain::multiply(h, along_rows(in[1])), in[2]).reshape(in[0].shape());
  };
  return {
      .name = "layernorm",
      .shapes = "x (..., C), gamma (C), beta (C) -> (..., C)",
      .cost = "8 NC",
      .call = [](const Tensors& in, const OpCase&) { return layernorm(in[0], in[1], in[2]); },
      .reference = composition,
      .cases = {{.about = "primes", .shapes = {{5, 13}, {13}, {13}}},
                {.about = "four columns", .shapes = {{5, 4}, {4}, {4}}},
                {.about = "one column: beta alone", .shapes = {{7, 1}, {1}, {1}}, .draws = {{0, 1}, {2, 0}, {0, 1}}},
                {.about = "rank 3", .shapes = {{2, 3, 5}, {5}, {5}}},
                {.about = "row block - 1", .shapes = {{255, 4}, {4}, {4}}},
                {.about = "row block + 1", .shapes = {{257, 8}, {8}, {8}}},
                {.about = "mean 1000", .shapes = {{3, 33}, {33}, {33}}, .draws = {{1e3, 1}, {0, 1}}, .float_tolerance = 5e-4}},  // measured 4e-5
      .rejects = {
          {.about = "gamma too short", .shapes = {{2, 3}, {2}, {3}}, .message = "layernorm: gamma and beta have shape (3), got (2) and (3)"},
          {.about = "beta too long", .shapes = {{2, 3}, {3}, {4}}, .message = "layernorm: gamma and beta have shape (3), got (3) and (4)"},
          {.about = "no column", .shapes = {{2, 0}, {0}, {0}}, .message = "layernorm: x has a last axis of at least one column, got shape (2, 0)"},
          {.about = "a scalar", .shapes = {{}, {1}, {1}}, .message = "layernorm: x has a last axis of at least one column, got shape ()"}}};
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
