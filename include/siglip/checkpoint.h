// checkpoint.h — files: safetensors, config.json, whole checkpoint folders in the Hugging Face layout, .npy.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <vector>
#include "siglip/config.h"
#include "siglip/pixels.h"
#include "siglip/tensor.h"

namespace siglip::inline SIGLIP_FLAVOUR {
/// One entry of a safetensors header.
struct TensorInfo {
  std::string name, dtype;  // dtype as the file spells it: F32, F64, BF16, I64, ...
  Shape shape;
  std::int64_t offset = 0, bytes = 0;  // within the file
};

/// A safetensors file, kept open; tensors are read when asked for. The header is checked against the file before anything is allocated: sizes,
/// order, gaps, overlaps, duplicates. Throws Error naming the file and the first thing that is wrong, also when the file shrinks before it is
/// read.
class SafetensorsFile {
 public:
  explicit SafetensorsFile(const std::string& path);
  const std::string& path() const;
  const std::vector<TensorInfo>& tensors() const;  // in file order
  const std::map<std::string, std::string>& metadata() const;
  const TensorInfo* find(const std::string& name) const;  // null if there is none
  /// Gives the tensors other names, in file order; the file is as it was. Throws Error if two would have the same.
  void rename(const std::vector<std::string>& names);
  /// Converted to Real from F64, F32, F16 or BF16. Throws Error for other types, or if the file holds no such tensor.
  Tensor read(const std::string& name) const;
  void read_into(const std::string& name, const Tensor& to) const;  // throws Error unless the shape is to's
  /// From I64 or I32. Throws Error for other types, or for a number that is not within int32.
  Ids read_ids(const std::string& name) const;
  /// The same without reading now: a large tensor of this build's type is used where it lies, in the file mapped into memory; any other is read
  /// when its values are first asked for, or only those rows that token_embedding() asks for. The file stays open as long as `to` needs it.
  void attach(const std::string& name, const Tensor& to) const;
  /// `count` bytes of a tensor of tensors(), as they stand in the file.
  void read_bytes(const TensorInfo& tensor, void* to, std::int64_t begin, std::int64_t count) const;

 private:
  struct File;
  std::shared_ptr<const File> file_;
};

/// F32 from a float build, F64 from a double one, in the given order; written to a temporary name, flushed, renamed. Equal input gives equal
/// bytes. Metadata always says "format": "pt", which transformers asks for.
void write_safetensors(const std::string& path, const Parameters& tensors, const std::map<std::string, std::string>& metadata = {});

/// Reads config.json of a folder, supplying the published defaults for absent fields. Throws Error naming file and field.
SiglipConfig read_config(const std::string& folder);
void write_config(const std::string& folder, const SiglipConfig& config);

/// How a folder's pictures become numbers: "image_processor" of processor_config.json, where transformers 5 saves it, else
/// preprocessor_config.json; absent and null fields get SigLIP's defaults, but a step that is null is left out. The profile is that of the key
/// "resize_profile", which is ours; without it SiglipImageProcessorFast means torchvision and SiglipImageProcessor pil, as when the published folders
/// were made (transformers 5 uses torchvision under this name too, where it is installed). Throws Error naming file and field for what would give
/// other pixels than transformers: other filters, crops, padding, sizes that keep the aspect, NaFlex.
Preprocessing read_preprocessing(const std::string& folder);
bool has_preprocessing(const std::string& folder);                                        // one of the two files is there
void write_preprocessing(const std::string& folder, const Preprocessing& preprocessing);  // preprocessor_config.json

/// A mapped file that is cut short while its tensors are used ends the program by a signal; after this call with one line that names the file,
/// "siglip: PATH: the file keeps its size while it is used, got it cut short", and exit code 1. Installs a handler of SIGBUS: for programs.
void explain_shrunk_files();

/// The weights of a folder in the Hugging Face layout: model.safetensors, else the shards that model.safetensors.index.json names. Every shard
/// lies in the folder itself and holds exactly the tensors that the index says; otherwise Error. Buffers of old files (is_position_ids) may be in
/// either alone. Tensors have the names that the model itself gives them: what torch.compile, DistributedDataParallel, FSDP, or a module that holds
/// the model put before or between is cut out.
class Weights {
 public:
  explicit Weights(const std::string& folder);
  const std::string& path() const { return path_; }  // model.safetensors or the index: opens messages
  const std::vector<SafetensorsFile>& files() const { return files_; }
  const SafetensorsFile* find(const std::string& name) const;  // the file with this tensor; null if there is none
  const std::string& cut() const { return cut_; }              // out of the first name that had something cut out: "_orig_mod.module."

 private:
  void read_index();
  void unwrap_names();
  std::string path_, cut_;
  std::vector<SafetensorsFile> files_;
  std::map<std::string, std::size_t> places_;  // which file
};
bool has_weights(const std::string& folder);
/// Buffers 0, 1, 2, … of old files, which no model has: passed over.
bool is_position_ids(const std::string& name);

/// Fills `parameters` from the weights of a folder. Strict: every parameter exactly once with its exact shape, no tensor left over; otherwise
/// one Error that lists what is missing, misshapen and left over, and nothing is changed. Numbers are taken as they stand, as the published readers
/// take them: NaN and infinity too, of which `siglip doctor` speaks (examine() in doctor.h).
void load_parameters(const std::string& folder, const Parameters& parameters);
/// The same, checked now and read when used: see SafetensorsFile::attach. A tower that is not used is never read.
void attach_parameters(const std::string& folder, const Parameters& parameters);

/// A folder that appears whole or not at all: files go to path(), a hidden sibling; commit() flushes them and renames once, replacing what
/// was there. Without commit() the destructor removes everything.
class FolderWriter {
 public:
  explicit FolderWriter(const std::string& target);
  ~FolderWriter();
  FolderWriter(const FolderWriter&) = delete;
  FolderWriter& operator=(const FolderWriter&) = delete;
  const std::string& path() const { return path_; }
  void commit();

 private:
  std::string target_, path_;
  bool committed_ = false;
};

/// Whole files. read_file refuses directories, devices and files above `limit` bytes; write_file is atomic (temporary name, flush, rename).
std::string read_file(const std::string& path, std::int64_t limit = std::int64_t{1} << 30);
void write_file(const std::string& path, const std::string& bytes);

/// (N, C) as little-endian NumPy .npy, version 1.0, '<f4' (float build) or '<f8'.
void write_npy(const std::string& path, const Tensor& rows);
}  // namespace siglip::inline SIGLIP_FLAVOUR
