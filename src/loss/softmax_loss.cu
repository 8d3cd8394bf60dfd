// softmax_loss.cu — the CUDA twin of softmax_loss.cpp, where the mathematics stands: one block for each row of a tile, and for the sums of
// columns one for each 32 of them.
//
// forward   per tile: logits; each row's and each column's largest and Σ exp(l - largest) join what the row or column has so far. The tiles follow
//           one another (device_tiles.h), and of each launch one block has a row or a column: the order of all sums is fixed, nothing is atomic
// backward  the tile again, then t g in its place, then two products
// memory    edge² reals, 5 B doubles: (largest, sum) of rows and of columns, the diagonal. Backward keeps its sums in the same place. With bf16 the
//           rounded factors of a panel and of a tile, as in sigmoid_loss.cu
#include <limits>
#include "cuda/reduce.h"
#include "kernels.h"
#include "loss/device_tiles.h"

namespace siglip::inline SIGLIP_FLAVOUR::cuda {
namespace {
constexpr int across = 32, down = 8;  // threads of a block of columns
constexpr Real nothing = -std::numeric_limits<Real>::infinity();

DeviceTiles tiles_of(Dim B, Dim E) { return device_tiles(B, E, 5 * B); }
}  // namespace

// ln Σ exp(l) of a growing set, as on the CPU: its largest, and Σ exp(l - largest).
struct LogSum {
  double largest, sum;
  __device__ void add(double other_largest, double other_sum) {
    const double m = largest > other_largest ? largest : other_largest;
    sum = sum * std::exp(largest - m) + other_sum * std::exp(other_largest - m);
    largest = m;
  }
  __device__ double value() const { return largest + std::log(sum); }
};

__device__ inline LogSum read_sum(const double* sums, Dim i) { return {sums[2 * i], sums[2 * i + 1]}; }

// What a tile adds to the sum of row or column i.
__device__ inline void join_sum(double* sums, Dim i, LogSum part, bool first) {
  if (!first) {
    const LogSum before = read_sum(sums, i);
    part.add(before.largest, before.sum);
  }
  sums[2 * i] = part.largest;
  sums[2 * i + 1] = part.sum;
}

// s: products of a tile before t, rows `edge` apart. own: the column of the first row's own text, which may lie outside the tile.
__global__ void softmax_loss_row(double* sums, double* diagonal, const Real* s, const Real* log_t, Dim edge, Dim columns, Dim own, bool first) {
  SHARED(Real, partial, warps);
  SHARED(double, partial_sums, warps);
  const Dim r = blockIdx.x;
  const Real t = std::exp(*log_t);
  const Real* row = s + r * edge;
  Real largest = nothing;
  for (Dim c = threadIdx.x; c < columns; c += row_threads) largest = Larger()(largest, rounded_product(t, row[c]));
  largest = block_reduce(largest, partial, Larger());
  double sum = 0;
  for (Dim c = threadIdx.x; c < columns; c += row_threads) sum += double(std::exp(rounded_product(t, row[c]) - largest));
  sum = block_reduce(sum, partial_sums, Sum());
  if (threadIdx.x != 0) return;
  join_sum(sums, r, {double(largest), sum}, first);
  if (own + r >= 0 && own + r < columns) diagonal[r] = double(rounded_product(t, row[own + r]));
}

// Thread (x, y) goes down column x by every eighth row; then the eight are joined.
__global__ void softmax_loss_column(double* sums, const Real* s, const Real* log_t, Dim edge, Dim rows, Dim columns, bool first) {
  SHARED(double, largest_of, across* down);
  SHARED(double, sum_of, across* down);
  const Dim c = static_cast<Dim>(blockIdx.x) * across + threadIdx.x;
  const Real t = std::exp(*log_t);
  Real largest = nothing;
  double sum = 0;
  if (c < columns)
    for (Dim r = threadIdx.y; r < rows; r += down) {
      const Real l = rounded_product(t, s[r * edge + c]);
      const double e = double(std::exp(-std::abs(l - largest)));
      sum = l > largest ? sum * e + 1 : sum + e;
      largest = Larger()(largest, l);
    }
  const unsigned me = threadIdx.y * across + threadIdx.x;
  largest_of[me] = double(largest);
  sum_of[me] = sum;
  __syncthreads();
  if (threadIdx.y != 0 || c >= columns) return;
  LogSum all{double(largest), sum};
  for (unsigned y = 1; y < down && y < rows; ++y) all.add(largest_of[y * across + threadIdx.x], sum_of[y * across + threadIdx.x]);
  join_sum(sums, c, all, first);
}

// One block: rows and columns in a fixed order.
__global__ void softmax_loss_sums(Real* loss, Real* log_sums, const double* row_sums, const double* column_sums, const double* diagonal, Dim B) {
  SHARED(double, partial, warps);
  double total = 0;
  for (Dim i = threadIdx.x; i < B; i += row_threads) {
    const double row = read_sum(row_sums, i).value(), column = read_sum(column_sums, i).value();
    total += row + column - 2 * diagonal[i];
    log_sums[i] = static_cast<Real>(row);
    log_sums[B + i] = static_cast<Real>(column);
  }
  total = block_reduce(total, partial, Sum());
  if (threadIdx.x == 0) *loss = static_cast<Real>(total / (2 * double(B)));
}

// s comes in, t g goes out, rounded if G is bf16 and then over the first half of the row; the row's Σ g l joins its slot.
template <class G>
__global__ void softmax_loss_gradient_row(double* slots, Real* s, const Real* log_t, const Real* dloss, const Real* row_log_sums,
                                          const Real* column_log_sums, Dim edge, Dim columns, Dim own, Dim B, bool first) {
  SHARED(double, partial, warps);
  const Dim r = blockIdx.x;
  const Real t = std::exp(*log_t), factor = *dloss / static_cast<Real>(2 * B);
  const Real* row = s + r * edge;
  G* gradient = reinterpret_cast<G*>(s + r * edge);
  double sum = 0;
  for (Dim begin = 0; begin < columns; begin += row_threads) {
    const Dim c = begin + threadIdx.x;
    const Real l = c < columns ? rounded_product(t, row[c]) : Real(0);
    if (sizeof(G) < sizeof(Real)) __syncthreads();  // what the narrower gradient comes to lie over has been read by now
    if (c >= columns) continue;
    Real g = std::exp(l - row_log_sums[r]) + std::exp(l - column_log_sums[c]);
    if (c == own + r) g -= 2;
    g *= factor;
    sum += double(g * l);
    put(gradient[c], t * g);
  }
  sum = block_reduce(sum, partial, Sum());
  if (threadIdx.x == 0) slots[r] = sum + (first ? 0 : slots[r]);
}

__global__ void softmax_loss_add_dlog_t(Real* dlog_t, const double* slots, Dim rows) {
  SHARED(double, partial, warps);
  double sum = 0;
  for (Dim r = threadIdx.x; r < rows; r += row_threads) sum += slots[r];
  sum = block_reduce(sum, partial, Sum());
  if (threadIdx.x == 0) *dlog_t += static_cast<Real>(sum);
}

void softmax_loss_workspace(Dim* reals, Dim B, Dim E) { *reals = tiles_of(B, E).reals; }

void softmax_loss_forward(Real* loss, Real* log_sums, Real* workspace, const Real* u, const Real* v, const Real* log_t, Dim B, Dim E) {
  const DeviceTiles tiles = tiles_of(B, E);
  const Dim edge = tiles.ring.edge;
  double* row_sums = reinterpret_cast<double*>(workspace);
  double *column_sums = row_sums + 2 * B, *diagonal = column_sums + 2 * B;
  Real* s = workspace + tiles.logits;
  each_tile(tiles, workspace, u, v, [&](const Tile& tile, const Factor& us, const Factor& vs, bool new_rows, bool new_columns) {
    product("softmax_loss", s, edge, us, transposed(vs), tile.rows, tile.columns, E, 0);
    KERNEL_LAUNCH(softmax_loss_row, static_cast<unsigned>(tile.rows), row_threads, row_sums + 2 * tile.i, diagonal + tile.i, s, log_t, edge,
                  tile.columns, tile.i - tile.j, new_rows);
    KERNEL_LAUNCH(softmax_loss_column, grid_of(tile.columns, across), dim3(across, down), column_sums + 2 * tile.j, s, log_t, edge, tile.rows,
                  tile.columns, new_columns);
  });
  KERNEL_LAUNCH(softmax_loss_sums, 1u, row_threads, loss, log_sums, row_sums, column_sums, diagonal, B);
}

void softmax_loss_backward(Real* du, Real* dv, Real* dlog_t, Real* workspace, const Real* dloss, const Real* log_sums, const Real* u, const Real* v,
                           const Real* log_t, Dim B, Dim E) {
  const char* op = "softmax_loss";
  const DeviceTiles tiles = tiles_of(B, E);
  const Dim edge = tiles.ring.edge;
  double* slots = reinterpret_cast<double*>(workspace);
  Real* s = workspace + tiles.logits;
  const Factor g = tiles.bf16 ? Factor{s, 2 * edge, false, CUDA_R_16BF} : Factor{s, edge};
  const auto softmax_loss_gradient_tile = tiles.bf16 ? softmax_loss_gradient_row<__nv_bfloat16> : softmax_loss_gradient_row<Real>;
  each_tile(tiles, workspace, u, v, [&](const Tile& tile, const Factor& us, const Factor& vs, bool new_rows, bool new_columns) {
    product(op, s, edge, us, transposed(vs), tile.rows, tile.columns, E, 0);
    KERNEL_LAUNCH(softmax_loss_gradient_tile, static_cast<unsigned>(tile.rows), row_threads, slots, s, log_t, dloss, log_sums + tile.i,
                  log_sums + B + tile.j, edge, tile.columns, tile.i - tile.j, B, new_rows && new_columns);
    if (du) product(op, du + tile.i * E, E, g, vs, tile.rows, E, tile.columns, 1);
    if (dv) product(op, dv + tile.j * E, E, transposed(g), us, tile.columns, E, tile.rows, 1);
  });
  if (dlog_t) KERNEL_LAUNCH(softmax_loss_add_dlog_t, 1u, row_threads, dlog_t, slots, std::min(edge, B));
}
}  // namespace siglip::inline SIGLIP_FLAVOUR::cuda
