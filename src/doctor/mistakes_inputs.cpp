// mistakes_inputs.cpp — what goes wrong before the first layer: pixels and ids.
#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <utility>
#include "doctor/mistakes.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
using Values = std::array<double, 3>;
constexpr Values clip_mean{0.48145466, 0.4578275, 0.40821073}, clip_deviation{0.26862954, 0.26130258, 0.27577711};
constexpr Values imagenet_mean{0.485, 0.456, 0.406}, imagenet_deviation{0.229, 0.224, 0.225};

// y_bchw = f(c, brightness in [0, 1])
template <class F>
bool recolour(Trial& trial, const F& f) {
  const Tensor& x = trial.inputs.pixels;
  const Dim plane = x.dim(2) * x.dim(3);
  Tensor y = Tensor::like(x);
  for (Dim i = 0; i < x.size(); ++i) y.data()[i] = static_cast<Real>(f(static_cast<std::size_t>(i / plane % 3), (double(x.data()[i]) + 1) / 2));
  trial.inputs.pixels = y;
  return true;
}

// y = x with its elements in another order: source(b, channel, row, column) is an offset into x.
template <class Source>
bool reorder(Trial& trial, const Source& source) {
  const Tensor& x = trial.inputs.pixels;
  const Dim S = x.dim(3);
  Tensor y = Tensor::like(x);
  for (Dim i = 0; i < x.size(); ++i) y.data()[i] = x.data()[source(i / (3 * S * S), i / (S * S) % 3, i / S % S, i % S)];
  trial.inputs.pixels = y;
  return true;
}

// The pictures prepared anew, with the settings of the trial.
bool prepare(Trial& trial) {
  const Inputs& inputs = trial.inputs;
  if (inputs.images.empty() || !inputs.preprocessing.resize) return false;
  trial.inputs.pixels = pixel_values(inputs.images, inputs.preprocessing);
  return true;
}

// The pictures brought to the model's size by f(picture, size, how).
template <class Prepare>
bool prepare(Trial& trial, const Prepare& f) {
  if (trial.inputs.images.empty()) return false;
  std::vector<Image> prepared;
  for (const Image& image : trial.inputs.images) prepared.push_back(f(image, trial.model.config.image_size, trial.inputs.preprocessing));
  trial.inputs.pixels = to_tensor(prepared, PixelTable(trial.inputs.preprocessing));
  return true;
}

// S x S out of `image`, whose middle stands in the middle; what lies beyond it is `gray`.
Image centred(const Image& image, Dim S, std::uint8_t gray) {
  Image out{S, S, std::vector<std::uint8_t>(static_cast<std::size_t>(3 * S * S), gray)};
  const Dim left = std::max<Dim>(0, image.width - S) / 2, top = std::max<Dim>(0, image.height - S) / 2;
  const Dim at_x = std::max<Dim>(0, S - image.width) / 2, at_y = std::max<Dim>(0, S - image.height) / 2;
  const Dim columns = std::min(S, image.width), rows = std::min(S, image.height);
  for (Dim y = 0; y < rows; ++y)
    std::copy_n(image.rgb.begin() + 3 * ((top + y) * image.width + left), 3 * columns, out.rgb.begin() + 3 * ((at_y + y) * S + at_x));
  return out;
}

// The shorter (longer) edge becomes S, the other one follows.
Image with_edge(const Image& image, Dim S, const Preprocessing& how, bool shorter) {
  const Dim edge = shorter ? std::min(image.width, image.height) : std::max(image.width, image.height);
  const auto follow = [&](Dim length) { return length == edge ? S : std::max<Dim>(1, S * length / edge); };
  return resize(image, follow(image.width), follow(image.height), how.filter(), how.profile);
}

