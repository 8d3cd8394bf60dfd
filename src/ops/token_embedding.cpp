// token_embedding.cpp — each token id picks its row of a table.
//
// shapes    table, dtable : (V, C)   ids : (N)   y, dy : (N, C)
// forward   y_nc = table_{ids_n, c}
// backward  dtable_{ids_n, c} += dy_nc: a token that occurs twice adds twice
// saves     ids               cost  NC copies
// numerics  additions to one row happen in the order of n, each column block by one thread
#include "check/rows.h"
#include "core/one_device.h"
#include "core/parallel.h"
#include "kernels.h"
#include "siglip/error.h"
#include "siglip/ops.h"
#include "siglip/tape.h"

namespace siglip::inline SIGLIP_FLAVOUR {
void cpu::token_embedding_forward(Real* y, const Real* table, const std::int32_t* ids, Dim N, Dim C) {
  parallel_for(N, [=](Dim n) {
    for (Dim c = 0; c < C; ++c) y[n * C + c] = table[ids[n] * C + c];
  });
}

void cpu::token_embedding_backward(Real* dtable, const Real* dy, const std::int32_t* ids, Dim N, Dim C) {
  if (!dtable) return;
  parallel_blocks(C, 32, [=](Dim begin, Dim end) {
    for (Dim n = 0; n < N; ++n)
      for (Dim c = begin; c < end; ++c) dtable[ids[n] * C + c] += dy[n * C + c];
  });
}

namespace {
struct TokenEmbedding final : Op {
  Ids ids;
  Tensor table, y;
  TokenEmbedding(Ids ids_, Tensor table_, Tensor y_) : ids(std::move(ids_)), table(std::move(table_)), y(std::move(y_)) {}
  const char* name() const override { return "token_embedding"; }
  Saved saved() const override { return {}; }
  void backward() override { LAUNCH(y.device(), token_embedding_backward, table.grad(), y.grad(), ids.data(), ids.size(), table.dim(1)); }
};
}  // namespace

Tensor token_embedding(const Ids& ids, const Tensor& table) {
  require_one_device("token_embedding", table, ids);
  require(table.rank() == 2, "token_embedding", "table (V, C), got ", table.shape());
  const bool within = ids.size() == 0 || (ids.smallest() >= 0 && ids.largest() < table.dim(0));
  require(within, "token_embedding", "ids from 0 to ", table.dim(0) - 1, ", got ", ids.smallest(), " to ", ids.largest());
  Shape shape = ids.shape();
  shape.push_back(table.dim(1));
  Tensor y(shape, table.device());
  // A table that is still in its file, of hundreds of megabytes perhaps: only the rows asked for are read.
  if (table.deferred() && !table.requires_grad() && table.device() == Device::cpu && ids.device() == Device::cpu) {
    const Dim C = table.dim(1);
    for (Dim n = 0; n < ids.size(); ++n) table.read(y.data() + n * C, ids.data()[n] * C, C);
    return y;
  }
  LAUNCH(table.device(), token_embedding_forward, y.data(), table.data(), ids.data(), ids.size(), table.dim(1));
  return recorded(y, {table}, TokenEmbedding(ids, table, y));
}

OpRow token_embedding_row() {
  // Ids 0, 1, 4, 9, … mod the first size: rows that repeat and rows that nobody asks for.
  const auto ids = [](const OpCase& c, Device device) {
    std::vector<std::int32_t> values;
    for (Dim i = 0; i < c.sizes[1]; ++i) values.push_back(static_cast<std::int32_t>(i * i % c.sizes[0]));
    return Ids({c.sizes[1]}, values, device);
  };
  return {
      .name = "token_embedding",
      .shapes = "ids (...), table (V, C) -> (..., C)",
      .cost = "NC",
      .call = [=](const Tensors& in, const OpCase& c) { return token_embedding(ids(c, in[0].device()), in[0]); },
      .reference =
          [=](const Tensors& in, const OpCase& c) {
            const std::vector<std::int32_t> rows = ids(c, Device::cpu).to_vector();
            const Dim C = in[0].dim(1);
            return plain::gather(in[0], {c.sizes[1], C}, [=](Dim i) { return rows[static_cast<std::size_t>(i / C)] * C + i % C; });
          },
      .cases = {{.about = "primes", .shapes = {{7, 5}}, .sizes = {7, 11}},
                {.about = "one row", .shapes = {{1, 3}}, .sizes = {1, 4}},
                {.about = "column block - 1", .shapes = {{3, 31}}, .sizes = {3, 5}},
                {.about = "column block + 1", .shapes = {{3, 33}}, .sizes = {3, 5}}},
      .rejects = {{.about = "an id beyond the table", .shapes = {{3, 2}}, .sizes = {5, 4}, .message = "token_embedding: ids from 0 to 2, got 0 to 4"},
                  {.about = "no table", .shapes = {{3}}, .sizes = {3, 2}, .message = "token_embedding: table (V, C), got (3)"}}};
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
