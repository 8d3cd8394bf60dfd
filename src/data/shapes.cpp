// shapes.cpp — scenes of coloured shapes with captions: a data set that is made in seconds and whose held-out part asks one question: does
// the model know "small", "red" and "star", or only the small red stars it has seen?
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <numbers>
#include <set>
#include "core/limits.h"
#include "core/parallel_try.h"
#include "data/new_folder.h"
#include "io/json.h"
#include "siglip/checkpoint.h"
#include "siglip/data.h"
#include "siglip/error.h"
#include "siglip/rng.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
namespace fs = std::filesystem;

// ---- what can be seen --------------------------------------------------------------------------------------------------------------------
struct Colour {
  const char* name;
  std::array<double, 3> rgb;
};
constexpr std::array<Colour, 8> colours = {{{"red", {214, 32, 40}},
                                            {"orange", {246, 140, 30}},
                                            {"yellow", {250, 215, 25}},
                                            {"green", {40, 160, 60}},
                                            {"cyan", {45, 200, 215}},
                                            {"blue", {35, 80, 210}},
                                            {"purple", {140, 50, 170}},
                                            {"black", {25, 25, 28}}}};
constexpr std::array<const char*, 6> shapes = {"circle", "bar", "triangle", "star", "cross", "ring"};
constexpr std::array<const char*, 2> sizes = {"small", "large"};
constexpr std::array<double, 2> radii = {0.15, 0.22};  // of the picture's edge
constexpr std::array<const char*, 4> relations = {"left of", "right of", "above", "below"};
constexpr Dim combinations = static_cast<Dim>(colours.size() * shapes.size() * sizes.size());

struct Combination {
  std::size_t colour, shape, size;
};
Combination combination(Dim index) {
  const auto i = static_cast<std::size_t>(index);
  return {i / (shapes.size() * sizes.size()), i / sizes.size() % shapes.size(), i % sizes.size()};
}
std::string name_of(Dim index) {
  const Combination c = combination(index);
  return std::string("a ") + sizes[c.size] + " " + colours[c.colour].name + " " + shapes[c.shape];
}

/// Twelve of the combinations: each shape once small and once large, each colour once or twice. The same shape and colour in the other size
/// stay in train, and so do most of each colour, shape and size.
bool is_held_out(Dim index) {
  const Combination c = combination(index);
  for (std::size_t k = 0; k < 12; ++k)
    if (c.colour == k % colours.size() && c.shape == k % shapes.size() && c.size == k / shapes.size()) return true;
  return false;
}

std::vector<Dim> list(bool held_out) {
  std::vector<Dim> found;
  for (Dim i = 0; i < combinations; ++i)
    if (is_held_out(i) == held_out) found.push_back(i);
  return found;
}

// ---- scenes ------------------------------------------------------------------------------------------------------------------------------
struct Scene {
  Dim first = 0, second = -1;  // combinations; -1: there is no second object
  std::size_t relation = 0;    // of first to second

  std::string caption() const { return second < 0 ? name_of(first) : name_of(first) + " " + relations[relation] + " " + name_of(second); }
  /// Equal for scenes that look the same: "A left of B" is "B right of A".
  std::array<Dim, 3> meaning() const {
    const bool turned = relation % 2 == 1;
    return {turned ? second : first, turned ? first : second, static_cast<Dim>(relation / 2)};
  }
};

template <class T>
T pick(Rng& rng, const std::vector<T>& from) {
  return from[static_cast<std::size_t>(rng.below(static_cast<Dim>(from.size())))];
}

std::vector<Scene> train_scenes(Dim count, std::uint64_t seed) {
  const std::vector<Dim> seen = list(false);
  Rng rng(seed, 1);
  std::vector<Scene> scenes;
  for (Dim i = 0; i < count; ++i) {
    Scene scene{pick(rng, seen), -1, static_cast<std::size_t>(rng.below(4))};
    if (rng.below(3) > 0) do
        scene.second = pick(rng, seen);
      while (scene.second == scene.first);
    scenes.push_back(scene);
  }
  return scenes;
}

