// rows.h — each op page ends in its row.
#pragma once
#include "check/plain.h"
#include "siglip/check.h"

namespace siglip::inline SIGLIP_FLAVOUR {
OpRow matmul_row();
OpRow matmul_bias_row();
OpRow matmul_packed_row();
OpRow add_row();
OpRow add_rows_row();
OpRow scale_row();
OpRow gelu_row();
OpRow softmax_row();
OpRow layernorm_row();
OpRow l2_normalize_row();
OpRow attention_row();
OpRow patch_embedding_row();
OpRow token_embedding_row();
OpRow take_token_row();
OpRow take_rows_row();
OpRow repeat_row();
OpRow sigmoid_loss_row();
OpRow sigmoid_loss_ids_row();
OpRow softmax_loss_row();
}  // namespace siglip::inline SIGLIP_FLAVOUR
