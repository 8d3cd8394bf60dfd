// data.h — pictures, captions, and the batches made of them.
#pragma once
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>
#include "siglip/pixels.h"
#include "siglip/tensor.h"
#include "siglip/tokenizer.h"

namespace siglip::inline SIGLIP_FLAVOUR {
// ---- pictures ----------------------------------------------------------------------------------------------------------------------

/// 8 bits a channel, red green blue interleaved, rows from the top: rgb[(y * width + x) * 3 + channel].
struct Image {
  Dim width = 0, height = 0;
  std::vector<std::uint8_t> rgb;
};

/// Decodes JPEG, PNG, WebP (in builds with libwebp), GIF or BMP. What PIL's convert("RGB") gives, but for what is said here:
///   gray         repeated. 16 bits a channel keep their upper 8 (PIL cuts 16-bit gray at 255, which leaves nearly everything white)
///   palette      resolved; a transparent entry or colour key counts as transparency
///   transparency on white as PIL's alpha_composite does it, or dropped, see Alpha
///   CMYK, YCCK   inverted, as Adobe writes them: red = (255 - c)(255 - k) / 255
///   JPEG         with libjpeg-turbo PIL's pixels bit for bit; without it stb_image's, see README, "Limits, plainly"
///   BMP          compressed ones are refused; 5 and 6 bits a colour may be a level off
///   animations   the first frame
///   orientation  EXIF's and XMP's, as PIL's exif_transpose applies them
/// Throws Error naming the file: missing, empty, not an image, damaged or cut off, unsupported format, more than 178,956,970 pixels (PIL's limit) or
/// four times as many bytes of them.
Image read_image(const std::string& path, const PictureOptions& options = {});
Image decode_image(const std::uint8_t* bytes, std::size_t size, const std::string& name, const PictureOptions& options = {});
std::string picture_decoders();              // of this build: "JPEG libjpeg-turbo 2.1.5, PNG and BMP stb_image, …"
std::string encode_png(const Image& image);  // the bytes of a PNG file
void write_png(const std::string& path, const Image& image);

/// A part of a picture in pixels, corners of pixels at whole numbers; it may reach beyond the edges, where the edge pixel repeats.
struct Box {
  double left, top, right, bottom;
};
/// To width x height as the profile does it, with all threads if the picture is large. Throws Error for big_vision with the bicubic filter.
Image resize(const Image& image, Dim width, Dim height, Filter filter, Profile profile = Profile::pil);
/// `box` to width x height, as PIL does it, on the calling thread alone.
Image resize(const Image& image, const Box& box, Dim width, Dim height, Filter filter);

/// image_size x image_size, squashed, not cropped. Throws Error, naming `name`, for another size where do_resize is false.
Image squash(const Image& image, const Preprocessing& preprocessing, const std::string& name);
/// out (3, height, width)
void to_reals(Real* out, const Image& image, const PixelTable& table = {});
/// (B, 3, S, S) of pictures that are S x S already.
Tensor to_tensor(const std::vector<Image>& images, const PixelTable& table = {});
/// (B, 3, S, S) of any pictures: squash, then to_tensor.
Tensor pixel_values(std::span<const Image> images, const Preprocessing& preprocessing);
/// The same of files, of which no more are in memory at a time than there are threads. Throws the Error of the first that cannot be used.
Tensor read_pixel_values(const std::vector<std::string>& paths, const Preprocessing& preprocessing);

// ---- pairs -------------------------------------------------------------------------------------------------------------------------

struct Pair {
  std::string image;        // path of the file
  std::string text;         // the caption
  std::int32_t label = -1;  // index into DataSet::classes, -1 without classes
  bool distractor = false;  // a candidate of the retrieval, never a query (metadata key "distractor": true)
};
struct Split {
  std::string name;  // train, val, test, ...
  std::vector<Pair> pairs;
};
/// What was found where data or pictures were read, and is not used.
struct LeftOut {
  std::string reason;  // "hidden", "no caption", ...
  std::string place;   // a folder, or file:line
  Dim count = 1;
};
/// One line, by reason: "left out: hidden: 1 (data/.cache); not a picture: 5 (data/red 3, data/blue 2)". Empty if
/// nothing was left out.
std::string summary(const std::vector<LeftOut>& left_out);

struct DataSet {
  std::string root;
  std::vector<Split> splits;         // train first
  std::vector<std::string> classes;  // in label order; empty if the data has no classes
  std::string text_template;         // "a photo of a {}": what turned a class name into a caption; empty without classes
  std::vector<LeftOut> left_out;
  std::vector<std::string> notes;  // what a user should know of how the data were read, a line each

