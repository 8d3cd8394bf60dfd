// gif.cpp — the first frame of a GIF as Pillow shows it. stb's decoder is not used: it recurses once a pixel of a run, spends 4096 steps on each
// code behind the last pixel, and forgets the colour under transparency.
//
// source  CompuServe, Graphics Interchange Format 89a, appendix F: LZW with codes of growing length
#include <algorithm>
#include <array>
#include <vector>
#include "data/decode.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
/// The codes of a frame: a length, then blocks of a length and so many bytes, in which the first code lies in the lowest bits.
class Codes {
 public:
  explicit Codes(std::string_view blocks) : blocks_(blocks) {}
  /// The next code of so many bits; -1 at the end.
  int next(int bits) {
    while (held_ < bits) {
      if (left_ == 0 && at_ < blocks_.size()) left_ = byte();
      if (left_ == 0 || at_ >= blocks_.size()) return -1;
      buffer_ |= byte() << held_;
      held_ += 8, --left_;
    }
    const unsigned code = buffer_ & ((1u << bits) - 1);
    buffer_ >>= bits, held_ -= bits;
    return static_cast<int>(code);
  }

 private:
  unsigned byte() { return static_cast<std::uint8_t>(blocks_[at_++]); }
  std::string_view blocks_;
  std::size_t at_ = 0;
  unsigned buffer_ = 0, left_ = 0;
  int held_ = 0;
};

/// LZW: each code stands for an earlier code's pixels and one more. Answers how many pixels there were.
std::size_t unpack(std::vector<std::uint8_t>& pixels, std::string_view data) {
  constexpr int longest = 12, most = 1 << longest;
  struct Entry {
    std::int16_t before;
    std::uint8_t first, last;
    std::uint16_t length;
  };
  const int bits = static_cast<std::uint8_t>(data[0]);
  if (bits > 8) return 0;
  const int clear = 1 << bits, end = clear + 1;
  std::array<Entry, most> entries{};
  for (int i = 0; i < clear; ++i) {
    const auto value = static_cast<std::uint8_t>(i);
    entries[static_cast<std::size_t>(i)] = {-1, value, value, 1};
  }
  Codes codes(data.substr(1));
  int known = clear + 2, length = bits + 1, before = -1;
  std::size_t done = 0;
  while (done < pixels.size()) {
    const int code = codes.next(length);
    if (code < 0 || code == end) break;
    if (code == clear) {
      known = clear + 2, length = bits + 1, before = -1;
      continue;
    }
    if (code > known || (code == known && before < 0) || (code >= known && known == most)) break;
    if (before >= 0 && known < most) {
      const Entry& old = entries[static_cast<std::size_t>(before)];
      const std::uint8_t last = code == known ? old.first : entries[static_cast<std::size_t>(code)].first;
      entries[static_cast<std::size_t>(known++)] = {static_cast<std::int16_t>(before), old.first, last, static_cast<std::uint16_t>(old.length + 1)};
      if (known == 1 << length && length < longest) ++length;
    }
    // From the last pixel to the first; what lies behind the picture is left out.
    const std::size_t count = entries[static_cast<std::size_t>(code)].length;
    std::size_t to = done + count;
    for (int i = code; i >= 0; i = entries[static_cast<std::size_t>(i)].before)
      if (--to < pixels.size()) pixels[to] = entries[static_cast<std::size_t>(i)].last;
    done += count, before = code;
  }
  return std::min(done, pixels.size());
}

/// Where each stored row belongs: rows 0, 8, 16 …, then 4, 12 …, 2, 6 …, 1, 3 … if they are interlaced.
std::vector<Dim> row_order(Dim height, bool interlaced) {
  std::vector<Dim> rows;
  if (!interlaced)
    for (Dim y = 0; y < height; ++y) rows.push_back(y);
  else
    for (const auto& [first, step] : {std::array<Dim, 2>{0, 8}, {4, 8}, {2, 4}, {1, 2}})
      for (Dim y = first; y < height; y += step) rows.push_back(y);
  return rows;
}
}  // namespace

Decoded decode_gif(std::string_view file, const Container& c, Alpha alpha) {
  const Container::Frame& frame = c.frame;
  const std::string_view data = file.substr(frame.begin, frame.end - frame.begin);
  std::vector<std::uint8_t> stored(static_cast<std::size_t>(frame.width * frame.height));
  if (data.empty() || unpack(stored, data) < stored.size()) return {{}, "fewer pixels than its size says"};

  // Of each index the colour: gray without a palette, black beyond its end.
  std::array<std::array<std::uint8_t, 3>, 256> colors;
  for (std::size_t i = 0; i < colors.size(); ++i) {
    colors[i].fill(static_cast<std::uint8_t>(c.palette.empty() ? i : 0));
    if (3 * i + 3 <= c.palette.size()) std::copy_n(c.palette.begin() + 3 * static_cast<Dim>(i), 3, colors[i].begin());
  }
  if (c.transparent >= 0 && alpha == Alpha::white) colors[static_cast<std::size_t>(c.transparent)] = {255, 255, 255};

  Decoded decoded{{c.width, c.height, {}}, ""};
  std::vector<std::uint8_t>& rgb = decoded.image.rgb;
  rgb.reserve(static_cast<std::size_t>(3 * c.width * c.height));
  const auto& around = colors[static_cast<std::size_t>(std::max(c.transparent, 0))];
  std::vector<std::uint8_t> row;
  for (Dim x = 0; x < c.width; ++x) row.insert(row.end(), around.begin(), around.end());
  for (Dim y = 0; y < c.height; ++y) rgb.insert(rgb.end(), row.begin(), row.end());
  auto from = stored.begin();
  for (const Dim y : row_order(frame.height, c.interlaced)) {
    auto to = rgb.begin() + 3 * ((frame.top + y) * c.width + frame.left);
    for (Dim x = 0; x < frame.width; ++x) to = std::copy_n(colors[*from++].begin(), 3, to);
  }
  return decoded;
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
