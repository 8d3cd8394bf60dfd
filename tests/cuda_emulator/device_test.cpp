// What lies above the kernels, with a device under it: tensors that move, memory that ends, batches, training, evaluation, checkpoints.
#include <doctest/doctest.h>
#include <cmath>
#include <filesystem>
#include <sstream>
#include "../temporary_folder.h"
#include "check/values.h"
#include "core/pool.h"
#include "emulator.h"
#include "siglip/check.h"
#include "siglip/loss.h"
#include "siglip/model.h"
#include "siglip/ops.h"
#include "siglip/optim.h"
#include "siglip/tape.h"
#include "siglip/train.h"
#include "train/run_folder.h"
using namespace siglip;

// The double library, linked into the same program, names its own functions.
namespace siglip::f64 {
DeviceMatch model_across_devices(Device device);
DeviceMatch training_across_devices(Device device, int steps);
std::vector<TensorMatch> run_reference_case(const std::string& folder, Device device);
}  // namespace siglip::f64

namespace {
// Twelve pictures to train on and four to evaluate.
const std::string& pictures() {
  static const TemporaryFolder folder;
  static const bool made = [] {
    for (const auto& [split, count] : {std::pair("train", 12), std::pair("val", 4)}) {
      std::string lines;
      std::filesystem::create_directories(folder / split);
      for (int k = 0; k < count; ++k) {
        Image image{8, 8, {}};
        for (int i = 0; i < 3 * 64; ++i) image.rgb.push_back(static_cast<std::uint8_t>((i * (k + 3) * 7 + k * 40) % 256));
        const std::string name = std::to_string(k) + ".png";
        write_png(folder / (std::string(split) + "/" + name), image);
        lines += "{\"file_name\": \"" + name + "\", \"text\": \"picture " + std::string(1, static_cast<char>('a' + k)) + "\"}\n";
      }
      folder.write(std::string(split) + "/metadata.jsonl", lines);
    }
    return true;
  }();
  CHECK(made);
  return folder.path;
}

TrainConfig small_run(const std::string& out, const char* device) {
  TrainConfig c;
  c.data = pictures(), c.out = out, c.model = "nano", c.device = device;
  c.width = 8, c.layers = 1, c.heads = 2, c.mlp = 12, c.image_size = 8, c.patch_size = 4, c.context = 4;
  c.steps = 4, c.batch_size = 4, c.eval_every = 4, c.save_every = 2, c.threads = 1, c.flip = 0.5;
  return c;
}

std::vector<double> losses_of(const std::string& run) {
  std::vector<double> losses;
  for (const LogRow& row : read_history(run).log) losses.push_back(row.loss);
  return losses;
}

void check_near(const std::vector<double>& a, const std::vector<double>& b) {
  REQUIRE(a.size() == b.size());
  for (std::size_t i = 0; i < a.size(); ++i) CHECK(std::abs(a[i] - b[i]) <= 1e-5 * std::abs(b[i]));
}
}  // namespace

TEST_CASE("device: a model and a training agree with the CPU, in float and in double") {
  for (const DeviceMatch& m : {model_across_devices(Device::cuda), training_across_devices(Device::cuda, 12), f64::model_across_devices(Device::cuda),
                               f64::training_across_devices(Device::cuda, 3)}) {
    INFO(m.what, ", ", m.about, ": ", m.tensor, "[", m.element, "] = ", m.got, ", expected ", m.expected, ", error ", m.error);
    CHECK(m.ok());
  }
}

TEST_CASE("device: a golden model gives transformers' outputs and gradients") {
  const std::string folder = SIGLIP_GOLDENS "/models/odd_widths";
  for (const auto& matches : {run_reference_case(folder, Device::cuda), f64::run_reference_case(folder, Device::cuda)}) {
    REQUIRE(!matches.empty());
    for (const TensorMatch& m : matches) {
      INFO(m.tensor, " (", m.judged, "): error ", m.error, ", limit ", m.limit);
      CHECK(m.ok());
    }
  }
}