  const Split* find(const std::string& split) const;  // null if there is none of this name
  const Split& split(const std::string& name) const;  // throws Error that lists the ones there are
};

struct DataOptions {
  // Columns of a table. Where these have their defaults and the table has neither, usual names serve: image, path,
  // caption, title, ...
  std::string image_column = "file_name", text_column = "text";
  std::string text_template = "a photo of a {}";  // for class folders
  double val_fraction = 0.1;  // of the captions, held out of a data set that has no val split, by a hash of their words; with class folders of
                              // the pictures, from each class alike, by one of their paths
  Dim fold = 0, folds = 0;    // instead of the fraction: cut the same way into `folds` parts, of which part `fold`, from 1, is held out
  bool follow_links = true;   // false: a picture outside the folder, by a link or an absolute path, is an error
};

/// Reads what `path` holds. The kind is recognised, in this order:
///   a table: .csv, .tsv or .txt with a header line, .jsonl, .json (an array of records, {picture: caption}, or COCO
///     captions);
///   a folder with a table metadata.* or captions.*, or with folders that have one (Hugging Face imagefolder);
///   a folder where most pictures have their caption beside them, in a .txt or .caption file, a caption a line;
///   a folder of class folders, with splits above them or not (Ultralytics classify). All pictures below a class
///     folder are of its class.
/// Splits: folders train, training; val, valid, validation, dev, eval; test, testing, under any case. In one table they
/// are the values of its column "split", else the folders that its paths begin with.
/// Pictures are named relative to the file that names them (or to the one folder beside it that has them), where \ may
/// separate folders too, or by absolute paths. A relative path with ".." is refused: it may be a mistake, and an
/// absolute path says the same. Links are followed, also out of the folder, and a folder that links lead to is read
/// once.
/// Records without a caption or a picture are left out, and so are hidden files and folders, @eaDir, __MACOSX and
/// thumbnails: see left_out. Nothing is decoded here. Throws Error naming file and line: no such path, unknown layout,
/// a missing column, an unclosed quote, no pair; a val split where a fold is wanted.
DataSet read_data(const std::string& path, const DataOptions& options = {});
/// The lines that a user of `data` should see: its notes ("note: ...") and what was left out ("left out: ...").
std::vector<std::string> remarks(const DataSet& data);

/// "a photo of a {}" with `name` for every {}. Throws Error naming `where` if there is no {}.
std::string fill_template(const std::string& text_template, const std::string& name, const std::string& where = "text template");
/// (classes, T): the tokens of one caption for each class of `data`, in label order; undefined without classes.
Ids class_tokens(const DataSet& data, const Tokenizer& tokenizer);

/// Random shift and scale of the picture inside its frame, and a mirror: small data sets need more than one view of a picture.
struct Augmentation {
  double shift = 0;  // up to this fraction of the edge in each direction
  double scale = 0;  // zoom drawn from [1 - scale, 1 + scale]
  double flip = 0;   // probability
};

struct SampleOptions {
  bool strict = false;  // a bad picture throws
  bool views = false;   // keep what augmented() needs for shift and scale: the pictures at up to twice the size, four times the memory
};

/// The usable pairs of a split: pictures decoded once and kept as 8 bits, captions as ids.
class Samples {
 public:
  /// Decodes with all threads. A bad picture is left out and named in problems(); with `strict` it throws. Throws Error if no pair is usable.
  Samples(const Split& split, const Tokenizer& tokenizer, const Preprocessing& preprocessing, const SampleOptions& options = {});

  Dim size() const { return static_cast<Dim>(pairs_.size()); }
  const Pair& pair(Dim i) const { return pairs_[static_cast<std::size_t>(i)]; }
  const Image& picture(Dim i) const { return plain_[static_cast<std::size_t>(i)]; }  // S x S, no augmentation
  const std::vector<std::int32_t>& ids(Dim i) const { return ids_[static_cast<std::size_t>(i)]; }
  std::int32_t caption_id(Dim i) const { return caption_ids_[static_cast<std::size_t>(i)]; }  // equal captions have equal ids
  std::int32_t text_id(Dim i) const { return text_ids_[static_cast<std::size_t>(i)]; }        // so have those of equal tokens: one text to a model
  Dim captions() const { return captions_; }                                                  // distinct ones
  Dim texts() const { return texts_; }                                                        // of these, distinct ones to a model
  const std::vector<std::string>& problems() const { return problems_; }                      // one line for each picture left out
  Dim image_size() const { return preprocessing_.image_size; }
  const PixelTable& table() const { return table_; }  // what the model gets for each 8-bit value
  /// S x S: a random view of picture i, a function of (augmentation, seed, draw, i) alone. Shift and scale resample as PIL does, and throw Error
  /// unless the samples were made with `views`.
  Image augmented(Dim i, const Augmentation& augmentation, std::uint64_t seed, std::uint64_t draw) const;

