// convert.cpp — a checkpoint in another form: element types, shards, or the authors' .npz as a folder in the Hugging Face layout.
//
// Nothing is ever whole in memory: tensors go through in pieces of a megabyte or so, kernels that must be turned one layer at a time.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <ostream>
#include <set>
#include "io/big_vision.h"
#include "io/checksum.h"
#include "io/dtype.h"
#include "io/json.h"
#include "io/shards.h"
#include "io/stand_in.h"
#include "siglip/error.h"
#include "siglip/train.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
namespace fs = std::filesystem;
constexpr Dim piece = 1 << 18;  // elements

// What goes with the weights: whatever is there of these is copied.
constexpr const char* companions[] = {"tokenizer.json",  "tokenizer_config.json",    "special_tokens_map.json", "added_tokens.json", "spiece.model",
                                      "tokenizer.model", "preprocessor_config.json", "processor_config.json",   "labels.json"};
constexpr std::int64_t most_companion = std::int64_t{1} << 28;

std::string target_of(const TensorInfo& tensor, const std::string& dtype) { return dtype.empty() || !is_real(tensor.dtype) ? tensor.dtype : dtype; }

// Takes numbers of one type and writes them in another.
struct Sink {
  ShardWriter& out;
  std::vector<char> converted = {};
  std::vector<double> before = {}, after = {};
  double t_before = 0, t_after = 0;  // the temperature, if its type changed

  void take(const void* from, const std::string& dtype, Dim count, const TensorInfo& to) {
    if (dtype == to.dtype) return out.write(from, count * element_bytes(dtype));
    converted.resize(static_cast<std::size_t>(count * element_bytes(to.dtype)));
    convert(converted.data(), to.dtype, from, dtype, count);
    require_held(from, dtype, count, to);
    out.write(converted.data(), static_cast<std::int64_t>(converted.size()));
  }

  // No finite number may become infinite: the model would give nothing but infinities.
  void require_held(const void* from, const std::string& dtype, Dim count, const TensorInfo& to) {
    before.resize(static_cast<std::size_t>(count)), after.resize(static_cast<std::size_t>(count));
    convert(before.data(), "F64", from, dtype, count);
    convert(after.data(), "F64", converted.data(), to.dtype, count);
    for (std::size_t i = 0; i < before.size(); ++i)
      require(std::isfinite(after[i]) || !std::isfinite(before[i]), to.name, "numbers that ", to.dtype, " holds are expected, got ", before[i]);
    if (to.name == "logit_scale") t_before = std::exp(before[0]), t_after = std::exp(after[0]);
  }

  void say_what_changed(std::ostream& log) const {
    if (std::abs(t_after - t_before) > 1e-4 * t_before)
      log << "note: rounded, the temperature t is " << t_after << ", was " << t_before << ": logits change by as much\n";
  }
};

// ---- folder to folder ------------------------------------------------------------------------------------------------------------------

void copy_companions(const std::string& from, const std::string& to) {
  std::error_code none;
  for (const char* name : companions)
    if (const std::string path = from + "/" + name; fs::exists(fs::symlink_status(path, none))) {
      const std::string bytes = read_file(path, most_companion);
      refuse_stand_in(bytes, path);
      write_file(to + "/" + name, bytes);
    }
}

// The configuration as it stands; only the type of the weights is brought up to date, wherever and under whatever name it stands.
void copy_config(const std::string& from, const std::string& to, const std::string& dtype) {
  const std::string text = read_file(from + "/config.json");
  if (dtype.empty()) return write_file(to + "/config.json", text);
  Json json = parse_json(text, from + "/config.json");
  const char* name = dtype == "F16" ? "float16" : dtype == "BF16" ? "bfloat16" : "float32";
  if (!json.contains("torch_dtype") && !json.contains("dtype")) json["dtype"] = name;
  const auto update = [&](Json& part) {
    for (const char* key : {"dtype", "torch_dtype"})
      if (part.contains(key)) part[key] = name;
  };
  update(json);
  for (const char* tower : {"text_config", "vision_config"})
    if (json.contains(tower)) update(json[tower]);
  write_file(to + "/config.json", json.dump(2) + "\n");
}

