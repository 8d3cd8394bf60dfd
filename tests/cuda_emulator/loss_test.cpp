// The losses on the emulated device, in float: what the table of ops does not vary, which is the device's cache and the precision of products.
#include <doctest/doctest.h>
#include <cmath>
#include "check/values.h"
#include "cuda/context.h"
#include "kernels.h"
#include "loss/loss_products.h"
#include "siglip/check.h"
#include "siglip/ops.h"
using namespace siglip;

namespace {
// A device with another second-level cache and other products, for a while.
struct Device_with {
  int cache = cuda::context().l2_bytes;
  Device_with(int bytes, MatmulPrecision precision = MatmulPrecision::f32) {
    cuda::context().l2_bytes = bytes;
    set_matmul_precision(Device::cuda, precision);
  }
  ~Device_with() {
    cuda::context().l2_bytes = cache;
    set_matmul_precision(Device::cuda, MatmulPrecision::f32);
  }
};

// Σ (cuda - cpu)² / Σ cpu², of the loss or gradient where it is largest.
double error_of(const std::string& op, Dim B, Dim E) {
  OpCase c{.about = "", .shapes = {{B, E}, {B, E}, {1}, {1}}, .draws = {{0, 0.5}, {0, 0.5}, {0, 0.1}, {-1, 1}}};
  if (op == "softmax_loss") c.shapes.pop_back();
  double worst = 0;
  for (const OpRow& row : op_table()) {
    if (row.name != op) continue;
    const CaseValues got = evaluate(row, c, 7, Device::cuda), expected = evaluate(row, c, 7);
    for (std::size_t t = 0; t < got.values.size(); ++t) {
      double difference = 0, size = 0;
      for (std::size_t i = 0; i < got.values[t].size(); ++i)
        difference += std::pow(got.values[t][i] - expected.values[t][i], 2), size += std::pow(expected.values[t][i], 2);
      if (!(difference <= worst * size)) worst = difference / size;
    }
  }
  return worst;
}
}  // namespace

TEST_CASE("emulated CUDA: rows longer than a block reads at once") {
  for (const char* op : {"sigmoid_loss", "softmax_loss"}) {
    const Device_with device(16 << 20);
    CHECK(error_of(op, 530, 2) < 1e-10);  // measured: 2e-14
  }
  const Device_with device(16 << 20, MatmulPrecision::bf16);
  CHECK(error_of("sigmoid_loss_ids", 530, 2) < 1e-4);  // measured: 5e-6
}

// Rounding a factor to 7 or 10 bits of mantissa moves it by 2⁻⁹ or 2⁻¹² of itself at most.
TEST_CASE("emulated CUDA: products round the factors of the losses, and nothing else is rounded") {
  for (const char* op : {"sigmoid_loss", "sigmoid_loss_ids", "softmax_loss"}) {
    const auto error = [&](MatmulPrecision precision) {
      const Device_with device(4096, precision);
      const double e = error_of(op, 35, 5);
      INFO(op, ", precision ", int(precision), ": ", e);
      CHECK(e < 1e-3);
      return e;
    };
    const double f32 = error(MatmulPrecision::f32), tf32 = error(MatmulPrecision::tf32), bf16 = error(MatmulPrecision::bf16);
    CHECK(f32 < 1e-10);
    CHECK(tf32 > 1e-9);
    CHECK(tf32 < 1e-6);
    CHECK(bf16 > 1e-7);
    CHECK(bf16 < 1e-4);
  }
}

TEST_CASE("emulated CUDA: panels of rounded rows") {
  const Device_with device(4096, MatmulPrecision::bf16);  // two blocks of 16 rows of 128 make a panel, and the third one more
  const double e = error_of("sigmoid_loss", 35, 128);
  CHECK(e < 1e-4);
}

TEST_CASE("emulated CUDA: the sigmoid loss wants at most 256 MiB for any batch") {
  for (const int cache : {4 << 10, 40 << 20, 50 << 20, 60 << 20, 126 << 20, 1 << 30})
    for (const MatmulPrecision precision : {MatmulPrecision::f32, MatmulPrecision::bf16}) {
      const Device_with device(cache, precision);
      for (const Dim B : {Dim(1), Dim(4096), Dim(65536), Dim(1) << 22}) {
        Dim reals = 0;
        cuda::sigmoid_loss_workspace(&reals, B, 768);
        INFO("cache ", cache, ", B = ", B, ": ", reals, " reals");
        CHECK(reals * static_cast<Dim>(sizeof(Real)) <= (cache == 50 << 20 ? 129 << 20 : 174 << 20));
      }
    }
}

TEST_CASE("emulated CUDA: the products of the loss alone") {
  for (const MatmulPrecision precision : {MatmulPrecision::f32, MatmulPrecision::bf16}) {
    const Device_with device(4096, precision);
    for (const Dim B : {Dim(7), Dim(35)}) {
      const Tensor u = draw_tensor({B, 3}, {}, 1, 0, Device::cuda).require_grad(), v = draw_tensor({B, 3}, {}, 1, 1, Device::cuda).require_grad();
      loss_products(u, v);
      for (const Tensor& x : {u, v})
        for (Real g : x.grad_to_vector()) CHECK((std::isfinite(g) && g != 0));
    }
  }
}
