// The losses on the emulated device, in float: what the table of ops does not vary, which is the device's cache and the precision of products.
#include <doctest/doctest.h>
#include <cmath>
#include "check/device_match.h"
#include "check/values.h"
#include "cuda/context.h"
#include "cuda/uploads.h"
#include "kernels.h"
#include "loss/loss_products.h"
#include "siglip/check.h"
#include "siglip/error.h"
#include "siglip/ops.h"
#include "siglip/tape.h"
using namespace siglip;

namespace {
// A device with another second-level cache and other products, for a while.
struct Device_with {
  Dim cache = cuda::context().l2_bytes;
  Device_with(int bytes, MatmulPrecision precision = MatmulPrecision::f32) {
    cuda::context().l2_bytes = bytes;
    set_matmul_precision(Device::cuda, precision);
  }
  ~Device_with() {
    cuda::context().l2_bytes = cache;
    set_matmul_precision(Device::cuda, MatmulPrecision::f32);
  }
};

// As `siglip parity-devices` measures it, of the loss or gradient where it is largest.
double error_of(const std::string& op, Dim B, Dim E) {
  OpCase c{.about = "", .shapes = {{B, E}, {B, E}, {1}, {1}}, .draws = {{0, 0.5}, {0, 0.5}, {0, 0.1}, {-1, 1}}};
  if (op == "softmax_loss") c.shapes.pop_back();
  for (const OpRow& row : op_table())
    if (row.name == op) return parity(Device::cuda, row, c).error;
  FAIL("no such op: ", op);
  return 0;
}
}  // namespace

TEST_CASE("emulated CUDA: rows longer than a block reads at once") {
  for (const char* op : {"sigmoid_loss", "softmax_loss"}) {
    const Device_with device(16 << 20);
    CHECK(error_of(op, 530, 2) < 1e-10);  // measured: 2e-14
  }
  const Device_with device(16 << 20, MatmulPrecision::bf16);
  for (const char* op : {"sigmoid_loss_ids", "softmax_loss"}) CHECK(error_of(op, 530, 2) < 1e-4);  // measured: 5e-6
  CHECK(error_of("sigmoid_loss_ids", 2051, 1) < 1e-4);                                             // more columns than a thread reads ahead
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

TEST_CASE("emulated CUDA: the large losses of parity-devices, with few pairs, in every precision") {
  const std::vector<DeviceMatch> matches = large_across_devices(Device::cuda, "", 35, 16);
  CHECK(matches.size() == 5 * 3 * 2);
  for (const DeviceMatch& m : matches) {
    INFO(m.what, ", ", m.about, ": ", m.tensor, "[", m.element, "] = ", m.got, ", expected ", m.expected, ", error ", m.error);
    CHECK(m.ok());
    if (m.about.ends_with("tf32")) CHECK(m.error > 1e-9);  // the products are what they are called
    if (m.about.ends_with("bf16")) CHECK(m.error > 1e-7);
  }
  CHECK(large_across_devices(Device::cuda, "softmax_loss", 35, 16).size() == 6);
  CHECK(large_across_devices(Device::cuda, "gelu", 35, 16).empty());
}

TEST_CASE("emulated CUDA: the edge of tiles that is asked for changes roundings alone") {
  for (const Dim edge : {Dim(16), Dim(48), Dim(8192)}) {
    set_tile_edge(Device::cuda, edge);
    CHECK(error_of("sigmoid_loss", 67, 3) < 1e-10);
  }
  set_tile_edge(Device::cuda, 0);
  for (const Dim edge : {Dim(-16), Dim(100), Dim(8208)}) {
    INFO(edge);
    CHECK_THROWS_WITH_AS(set_tile_edge(Device::cuda, edge), ("loss_tile_edge: 0 or a multiple of 16 up to 8192, got " + std::to_string(edge)).c_str(),
                         Error);
  }
  CHECK_THROWS_WITH_AS(set_tile_edge(Device::cpu, 512), "loss_tile_edge: 0 on the CPU, whose tiles follow from the batch, got 512", Error);
}

TEST_CASE("emulated CUDA: a product in bf16 is the product of rounded factors") {
  const auto rounded = [](const Tensor& x) {
    std::vector<Real> values = x.to_vector();
    for (Real& v : values) v = __bfloat162float(__float2bfloat16(v));
    return Tensor::from(x.shape(), values);
  };
  const Tensor x = draw_tensor({7, 5}, {}, 1, 0), w = draw_tensor({3, 5}, {}, 1, 1), bias = draw_tensor({3}, {}, 1, 2),
               dy = draw_tensor({7, 3}, {}, 1, 3);
  // y, dx, dw, dbias
  const auto all = [&](const Tensor& x_, const Tensor& w_, const Tensor& dy_, Device device) {
    const Tensor a = x_.to(device).require_grad(), b = w_.to(device).require_grad(), c = bias.to(device).require_grad();
    Tape tape;
    const Tensor y = matmul(a, b, c);
    tape.backward({y}, {dy_.to(device)});
    return std::vector<std::vector<Real>>{y.to_vector(), a.grad_to_vector(), b.grad_to_vector(), c.grad_to_vector()};
  };
  auto expected = all(rounded(x), rounded(w), rounded(dy), Device::cpu);
  expected[3] = all(x, w, dy, Device::cpu)[3];  // a sum, no product: nothing is rounded
  const Device_with device(4096, MatmulPrecision::bf16);
  const auto got = all(x, w, dy, Device::cuda);
  for (std::size_t i = 0; i < got.size(); ++i)
    for (std::size_t k = 0; k < got[i].size(); ++k) CHECK(std::abs(got[i][k] - expected[i][k]) <= Real(2e-6));
  CHECK(std::abs(got[0][0] - all(x, w, dy, Device::cpu)[0][0]) > Real(1e-5));
}

TEST_CASE("emulated CUDA: panels of rounded rows") {
  const Device_with device(4096, MatmulPrecision::bf16);  // two blocks of 16 rows of 128 make a panel, and the third one more
  const double e = error_of("sigmoid_loss", 35, 128);
  CHECK(e < 1e-4);
}

TEST_CASE("emulated CUDA: the sigmoid loss wants at most 256 MiB for any batch and width") {
  for (const int cache : {4 << 10, 40 << 20, 50 << 20, 60 << 20, 126 << 20, 1 << 30})
    for (const MatmulPrecision precision : {MatmulPrecision::f32, MatmulPrecision::bf16}) {
      const Device_with device(cache, precision);
      for (const Dim B : {Dim(1), Dim(4096), Dim(65536), Dim(1) << 22}) {
        Dim reals = 0;
        cuda::sigmoid_loss_workspace(&reals, B, 768);
        INFO("cache ", cache, ", B = ", B, ": ", reals, " reals");
        CHECK(reals * static_cast<Dim>(sizeof(Real)) <= (cache == 50 << 20 ? 129 << 20 : 174 << 20));
      }
      // 33 MiB of the 256 are the backend's: scratch memory and what cuBLAS works in; 16 those of uploads.
      static_assert(cuda::Uploads::most_slots * cuda::Uploads::slot_bytes == 16 << 20);
      for (const Dim E : {Dim(1), Dim(4096), Dim(4097), Dim(6000), Dim(16384), Dim(65536), Dim(1) << 20}) {
        Dim reals = 0;
        cuda::sigmoid_loss_workspace(&reals, Dim(1) << 22, E);
        INFO("cache ", cache, ", E = ", E, ": ", reals, " reals");
        CHECK(reals * static_cast<Dim>(sizeof(Real)) <= (200 << 20) + (128 << 10));
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
