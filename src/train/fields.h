// fields.h — every setting of a run, once: its name, its place, what it means.
#pragma once
#include "siglip/train.h"

namespace siglip::inline SIGLIP_FLAVOUR {
/// In place of a help text: what train writes into train.json, and no flag sets.
constexpr const char* kept_by_train = "";

/// visit("lr", config.lr, "peak learning rate") for each setting. Names are those of the flags, with _ for -.
template <class Visit>
void each_field(TrainConfig& c, const Visit& visit) {
  visit("data", c.data, "folder or table of pictures and texts");
  visit("model", c.model, "nano, tiny, or a published name such as siglip-base-patch16-224");
  visit("loss", c.loss, "sigmoid or softmax");
  visit("positives", c.positives, "which pairs match: caption (equal captions) or diagonal (image i with text i)");
  visit("reduction", c.reduction, "per_image (the paper: sum over texts, mean over images) or mean over all pairs");
  visit("bias_init", c.bias_init, "start of b: a number, or auto for -ln(batch - 1)");
  visit("steps", c.steps, "training steps, in all; 0: as --minutes or --epochs says");
  visit("minutes", c.minutes, "how long to train, if --steps is 0: steps are measured first, and so many done as fit; 0: as --epochs says");
  visit("epochs", c.epochs, "passes over the data, if --steps and --minutes are 0; all 0: 30 passes, more where data are few");
  visit("batch_size", c.batch_size, "pairs a step; 0: 256, fewer where data are few");
  visit("lr", c.lr, "peak learning rate");
  visit("wd", c.wd, "weight decay of AdamW: lr * wd a step, on the kernels of products");
  visit("beta1", c.beta1, "AdamW's decay of the mean gradient");
  visit("beta2", c.beta2, "AdamW's decay of the mean square gradient");
  visit("warmup", c.warmup, "steps of linear warm-up; -1: a tenth of the run, at most 100");
  visit("grad_clip", c.grad_clip, "largest global gradient norm; 0: off");
  visit("shift", c.shift, "augmentation: shift up to this fraction of the edge; -1: 0.1 where data are few, else 0");
  visit("scale", c.scale, "augmentation: zoom within 1 +- this; -1: 0.25 where data are few, else 0");
  visit("flip", c.flip, "augmentation: probability of a mirror image");
  visit("image_size", c.image_size, "pixels; 0: as the model has it");
  visit("patch_size", c.patch_size, "pixels; 0: as the model has it");
  visit("width", c.width, "of both towers; 0: as the model has it");
  visit("layers", c.layers, "of both towers; 0: as the model has it");
  visit("heads", c.heads, "of both towers; 0: as the model has it");
  visit("mlp", c.mlp, "hidden width of both towers; 0: 4 x --width, or as the model has it");
  visit("context", c.context, "tokens of a text; 0: as the model has it");
  visit("filter", c.filter, "resampling: bicubic or bilinear");
  visit("fast_decode", c.fast_decode, "decode large JPEG pictures at a half, a quarter or an eighth of their size, at least twice the model's");
  visit("image_column", c.image_column, "column of a table that names the picture");
  visit("text_column", c.text_column, "column of a table that holds the caption");
  visit("text_template", c.text_template, "caption of a class folder, {} is its name");
  visit("val_fraction", c.val_fraction, "held out of data without a val split");
  visit("fold", c.fold, "k/K: hold out the k-th of K parts of data without a val split, instead of a fraction");
  visit("no_follow", c.no_follow, "a picture outside the data's folder, by a link or an absolute path, is an error");
  visit("strict", c.strict, "a picture that cannot be read is an error");
  visit("candidates", c.candidates, "retrieval among: split, all (every split), or groups of N pairs");
  visit("seed", c.seed, "of everything random");
  visit("threads", c.threads, "0: all processors; results do not depend on it");
  visit("device", c.device, "cpu or cuda");
  visit("matmul_precision", c.matmul_precision, "f32, tf32 or bf16: how a CUDA device rounds the factors of matrix products");
  visit("eval_every", c.eval_every, "steps between evaluations; 0: ten times a run");
  visit("save_every", c.save_every, "steps between checkpoints; 0: at every evaluation");
  visit("out", c.out, "run folder; default runs/train/NAME, NAME2, ...");
  visit("name", c.name, "NAME of the run folder, if --out is not given");
  visit("schedule_start", c.schedule_start, kept_by_train);
  visit("schedule_rate", c.schedule_rate, kept_by_train);
}

/// The flag of a setting: --batch-size of batch_size.
std::string flag_of(std::string name);
/// t at the start.
constexpr double initial_temperature = 10;
/// b at the start: the number that bias_init says, or -ln(batch - 1).
double initial_bias(const TrainConfig& config, Dim batch, const std::string& where = "--bias-init");
/// Of "2/5": 2 and 5; 0 and 0 of nothing. Throws Error, which `where` opens, for other words.
struct Fold {
  Dim part = 0, parts = 0;
};
Fold parse_fold(const std::string& text, const std::string& where = "--fold");
/// How a run reads its data.
DataOptions data_options(const TrainConfig& config);
/// Settings of shift, scale, batch_size, epochs and steps that leave it to the data get what their number needs: `named` pairs of train, of which
/// `usable` ones can be read. Those that did are named in one line, which is empty if none did. Steps stay 0 where minutes decide.
std::string choose_for_data(TrainConfig& config, Dim named, Dim usable);
/// How many steps choose_for_data() gives a run of `pairs`, with batches of `batch_size`, that says nothing about it.
Dim steps_for(Dim pairs, Dim batch_size);
/// Whether pictures are so few that they need to be seen in more than one place and size.
bool is_small(Dim pairs);
/// The share of lr at a step from 0: warm-up, then a cosine. A run that was continued began a new schedule at schedule_start, from schedule_rate.
double rate_at(const TrainConfig& config, Dim step);
/// f32, tf32 or bf16. Throws Error for another word, and for another than f32 on the CPU.
MatmulPrecision find_precision(const std::string& name, Device device, const std::string& where = "--matmul-precision");
/// Whether a run that is resumed may change this setting.
bool may_change(const std::string& name);
/// "data, threads, … and … may change, and steps may grow": those that may_change(), and the steps.
std::string changeable_settings();
/// labels.json of a checkpoint folder.
void write_labels(const std::string& folder, const KnownLabels& labels);
/// The named model with the run's changes of size. Throws Error, which `where` opens, if no model has such sizes.
SiglipConfig model_config(const TrainConfig& config, Dim vocab_size, const std::string& where = "the model's settings");
}  // namespace siglip::inline SIGLIP_FLAVOUR