/// A held-out combination beside a seen one; of 64 that follow each other no two look the same.
std::vector<Scene> val_scenes(Dim count, std::uint64_t seed) {
  const std::vector<Dim> held = list(true), seen = list(false);
  Rng rng(seed, 2);
  std::vector<Scene> scenes;
  std::set<std::array<Dim, 3>> group;
  while (static_cast<Dim>(scenes.size()) < count) {
    Scene scene{pick(rng, held), pick(rng, seen), static_cast<std::size_t>(rng.below(4))};
    if (rng.below(2) == 1) std::swap(scene.first, scene.second);
    if (scenes.size() % 64 == 0) group.clear();
    if (group.insert(scene.meaning()).second) scenes.push_back(scene);
  }
  return scenes;
}

// Every combination once, and those that are asked for five times, each drawn anew.
std::vector<Scene> single_scenes() {
  std::vector<Scene> scenes;
  for (Dim i = 0; i < combinations; ++i) scenes.insert(scenes.end(), is_held_out(i) ? 5 : 1, {i});
  return scenes;
}

// ---- drawing -----------------------------------------------------------------------------------------------------------------------------
/// Whether (u, v) lies in the shape that fills [-1, 1] x [-1, 1]; v points down.
bool is_inside(std::size_t shape, double u, double v) {
  const double r = std::hypot(u, v), a = std::abs(u), b = std::abs(v);
  switch (shape) {
    case 0:
      return r <= 0.96;
    case 1:
      return a <= 1 && b <= 0.42;
    case 2:
      return v <= 0.8 && a <= 0.56 * (v + 0.98);
    case 3: {  // between a point of the star and the notch beside it, half of a fifth, the edge is one straight line
      constexpr double half = std::numbers::pi / 5, outer = 1.08, inner = 0.45;
      const double angle = std::abs(std::remainder(std::atan2(u, -v), 2 * half)), x = r * std::cos(angle), y = r * std::sin(angle);
      const double notch_x = inner * std::cos(half), notch_y = inner * std::sin(half);
      return (x - outer) * notch_y - (notch_x - outer) * y <= 0;
    }
    case 4:
      return std::min(a, b) <= 0.3 && std::max(a, b) <= 0.96;
    default:
      return r <= 1 && r >= 0.56;
  }
}

struct Placed {
  Combination what;
  double x, y, radius;  // in edges of the picture
};

/// Where objects go: they keep apart along the axis of their relation and stay nearly level across it.
std::vector<Placed> place(const Scene& scene, Rng& rng) {
  constexpr double margin = 0.02, gap = 0.03;
  std::vector<Placed> objects;
  for (Dim index : {scene.first, scene.second})
    if (index >= 0) objects.push_back({combination(index), 0, 0, radii[combination(index).size] * rng.uniform(0.94, 1.04)});
  auto within = [&](double at, double radius) { return std::clamp(at, margin + radius, 1 - margin - radius); };
  if (objects.size() == 1) {
    Placed& only = objects[0];
    only.x = within(rng.uniform(), only.radius), only.y = within(rng.uniform(), only.radius);
    return objects;
  }
  Placed &low = objects[scene.relation % 2], &high = objects[1 - scene.relation % 2];  // left or upper, right or lower
  const double slack = 1 - 2 * margin - gap - 2 * (low.radius + high.radius);
  const double before = slack * rng.uniform(), between = (slack - before) * rng.uniform();
  const double level = rng.uniform(0.25, 0.75);
  low.x = margin + before + low.radius, high.x = low.x + low.radius + gap + between + high.radius;
  low.y = within(level + rng.uniform(-0.07, 0.07), low.radius), high.y = within(level + rng.uniform(-0.07, 0.07), high.radius);
  if (scene.relation >= 2)
    for (Placed& object : objects) std::swap(object.x, object.y);
  return objects;
}

