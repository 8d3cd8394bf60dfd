// bench_inputs.cpp — random inputs of a model's shape.
#include "verbs/bench_inputs.h"
#include <algorithm>
#include <iostream>
#include "siglip/error.h"
#include "siglip/rng.h"
#include "train/fields.h"
#include "verbs.h"

namespace siglip::tools {
BenchInputs random_inputs(const SiglipConfig& c, Dim batch, Device device) {
  Rng rng(1);
  const Tensor images({batch, 3, c.image_size, c.image_size});
  for (Dim i = 0; i < images.size(); ++i) images.data()[i] = static_cast<Real>(rng.uniform(-1, 1));
  std::vector<std::int32_t> ids(static_cast<std::size_t>(batch * c.context));
  for (std::int32_t& id : ids) id = static_cast<std::int32_t>(rng.below(c.vocab_size));
  images.move_to(device);
  return {images, Ids({batch, c.context}, ids, device)};
}

SiglipConfig bench_model(const std::string& name, Dim vocab) {
  SiglipConfig config = as_wrong_use([&] { return preset(name, "--model"); });
  if (vocab) config.vocab_size = vocab;
  return config;
}

MatmulPrecision precision_flag(const std::string& flag, const std::string& name, const std::string& device) {
  return as_wrong_use([&] { return find_precision(name, device == "cuda" ? Device::cuda : Device::cpu, flag); });
}

std::vector<Dim> batch_list(const std::string& text, Dim most) {
  std::vector<Dim> batches;
  for (const std::string& part : split_list(text)) {
    batches.push_back(parse_whole("--batch", part));
    if (batches.back() < 1 || batches.back() > most)
      throw WrongUse("--batch: whole numbers from 1 to " + std::to_string(most) + " are expected, got " + part);
  }
  if (batches.empty()) throw WrongUse("--batch: at least one number is expected, got \"" + text + "\"");
  return batches;
}

void print_results(const Json& results) {
  Json json = results.size() == 1 ? results[0] : Json::object();
  json["results"] = results;
  print_json(json);
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}
}  // namespace siglip::tools