// What is done to the files; the rest of the table works on the pixels that come of it.
void add_file_mistakes(std::vector<Mistake>& all) {
  const auto add = [&](const std::string& name, std::string what, std::string advice, std::function<bool(Trial&)> plant) {
    all.push_back({name, std::move(what), std::move(advice), in_pixels, std::move(plant)});
  };
  const auto decoded = [&](const char* name, const char* what, const char* advice) {
    add(name, what, advice, [name](Trial& t) {
      const auto found = t.inputs.decoded.find(name);
      if (found == t.inputs.decoded.end()) return false;
      t.inputs.images = found->second;
      return prepare(t);
    });
  };
  decoded("exif-ignored", "the picture's EXIF orientation is ignored, so it lies on its side or is mirrored",
          "turn it first (Pillow: ImageOps.exif_transpose)");
  decoded("alpha-dropped", "transparency is dropped, which shows whatever colour the file has under it",
          "put the picture on white first, as transformers 5 does; Pillow's convert(\"RGB\") drops it");
  for (const Profile profile : {Profile::pil, Profile::pil13, Profile::torchvision}) {
    const std::string name = name_of(profile);
    add("resize-" + name, "the picture is resized as the profile " + name + " does it",
        "nothing is wrong, another library or version resizes there; for the same pixels here write \"resize_profile\": \"" + name +
            "\" into preprocessor_config.json",
        [profile](Trial& t) {
          Inputs& inputs = t.inputs;
          if (std::exchange(inputs.preprocessing.profile, profile) == profile || !prepare(t)) return false;
          if (profile != Profile::pil13) return true;
          Preprocessing older = inputs.preprocessing;  // the name where the versions agree, as they do for most pictures
          older.profile = Profile::pil;
          return pixel_values(inputs.images, older).to_vector() != inputs.pixels.to_vector();
        });
    all.back().variant = true;
  }
  const char* squash = "squash: resize both edges to the model's size, whatever the aspect";
  add("center-crop", "the shorter edge is resized and the middle cut out", squash, [](Trial& t) {
    return prepare(t, [](const Image& image, Dim S, const Preprocessing& how) { return centred(with_edge(image, S, how, true), S, 0); });
  });
  for (const auto& [name, gray] : {std::pair<const char*, std::uint8_t>{"letterbox-black", std::uint8_t{0}}, {"letterbox-gray", std::uint8_t{114}}})
    add(name, "the aspect is kept and bars fill the frame", squash, [gray = gray](Trial& t) {
      return prepare(t, [&](const Image& image, Dim S, const Preprocessing& how) { return centred(with_edge(image, S, how, false), S, gray); });
    });
  add("other-filter", "the picture is resized with the other filter (bilinear for bicubic, or bicubic for bilinear)",
      "use the \"resample\" of preprocessor_config.json: 3 is bicubic (SigLIP), 2 is bilinear (SigLIP 2)", [](Trial& t) {
        Preprocessing& how = t.inputs.preprocessing;
        how.resample = how.filter() == Filter::bicubic ? 2 : 3;
        if (how.profile == Profile::big_vision) how.profile = Profile::pil;  // it has no bicubic filter
        return prepare(t);
      });
  add("no-antialiasing", "the picture is resized between two pixels, without anti-aliasing",
      "widen the filter when shrinking, as Pillow does (TensorFlow: antialias=True, PyTorch: antialias=True); to compare with the authors' own code, "
      "which does not, write \"resize_profile\": \"big_vision\" and \"resample\": 2 into preprocessor_config.json",
      [](Trial& t) {
        t.inputs.preprocessing.resample = 2, t.inputs.preprocessing.profile = Profile::big_vision;
        return prepare(t);
      });
}

void add_pixel_mistakes(std::vector<Mistake>& all) {
  const auto add = [&](const char* name, const char* what, const char* advice, std::function<bool(Trial&)> plant) {
    all.push_back({name, what, advice, in_pixels, std::move(plant)});
  };
  const auto standardized = [](const Values& mean, const Values& deviation) {
    return [=](Trial& t) { return recolour(t, [=](std::size_t c, double v) { return (v - mean[c]) / deviation[c]; }); };
  };
  add("bgr", "the colours come as blue, green, red", "swap the channels: OpenCV reads BGR, SigLIP wants RGB",
      [](Trial& t) { return reorder(t, [S = t.inputs.pixels.dim(3)](Dim b, Dim c, Dim y, Dim x) { return ((b * 3 + 2 - c) * S + y) * S + x; }); });
  add("pixels-0-1", "pixels are in [0, 1]", "subtract 0.5 and divide by 0.5: SigLIP wants [-1, 1]",
      [](Trial& t) { return recolour(t, [](std::size_t, double v) { return v; }); });
  add("pixels-0-255", "pixels are in [0, 255]", "divide by 127.5 and subtract 1: SigLIP wants [-1, 1]",
      [](Trial& t) { return recolour(t, [](std::size_t, double v) { return 255 * v; }); });
  add("rescaled-twice", "pixels were divided by 255 twice", "rescale once; a picture that is in [0, 1] already must not pass the rescaling step",
      [](Trial& t) { return recolour(t, [](std::size_t, double v) { return 2 * v / 255 - 1; }); });
  add("imagenet-mean-std", "pixels are normalised with ImageNet's mean and deviation", "use mean 0.5 and deviation 0.5 for every channel",
      standardized(imagenet_mean, imagenet_deviation));
  add("clip-mean-std", "pixels are normalised with CLIP's mean and deviation", "use mean 0.5 and deviation 0.5 for every channel",
      standardized(clip_mean, clip_deviation));
  add("pixels-hwc", "memory in the order rows, columns, channels is read as channels, rows, columns", "transpose the picture, do not just reshape it",
      [](Trial& t) {
        return reorder(t, [S = t.inputs.pixels.dim(3)](Dim b, Dim c, Dim y, Dim x) {  // element (c, y, x) of the buffer read as CHW
          const Dim flat = (c * S + y) * S + x;
          return ((b * 3 + flat % 3) * S + flat / 3 / S) * S + flat / 3 % S;
        });
      });
  add("picture-transposed", "rows and columns of the picture are exchanged", "pass pixels as (B, 3, rows, columns)",
      [](Trial& t) { return reorder(t, [S = t.inputs.pixels.dim(3)](Dim b, Dim c, Dim y, Dim x) { return ((b * 3 + c) * S + x) * S + y; }); });
}

