// device_tiles.cu — a workspace cut to the device, and factors rounded: a thread for each number.
#include "loss/device_tiles.h"

namespace siglip::inline SIGLIP_FLAVOUR::cuda {
namespace {
constexpr int threads = 256;
}

DeviceTiles device_tiles(Dim B, Dim E, Dim doubles, bool bf16) {
  const Dim cache = context().l2_bytes;
  DeviceTiles tiles{{B, device_tile_edge(B, cache)}, E, bf16, 0, 0, 0, 0, 0};
  const Dim edge = tiles.ring.edge, n = tiles.ring.count(), real_bytes = static_cast<Dim>(sizeof(Real));
  const Dim block_bytes = edge * E * 2;  // a multiple of 32, for any E: an edge is a multiple of 16
  tiles.panel = bf16 ? std::clamp<Dim>(std::min(2 * cache, most_panel_bytes) / block_bytes, 1, n) : n;
  tiles.logits = blocks(doubles, 8) * 64 / real_bytes;
  tiles.images = tiles.logits + edge * edge;
  tiles.texts = tiles.images + (bf16 ? tiles.panel * block_bytes / real_bytes : 0);
  tiles.reals = tiles.texts + (bf16 ? block_bytes / real_bytes : 0);
  return tiles;
}

__global__ void round_element(__nv_bfloat16* y, const Real* x, Dim N) {
  const Dim i = static_cast<Dim>(blockIdx.x) * threads + threadIdx.x;
  if (i < N) put(y[i], x[i]);
}

Factor factor_of(const DeviceTiles& tiles, Real* copy, const Real* x, Dim begin, Dim end) {
  const Dim E = tiles.E, N = (end - begin) * E;
  if (!tiles.bf16) return {x + begin * E, E};
  auto* rounded = reinterpret_cast<__nv_bfloat16*>(copy);
  KERNEL_LAUNCH(round_element, grid_of(N, threads), threads, rounded, x + begin * E, N);
  return {rounded, E, false, CUDA_R_16BF};
}
}  // namespace siglip::inline SIGLIP_FLAVOUR::cuda
