// table.cpp — the explicit list. An op that is not here is not tested, and the lint says so.
#include "check/rows.h"

namespace siglip::inline SIGLIP_FLAVOUR {
std::vector<OpRow> op_table() {
  return {matmul_row(),
          matmul_bias_row(),
          matmul_packed_row(),
          add_row(),
          add_rows_row(),
          scale_row(),
          gelu_row(),
          softmax_row(),
          layernorm_row(),
          l2_normalize_row(),
          attention_row(),
          patch_embedding_row(),
          token_embedding_row(),
          take_token_row(),
          take_rows_row(),
          repeat_row(),
          sigmoid_loss_row(),
          sigmoid_loss_ids_row(),
          softmax_loss_row()};
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
