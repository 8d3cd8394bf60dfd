// reference.cpp — reading what another implementation computed: checked before anything is compared.
#include "doctor/reference.h"
#include <cmath>
#include <limits>
#include <set>
#include "io/json.h"
#include "siglip/checkpoint.h"
#include "siglip/error.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
// The state that enters block I, or leaves the last one: "hidden.vision.2" → 2; -1 for other names.
Dim state_index(const std::string& name, const std::string& tower) {
  const std::string prefix = "hidden." + tower + ".";
  if (!name.starts_with(prefix) || name.size() == prefix.size() || name.size() > prefix.size() + 4) return -1;
  Dim index = 0;
  for (const char c : name.substr(prefix.size())) {
    if (c < '0' || c > '9') return -1;
    index = 10 * index + (c - '0');
  }
  return index;
}

void require_finite(const Tensor& x, const std::string& where) {
  for (Dim i = 0; i < x.size(); ++i)
    if (!std::isfinite(x.data()[i])) fail(where, "finite numbers are expected, got ", double(x.data()[i]), " at element ", i);
}

Tensor read_finite(const SafetensorsFile& file, const std::string& name, const std::string& where) {
  const Tensor x = file.read(name);
  require(x.size() > 0, where, "at least one number is expected, got shape ", x.shape());
  require_finite(x, where);
  return x;
}

// B for pictures, N for texts: from the inputs, or from the first tensor that tells.
struct Counts {
  Dim images = -1, texts = -1;
  explicit Counts(const Inputs& inputs) {
    if (inputs.pixels.defined()) images = inputs.pixels.dim(0);
    if (inputs.ids.defined()) texts = inputs.ids.shape()[0];
  }
};

std::string named(const std::string& file, const std::string& name) { return file + ": " + name; }

void check_rows(Dim& count, Dim rows, const std::string& where, const char* things) {
  if (count < 0) count = rows;
  require(rows == count, where, "a row for each of ", count, " ", things, " is expected, got ", rows);
}

void check_shape(const std::string& name, const Tensor& x, const std::string& where, const SiglipConfig& config, Counts& counts) {
  const Shape& shape = x.shape();
  const auto matrix = [&](const char* letters) { require(shape.size() == 2, where, "shape ", letters, " is expected, got ", shape); };
  if (name == "loss") {
    require(x.size() == 1, where, "one number is expected, got shape ", shape);
  } else if (name.starts_with("logits_per_")) {
    matrix(name == "logits_per_text" ? "(texts, pictures)" : "(pictures, texts)");
    const bool by_text = name == "logits_per_text";
    check_rows(by_text ? counts.texts : counts.images, shape[0], where, by_text ? "texts" : "pictures");
    check_rows(by_text ? counts.images : counts.texts, shape[1], where, by_text ? "pictures (columns)" : "texts (columns)");
  } else if (name.ends_with("_embeds")) {
    matrix("(rows, E)");
    require(shape[1] == config.projection, where, "rows of E = ", config.projection, " are expected, got shape ", shape);
    check_rows(name == "image_embeds" ? counts.images : counts.texts, shape[0], where, name == "image_embeds" ? "pictures" : "texts");
  } else {
    const bool vision = name.starts_with("hidden.vision.");
    const EncoderConfig& encoder = vision ? config.vision : config.text;
    require(state_index(name, vision ? "vision" : "text") <= encoder.layers, where, "states 0 to ", encoder.layers, " are expected, got this one");
    require(shape.size() == 3 && shape[2] == encoder.width, where, "shape (rows, T, C) with C = ", encoder.width, " is expected, got ", shape);
    check_rows(vision ? counts.images : counts.texts, shape[0], where, vision ? "pictures" : "texts");
  }
}

bool is_known(const std::string& name) {
  static const std::set<std::string> names{"image_embeds", "text_embeds", "logits_per_text", "logits_per_image", "loss"};
  return names.contains(name) || state_index(name, "vision") >= 0 || state_index(name, "text") >= 0;
}
}  // namespace

