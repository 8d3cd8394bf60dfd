// attention.cu — the CUDA twin of attention.cpp, where the mathematics stands.
//
// tiles     a block of 16 x 16 threads holds a tile of queries against a tile of keys: 64 x 64 in float, 32 x 32 in double. It walks along the
//           other side tile by tile, so of the (T, S) matrices there is never more than a tile, and that in registers and shared memory
// forward   one block for each tile of queries. m is the largest logit of a row so far, sum its Σ exp(l - m), out its Σ exp(l - m) v; when a tile
//           of keys brings a larger one, both shrink by exp(m_before - m). At the end y = out / sum and log_sum = m + ln sum
// backward  p = exp(l - log_sum) is made again, tile by tile, and dp of v - v_0. One block for each tile of queries gives Σ_j dp_ij p_ij and dq,
//           one for each tile of keys dk and dv. Where one tile holds a whole head, one block gives everything and makes p once
// saves     nothing more than the CPU; the workspace keeps Σ_j dp_ij p_ij, (B, H, T)
// numerics  each number of an output is summed by one thread in the order of tiles, each sum along a row by a fixed tree over 16 threads: no
//           atomics, the same bits always. What lies beyond the last query or key weighs exactly 0. A logit is the same number in both passes: of
//           one that is not rounded on the way, exp(l - log_sum) would be off by its rounding, 4e-6 at l = 80
// source    the running maximum: Milakov and Gimelshein 2018, algorithm 3; the walk and its backward: Dao 2023, sections 3.1 and 3.2
#include <cmath>
#include <limits>
#include "cuda/reduce.h"
#include "kernels.h"

namespace siglip::inline SIGLIP_FLAVOUR::cuda {
namespace {
constexpr int side = 16, threads = side * side;
constexpr int tile = sizeof(Real) == 4 ? 64 : 32;          // what a block needs stays below 48 KiB, which every device has
constexpr int per = tile / side;                           // rows and columns of a tile that one thread owns
constexpr int piece = 32;                                  // columns of a head that lie in shared memory at a time
constexpr int slice = 128, groups = slice / side;          // columns of an output that a block sums at a time, and those of one thread
constexpr int piece_row = piece + 1, tile_row = tile + 1;  // rows in shared memory: odd, so that a column of them lies in different banks
constexpr Real infinity = std::numeric_limits<Real>::infinity();

// Where one head lies within a tensor (B, count, C): `count` rows of C numbers, of which D are its own.
struct Head {
  Dim count, C, D, begin;
  __device__ Head(Dim head, Dim count_, Dim H, Dim D_) : count(count_), C(H * D_), D(D_), begin(head / H * count_ * C + head % H * D_) {}
};

// Row r and column c of mine in a tile.
__device__ int row(int r) { return static_cast<int>(threadIdx.x) / side + side * r; }
__device__ int column(int c) { return static_cast<int>(threadIdx.x) % side + side * c; }

// What `combine` makes of the values of the threads that share my rows; each of them gets it.
template <class Combine>
__device__ Real along_row(Real value, Combine combine) {
  for (int lane = side / 2; lane > 0; lane /= 2) value = combine(value, __shfl_xor_sync(0xffffffffu, value, lane));
  return value;
}

// Rows first … first + tile - 1 and columns d … d + piece - 1 of a head, zeros beyond its ends; if asked, less the head's row 0.
__device__ void load(Real* to, const Real* x, const Head& head, Dim first, Dim d, bool less_row_0 = false) {
  __syncthreads();  // what lay there is no longer read
  for (int at = static_cast<int>(threadIdx.x); at < tile * piece; at += threads) {
    const int r = at / piece, c = at % piece;
    const bool inside = first + r < head.count && d + c < head.D;
    const Dim row_0 = head.begin + d + c;
    to[r * piece_row + c] = inside ? x[row_0 + (first + r) * head.C] - (less_row_0 ? x[row_0] : Real(0)) : Real(0);
  }
  __syncthreads();
}

// l = a bᵀ for a tile of rows of a, from a_first on, and one of b; if asked, of b less its row 0.
__device__ void products(Real (&l)[per][per], Real* a_piece, Real* b_piece, const Real* a, const Head& a_head, Dim a_first, const Real* b,
                         const Head& b_head, Dim b_first, bool less_row_0 = false) {
  for (int r = 0; r < per; ++r)
    for (int c = 0; c < per; ++c) l[r][c] = 0;
  for (Dim d = 0; d < a_head.D; d += piece) {
    load(a_piece, a, a_head, a_first, d);
    load(b_piece, b, b_head, b_first, d, less_row_0);
    for (int k = 0; k < piece; ++k)
      for (int r = 0; r < per; ++r)
        for (int c = 0; c < per; ++c) l[r][c] += a_piece[row(r) * piece_row + k] * b_piece[column(c) * piece_row + k];
  }
}

// out_rc += Σ_j w_rj x_jc for a tile of weights in shared memory, w_rj = weights[r * along_r + j * along_j], and the tile of rows of x from first
// on; of its columns, the slice from d on.
__device__ void add_product(Real (&out)[per][groups], const Real* weights, int along_r, int along_j, Real* x_piece, const Real* x, const Head& head,
                            Dim first, Dim d) {
  constexpr int of_piece = piece / side;
  for (int g = 0; g < groups; g += of_piece) {
    if (d + g * side >= head.D) continue;
    load(x_piece, x, head, first, d + g * side);
    for (int j = 0; j < tile; ++j)
      for (int r = 0; r < per; ++r)
        for (int c = 0; c < of_piece; ++c) out[r][g + c] += weights[row(r) * along_r + j * along_j] * x_piece[j * piece_row + column(c)];
  }
}

// dx += out for the tile of rows from first on and the slice of columns from d on.
__device__ void add_slice(Real* dx, const Real (&out)[per][groups], const Head& head, Dim first, Dim d) {
  for (int r = 0; r < per; ++r)
    for (int g = 0; g < groups; ++g)
      if (first + row(r) < head.count && d + column(g) < head.D) dx[head.begin + (first + row(r)) * head.C + d + column(g)] += out[r][g];
}

// What a backward block knows of its head, and its shared memory.
struct Backward {
  Head queries, keys;
  const Real *dy, *log_sum, *q, *k, *v;
  Real *a_piece, *b_piece, factor;

