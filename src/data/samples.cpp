// samples.cpp — the usable pairs of a split in memory: pictures as 8 bits, captions as ids, and random views of the pictures.
#include <algorithm>
#include <map>
#include <unordered_map>
#include "core/hash.h"
#include "core/parallel_try.h"
#include "siglip/data.h"
#include "siglip/error.h"
#include "siglip/rng.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
struct Decoded {
  Image plain, source;
  std::string problem;
};

Decoded decode(const std::string& path, const Preprocessing& p, bool views) {
  Decoded decoded;
  try {
    Image image = read_image(path, p.picture);
    decoded.plain = squash(image, p, path);
    const bool small = image.width <= 2 * p.image_size && image.height <= 2 * p.image_size;
    if (views) decoded.source = small ? std::move(image) : resize(image, 2 * p.image_size, 2 * p.image_size, p.filter());
  } catch (const Error& error) {  // anything else, out of memory above all, is no fault of the picture
    decoded.problem = error.what();
  }
  return decoded;
}

/// One stream of random numbers for each (draw, sample), both spread over 64 bits.
std::uint64_t stream_of(std::uint64_t draw, std::uint64_t sample) { return mixed(mixed(draw + 0x9E3779B97F4A7C15) ^ sample); }

void mirror(Image& image) {
  for (Dim y = 0; y < image.height; ++y)
    for (Dim left = 0, right = image.width - 1; left < right; ++left, --right) {
      std::uint8_t* row = &image.rgb[static_cast<std::size_t>(3 * y * image.width)];
      std::swap_ranges(row + 3 * left, row + 3 * left + 3, row + 3 * right);
    }
}
}  // namespace

Samples::Samples(const Split& split, const Tokenizer& tokenizer, const Preprocessing& preprocessing, const SampleOptions& options)
    : preprocessing_(preprocessing), table_(preprocessing) {
  const Dim size = preprocessing.image_size;
  require(size >= 1 && size <= 1 << 14, "samples", "an image size of 1 to 16384 pixels is expected, got ", size);
  std::vector<Decoded> decoded(split.pairs.size());
  parallel_try(std::ssize(decoded), [&](Dim i) {
    const auto at = static_cast<std::size_t>(i);
    decoded[at] = decode(split.pairs[at].image, preprocessing, options.views);
  });

  std::unordered_map<std::string, std::int32_t, KeyedHash> captions;
  std::map<std::vector<std::int32_t>, std::int32_t> texts;
  for (std::size_t i = 0; i < decoded.size(); ++i) {
    const Pair& pair = split.pairs[i];
    if (!decoded[i].problem.empty()) {
      if (options.strict) throw Error(decoded[i].problem);
      problems_.push_back(std::move(decoded[i].problem));
      continue;
    }
    pairs_.push_back(pair);
    plain_.push_back(std::move(decoded[i].plain));
    if (options.views) source_.push_back(std::move(decoded[i].source));
    ids_.push_back(tokenizer.encode(pair.text));
    caption_ids_.push_back(captions.try_emplace(pair.text, static_cast<std::int32_t>(captions.size())).first->second);
    text_ids_.push_back(texts.try_emplace(ids_.back(), static_cast<std::int32_t>(texts.size())).first->second);
  }
  captions_ = std::ssize(captions), texts_ = std::ssize(texts);
  require(!pairs_.empty(), "split " + split.name, "a usable picture is expected, got none of ", split.pairs.size(),
          problems_.empty() ? "" : "; the first: " + problems_[0]);
}

Image Samples::augmented(Dim i, const Augmentation& a, std::uint64_t seed, std::uint64_t draw) const {
  require(a.shift >= 0 && a.shift <= 1, "augmentation", "a shift in [0, 1] is expected, got ", a.shift);
  require(a.scale >= 0 && a.scale < 1, "augmentation", "a scale in [0, 1) is expected, got ", a.scale);
  require(a.flip >= 0 && a.flip <= 1, "augmentation", "a flip in [0, 1] is expected, got ", a.flip);
  Rng rng(seed, stream_of(draw, static_cast<std::uint64_t>(i)));
  const double zoom = rng.uniform(1 - a.scale, 1 + a.scale), right = rng.uniform(-a.shift, a.shift), down = rng.uniform(-a.shift, a.shift);
  const bool flipped = rng.uniform() < a.flip;

  Image view;
  if (a.shift == 0 && a.scale == 0) {
    view = picture(i);
  } else {
    require(!source_.empty(), "augmentation", "samples with views are expected for a shift or a scale, got samples without");
    // The frame shrinks and moves one way where the picture in it grows and moves the other.
    const Image& source = source_[static_cast<std::size_t>(i)];
    const double w = static_cast<double>(source.width), h = static_cast<double>(source.height);
    const double x = w * (0.5 - right), y = h * (0.5 - down), half_w = w / (2 * zoom), half_h = h / (2 * zoom);
    view = resize(source, {x - half_w, y - half_h, x + half_w, y + half_h}, image_size(), image_size(), preprocessing_.filter());
  }
  if (flipped) mirror(view);
  return view;
}

Tensor Samples::images(Dim begin, Dim end) const {
  require(begin >= 0 && begin <= end && end <= size(), "samples", "a range within 0 to ", size(), " is expected, got ", begin, " to ", end);
  const Dim reals = 3 * image_size() * image_size();
  const Tensor out({end - begin, 3, image_size(), image_size()});
  Real* to = out.data();
  parallel_for(end - begin, [&](Dim i) { to_reals(to + i * reals, picture(begin + i), table_); });
  return out;
}

Ids Samples::tokens(Dim begin, Dim end) const {
  require(begin >= 0 && begin <= end && end <= size(), "samples", "a range within 0 to ", size(), " is expected, got ", begin, " to ", end);
  std::vector<std::int32_t> values;
  for (Dim i = begin; i < end; ++i) values.insert(values.end(), ids(i).begin(), ids(i).end());
  return Ids({end - begin, static_cast<Dim>(ids_.front().size())}, values);
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