std::vector<std::string> Reference::states(const std::string& tower, const std::string& last) const {
  std::vector<std::string> names;
  const Dim most = 10000;
  for (Dim i = 0; i < most && std::ssize(names) < std::ssize(tensors); ++i)
    if (const std::string name = "hidden." + tower + "." + std::to_string(i); tensors.contains(name)) names.push_back(name);
  if (tensors.contains(last)) names.push_back(last);
  return names;
}

const Tensor* Reference::find(const std::string& name) const {
  const auto found = tensors.find(name);
  return found == tensors.end() ? nullptr : &found->second;
}

Reference read_reference(const std::string& path, const Siglip& model, const Inputs& inputs) {
  const SafetensorsFile file(path);
  Reference reference{path, {}};
  Counts counts(inputs);
  for (const TensorInfo& info : file.tensors()) {
    // Gradients tell nothing that outputs do not; inputs are read by read_inputs().
    if (info.name.starts_with("grad.") || info.name == "pixel_values" || info.name == "input_ids") continue;
    require(is_known(info.name), path,
            "image_embeds, text_embeds, logits_per_text, logits_per_image, loss, hidden.vision.I, hidden.text.I, grad.PARAMETER, pixel_values or "
            "input_ids is expected, got ",
            brief(info.name));
    const std::string where = named(path, info.name);
    const Tensor x = read_finite(file, info.name, where);
    check_shape(info.name, x, where, model.config, counts);
    reference.tensors.emplace(info.name, x);
  }
  require(!reference.tensors.empty(), path,
          "at least one of image_embeds, text_embeds, logits_per_text, logits_per_image, loss, hidden.vision.I, hidden.text.I is expected, got none");
  return reference;
}

Inputs read_inputs(const std::string& path, const SiglipConfig& config) {
  const SafetensorsFile file(path);
  Inputs inputs;
  if (file.find("pixel_values")) {
    const std::string where = named(path, "pixel_values");
    inputs.pixels = read_finite(file, "pixel_values", where);
    const Shape& shape = inputs.pixels.shape();
    require(shape.size() == 4 && shape[1] == 3 && shape[2] == config.image_size && shape[3] == config.image_size, where, "shape (B, 3, ",
            config.image_size, ", ", config.image_size, ") is expected, got ", shape);
  }
  if (file.find("input_ids")) {
    const std::string where = named(path, "input_ids");
    inputs.ids = file.read_ids("input_ids");
    const Shape& shape = inputs.ids.shape();
    require(shape.size() == 2 && inputs.ids.size() > 0 && shape[1] <= config.context, where, "shape (texts, T) with T up to ", config.context,
            " is expected, got ", shape);
    require(inputs.ids.smallest() >= 0 && inputs.ids.largest() < config.vocab_size, where, "ids from 0 to ", config.vocab_size - 1,
            " are expected, got ", inputs.ids.smallest() < 0 ? inputs.ids.smallest() : inputs.ids.largest());
  }
  require(inputs.pixels.defined() || inputs.ids.defined(), path, "pixel_values or input_ids are expected, got neither");
  return inputs;
}

double different_share(const Tensor& a, const Tensor& b) {
  if (a.shape() != b.shape()) return std::numeric_limits<double>::infinity();
  Dim different = 0;
  for (Dim i = 0; i < a.size(); ++i) different += a.data()[i] != b.data()[i];
  return double(different) / double(a.size());
}

double relative_error(const Tensor& a, const Tensor& b) {
  if (a.shape() != b.shape()) return std::numeric_limits<double>::infinity();
  double difference = 0, length = 0;
  for (Dim i = 0; i < a.size(); ++i) {
    const double x = double(a.data()[i]), y = double(b.data()[i]);
    difference += (x - y) * (x - y), length += y * y;
  }
  const double error = difference == 0 ? 0 : std::sqrt(difference / length);
  return std::isfinite(error) ? error : std::numeric_limits<double>::infinity();
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