  // p and dp of a tile of queries and a tile of keys, 0 beyond the ends.
  __device__ void weigh(Real (&p)[per][per], Real (&dp)[per][per], Dim query, Dim key) const {
    products(p, a_piece, b_piece, q, queries, query, k, keys, key);
    products(dp, a_piece, b_piece, dy, queries, query, v, keys, key, true);
    for (int r = 0; r < per; ++r) {
      const bool is_query = query + row(r) < queries.count;
      const Real shift = is_query ? log_sum[query + row(r)] : Real(0);
      for (int c = 0; c < per; ++c) p[r][c] = is_query && key + column(c) < keys.count ? std::exp(rounded_product(p[r][c], factor) - shift) : Real(0);
    }
  }
};

__device__ Backward backward_of(Dim head, Real* a_piece, Real* b_piece, const Real* dy, const Real* log_sum, const Real* q, const Real* k,
                                const Real* v, Dim T, Dim S, Dim H, Dim D) {
  return {Head(head, T, H, D), Head(head, S, H, D), dy, log_sum + head * T, q, k, v, a_piece, b_piece, 1 / std::sqrt(static_cast<Real>(D))};
}

// The tile of p, or of dl / √D = p (dp - dots) / √D, into shared memory.
__device__ void keep_p(Real* weights, const Real (&p)[per][per]) {
  __syncthreads();
  for (int r = 0; r < per; ++r)
    for (int c = 0; c < per; ++c) weights[row(r) * tile_row + column(c)] = p[r][c];
}

__device__ void keep_dl(Real* weights, const Real (&p)[per][per], const Real (&dp)[per][per], const Real (&dots)[per], Real factor) {
  __syncthreads();
  for (int r = 0; r < per; ++r)
    for (int c = 0; c < per; ++c) weights[row(r) * tile_row + column(c)] = p[r][c] * (dp[r][c] - dots[r]) * factor;
}

Dim tiles(Dim count) { return blocks(count, tile); }
}  // namespace

__global__ void attention_forward_queries(Real* y, Real* log_sum, const Real* q, const Real* k, const Real* v, Dim T, Dim S, Dim H, Dim D,
                                          Dim tiles_of_T) {
  SHARED(Real, a_piece, tile * piece_row);
  SHARED(Real, b_piece, tile * piece_row);
  SHARED(Real, weights, tile * tile_row);
  const Dim head = blockIdx.x / tiles_of_T, first = blockIdx.x % tiles_of_T * tile;
  const Head queries(head, T, H, D), keys(head, S, H, D);
  const Real factor = 1 / std::sqrt(static_cast<Real>(D));
  for (Dim d = 0; d < D; d += slice) {
    Real m[per], sum[per], out[per][groups] = {};
    for (int r = 0; r < per; ++r) m[r] = -infinity, sum[r] = 0;
    for (Dim key = 0; key < S; key += tile) {
      Real l[per][per];
      products(l, a_piece, b_piece, q, queries, first, k, keys, key);
      for (int r = 0; r < per; ++r) {
        Real largest = m[r], added = 0;
        for (int c = 0; c < per; ++c) {
          l[r][c] = key + column(c) < S ? rounded_product(l[r][c], factor) : -infinity;
          largest = Larger()(largest, l[r][c]);
        }
        largest = along_row(largest, Larger());
        for (int c = 0; c < per; ++c) added += weights[row(r) * tile_row + column(c)] = std::exp(l[r][c] - largest);
        const Real shrink = std::exp(m[r] - largest);
        sum[r] = sum[r] * shrink + along_row(added, Sum());
        m[r] = largest;
        for (int g = 0; g < groups; ++g) out[r][g] *= shrink;
      }
      add_product(out, weights, tile_row, 1, b_piece, v, keys, key, d);
    }
    for (int r = 0; r < per; ++r) {
      if (first + row(r) >= T) continue;
      for (int g = 0; g < groups; ++g)
        if (d + column(g) < D) y[queries.begin + (first + row(r)) * queries.C + d + column(g)] = out[r][g] / sum[r];
      if (d == 0 && column(0) == 0) log_sum[head * T + first + row(r)] = m[r] + std::log(sum[r]);
    }
  }
}

// dots_i = Σ_j dp_ij p_ij on a first walk along the keys, dq on a second.
__global__ void attention_backward_queries(Real* dq, Real* dots, const Real* dy, const Real* log_sum, const Real* q, const Real* k, const Real* v,
                                           Dim T, Dim S, Dim H, Dim D, Dim tiles_of_T) {
  SHARED(Real, a_piece, tile * piece_row);
  SHARED(Real, b_piece, tile * piece_row);
  SHARED(Real, weights, tile * tile_row);
  const Dim head = blockIdx.x / tiles_of_T, first = blockIdx.x % tiles_of_T * tile;
  const Backward back = backward_of(head, a_piece, b_piece, dy, log_sum, q, k, v, T, S, H, D);
  Real p[per][per], dp[per][per], dot[per] = {};
  for (Dim key = 0; key < S; key += tile) {
    back.weigh(p, dp, first, key);
    for (int r = 0; r < per; ++r)
      for (int c = 0; c < per; ++c) dot[r] += dp[r][c] * p[r][c];
  }
  for (int r = 0; r < per; ++r) {
    dot[r] = along_row(dot[r], Sum());
    if (first + row(r) < T && column(0) == 0) dots[head * T + first + row(r)] = dot[r];
  }
  if (!dq) return;
  for (Dim d = 0; d < D; d += slice) {
    Real out[per][groups] = {};
    for (Dim key = 0; key < S; key += tile) {
      back.weigh(p, dp, first, key);
      keep_dl(weights, p, dp, dot, back.factor);
      add_product(out, weights, tile_row, 1, b_piece, k, back.keys, key, d);
    }
    add_slice(dq, out, back.queries, first, d);
  }
}

__global__ void attention_backward_keys(Real* dk, Real* dv, const Real* dots, const Real* dy, const Real* log_sum, const Real* q, const Real* k,
                                        const Real* v, Dim T, Dim S, Dim H, Dim D, Dim tiles_of_S) {
  SHARED(Real, a_piece, tile * piece_row);
  SHARED(Real, b_piece, tile * piece_row);
  SHARED(Real, weights, tile * tile_row);
  const Dim head = blockIdx.x / tiles_of_S, first = blockIdx.x % tiles_of_S * tile;
  const Backward back = backward_of(head, a_piece, b_piece, dy, log_sum, q, k, v, T, S, H, D);
  for (Dim d = 0; d < D; d += slice) {
    Real dk_out[per][groups] = {}, dv_out[per][groups] = {};
    for (Dim query = 0; query < T; query += tile) {
      Real p[per][per], dp[per][per], dot[per];
      back.weigh(p, dp, query, first);
      for (int r = 0; r < per; ++r) dot[r] = query + row(r) < T ? dots[head * T + query + row(r)] : Real(0);
      if (dv) {
        keep_p(weights, p);
        add_product(dv_out, weights, 1, tile_row, b_piece, dy, back.queries, query, d);
      }
      if (dk) {
        keep_dl(weights, p, dp, dot, back.factor);
        add_product(dk_out, weights, 1, tile_row, b_piece, q, back.queries, query, d);
      }
    }
    if (dv) add_slice(dv, dv_out, back.keys, first, d);
    if (dk) add_slice(dk, dk_out, back.keys, first, d);
  }
}

// All gradients of a head that fits into one tile.
__global__ void attention_backward_head(Real* dq, Real* dk, Real* dv, const Real* dy, const Real* log_sum, const Real* q, const Real* k,
                                        const Real* v, Dim T, Dim S, Dim H, Dim D) {
  SHARED(Real, a_piece, tile * piece_row);
  SHARED(Real, b_piece, tile * piece_row);
  SHARED(Real, weights, tile * tile_row);
  const Backward back = backward_of(blockIdx.x, a_piece, b_piece, dy, log_sum, q, k, v, T, S, H, D);
  Real p[per][per], dp[per][per], dot[per] = {};
  back.weigh(p, dp, 0, 0);
  for (int r = 0; r < per; ++r) {
    for (int c = 0; c < per; ++c) dot[r] += dp[r][c] * p[r][c];
    dot[r] = along_row(dot[r], Sum());
  }
  if (dv) {
    keep_p(weights, p);
    for (Dim d = 0; d < D; d += slice) {
      Real out[per][groups] = {};
      add_product(out, weights, 1, tile_row, b_piece, dy, back.queries, 0, d);
      add_slice(dv, out, back.keys, 0, d);
    }
  }
  keep_dl(weights, p, dp, dot, back.factor);
  for (Dim d = 0; d < D; d += slice) {
    if (dq) {
      Real out[per][groups] = {};
      add_product(out, weights, tile_row, 1, b_piece, k, back.keys, 0, d);
      add_slice(dq, out, back.queries, 0, d);
    }
    if (dk) {
      Real out[per][groups] = {};
      add_product(out, weights, 1, tile_row, b_piece, q, back.queries, 0, d);
      add_slice(dk, out, back.keys, 0, d);
    }
  }
}

void attention_workspace(Dim* reals, Dim B, Dim T, Dim, Dim H, Dim) { *reals = B * H * T; }

void attention_forward(Real* y, Real* log_sum, Real*, const Real* q, const Real* k, const Real* v, Dim B, Dim T, Dim S, Dim H, Dim D) {
  KERNEL_LAUNCH(attention_forward_queries, grid_of(B * H * tiles(T), 1), threads, y, log_sum, q, k, v, T, S, H, D, tiles(T));
}

void attention_backward(Real* dq, Real* dk, Real* dv, Real* workspace, const Real* dy, const Real* log_sum, const Real* q, const Real* k,
                        const Real* v, Dim B, Dim T, Dim S, Dim H, Dim D) {
  if (T <= tile && S <= tile) {
    KERNEL_LAUNCH(attention_backward_head, grid_of(B * H, 1), threads, dq, dk, dv, dy, log_sum, q, k, v, T, S, H, D);
    return;
  }
  Real* dots = workspace;
  KERNEL_LAUNCH(attention_backward_queries, grid_of(B * H * tiles(T), 1), threads, dq, dots, dy, log_sum, q, k, v, T, S, H, D, tiles(T));
  if (dk || dv)
    KERNEL_LAUNCH(attention_backward_keys, grid_of(B * H * tiles(S), 1), threads, dk, dv, dots, dy, log_sum, q, k, v, T, S, H, D, tiles(S));
}
}  // namespace siglip::inline SIGLIP_FLAVOUR::cuda
