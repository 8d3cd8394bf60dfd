// big_vision.h — the names and layouts of the authors' own checkpoints, and how each array becomes a published tensor.
#pragma once
#include <string>
#include <vector>
#include "io/npz.h"
#include "siglip/config.h"

namespace siglip::inline SIGLIP_FLAVOUR {
/// What happens to an array, or to each layer of a stacked one, on its way to a tensor.
enum class Layout {
  same,       // the numbers as they stand, axes merged or split
  transpose,  // (K, M) → (M, K): inputs first → outputs first
  patch,      // (P, P, 3, C) → (C, 3, P, P)
};

/// One array and what it becomes. Tensors are listed in the order of their data: three arrays in a row fill queries, keys and values of one.
struct ArrayUse {
  std::string array;                // empty: no array; a matrix is an identity, a bias zeros
  Shape shape;                      // of the array, exactly
  Dim layers = 1;                   // stacked along the first axis
  Layout layout = Layout::same;     // of each layer
  std::vector<TensorInfo> tensors;  // that begin here: one for each layer; none if this continues the tensor before
};

struct BigVision {
  SiglipConfig config;          // read off the shapes; image_size = grid * patch
  std::vector<ArrayUse> uses;   // every tensor of the model once
  bool adds_text_head = false;  // the file has none: as published, its place takes an identity
};

/// Throws Error naming the file and every array that is missing, misshapen or left over. With a prefix params/ what lies outside it, the state of
/// an optimizer, is passed over. image_size 0: grid * patch; otherwise the real one, which leaves pixels over on the right and bottom.
BigVision read_big_vision(const NpzFile& file, Dim image_size = 0);
}  // namespace siglip::inline SIGLIP_FLAVOUR