std::size_t convert_folder(const std::string& in, const std::string& out, const ConvertOptions& options, std::ostream& log) {
  verify_model(in);  // the copy has no checksums that would still show the damage
  const SiglipConfig config = read_config(in);
  attach_parameters(in, Siglip(config).parameters());  // all of the model, and nothing else
  const Weights weights(in);
  std::vector<TensorInfo> tensors;
  std::map<std::string, std::string> metadata;
  for (const SafetensorsFile& file : weights.files()) {
    metadata.insert(file.metadata().begin(), file.metadata().end());
    for (TensorInfo tensor : file.tensors()) {
      tensor.dtype = target_of(tensor, options.dtype);
      tensors.push_back(std::move(tensor));
    }
  }
  ShardWriter writer(out, tensors, metadata, options.shard_size);
  Sink sink{writer};
  for (const SafetensorsFile& file : weights.files())
    for (const TensorInfo& tensor : file.tensors()) {
      const Dim count = element_count(tensor.shape), element = element_bytes(tensor.dtype);
      TensorInfo target = tensor;
      target.dtype = target_of(tensor, options.dtype);
      std::vector<char> bytes(static_cast<std::size_t>(std::min(piece, count) * element));
      for (Dim begin = 0; begin < count; begin += piece) {
        const Dim now = std::min(piece, count - begin);
        file.read_bytes(tensor, bytes.data(), begin * element, now * element);
        sink.take(bytes.data(), tensor.dtype, now, target);
      }
    }
  writer.finish();
  sink.say_what_changed(log);
  copy_config(in, out, options.dtype);
  copy_companions(in, out);
  return writer.files();
}

// ---- .npz to folder --------------------------------------------------------------------------------------------------------------------

// (R, I, C) → (C, I, R): a matrix is turned with I = 1, a patch kernel (P P, 3, C) into (C, 3, P P).
template <class Word>
void turn(char* to, const char* from, Dim R, Dim I, Dim C) {
  constexpr Dim tile = 32;  // of both, so that neither side is walked a cache line a word
  for (Dim r0 = 0; r0 < R; r0 += tile)
    for (Dim c0 = 0; c0 < C; c0 += tile)
      for (Dim i = 0; i < I; ++i)
        for (Dim c = c0; c < std::min(C, c0 + tile); ++c)
          for (Dim r = r0; r < std::min(R, r0 + tile); ++r)
            std::memcpy(to + static_cast<std::size_t>((c * I + i) * R + r) * sizeof(Word),
                        from + static_cast<std::size_t>((r * I + i) * C + c) * sizeof(Word), sizeof(Word));
}

void turn(char* to, const char* from, Dim R, Dim I, Dim C, std::int64_t element) {
  if (element == 2) turn<std::uint16_t>(to, from, R, I, C);
  if (element == 4) turn<std::uint32_t>(to, from, R, I, C);
  if (element == 8) turn<std::uint64_t>(to, from, R, I, C);
}

// One array, which may be several layers, through to where it belongs. `tensor`: the one that its numbers begin or go on.
void write_array(const NpzFile& file, const ArrayUse& use, const TensorInfo& tensor, Sink& sink) {
  const TensorInfo& array = *file.find(use.array);
  NpzFile::Stream stream = file.open(array);
  const Dim element = element_bytes(array.dtype), layer = element_count(array.shape) / use.layers;
  const bool same = use.layout == Layout::same;
  // Kernels end in their outputs, columns of a matrix (K, M); the published shape begins with them.
  const Dim I = use.layout == Layout::patch ? 3 : 1, M = same ? 1 : use.layout == Layout::patch ? tensor.shape[0] : layer / tensor.shape[1];
  const Dim step = same ? piece : layer;
  constexpr std::int64_t most_turned = std::int64_t{1} << 28;  // of a published model: 36 MiB
  if (!same && layer * element > most_turned)
    fail(file.path(), brief(use.array), ": at most ", most_turned, " bytes of a layer, which is turned in memory, are expected, got ",
         layer * element);
  std::vector<char> bytes(static_cast<std::size_t>(std::min(step, layer) * element)), turned(same ? 0 : bytes.size());
  for (Dim i = 0; i < use.layers; ++i)
    for (Dim begin = 0; begin < layer; begin += step) {
      const Dim now = std::min(step, layer - begin);
      stream.read(bytes.data(), now * element);
      if (!same) turn(turned.data(), bytes.data(), layer / I / M, I, M, element);
      sink.take(same ? bytes.data() : turned.data(), array.dtype, now, tensor);
    }
  stream.finish();
}