TEST_CASE("device: values move for every handle that shares them") {
  CHECK(device_name(Device::cuda) == "tests/cuda_emulator");
  const Tensor x = Tensor::from({2, 2}, {1, 2, 3, 4}), same = x, other = x.reshape({4});
  x.require_grad().grad()[0] = 1;
  x.move_to(Device::cuda);
  CHECK(same.device() == Device::cuda);
  CHECK(other.device() == Device::cuda);
  CHECK(!same.has_grad());
  CHECK(same.requires_grad());
  CHECK(other.to_vector() == std::vector<Real>{1, 2, 3, 4});
  Real some[2];
  other.read(some, 1, 2);
  CHECK(some[1] == 3);
  CHECK(gelu(x).to(Device::cpu).to_vector() == gelu(x).to_vector());
  same.move_to(Device::cpu);
  CHECK(x.to_vector() == std::vector<Real>{1, 2, 3, 4});

  auto values = std::make_shared<std::vector<Real>>(std::vector<Real>{5, 6});
  const std::weak_ptr<std::vector<Real>> watched = values;
  const Tensor borrowed({2}), deferred({3}), empty({0}), untouched({7});
  borrowed.borrow(values->data(), values);
  values = nullptr;
  int fetched = 0;
  deferred.defer([&](Real* to, Dim begin, Dim count) {
    ++fetched;
    for (Dim i = 0; i < count; ++i) to[i] = static_cast<Real>(begin + i);
  });
  move_to({{"a", borrowed}, {"b", deferred}, {"c", empty}, {"d", untouched}}, Device::cuda);
  CHECK(watched.expired());
  CHECK(borrowed.to_vector() == std::vector<Real>{5, 6});
  CHECK(fetched == 0);
  CHECK(deferred.to_vector() == std::vector<Real>{0, 1, 2});
  CHECK(fetched == 1);
  CHECK(empty.to_vector().empty());
  CHECK(!untouched.allocated());
  const Ids ids = Ids({3}, {3, 1, 2}).to(Device::cuda);
  CHECK(ids.device() == Device::cuda);
  CHECK(ids.to(Device::cpu).to_vector() == std::vector<std::int32_t>{3, 1, 2});
  CHECK(ids.largest() == 3);
}

TEST_CASE("device: memory that ends is one clear error, and all goes on") {
  trim_pool(Device::cuda);
  const Tensor held = Tensor::full({1 << 12}, 1, Device::cuda);
  { Tensor({1 << 10}, Device::cuda).data(); }  // waits, and is given back before the error
  const Tensor host = Tensor::full({1 << 14}, 2);
  emulator::limit_memory(1 << 10);
  const std::string said = complaint_of([&] { host.move_to(Device::cuda); });
  INFO(said);
  CHECK(said.starts_with("Tensor: 64.0 KiB are wanted on the CUDA device, 0 bytes of 1.0 KiB are free; this process holds "));
  CHECK(said.ends_with(" of it in use, and 4.0 KiB that waited were given back"));
  CHECK(host.device() == Device::cpu);
  CHECK(host.to_vector()[7] == 2);
  CHECK(complaint_of([] { Tensor({1 << 15}, Device::cuda).fill(0); }).starts_with("Tensor: 128.0 KiB are wanted on the CUDA device, "));
  emulator::limit_memory(std::size_t{1} << 30);
  host.move_to(Device::cuda);
  CHECK(add(host, host).to_vector()[9] == 4);
  CHECK(held.to_vector()[3] == 1);
}

