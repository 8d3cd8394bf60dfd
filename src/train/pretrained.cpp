// pretrained.cpp — a checkpoint folder as something to use.
#include <filesystem>
#include <set>
#include <span>
#include "io/checksum.h"
#include "io/tensor_names.h"
#include "siglip/error.h"
#include "siglip/train.h"
#include "train/evaluate.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace fs = std::filesystem;

namespace {
// What a folder holds in the place of weights that can be read.
std::string instead_of_weights(const std::string& folder) {
  std::set<std::string> names;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) names.insert(entry->path().filename());
  for (const std::string& name : names) {
    if (name.ends_with(".safetensors") && name.find("-of-") != std::string::npos)
      return "shards without model.safetensors.index.json, which says what is in them; download or copy it too";
    if (name.ends_with(".safetensors") && name != "training_state.safetensors") return name + "; name it model.safetensors";
    if (name == "pytorch_model.bin" || name == "pytorch_model.bin.index.json" || name.ends_with(".pt") || name.ends_with(".pth"))
      return name + ", which is PyTorch's own format; save the model as safetensors";
  }
  return "a folder without them";
}
}  // namespace

std::string checkpoint_folder(const std::string& path) {
  std::error_code none;
  for (const char* part : {"", "best", "last"}) {
    const fs::path folder = *part ? fs::path(path) / part : fs::path(path);
    if (has_weights(folder.string())) return folder.string();
  }
  fail(path, "a checkpoint folder with model.safetensors or its shards, or a run folder with best/ or last/, is expected, got ",
       fs::is_directory(path, none) ? instead_of_weights(path)
       : fs::exists(path, none)     ? "a file"
                                    : "nothing there");
}

Pretrained Pretrained::load(const std::string& path, const TokenizerOptions& options, bool with_tokenizer) {
  const std::string folder = checkpoint_folder(path);
  verify_model(folder);
  refuse_other_model(Weights(folder));  // first: such a folder has no tokenizer
  Pretrained loaded{Siglip(read_config(folder)), with_tokenizer ? read_tokenizer(folder, options) : nullptr, read_preprocessing(folder), folder,
                    read_labels(folder)};
  const SiglipConfig& c = loaded.model.config;
  if (const Tokenizer* tokenizer = loaded.tokenizer.get()) {
    require(tokenizer->vocab_size() <= c.vocab_size, folder, "a tokenizer of at most vocab_size = ", c.vocab_size, " ids is expected, got ",
            tokenizer->vocab_size());
    require(tokenizer->context() == c.context, folder, "a tokenizer that pads to max_position_embeddings = ", c.context, " ids is expected, got ",
            tokenizer->context());
  }
  require(loaded.preprocessing.image_size == c.image_size, folder, "a preprocessor with size = image_size = ", c.image_size, " is expected, got ",
          loaded.preprocessing.image_size);
  attach_parameters(folder, loaded.model.parameters());
  return loaded;
}

void Pretrained::expect(std::size_t images, std::size_t texts) {
  require(images == 0 || model.config.vision_head, folder, "a model with a head is expected for pictures (vision_use_head), got one without");
  constexpr std::size_t enough = 8;  // for fewer, packing, which reads and writes every weight, may take longer than it saves
  const std::int64_t bytes = model.parameter_count() * std::int64_t{sizeof(Real)}, memory = device_memory(model.log_t.device());
  if (memory > 0 && 3 * bytes > memory) return;
  if (images >= enough) model.vision.pack();
  if (texts >= enough) model.text.pack();
}

namespace {
constexpr std::size_t batch = 64;

// Rows of `count` items, embedded `batch` at a time.
template <class Embed>
Tensor in_batches(const std::string& folder, std::size_t count, Dim E, const Embed& embed) {
  Tensor all({static_cast<Dim>(count), E});
  for (std::size_t begin = 0; begin < count; begin += batch) {
    const Tensor rows = embed(begin, std::min(count, begin + batch));
    rows.read(all.data() + static_cast<Dim>(begin) * E, 0, rows.size());
  }
  require_finite(all, folder);
  return all;
}
}  // namespace

Tensor Pretrained::embed(const std::vector<Image>& images) const {
  return in_batches(folder, images.size(), model.config.projection, [&](std::size_t begin, std::size_t end) {
    const Tensor pixels = pixel_values(std::span(images).subspan(begin, end - begin), preprocessing);
    pixels.move_to(model.log_t.device());
    return model.vision(pixels);
  });
}

Tensor Pretrained::embed(const std::vector<std::string>& texts) const {
  require(tokenizer != nullptr, folder, "a model loaded with its tokenizer is expected for texts, got one without");
  return in_batches(folder, texts.size(), model.config.projection, [&](std::size_t begin, std::size_t end) {
    const auto at = [&](std::size_t i) { return texts.begin() + static_cast<std::ptrdiff_t>(i); };
    return model.text(tokenizer->encode(std::vector<std::string>(at(begin), at(end))).to(model.log_t.device()));
  });
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
