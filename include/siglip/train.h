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

/// What the pictures of a training were called: the classes of class folders, with the template that makes a caption of each, or else the captions.
struct KnownLabels {
  bool classes = false;
  std::string text_template = "{}";
  std::vector<std::string> names = {};  // classes in label order; distinct captions, if there are at most 10,000; else empty
};
KnownLabels labels_of(const DataSet& data);
/// Those of a checkpoint folder: its labels.json, which train writes; none if it is not there. Throws Error naming it if it is not as written.
KnownLabels read_labels(const std::string& folder);

/// What a checkpoint folder holds, ready for use: pictures and texts go in as they are. Weights are checked at once and read when they are first
/// used, so a tower that is not used costs nothing, and of the token table only the rows of the texts are read.
struct Pretrained {
  Siglip model;
  std::unique_ptr<Tokenizer> tokenizer;  // null if it was not asked for
  Preprocessing preprocessing;
  std::string folder;       // names it in messages
  KnownLabels labels = {};  // of labels.json, which train writes; without names where there is none

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

/// What a picture of a class was taken for: the class whose caption is nearest.
struct Prediction {
  std::string image;
  std::int32_t label = 0, predicted = 0;
  double cosine = 0;  // with the caption of `predicted`
};

struct Evaluation {
  std::string split;
  Dim pairs = 0, candidates = 0;  // queries; captions to choose from
  Recall image_to_text, text_to_image;
  double accuracy = -1;                      // zero-shot, by class; -1 without classes
  std::vector<Prediction> predictions = {};  // that it comes from; empty without classes, and where only figures were kept
};

/// How many pictures of each class were taken for each.
struct ClassMatrix {
  Dim classes = 0;
  std::vector<Dim> counts;  // (classes, classes): rows are the right class, columns what was predicted
  Dim at(Dim right, Dim predicted) const { return counts[static_cast<std::size_t>(right * classes + predicted)]; }
  Dim support(Dim c) const;       // pictures of the class
  double recall(Dim c) const;     // of its pictures, those that were taken for it; NaN without any
  double precision(Dim c) const;  // of the pictures that were taken for it, its own; NaN without any
};
ClassMatrix class_matrix(const std::vector<Prediction>& predictions, Dim classes);

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
/// from `splits` and `others`. `most` (0: all): a sample of about so many pairs, spread over the split in whole groups of candidates, is all that is
/// embedded, asked and searched; where queries search among everything, or among distractors, it is everything.
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
  double minutes = 0, epochs = 0;  // minutes count if steps is 0, epochs if both are; all 0: as many steps as the data need
  Dim batch_size = 0;              // 0: 256, fewer for fewer than 1,024 pairs
  double lr = 1e-3, wd = 0.1, beta1 = 0.9, beta2 = 0.95, grad_clip = 1;
  Dim warmup = -1;  // steps; -1: a tenth of the run, at most 100
  std::string reduction = "per_image";
  double shift = -1, scale = -1, flip = 0;  // augmentation, see data.h; -1: 0.1 and 0.25 for fewer than 5,000 pairs, else 0
  Dim image_size = 0, patch_size = 0, width = 0, layers = 0, heads = 0, mlp = 0, context = 0;  // 0: as the named model has it
  std::string filter = "bicubic";
  std::string image_column = "file_name", text_column = "text", text_template = "a photo of a {}";
  double val_fraction = 0.1;
  std::string fold;          // "2/5": of five parts of data without a val split the second is held out
  bool fast_decode = false;  // JPEG pictures of more than twice the model's size are decoded smaller
  bool strict = false, no_follow = false;
  Dim seed = 0, threads = 0, eval_every = 0, save_every = 0;  // threads 0: all; eval_every 0: ten times a run; save_every 0: at evaluations
  std::string candidates = "split";
  std::string device = "cpu", matmul_precision = "f32";  // tf32 and bf16 on a CUDA device alone
  Dim schedule_start = 0;    // of a run that was continued beyond its steps: the step after which its present schedule began
  double schedule_rate = 0;  // and the share of lr that it began with
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
  std::string doubt = {};  // one line, if it is hardly better than chance: how much, and what to change; else empty
};

/// Trains from scratch into a new run folder, `config.out` or runs/train/NAME, NAME2, … with `config.name`; messages and progress go to `log`.
/// Throws Error: bad data, a setting out of range, a run folder within the data's, a loss or gradient that is not finite (naming step, tensor and
/// last good checkpoint).
TrainResult train(const TrainConfig& config, std::ostream& log);

/// Continues `run` (a folder, or "latest" below runs/train) from its `last`, to the same bits as if it had never been interrupted. `changes` may
/// set data, if the same pictures and captions lie elsewhere now, threads and save_every, and device and matmul_precision: a run may go on
/// elsewhere, then with other rounding. More steps than there were continue it, from where it stands, with a new schedule: from its last rate up to
/// lr, and down to 0. Anything else would change the numbers (eval_every decides which checkpoint is the best) and throws Error.
TrainResult resume(const std::string& run, const std::vector<std::string>& changes, std::ostream& log);

/// Asks a running train() to finish its step, save and return. Safe in a signal handler.
void request_stop() noexcept;

/// Commands to try with a trained run: they work as printed, below the folder that train ran in.
std::vector<std::string> next_commands(const std::string& program, const std::string& run, const DataSet& data);

/// Writes RUN/report.html from what the run folder holds and its data set; `program` opens the commands it suggests. Gives those commands.
std::vector<std::string> report(const std::string& run, std::ostream& log, const std::string& program = "siglip");
}  // namespace siglip::inline SIGLIP_FLAVOUR
