// token_embedding.cu — the CUDA twin of token_embedding.cpp, where the mathematics stands.
//
// forward   one thread for each element
// backward  one block for each token and 128 columns. The first token with an id adds the rows of all tokens with that id, in the order of n; the
//           blocks of the others leave. So each row of dtable has one writer, and its additions have one order: no atomics, the same bits always
// cost      each block reads ids up to the stretch of 1024 that has an earlier equal one; those of first tokens read all N: at most N² reads, N times
//           the number of different ids as a rule
#include "cuda/element.h"
#include "cuda/reduce.h"
#include "kernels.h"

namespace siglip::inline SIGLIP_FLAVOUR::cuda {
__global__ void token_embedding_forward_element(Real* y, const Real* table, const std::int32_t* ids, Dim N, Dim C) {
  const Dim i = element();
  if (i < N * C) y[i] = table[ids[i / C] * C + i % C];
}

__global__ void token_embedding_backward_first(Real* dtable, const Real* dy, const std::int32_t* ids, Dim N, Dim C) {
  SHARED(int, partial, warps);
  constexpr int ahead = 8;  // ids or rows that a thread reads together, so that their ways from memory overlap
  const Dim n = blockIdx.x, c = static_cast<Dim>(blockIdx.y) * row_threads + threadIdx.x;
  const std::int32_t id = ids[n];
  for (Dim begin = 0; begin < n; begin += ahead * row_threads) {
    const Dim end = begin + ahead * row_threads < n ? begin + ahead * row_threads : n;
    int earlier = 0;
    for (Dim k = begin + threadIdx.x; k < end; k += row_threads) earlier |= ids[k] == id;
    if (block_reduce(earlier, partial, Larger())) return;
  }
  Real sum = c < C ? dtable[id * C + c] : Real(0);
  for (Dim begin = n; begin < N; begin += row_threads) {  // a stretch of tokens, a thread each: most have none with this id
    const Dim end = begin + row_threads < N ? begin + row_threads : N, mine = begin + threadIdx.x;
    if (!block_reduce(int(mine < end && ids[mine] == id), partial, Larger()) || c >= C) continue;
    for (Dim k = begin; k < end; k += ahead) {
      Real rows[ahead];
      UNROLL for (int a = 0; a < ahead; ++a) rows[a] = k + a < end && ids[k + a] == id ? dy[(k + a) * C + c] : 0;
      UNROLL for (int a = 0; a < ahead; ++a) sum += rows[a];
    }
  }
  if (c < C) dtable[id * C + c] = sum;
}

void token_embedding_forward(Real* y, const Real* table, const std::int32_t* ids, Dim N, Dim C) {
  KERNEL_LAUNCH(token_embedding_forward_element, element_grid(N * C), element_threads, y, table, ids, N, C);
}

void token_embedding_backward(Real* dtable, const Real* dy, const std::int32_t* ids, Dim N, Dim C) {
  const dim3 grid(grid_of(N, 1).x, grid_of(C, row_threads).x);
  if (dtable) KERNEL_LAUNCH(token_embedding_backward_first, grid, row_threads, dtable, dy, ids, N, C);
}
}  // namespace siglip::inline SIGLIP_FLAVOUR::cuda
