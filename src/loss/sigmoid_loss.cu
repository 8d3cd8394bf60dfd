// sigmoid_loss.cu — the CUDA twin of sigmoid_loss.cpp, where the mathematics stands: one block for each row of a tile.
//
// a tile    s = U_i V_jᵀ; one pass over it adds to the sums and leaves t g / divisor in its place; dU_i += (t g) V_j, dV_j += (t g)ᵀ U_i.
//           Four launches; the tile is in the second-level cache all the while. The tiles follow one another (device_tiles.h), so du and dv need
//           no zeros first: who comes first writes, who comes later adds
// sums      each thread has some pairs of a row, in Real; the block adds its threads in double, by a fixed tree, to the slot of its row, which is
//           its own; at the end one block adds the slots. No atomics: the same bits on every run. t and b are read by the kernels: the host
//           never waits
// numerics  with y = -z l, a pair's loss is softplus(y) = max(y, 0) + log1p(e) and its g is -z σ(y), σ(y) = 1/(1 + e) or e/(1 + e), for
//           e = exp(-|y|) <= 1: matches differ by signs alone; 1/(1 + e) may be off by two units in the last place. A thread takes one logarithm
//           for all its pairs, which are 64 at most: Σ_k log1p(e_k) = log1p(q), 1 + q = Π_k (1 + e_k) <= 2^64, each step of q ← q + e (1 + q)
//           off by half a unit in the last place
// bf16      (a mode of float products) t g is written as bf16 over the first half of the logits' own row. A barrier lets all threads read their
//           16 logits first; the g of columns 2048 k … 2048 k + 2047 come to lie over logits that lie no further right, so no later one is hit
// memory    3 doubles for each row of a tile and edge² reals; with bf16 also 2 E bytes for each row of a panel and of a tile. The edge is at most
//           4096, a panel 104 MiB, a tile's rows 32 MiB: in floats at most 64 + 104 + 32 = 200 MiB whatever B and E (to 2^20), 174 MiB for
//           E = 768; on 50 MiB of second-level cache the edge is at most 2560, which makes 25 + 100 + 4 MiB = 129 MiB, and 25 MiB without bf16.
//           The 33 MiB of the backend (context.h) and the 16 MiB of uploads (uploads.h) are there anyway: 249 MiB at most in all
// shapes    of the products, for B = 65,536 and E = 768 on an H200 (132 multiprocessors, 50 to 60 MiB of second-level cache, so an edge of 2560
//           or 2688): s has 400 pieces or more of 128 x 128, dU_i and dV_j have 120 or 126, nearly one for each multiprocessor. An edge of 1024
//           would leave two thirds of them idle, and with t g beside the logits, not over them, the edge would be 2048 and 96 pieces. 676 or
//           625 tiles make about 2,700 launches of some 12 µs of arithmetic each, more than the few µs in which the host gives the next one.
//           Counted, not measured
#include "cuda/reduce.h"
#include "kernels.h"
#include "loss/device_tiles.h"