/// The part of a pixel that a shape covers, by 4 x 4 points.
double coverage(const Placed& object, Dim px, Dim py, Dim size) {
  int inside = 0;
  for (int j = 0; j < 4; ++j)
    for (int i = 0; i < 4; ++i) {
      const double x = (static_cast<double>(px) + (i + 0.5) / 4) / static_cast<double>(size),
                   y = (static_cast<double>(py) + (j + 0.5) / 4) / static_cast<double>(size);
      inside += is_inside(object.what.shape, (x - object.x) / object.radius, (y - object.y) / object.radius);
    }
  return inside / 16.0;
}

Image draw(const Scene& scene, Dim size, Rng rng) {
  std::array<double, 3> paper{};
  for (double& c : paper) c = rng.uniform(240, 255);
  Image image{size, size, std::vector<std::uint8_t>(static_cast<std::size_t>(3 * size * size))};
  std::vector<Placed> objects = place(scene, rng);
  std::vector<double> tint;
  for (std::size_t i = 0; i < 3 * objects.size(); ++i) tint.push_back(rng.uniform(-8, 8));
  for (Dim y = 0; y < size; ++y)
    for (Dim x = 0; x < size; ++x)
      for (std::size_t c = 0; c < 3; ++c) image.rgb[static_cast<std::size_t>(3 * (y * size + x)) + c] = static_cast<std::uint8_t>(paper[c] + 0.5);
  for (std::size_t k = 0; k < objects.size(); ++k) {
    const Placed& object = objects[k];
    auto pixel = [&](double at) { return std::clamp(static_cast<Dim>(std::floor(at * static_cast<double>(size))), Dim{0}, size - 1); };
    const double reach = 1.1 * object.radius;  // the star's points
    for (Dim y = pixel(object.y - reach); y <= pixel(object.y + reach); ++y)
      for (Dim x = pixel(object.x - reach); x <= pixel(object.x + reach); ++x) {
        const double part = coverage(object, x, y, size);
        for (std::size_t c = 0; c < 3; ++c) {
          std::uint8_t& value = image.rgb[static_cast<std::size_t>(3 * (y * size + x)) + c];
          const double ink = std::clamp(colours[object.what.colour].rgb[c] + tint[3 * k + c], 0.0, 255.0);
          value = static_cast<std::uint8_t>(value + part * (ink - value) + 0.5);
        }
      }
  }
  return image;
}

// ---- files -------------------------------------------------------------------------------------------------------------------------------
std::string picture_name(Dim i) {
  std::array<char, 32> name{};
  std::snprintf(name.data(), name.size(), "%05lld.png", static_cast<long long>(i));
  return name.data();
}

void write_split(const std::string& folder, const std::vector<Scene>& scenes, const ShapesOptions& options, std::uint64_t stream) {
  fs::create_directory(folder);
  parallel_try(std::ssize(scenes), [&](Dim i) {
    const Rng rng(options.seed, (stream << 40) + static_cast<std::uint64_t>(i));
    write_plainly(folder + "/" + picture_name(i), encode_png(draw(scenes[static_cast<std::size_t>(i)], options.size, rng)));
  });

  std::string metadata;
  for (std::size_t i = 0; i < scenes.size(); ++i) {
    Json record = {{"file_name", picture_name(static_cast<Dim>(i))}, {"text", scenes[i].caption()}};
    if (scenes[i].second < 0 && stream == 3 && !is_held_out(scenes[i].first)) record["distractor"] = true;
    metadata += record.dump() + "\n";
  }
  write_plainly(folder + "/metadata.jsonl", metadata);
}
}  // namespace

void make_shapes(const std::string& dir, const ShapesOptions& options) {
  require(options.size >= least_shapes_size && options.size <= most_made_size, "shapes", "a size of ", least_shapes_size, " to ", most_made_size,
          " pixels is expected, got ", options.size);
  require(options.scenes >= 1 && options.scenes <= most_scenes, "shapes", "1 to ", most_scenes, " scenes are expected, got ", options.scenes);
  require_new_folder(dir);
  FolderWriter folder(dir);
  write_split(folder.path() + "/train", train_scenes(options.scenes, options.seed), options, 1);
  write_split(folder.path() + "/val", val_scenes(256, options.seed), options, 2);
  write_split(folder.path() + "/single", single_scenes(), options, 3);
  folder.commit();
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