TEST_CASE("device: inputs of an op that lie on two devices are refused by name") {
  int refused = 0;
  for (const OpRow& row : op_table())
    for (std::size_t i = 0; i < row.cases[0].shapes.size() && row.cases[0].shapes.size() > 1; ++i)
      for (const Device device : {Device::cpu, Device::cuda}) {
        Tensors in = draw_inputs(row.cases[0], 1, device);
        in[i].move_to(device == Device::cpu ? Device::cuda : Device::cpu);
        const std::string said = complaint_of([&] { row.call(in, row.cases[0]); });
        INFO(row.name, ", input ", i);
        CHECK(said.ends_with(": inputs on one device are expected, got some on the CPU and some on a CUDA device"));
        ++refused;
      }
  CHECK(refused >= 40);
  const Ids ids({1}, {0});
  CHECK(complaint_of([&] { token_embedding(ids, Tensor::full({1, 2}, 1).to(Device::cuda)); }).starts_with("token_embedding: inputs on one device"));
  const std::string apart = ": inputs on one device are expected, got some on the CPU and some on a CUDA device";
  const Tensor host({2}), there({2}, Device::cuda), p = Tensor::full({2}, 1);
  Tape tape;
  CHECK(complaint_of([&] { tape.backward({there}, {host}); }) == "backward" + apart);
  AdamW optimizer({{"p", p}}, {});
  p.move_to(Device::cuda);
  CHECK(complaint_of([&] { optimizer.step(0.1); }) == "AdamW" + apart);
  CHECK(optimizer.steps() == 0);
  CHECK(complaint_of([&] { there.borrow(host.data(), nullptr); }) == "borrow: a tensor on the CPU, got one on another device");
  const Tensor u = Tensor::full({1, 2}, 1).to(Device::cuda), t = Tensor::full({1}, 1).to(Device::cuda);
  CHECK(complaint_of([&] { sigmoid_loss(u, u, t, t, {ids, ids}); }).starts_with("sigmoid_loss: inputs on one device"));
}

TEST_CASE("device: a step after the first takes no memory, in any precision") {
  SiglipConfig config = preset("nano");
  config.vision = config.text = {8, 1, 2, 12}, config.projection = 8, config.image_size = 8, config.patch_size = 4, config.context = 4;
  config.vocab_size = 5;
  const Siglip model(config);
  initialize(model, 1);
  move_to(model.parameters(), Device::cuda);
  AdamW optimizer(model.parameters(), {});
  const Tensor images = Tensor::full({3, 3, 8, 8}, Real(0.5)).to(Device::cuda);
  const Ids ids = Ids({3, 4}, {0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1}).to(Device::cuda);
  for (const MatmulPrecision precision : {MatmulPrecision::f32, MatmulPrecision::tf32, MatmulPrecision::bf16}) {
    set_matmul_precision(Device::cuda, precision);
    std::int64_t allocations = 0;
    for (int step = 0; step < 4; ++step) {
      Tape tape;
      const Tensor loss = sigmoid_loss(model.vision(images), model.text(ids), model.log_t, model.b);
      tape.backward(loss);
      optimizer.step(1e-3, clip_factor(global_grad_norm(optimizer.parameters()), 1));
      optimizer.zero_grad();
      CHECK(std::isfinite(loss.item()));
      if (step == 0) allocations = pool_stats(Device::cuda).allocations;
    }
    CHECK(pool_stats(Device::cuda).allocations == allocations);
  }
  set_matmul_precision(Device::cuda, MatmulPrecision::f32);
}

TEST_CASE("device: new memory is full of NaN for the checks") {
  poison_pool(true);
  for (const Real value : Tensor({100}, Device::cuda).to_vector()) CHECK(std::isnan(value));
  poison_pool(false);
}

TEST_CASE("device: the loader sends the CPU's batches, and takes no memory after its start") {
  const DataSet data = read_data(pictures());
  const auto tokenizer = learn_words({"picture a b c d"}, 4);
  const auto samples = std::make_shared<const Samples>(data.split("train"), *tokenizer, Preprocessing{.image_size = 8});
  for (const int workers : {1, 3}) {
    Loader here(samples, {.batch_size = 5, .augmentation = {.flip = 0.5}});
    Loader there(samples, {.batch_size = 5, .augmentation = {.flip = 0.5}, .workers = workers, .device = Device::cuda});
    const std::int64_t allocations = pool_stats(Device::cuda).allocations;
    for (int step = 0; step < 6; ++step) {
      const Batch a = here.next(), b = there.next();
      CHECK(b.images.device() == Device::cuda);
      CHECK(b.tokens.device() == Device::cuda);
      CHECK(a.images.to_vector() == b.images.to_vector());
      CHECK(a.tokens.to_vector() == b.tokens.to_vector());
      CHECK(a.caption_ids.to_vector() == b.caption_ids.to_vector());
      CHECK(a.samples == b.samples);
    }
    CHECK(pool_stats(Device::cuda).allocations == allocations);
  }
}