namespace siglip::inline SIGLIP_FLAVOUR::cuda {
namespace {
constexpr int each = 4;   // neighbours that a thread takes at once: 16 bytes of float
constexpr int ahead = 4;  // such groups that it reads before it visits their pairs, so that their ways from the cache overlap
constexpr int group_columns = each * row_threads, columns_at_once = ahead * group_columns;
static_assert(longest_device_edge <= 64 * row_threads && most_tile_edge <= 64 * row_threads,
              "the pairs of a thread share a logarithm, whose argument must not overflow");
}  // namespace

DeviceTiles sigmoid_tiles(Dim B, Dim E) { return device_tiles(B, E, 3 * edge_of(B, E)); }

template <class T>
struct alignas(each * sizeof(T)) Four {
  T at[each];
};

// The pairs of one row that a thread has seen. h = -z σ(y), so g = h / divisor.
struct RowSums {
  Real linear = 0, q = 0, h = 0, hs = 0;
};

// One pair: its s comes in, its h comes out.
__device__ inline Real visit_pair(RowSums& sums, Real s, Real t, Real b, bool match) {
  const Real l = t * s + b, y = match ? -l : l, e = std::exp(-std::abs(y)), inverse = reciprocal(1 + e);
  const Real sigmoid = y >= 0 ? inverse : e * inverse, h = match ? -sigmoid : sigmoid;
  sums.linear += y > 0 ? y : Real(0);
  sums.q += e * (1 + sums.q);
  sums.h += h;
  sums.hs += h * s;
  return h;
}

// s: the logits of a tile before t and b, rows `edge` apart. own: the column of the first row's own text, which may lie outside the tile; of use
// without ids alone. Columns are counted in 32 bits: a tile has at most 8192.
template <class G, bool by_ids>
__global__ void sigmoid_loss_row(double* slots, Real* s, const Real* log_t, const Real* b, const std::int32_t* image_ids,
                                 const std::int32_t* text_ids, int edge, int columns, int own, Real divisor, bool first, bool want_gradient) {
  SHARED(double, parts, 3 * row_threads);
  const int r = static_cast<int>(blockIdx.x);
  const Real t = std::exp(*log_t), bias = *b, factor = t / divisor;
  const std::int32_t wanted = by_ids ? image_ids[r] : own + r;  // the id of a match, or its column
  const Real* row = s + static_cast<Dim>(r) * edge;
  G* g = reinterpret_cast<G*>(s + static_cast<Dim>(r) * edge);
  RowSums sums;
  for (int begin = 0; begin < columns; begin += columns_at_once) {
    const int mine = begin + static_cast<int>(threadIdx.x) * each;
    Four<Real> logits[ahead];
    UNROLL for (int a = 0; a < ahead; ++a) {
      const int c = mine + a * group_columns;
      if (c + each <= columns)
        logits[a] = *reinterpret_cast<const Four<Real>*>(row + c);
      else
        UNROLL for (int k = 0; k < each; ++k) logits[a].at[k] = c + k < columns ? row[c + k] : Real(0);
    }
    if (sizeof(G) < sizeof(Real)) __syncthreads();  // what g comes to lie over has been read by now
    UNROLL for (int a = 0; a < ahead; ++a) {
      const int c = mine + a * group_columns;
      Four<G> gradient;
      const auto visit = [&](int k) {
        const bool match = (by_ids ? text_ids[c + k] : c + k) == wanted;
        put(gradient.at[k], factor * visit_pair(sums, logits[a].at[k], t, bias, match));
      };
      if (c + each <= columns) {
        UNROLL for (int k = 0; k < each; ++k) visit(k);
        if (want_gradient) *reinterpret_cast<Four<G>*>(g + c) = gradient;
      } else {
        UNROLL for (int k = 0; k < each; ++k) if (c + k < columns) {
          visit(k);
          if (want_gradient) g[c + k] = gradient.at[k];
        }
      }
    }
  }

  parts[threadIdx.x] = double(sums.linear) + double(std::log1p(sums.q));
  parts[row_threads + threadIdx.x] = double(sums.h);
  parts[2 * row_threads + threadIdx.x] = double(t) * double(sums.hs);
  __syncthreads();
  const unsigned warp = threadIdx.x / 32, lane = threadIdx.x % 32;  // each of three warps adds one of them
  if (warp >= 3) return;
  double sum = 0;
  for (unsigned k = lane; k < row_threads; k += 32) sum += parts[warp * row_threads + k];
  for (int lanes = 16; lanes > 0; lanes /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, lanes);
  double* slot = slots + 3 * r + warp;
  if (lane == 0) *slot = sum + (first ? 0 : *slot);
}

// One block: slots in a fixed order.
__global__ void sigmoid_loss_sums(Real* loss, Real* dlog_t, Real* db, const double* slots, Dim rows, Real divisor) {
  SHARED(double, partial, warps);
  double sums[3] = {0, 0, 0};
  for (Dim r = threadIdx.x; r < rows; r += row_threads)
    for (int k = 0; k < 3; ++k) sums[k] += slots[3 * r + k];
  for (int k = 0; k < 3; ++k) sums[k] = block_reduce(sums[k], partial, Sum()) / double(divisor);
  if (threadIdx.x != 0) return;
  *loss = static_cast<Real>(sums[0]);
  if (db) *db = static_cast<Real>(sums[1]);
  if (dlog_t) *dlog_t = static_cast<Real>(sums[2]);
}

void sigmoid_loss_workspace(Dim* reals, Dim B, Dim E) { *reals = sigmoid_tiles(B, E).reals; }

void sigmoid_loss_forward(Real* loss, Real* du, Real* dv, Real* dlog_t, Real* db, Real* workspace, const Real* u, const Real* v, const Real* log_t,
                          const Real* b, const std::int32_t* image_ids, const std::int32_t* text_ids, Dim B, Dim E, Real divisor) {
  const char* op = "sigmoid_loss";
  const DeviceTiles tiles = sigmoid_tiles(B, E);
  const Dim edge = tiles.ring.edge;
  double* slots = reinterpret_cast<double*>(workspace);
  Real* s = workspace + tiles.logits;
  const Factor g = tiles.bf16 ? Factor{s, 2 * edge, false, CUDA_R_16BF} : Factor{s, edge};
  const auto sigmoid_loss_tile = tiles.bf16 ? (image_ids ? sigmoid_loss_row<__nv_bfloat16, true> : sigmoid_loss_row<__nv_bfloat16, false>)
                                            : (image_ids ? sigmoid_loss_row<Real, true> : sigmoid_loss_row<Real, false>);
  const bool want_gradient = du && dv;
  each_tile(tiles, workspace, u, v, [&](const Tile& tile, const Factor& us, const Factor& vs, bool new_rows, bool new_columns) {
    product(op, s, edge, us, transposed(vs), tile.rows, tile.columns, E, 0);
    KERNEL_LAUNCH(sigmoid_loss_tile, static_cast<unsigned>(tile.rows), row_threads, slots, s, log_t, b, image_ids ? image_ids + tile.i : nullptr,
                  text_ids ? text_ids + tile.j : nullptr, static_cast<int>(edge), static_cast<int>(tile.columns), static_cast<int>(tile.i - tile.j),
                  divisor, new_rows && new_columns, want_gradient);
    if (!want_gradient) return;
    product(op, du + tile.i * E, E, g, vs, tile.rows, E, tile.columns, new_rows ? 0 : 1);
    product(op, dv + tile.j * E, E, transposed(g), us, tile.columns, E, tile.rows, new_columns ? 0 : 1);
  });
  KERNEL_LAUNCH(sigmoid_loss_sums, 1u, row_threads, loss, dlog_t, db, slots, std::min(edge, B), divisor);
}
}  // namespace siglip::inline SIGLIP_FLAVOUR::cuda
