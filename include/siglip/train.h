// train.h — training on pairs, evaluation, and a trained model ready for use.
#pragma once
#include <functional>
#include <iosfwd>
#include <memory>
#include <string>
#include <vector>
#include "siglip/checkpoint.h"
#include "siglip/data.h"
#include "siglip/metrics.h"
#include "siglip/model.h"
#include "siglip/optim.h"

namespace siglip::inline SIGLIP_FLAVOUR {
// ---- a trained model -----------------------------------------------------------------------------------------------------------------

/// What a checkpoint folder holds, ready for use: pictures and texts go in as they are. Weights are checked at once and read when they are first
/// used, so a tower that is not used costs nothing, and of the token table only the rows of the texts are read.
struct Pretrained {
  Siglip model;
  std::unique_ptr<Tokenizer> tokenizer;  // null if it was not asked for
  Preprocessing preprocessing;
  std::string folder;  // names it in messages

  /// `path`: a checkpoint folder, or a run folder, of which `best` is taken, else `last`. Throws Error naming what is missing, or, if the folder has
  /// checksums.txt, as those that train writes have, the file that is not as it was saved: then every file but the training state is read once, the
  /// weights whole. Without checksums.txt, as published, weights are read where they are used. Without a tokenizer, of which none need
  /// be there then (unless checksums.txt lists one), it embeds pictures alone.
  static Pretrained load(const std::string& path, const TokenizerOptions& options = {}, bool with_tokenizer = true);
  /// To be called before many are embedded: throws Error if pictures are and the model has no head. Packs the weights of each tower
  /// (VisionTower::pack()) that so many pictures or texts repay it for, if the machine has memory to spare.
  void expect(std::size_t images, std::size_t texts);
  // Computed where the model lies (move_to(model.parameters(), Device::cuda)), in batches; the result is on the CPU. Throws Error for embeddings
  // that are not finite, as those of damaged weights.
  Tensor embed(const std::vector<Image>& images) const;       // (N, E), unit rows
  Tensor embed(const std::vector<std::string>& texts) const;  // (N, E), unit rows
};
/// The folder that holds the checkpoint of `path`, as in Pretrained::load.
std::string checkpoint_folder(const std::string& path);

struct ConvertOptions {
  std::string dtype = {};       // F32, F16 or BF16; empty: as they are
  std::int64_t shard_size = 0;  // bytes of data in a file of weights at most; 0: one file
  Dim image_size = 0;           // for an .npz: the model's, where it is not grid * patch; 0: it is
};
/// Writes the model of `in` (a run folder, a checkpoint folder, or an .npz of big_vision) as a new checkpoint folder `out`, whole or not at all.
/// Numbers whose type is kept keep their bits; others are rounded to nearest, ties to even. What an .npz does not know is said on `log`.
/// Throws Error if `out` exists, if `in` does not hold exactly one model, or if a file of it is not as its checksums.txt says.
void convert_model(const std::string& in, const std::string& out, const ConvertOptions& options, std::ostream& log);

// ---- evaluation ----------------------------------------------------------------------------------------------------------------------

/// Among which candidates a query searches: all distinct captions (pictures) of its split, those of every split, or groups of `group`
/// consecutive pairs. Captions of one text are one candidate, and right for each of their pictures. Texts that the tokenizer cannot tell apart
/// (words it does not know, words beyond the context) are different ones that tie: they count as missed.
struct Candidates {
  enum Kind { split, all, groups } kind = split;
  Dim group = 0;
  /// "split", "all" or a number from 2. Throws Error; `where` (a file, a flag) opens the message.
  static Candidates parse(const std::string& text, const std::string& where = "--candidates");
};

struct Evaluation {
  std::string split;
  Dim pairs = 0, candidates = 0;  // queries; captions to choose from
  Recall image_to_text, text_to_image;
  double accuracy = -1;  // zero-shot, by class; -1 without classes
};

/// Samples of a split by name.
struct NamedSamples {
  std::string name;
  std::shared_ptr<const Samples> samples;
};

/// Embeddings of the first `count` samples of one split (0: all of them): images and texts (N, E), unit rows.
struct Embeddings {
  Tensor images, texts;
};
/// On the model's device; the result is on the CPU.
Embeddings embed(const Siglip& model, const Samples& samples, Dim count = 0, Dim batch = 256);

/// Retrieval in both directions, and zero-shot accuracy where the samples have labels. `splits` are evaluated in order; `all` candidates come
/// from `splits` and `others`. At most `most` queries a split (0: all), the first ones.
/// class_texts: the tokens of one caption for each class, or undefined. finite: embeddings that are not finite throw Error; otherwise they are
/// misses, as a training that diverges wants it.
std::vector<Evaluation> evaluate(const Siglip& model, const std::vector<NamedSamples>& splits, const std::vector<NamedSamples>& others,
                                 const Candidates& candidates, const Ids& class_texts = {}, Dim most = 0, bool finite = false);

// ---- training ------------------------------------------------------------------------------------------------------------------------

/// Every setting of a run, under the names that the command line, the configuration file and `--set` use. train.json in the run folder
/// holds them resolved.
struct TrainConfig {
  std::string data, model = "tiny", loss = "sigmoid", positives = "caption", bias_init = "-10", out, name = "exp";
  Dim steps = 0;
  double epochs = 0;  // counts if steps is 0; both 0: 30 epochs
  Dim batch_size = 256;
  double lr = 1e-3, wd = 0.1, beta1 = 0.9, beta2 = 0.95, grad_clip = 1;
  Dim warmup = -1;  // steps; -1: a tenth of the run, at most 100
  std::string reduction = "per_image";
  double shift = 0, scale = 0, flip = 0;                                                       // augmentation, see data.h
  Dim image_size = 0, patch_size = 0, width = 0, layers = 0, heads = 0, mlp = 0, context = 0;  // 0: as the named model has it
  std::string filter = "bicubic";
  std::string image_column = "file_name", text_column = "text", text_template = "a photo of a {}";
  double val_fraction = 0.1;
  bool fast_decode = false;  // JPEG pictures of more than twice the model's size are decoded smaller
  bool strict = false, no_follow = false;
  Dim seed = 0, threads = 0, eval_every = 0, save_every = 0;  // threads 0: all; eval_every 0: ten times a run; save_every 0: at evaluations
  std::string candidates = "split";
  std::string device = "cpu", matmul_precision = "f32";  // tf32 and bf16 on a CUDA device alone
};

/// The configuration as JSON, and from it: unknown keys and wrong types throw Error naming `where` and the nearest key.
std::string to_json(const TrainConfig& config);
void read_json(TrainConfig& config, const std::string& json, const std::string& where);
/// One `key=value`, as `--set` gives it.
void set(TrainConfig& config, const std::string& assignment);
/// Throws Error for values out of range, naming the flag, or the setting of `file` if that is where they come from.
void validate(const TrainConfig& config, const std::string& file = "");

struct TrainResult {
  std::string run;  // the run folder
  Dim steps = 0;
  double seconds = 0;
  std::vector<Evaluation> evaluations;  // of the best checkpoint: train sample first
  bool interrupted = false;
};

/// Trains from scratch into a new run folder, `config.out` or runs/train/NAME, NAME2, … with `config.name`; messages and progress go to `log`.
/// Throws Error: bad data, a setting out of range, a run folder within the data's, a loss or gradient that is not finite (naming step, tensor and
/// last good checkpoint).
TrainResult train(const TrainConfig& config, std::ostream& log);

/// Continues `run` (a folder, or "latest" below runs/train) from its `last`, to the same bits as if it had never been interrupted. `changes` may
/// set data, if the same pictures and captions lie elsewhere now, threads and save_every, and device and matmul_precision: a run may go on
/// elsewhere, then with other rounding. Anything else would change the numbers (eval_every decides which checkpoint is the best) and throws Error.
TrainResult resume(const std::string& run, const std::vector<std::string>& changes, std::ostream& log);

/// Asks a running train() to finish its step, save and return. Safe in a signal handler.
void request_stop() noexcept;

/// Commands to try with a trained run: they work as printed, below the folder that train ran in.
std::vector<std::string> next_commands(const std::string& program, const std::string& run, const std::vector<Split>& splits);

/// Writes RUN/report.html from what the run folder holds and its data set; `program` opens the commands it suggests. Gives those commands.
std::vector<std::string> report(const std::string& run, std::ostream& log, const std::string& program = "siglip");
}  // namespace siglip::inline SIGLIP_FLAVOUR