// ---- ids -------------------------------------------------------------------------------------------------------------------------------

struct Texts {
  std::vector<std::vector<std::int32_t>> rows;
  std::vector<Dim> lengths;
  Dim T;
  std::int32_t pad = end_token;  // the commonest last id of those that were not cut

  explicit Texts(const Ids& ids) : lengths(text_lengths(ids)), T(ids.shape()[1]) {
    std::map<std::int32_t, int> last;
    for (Dim b = 0; b < ids.shape()[0]; ++b) {
      rows.emplace_back(ids.data() + b * T, ids.data() + (b + 1) * T);
      if (lengths[static_cast<std::size_t>(b)] < T) ++last[rows.back().back()];
    }
    if (last.empty()) return;
    pad = std::max_element(last.begin(), last.end(), [](const auto& a, const auto& b) { return a.second < b.second; })->first;
  }
  Dim longest() const { return *std::max_element(lengths.begin(), lengths.end()); }
  // The same texts as f(row, length) makes them.
  template <class F>
  bool replace(Trial& trial, const F& f) const {
    std::vector<std::int32_t> flat;
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const std::vector<std::int32_t> row = f(rows[i], static_cast<std::size_t>(lengths[i]));
      flat.insert(flat.end(), row.begin(), row.end());
    }
    const Dim count = std::ssize(rows);
    Ids changed({count, std::ssize(flat) / count}, flat);
    const bool differs = changed.shape() != trial.inputs.ids.shape() || flat != trial.inputs.ids.to_vector();
    trial.inputs.ids = changed;
    return differs;
  }
};
using Row = std::vector<std::int32_t>;

bool pads_with(Trial& trial, std::int32_t id) {
  Texts texts(trial.inputs.ids);
  if (id == texts.pad || id >= trial.model.config.vocab_size) return false;
  return texts.replace(trial, [&](Row row, std::size_t length) {
    std::fill(row.begin() + static_cast<std::ptrdiff_t>(length), row.end(), id);
    return row;
  });
}

// The last piece in place of the end token, where a text was cut; the padding, where it was not.
Row without_end(const Row& right, std::size_t length, std::int32_t last_piece, std::int32_t pad) {
  Row row = right;
  if (row[length - 1] != end_token) return row;
  row[length - 1] = length == row.size() ? last_piece : pad;
  return row;
}

void add_text_file_mistakes(std::vector<Mistake>& all) {
  const auto encoded = [&](const char* name, const char* what, const char* advice) {
    all.push_back({name, what, advice, in_ids, [name](Trial& t) {
                     const auto found = t.inputs.encodings.find(name);
                     if (t.inputs.texts.empty() || found == t.inputs.encodings.end()) return false;
                     const Ids ids = found->second(t.inputs.texts);
                     const bool differs = ids.to_vector() != t.inputs.ids.to_vector();
                     t.inputs.ids = ids;
                     return differs;
                   }});
  };
  encoded("not-lower-cased", "texts are encoded without lower-casing", "lower them first: the published SigLIP 2 tokenizer file forgot to");
  encoded(
      "punctuation-kept", "punctuation is kept, as the authors' big_vision does it",
      "drop the ASCII punctuation, as transformers' SiglipTokenizer does; to compare with big_vision write \"siglip_profile\": \"big_vision\" into "
      "tokenizer_config.json");
  encoded("punctuation-dropped", "punctuation is dropped, as transformers' SiglipTokenizer and open_clip do it",
          "leave it in the texts: this folder's tokenizer keeps it");
  encoded("not-cleaned", "texts are encoded as they stand, neither lowered nor without punctuation",
          "lower them, drop the ASCII punctuation and collapse blanks first, as transformers' SiglipTokenizer does");
}