// An identity, or zeros for a bias.
void write_neutral(const TensorInfo& tensor, Sink& sink) {
  const Dim E = tensor.shape.back();
  std::vector<float> row(static_cast<std::size_t>(E), 0);
  if (tensor.shape.size() == 1) return sink.take(row.data(), "F32", E, tensor);
  for (std::size_t i = 0; i < row.size(); ++i) {
    row[i] = 1;
    sink.take(row.data(), "F32", E, tensor);
    row[i] = 0;
  }
}

void say_what_is_unknown(const BigVision& model, const ConvertOptions& options, const std::string& out, std::ostream& log) {
  const SiglipConfig& c = model.config;
  if (!options.image_size)
    log << "note: image_size is taken to be grid * patch = " << c.image_size << ": an .npz does not say it; --image-size does\n";
  if (model.adds_text_head) log << "note: the file has no text head; it gets an identity and a bias of zeros, as the published copies have\n";
  log << "note: an .npz holds no tokenizer: put the one of the published model (vocabulary " << c.vocab_size << ", context " << c.context << ") into "
      << out << '\n';
}

std::size_t convert_npz(const std::string& in, const std::string& out, const ConvertOptions& options, const std::string& shown, std::ostream& log) {
  const NpzFile file(in);
  const BigVision model = read_big_vision(file, options.image_size);
  std::vector<TensorInfo> tensors;
  for (const ArrayUse& use : model.uses)
    for (TensorInfo tensor : use.tensors) {
      tensor.dtype = target_of(tensor, options.dtype);
      tensors.push_back(std::move(tensor));
    }
  ShardWriter writer(out, tensors, {}, options.shard_size);
  Sink sink{writer};
  std::size_t begun = 0;  // tensors
  for (const ArrayUse& use : model.uses) {
    const TensorInfo& tensor = tensors[use.tensors.empty() ? begun - 1 : begun];
    if (use.array.empty())
      write_neutral(tensor, sink);
    else
      write_array(file, use, tensor, sink);
    begun += use.tensors.size();
  }
  writer.finish();
  sink.say_what_changed(log);
  write_config(out, model.config);
  // As the published copies have it: bicubic for SigLIP, bilinear for SigLIP 2, whose vocabulary is Gemma's.
  Preprocessing preprocessing;
  preprocessing.image_size = model.config.image_size;
  preprocessing.resample = model.config.vocab_size == 256000 ? 2 : 3;
  write_preprocessing(out, preprocessing);
  say_what_is_unknown(model, options, shown, log);
  return writer.files();
}
}  // namespace

void convert_model(const std::string& in, const std::string& out, const ConvertOptions& options, std::ostream& log) {
  require(options.dtype.empty() || options.dtype == "F32" || options.dtype == "F16" || options.dtype == "BF16", "convert",
          "a dtype F32, F16, BF16 or none is expected, got ", options.dtype);
  require(options.shard_size >= 0, "convert", "a shard size of at least 0 is expected, got ", options.shard_size);
  std::error_code none;
  require(!fs::exists(fs::symlink_status(out, none)), out, "a name that is not taken is expected, got ",
          fs::is_directory(out, none) ? "a folder" : "something that is there");
  static const std::set<std::string> files = {".onnx",   ".pt",      ".pth", ".bin", ".ckpt",   ".pkl",     ".safetensors", ".npz",
                                              ".npy",    ".gguf",    ".h5",  ".pb",  ".tflite", ".mlmodel", ".mlpackage",   ".trt",
                                              ".engine", ".msgpack", ".zip", ".tar", ".gz",     ".json"};
  const fs::path folder_name = fs::path(out).has_filename() ? fs::path(out) : fs::path(out).parent_path();  // "x/" is x
  std::string ending = folder_name.extension().string();
  for (char& c : ending)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  if (files.contains(ending))
    fail(out, "the name of a folder to make is expected, got one that ends in ", ending, ": what is written is a folder in the Hugging Face layout");
  const bool npz = in.ends_with(".npz");
  const std::string from = npz ? in : checkpoint_folder(in);
  require(npz || !options.image_size, "convert", "an image size is expected only for an .npz, got one for ", in);
  FolderWriter folder(out);
  const std::size_t written = npz ? convert_npz(from, folder.path(), options, out, log) : convert_folder(from, folder.path(), options, log);
  folder.commit();
  log << out << ": " << written << (written == 1 ? " file" : " files") << " of weights\n";
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