  Tensor images(Dim begin, Dim end) const;  // (end - begin, 3, S, S), no augmentation
  Ids tokens(Dim begin, Dim end) const;     // (end - begin, T)

 private:
  Preprocessing preprocessing_;
  PixelTable table_;
  Dim captions_ = 0, texts_ = 0;
  std::vector<Pair> pairs_;
  std::vector<Image> plain_, source_;  // source_: the original, at most 2S wide and high; empty without views
  std::vector<std::vector<std::int32_t>> ids_;
  std::vector<std::int32_t> caption_ids_, text_ids_;
  std::vector<std::string> problems_;
};

struct Batch {
  Tensor images;             // (B, 3, S, S)
  Ids tokens;                // (B, T)
  Ids caption_ids;           // (B): Samples::text_id(), for the labels of a loss
  std::vector<Dim> samples;  // which samples they are
  double wait_seconds = 0;   // that next() had to wait for the background threads
};

struct LoaderOptions {
  Dim batch_size = 256;
  std::uint64_t seed = 0;
  Augmentation augmentation = {};
  Dim first_step = 0;           // the first batch that next() gives: resuming starts in the middle
  int workers = 1;              // background threads; the batches do not depend on it
  Dim ahead = 2;                // batches prepared in advance
  Device device = Device::cpu;  // where the batches lie
};

/// Batches in a fixed order: each epoch is a permutation of the samples drawn from (seed, epoch), its incomplete last batch is dropped.
/// The workers fill plain buffers that are used again; those of a device also send the batch there, so that it travels while the step before it
/// computes. On the CPU only the thread that calls next() touches Tensors.
/// Throws Error if the batch is larger than the samples. A failure on a background thread is thrown by next().
class Loader {
 public:
  Loader(std::shared_ptr<const Samples> samples, const LoaderOptions& options);
  ~Loader();
  Loader(const Loader&) = delete;
  Loader& operator=(const Loader&) = delete;
  Batch next();
  static Dim steps_per_epoch(Dim samples, Dim batch_size) { return samples / batch_size; }
  /// The samples of batch `step`: what next() will use.
  static std::vector<Dim> order(Dim samples, Dim batch_size, std::uint64_t seed, Dim step);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// ---- data sets that are made, not downloaded ---------------------------------------------------------------------------------------------

struct ShapesOptions {
  Dim size = 32;       // pixels
  Dim scenes = 20000;  // of the train split
  std::uint64_t seed = 0;
};
/// Scenes of one or two coloured shapes with captions ("a small red circle left of a large blue star"): DIR/{train,val,single}/metadata.jsonl.
/// Some combinations of colour, shape and size are held out of train. `val`: scenes of two objects, one of them held out; `single`: every
/// combination alone, those seen in training marked as distractors. Throws Error if DIR exists and is not empty.
void make_shapes(const std::string& dir, const ShapesOptions& options = {});

struct EmojiOptions {
  Dim size = 64;                                                           // pixels
  std::string font = "/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf";  // package fonts-noto-color-emoji
  std::string list = "/usr/share/unicode/emoji/emoji-test.txt";            // package unicode-data
  std::uint64_t seed = 0;
};
/// Every fully-qualified sequence of emoji-test.txt, drawn with the font on white, its English name the caption: DIR/{train,val}/metadata.jsonl.
/// `val` holds out 10 % of the names "base: modifier" (flags stay in train), such that base and modifier both occur in train.
/// A sequence that the font lacks is left out. Throws Error if font or list cannot be read, if DIR exists and is not empty, or if this build
/// has no FreeType and HarfBuzz.
void make_emoji(const std::string& dir, const EmojiOptions& options = {});
bool has_emoji();  // this build can make the emoji data set
}  // namespace siglip::inline SIGLIP_FLAVOUR
