// trial.h — a copy of the model and of its inputs in which a mistake is planted, and what comes out of it.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>
#include "siglip/data.h"
#include "siglip/model.h"

namespace siglip::inline SIGLIP_FLAVOUR {
enum class Tower { vision, text };
enum class Activation { tanh_gelu, erf_gelu, quick_gelu };
enum class Mask { none, causal, padding };
enum class Pooling { published, mean, first, end };  // published: the MAP head, the last token; end: the first end token

/// How a tower is run. The defaults are what SigLIP does; all else that can be wrong is planted in weights or inputs.
struct Switches {
  Activation activation = Activation::tanh_gelu;
  Mask mask = Mask::none;
  Pooling pooling = Pooling::published;
  bool final_norm = true;             // after the last block
  bool post_norm = false;             // blocks as in the first transformers: norm(x + f(x))
  bool heads_in_front = false;        // (H, T, D) read as (T, C) after the attention
  bool norm_before_residual = false;  // of the MAP head's MLP: n + mlp(n), n = norm(y)
  bool normalize = true;              // unit rows at the end
  double token_scale = 1;             // of the token embeddings
};

enum class Output { logits, sigmoid, softmax };
enum class Sides { both, images, texts };  // whose embeddings meet; both of one tower make symmetric scores
enum class LossKind { sigmoid, softmax, over_pairs, sum, no_negatives };

/// How two rows of embeddings become scores: output(t cosine + b).
struct Scoring {
  double t = 1, b = 0;
  Sides sides = Sides::both;
  bool transposed = false;
  Output output = Output::logits;
  LossKind loss = LossKind::sigmoid;
};

/// Texts as a mistake encodes them, by its name.
using Encodings = std::map<std::string, std::function<Ids(const std::vector<std::string>&)>>;

/// What goes in, and what it was made from where that is known.
struct Inputs {
  Tensor pixels = {};                                      // (B, 3, S, S); undefined if there are none
  Ids ids = {};                                            // (B, T), or fewer columns if they were fed so
  std::vector<Image> images = {};                          // the files behind the pixels, decoded; empty if unknown
  bool jpeg = false;                                       // one of them is a JPEG
  std::map<std::string, std::vector<Image>> decoded = {};  // the same files as a mistake decodes them, by its name, where that makes a difference
  std::vector<std::string> texts = {};                     // behind the ids; empty if unknown
  Preprocessing preprocessing = {};                        // of the folder
  Encodings encodings = {};                                // of the folder
};

/// Tensors are shared with the model that is examined: planting replaces them and never writes into them.
struct Trial {
  Siglip model;
  Switches vision, text;
  Scoring scoring;
  Inputs inputs;
};
Trial healthy_trial(const Siglip& model, const Inputs& inputs);

/// In every published tokenizer the end token has this id; the padding is either it or <pad>, id 0.
constexpr std::int32_t end_token = 1;
/// Up to the first end token and with it; all columns if there is none.
std::vector<Dim> text_lengths(const Ids& ids);

/// What a tower computes: what enters the first block, what leaves each, and the embeddings (B, E), undefined without a head.
struct Trace {
  Tensors hidden;
  Tensor embeds;
};
/// Without a mistake planted bit for bit what model.vision and model.text give.
Trace run_vision(const Trial& trial);
Trace run_text(const Trial& trial);
/// Rows of texts, columns of images, unless transposed.
Tensor logits_per_text(const Scoring& scoring, const Tensor& images, const Tensor& texts);
Tensor transposed(const Tensor& x);  // (N, M) → (M, N)
/// Of as many texts as images; throws Error otherwise.
double loss_of(const Scoring& scoring, const Tensor& logits_per_text);
}  // namespace siglip::inline SIGLIP_FLAVOUR