TEST_CASE("device: a run trains as on the CPU, and goes on on the other device") {
  const TemporaryFolder folder;
  std::ostringstream log;
  const TrainResult here = train(small_run(folder / "cpu", "cpu"), log), there = train(small_run(folder / "cuda", "cuda"), log);
  CHECK(contains(log.str(), " 1 threads, on tests/cuda_emulator with f32 products\n"));
  check_near(losses_of(folder / "cuda"), losses_of(folder / "cpu"));
  CHECK(contains(read_file(folder / "cuda/summary.json"), "\"device_peak_memory_bytes\": "));
  CHECK(!contains(read_file(folder / "cpu/summary.json"), "device"));
  CHECK(here.evaluations.size() == there.evaluations.size());

  // A run that was stopped after its first step on one device goes on on the other.
  for (const auto& [from, to] : {std::pair("cuda", "cpu"), std::pair("cpu", "cuda")}) {
    const std::string run = folder / (std::string(from) + "-" + to);
    TrainConfig c = small_run(run, from);
    struct StopAt : std::stringbuf {
      int sync() override {
        if (contains(str(), "step 1/4")) request_stop();
        return 0;
      }
    } buffer;
    std::ostream stopping(&buffer);
    const TrainResult first = train(c, stopping);
    INFO(buffer.str());
    CHECK(first.interrupted);
    CHECK(resume(run, {std::string("device=") + to}, log).steps == 4);
    check_near(losses_of(run), losses_of(folder / "cpu"));
  }
  CHECK(contains(log.str(), "continues after step 1 of 4, on tests/cuda_emulator with f32 products\n"));
}

TEST_CASE("device: embeddings and evaluations of a trained model are the CPU's") {
  const TemporaryFolder folder;
  std::ostringstream log;
  train(small_run(folder / "run", "cpu"), log);
  const Pretrained here = Pretrained::load(folder / "run"), there = Pretrained::load(folder / "run");
  move_to(there.model.parameters(), Device::cuda);
  const std::vector<Image> images{read_image(pictures() + "/val/0.png"), read_image(pictures() + "/val/1.png")};
  const std::vector<std::string> texts{"picture a", "picture b", "c"};
  const auto near = [](const Tensor& a, const Tensor& b) {
    REQUIRE(a.device() == Device::cpu);
    for (Dim i = 0; i < a.size(); ++i) CHECK(std::abs(a.data()[i] - b.data()[i]) <= Real(1e-5));
  };
  near(there.embed(images), here.embed(images));
  near(there.embed(texts), here.embed(texts));

  const DataSet data = read_data(pictures());
  const NamedSamples val{"val", std::make_shared<const Samples>(data.split("val"), *here.tokenizer, here.preprocessing)};
  const auto results = [&](const Pretrained& model) {
    return evaluate(model.model, {val}, {}, Candidates::parse("split"), model.tokenizer->encode(texts))[0];
  };
  CHECK(results(there).image_to_text.r1 == results(here).image_to_text.r1);
  CHECK(results(there).text_to_image.r5 == results(here).text_to_image.r5);

  // Settings that only a device takes.
  TrainConfig c = small_run(folder / "bf16", "cuda");
  c.matmul_precision = "bf16", c.steps = 2, c.eval_every = 2;
  train(c, log);
  set_matmul_precision(Device::cuda, MatmulPrecision::f32);
  const std::vector<double> rounded = losses_of(folder / "bf16"), exact = losses_of(folder / "run");
  CHECK(rounded[0] != exact[0]);
  CHECK(std::abs(rounded[0] - exact[0]) <= 0.02 * exact[0]);
}