void add_end_mistakes(std::vector<Mistake>& all) {
  const auto add = [&](std::string what, std::function<bool(Trial&)> plant) {
    all.push_back({"no-end-token", std::move(what), "append the end token (id 1) to every text, also to one that is cut", in_ids, std::move(plant)});
  };
  add("the end token is missing", [](Trial& t) {
    const Texts texts(t.inputs.ids);
    const auto uncut = t.inputs.encodings.find("no-end-token");
    const bool known = uncut != t.inputs.encodings.end() && !t.inputs.texts.empty() && texts.T == t.model.config.context;
    const std::vector<std::int32_t> pieces = known ? uncut->second(t.inputs.texts).to_vector() : std::vector<std::int32_t>();
    std::size_t end = 0;
    return texts.replace(t, [&](const Row& row, std::size_t length) {
      end += row.size();
      return without_end(row, length, known ? pieces[end - 1] : texts.pad, texts.pad);
    });
  });
  add("the end token is missing, and texts are padded with id 0", [](Trial& t) {
    const Texts texts(t.inputs.ids);
    if (texts.pad != end_token) return false;
    return texts.replace(t, [](Row row, std::size_t length) {
      std::fill(row.begin() + static_cast<std::ptrdiff_t>(length) - (row[length - 1] == end_token), row.end(), 0);
      return row;
    });
  });
  add("the end token is missing, and texts are padded to the longest of the batch only", [](Trial& t) {
    const Texts texts(t.inputs.ids);
    const Dim longest = texts.longest() - 1;
    if (texts.pad != end_token || longest < 1) return false;
    return texts.replace(t, [&](Row row, std::size_t) {
      row.resize(static_cast<std::size_t>(longest));
      return row;
    });
  });
}

void add_id_mistakes(std::vector<Mistake>& all) {
  const auto add = [&](const char* name, std::string what, const char* advice, std::function<bool(Trial&)> plant) {
    all.push_back({name, std::move(what), advice, in_ids, std::move(plant)});
  };
  const char* full = "pad every text to the model's full context (padding=\"max_length\"), since the last position is pooled";
  add("pad-to-longest", "texts are padded to the longest of the batch only", full, [](Trial& t) {
    const Texts texts(t.inputs.ids);
    const Dim longest = texts.longest();
    return texts.replace(t, [&](Row row, std::size_t) {
      row.resize(static_cast<std::size_t>(longest));
      return row;
    });
  });
  add("not-padded", "each text is encoded alone, without padding", full, [](Trial& t) {
    const Texts texts(t.inputs.ids);
    if (texts.longest() == *std::min_element(texts.lengths.begin(), texts.lengths.end())) return false;  // then it is pad-to-longest
    t.text.mask = Mask::padding, t.text.pooling = Pooling::end;
    return true;
  });
  add("padded-left", "texts are padded on the left",
      "pad on the right; transformers' Siglip2Tokenizer class pads left unless its folder says otherwise", [](Trial& t) {
        return Texts(t.inputs.ids).replace(t, [](Row row, std::size_t length) {
          std::rotate(row.begin(), row.begin() + static_cast<std::ptrdiff_t>(length), row.end());
          return row;
        });
      });
  for (const std::int32_t id : {0, 1, 2, 3})
    add("wrong-pad-id", "texts are padded with id " + std::to_string(id),
        "pad with the tokenizer's own pad id: 1 (</s>) for SigLIP, 0 (<pad>) for SigLIP 2", [id](Trial& t) { return pads_with(t, id); });
  for (const std::int32_t id : {0, 2})
    add("begin-token", "texts begin with a begin token, id " + std::to_string(id), "add no begin token (add_bos_token=False)", [id](Trial& t) {
      return Texts(t.inputs.ids).replace(t, [id](Row row, std::size_t length) {
        const bool cut = length == row.size();
        row.insert(row.begin(), id);
        row.pop_back();
        if (cut) row.back() = end_token;
        return row;
      });
    });
}
}  // namespace

void add_input_mistakes(std::vector<Mistake>& all) {
  add_file_mistakes(all);
  add_pixel_mistakes(all);
  add_text_file_mistakes(all);
  add_id_mistakes(all);
  add_end_mistakes(all);
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
