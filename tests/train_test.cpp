// Training: resumes to the same bits, never overwrites, stops where numbers stop.
#include <doctest/doctest.h>
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include "siglip/checkpoint.h"
#include "siglip/error.h"
#include "siglip/rng.h"
#include "siglip/train.h"
#include "temporary_folder.h"
#include "train/fields.h"
#include "train/first_step.h"
#include "train/repeats.h"
#include "train/run_folder.h"
using namespace siglip;
namespace fs = std::filesystem;

namespace {
// A few hundred scenes, made once.
const std::string& scenes() {
  static const TemporaryFolder folder;
  static const std::string path = [] {
    const std::string dir = folder.path + "/shapes";
    make_shapes(dir, {.size = 32, .scenes = 120, .seed = 1});
    return dir;
  }();
  return path;
}

TrainConfig small_run(const std::string& out) {
  TrainConfig c;
  c.data = scenes(), c.out = out, c.model = "nano";
  c.steps = 12, c.batch_size = 16, c.eval_every = 5, c.save_every = 5, c.candidates = "64", c.threads = 1;
  c.shift = 0.1, c.scale = 0.1, c.flip = 0.5;
  return c;
}

// Asks for a stop when a given text appears in the log.
struct StopAt : std::stringbuf {
  std::string text;
  explicit StopAt(std::string text_) : text(std::move(text_)) {}
  int sync() override {
    if (str().find(text) != std::string::npos) request_stop();
    return 0;
  }
  std::streamsize xsputn(const char* s, std::streamsize n) override {
    const std::streamsize written = std::stringbuf::xsputn(s, n);
    sync();
    return written;
  }
};

std::string bytes_of(const std::string& run, const char* file) { return read_file(run + "/last/" + file); }
}  // namespace

TEST_CASE("train: an interrupted run resumes to the same bits, whatever the threads") {
  const TemporaryFolder folder;
  std::ostringstream log;
  const std::string whole = folder.path + "/whole", broken = folder.path + "/broken";
  const TrainResult result = train(small_run(whole), log);
  CHECK(result.steps == 12);
  CHECK(!result.interrupted);

  StopAt stop("step 5  ");
  std::ostream stopping(&stop);
  const TrainResult first = train(small_run(broken), stopping);
  CHECK(first.interrupted);
  CHECK(first.steps == 5);
  CHECK(stop.str().find("continue with:  siglip train --resume " + broken) != std::string::npos);
  const TrainResult second = resume(broken, {"threads=3"}, log);
  set_threads(2);
  CHECK(second.steps == 12);
  for (const char* file : {"model.safetensors", "training_state.safetensors", "config.json", "tokenizer.json"})
    CHECK(bytes_of(whole, file) == bytes_of(broken, file));
  CHECK(read_file(whole + "/best/model.safetensors") == read_file(broken + "/best/model.safetensors"));

  // Each step stands in the log once.
  const RunHistory a = read_history(whole), b = read_history(broken);
  REQUIRE(a.log.size() == 12);
  REQUIRE(b.log.size() == 12);
  for (std::size_t i = 0; i < 12; ++i) {
    CHECK(b.log[i].step == static_cast<Dim>(i) + 1);
    CHECK(a.log[i].loss == b.log[i].loss);
  }
  CHECK(a.evaluations.size() == b.evaluations.size());

  report(broken, log);
  CHECK(fs::file_size(broken + "/report.html") > 10000);
}

TEST_CASE("train: resuming with other numbers or other data is refused") {
  const TemporaryFolder folder;
  std::ostringstream log;
  TrainConfig c = small_run(folder.path + "/run");
  const std::string data = folder.path + "/data";
  fs::copy(scenes(), data, fs::copy_options::recursive);
  c.data = data, c.steps = 2;
  train(c, log);
  CHECK_THROWS_WITH_AS(
      resume(c.out, {"lr=0.5"}, log),
      "--resume: a run keeps lr = 0.001, got 0.5 (only data, threads, save_every, device and matmul_precision may change, and steps may grow)",
      Error);
  CHECK_THROWS_WITH_AS(train(c, log),
                       (c.out + ": a folder without a run is expected (a run is never overwritten), got one; --resume continues it").c_str(), Error);
  fs::copy(data + "/train/00001.png", data + "/train/00002.png", fs::copy_options::overwrite_existing);
  try {
    resume(c.out, {}, log);
    FAIL_CHECK("other pictures were accepted");
  } catch (const Error& e) {
    CHECK(std::string(e.what()).find("the data the run began with is expected") != std::string::npos);
  }
  fs::copy(scenes() + "/train/00002.png", data + "/train/00002.png", fs::copy_options::overwrite_existing);

  // One flipped bit in any file of the state, wherever it is.
  for (const char* name : {"model.safetensors", "training_state.safetensors", "training_state.json"}) {
    const std::string file = c.out + "/last/" + name, whole = read_file(file);
    for (const std::size_t at : {whole.size() / 3, whole.size() - 9}) {
      std::string damaged = whole;
      damaged[at] = static_cast<char>(damaged[at] ^ 1);
      write_file(file, damaged);
      CHECK(complaint_of([&] { resume(c.out, {}, log); }).starts_with(file + ": the file as it was saved is expected (checksum "));
    }
    write_file(file, whole.substr(0, whole.size() / 2));
    CHECK(complaint_of([&] { resume(c.out, {}, log); }).starts_with(file + ": the file as it was saved is expected (checksum "));
    write_file(file, whole);
  }
  CHECK(resume(c.out, {}, log).steps == 2);

  const RunFolder held = RunFolder::open(c.out);
  CHECK_THROWS_WITH_AS(resume(c.out, {}, log),
                       (c.out + ": a run that nobody else is training is expected, got one locked by another process").c_str(), Error);
}

TEST_CASE("train: a loss that is not finite stops the run and says where") {
  const TemporaryFolder folder;
  std::ostringstream log;
  TrainConfig c = small_run(folder.path + "/run");
  c.bias_init = "3e38";
  CHECK_THROWS_WITH_AS(
      train(c, log),
      "train: step 1: the loss is not finite; the last good checkpoint is none yet; a lower --lr, a longer --warmup or --grad-clip 1 may help",
      Error);
  CHECK(!fs::exists(c.out + "/last"));
}

TEST_CASE("train: one batch ten times as wrong and captions at random are steps like others") {
  const TemporaryFolder folder;
  Rng rng(5);
  std::string noise = "file_name,text\n";
  const DataSet data = read_data(scenes());
  const std::vector<Pair>& pairs = data.split("train").pairs;
  for (int i = 0; i < 48; ++i) {
    const std::string name = std::to_string(i) + ".png";
    fs::copy(pairs[static_cast<std::size_t>(i)].image, folder / name);
    noise += name + ",\"" + pairs[static_cast<std::size_t>(rng.below(48))].text + "\"\n";
  }
  folder.write("noise.csv", noise);
  TrainConfig c = small_run(folder / "run");
  c.data = folder / "noise.csv", c.val_fraction = 0, c.candidates = "split", c.bias_init = "100";  // softplus(100): the first loss is a spike
  std::ostringstream log;
  CHECK(train(c, log).steps == 12);
  const RunHistory h = read_history(c.out);
  CHECK(h.log.front().loss > 1000);
  CHECK(std::isfinite(h.log.back().loss));
  CHECK(h.log.back().loss < h.log.front().loss);
}

TEST_CASE("train: equal captions and black pictures are dull, not fatal; what equal captions cost is said") {
  const TemporaryFolder folder;
  std::string table = "file_name,text\n";
  for (int i = 0; i < 8; ++i) {
    const std::string name = std::to_string(i) + ".png";
    write_png(folder / name, {8, 8, std::vector<std::uint8_t>(192, 0)});
    table += name + ",nothing to see\n";
  }
  folder.write("pairs.csv", table + "none.png,left out\n");
  const auto said = [&](const std::string& out, const char* loss, const char* positives) {
    TrainConfig c = small_run(folder / out);
    c.data = folder / "pairs.csv", c.batch_size = 4, c.steps = 3, c.candidates = "split", c.val_fraction = 0, c.loss = loss, c.positives = positives;
    std::ostringstream log;
    CHECK(train(c, log).steps == 3);
    const std::string text = log.str(), skipped = folder / (out + "/skipped.txt");
    CHECK(contains(text, "skipped: " + folder.path + "/none.png: a readable file is expected, got: No such file or directory\n"));
    CHECK(text.ends_with("data: pictures that could not be read and were left out: 1, listed in " + skipped + "\n"));
    CHECK(read_file(skipped).find("none.png") != std::string::npos);
    const std::size_t begin = text.find("captions repeat: ");
    CHECK(text.find("captions repeat: ", begin + 1) == std::string::npos);  // once
    return text.substr(begin, text.find('\n', begin) - begin);
  };
  const std::string repeat = "captions repeat: in the batch of step 1 a picture shares its caption with 3 others on average; ";
  CHECK(said("caption", "sigmoid", "caption") == repeat + "they count as matches (--positives caption), which costs nothing");
  CHECK(said("diagonal", "sigmoid", "diagonal") ==
        repeat + "they are trained as mismatches (--positives diagonal), so the loss cannot fall below 2.25; --positives caption avoids it");
  CHECK(said("softmax", "softmax", "caption") ==
        repeat + "the softmax takes one of them for right and the others for wrong, so its loss cannot fall below 1.39");
  // All alike, the softmax is at its floor ln 4 from the first step on.
  CHECK(read_history(folder / "softmax").log[0].loss == doctest::Approx(std::log(4.0)).epsilon(1e-5));
}

TEST_CASE("train: captions that the model cannot tell apart are told where they count as matches") {
  const TemporaryFolder folder;
  std::string table = "file_name,text\n";
  for (int i = 0; i < 8; ++i) {
    const std::string name = std::to_string(i) + ".png";
    write_png(folder / name, {8, 8, std::vector<std::uint8_t>(192, static_cast<std::uint8_t>(30 * i))});
    table += name + (i < 4 ? ",number " + std::to_string(i) : i < 6 ? ",A cat." : ",a cat") + "\n";
  }
  folder.write("pairs.csv", table);
  const auto said = [&](const std::string& out, const char* loss, const char* positives) {
    TrainConfig c = small_run(folder / out);
    c.data = folder / "pairs.csv", c.batch_size = 4, c.steps = 1, c.candidates = "split", c.val_fraction = 0, c.loss = loss, c.positives = positives;
    std::ostringstream log;
    train(c, log);
    return log.str();
  };
  const std::string note =
      "note: the model cannot tell 6 captions in train apart: by case, marks and what is cut off they are 5, and in training those count as matches "
      "of each other\n";
  CHECK(contains(said("caption", "sigmoid", "caption"), note));
  CHECK(!contains(said("diagonal", "sigmoid", "diagonal"), "cannot tell"));
  CHECK(!contains(said("softmax", "softmax", "caption"), "cannot tell"));
}

TEST_CASE("train: pictures that cannot be read are skipped by name, the first ten in the log; strict, the first one is an error") {
  const TemporaryFolder folder;
  std::string table = "file_name,text\n";
  for (int i = 0; i < 4; ++i) {
    write_png(folder / (std::to_string(i) + ".png"), {8, 8, std::vector<std::uint8_t>(192, static_cast<std::uint8_t>(60 * i))});
    table += std::to_string(i) + ".png,picture " + std::to_string(i) + "\n";
  }
  for (int i = 0; i < 12; ++i) table += "none" + std::to_string(i) + ".png,nothing\n";
  TrainConfig c = small_run(folder / "run");
  c.data = folder.write("pairs.csv", table), c.batch_size = 4, c.steps = 1, c.candidates = "split", c.val_fraction = 0, c.strict = true;
  std::ostringstream log;
  CHECK_THROWS_WITH_AS(train(c, log), (folder / "none0.png: a readable file is expected, got: No such file or directory").c_str(), Error);
  CHECK(!fs::exists(c.out));

  c.strict = false;
  train(c, log);
  const std::string text = log.str(), listed = read_file(c.out + "/skipped.txt");
  for (int i = 0; i < 12; ++i) {
    const std::string line = folder / ("none" + std::to_string(i) + ".png: a readable file is expected, got: No such file or directory\n");
    CHECK(contains(text, "skipped: " + line) == (i < 10));
    CHECK(contains(listed, line));
  }
  CHECK(contains(text, "skipped: 2 more pictures, named in skipped.txt\n"));
  CHECK(text.ends_with("data: pictures that could not be read and were left out: 12, listed in " + c.out + "/skipped.txt\n"));
}

TEST_CASE("train: captions that first repeat in a later batch are reported then") {
  CHECK(count_repeats({4, 5, 6}).others == 0);
  const Repeats some = count_repeats({1, 2, 2, 3});
  CHECK(some.others == 0.5);
  CHECK(some.softmax_floor == doctest::Approx(std::log(2.0) / 2));
  CHECK(some.diagonal_floor == doctest::Approx(std::log(2.0)));

  // Two of eight captions are equal, and the first batches of two have others.
  const TemporaryFolder folder;
  std::string table = "file_name,text\n";
  for (int i = 0; i < 8; ++i) {
    write_png(folder / (std::to_string(i) + ".png"), {8, 8, std::vector<std::uint8_t>(192, static_cast<std::uint8_t>(30 * i))});
    table += std::to_string(i) + ".png,picture " + std::to_string(i == 1 ? 0 : i) + "\n";
  }
  TrainConfig c = small_run(folder / "run");
  c.data = folder.write("pairs.csv", table), c.batch_size = 4, c.steps = 40, c.val_fraction = 0, c.candidates = "split", c.eval_every = 40;
  Dim first = 0;
  for (; c.seed < 100 && first < 2; ++c.seed)
    for (first = 0; first < 40; ++first) {
      const std::vector<Dim> batch = Loader::order(8, 4, static_cast<std::uint64_t>(c.seed), first);
      if (std::count(batch.begin(), batch.end(), 0) && std::count(batch.begin(), batch.end(), 1)) break;
    }
  --c.seed;
  REQUIRE(first >= 2);
  std::ostringstream log;
  train(c, log);
  CHECK(log.str().find("captions repeat: in the batch of step " + std::to_string(first + 1) + " a picture shares its caption with 0.5 others") !=
        std::string::npos);
}

TEST_CASE("train: a split that asks nothing is refused before anything is written") {
  const TemporaryFolder folder;
  std::string table = "file_name,text,distractor\n";
  for (int i = 0; i < 4; ++i) {
    for (const char* split : {"train", "val"}) {
      fs::create_directories(folder / ("data/" + std::string(split)));
      write_png(folder / ("data/" + std::string(split) + "/" + std::to_string(i) + ".png"), {8, 8, std::vector<std::uint8_t>(192, 9)});
    }
    table += std::to_string(i) + ".png,picture " + std::to_string(i) + ",true\n";
  }
  folder.write("data/val/metadata.csv", table);
  for (std::size_t at; (at = table.find(",true")) != std::string::npos;) table.replace(at, 5, ",false");
  folder.write("data/train/metadata.csv", table);
  TrainConfig c = small_run(folder / "run");
  c.data = folder / "data", c.batch_size = 4;
  std::ostringstream log;
  CHECK_THROWS_WITH_AS(train(c, log), "val: at least one query, got only distractors", Error);
  CHECK(!fs::exists(c.out));
}

TEST_CASE("train: settings are checked before anything is made") {
  const TemporaryFolder folder;
  std::ostringstream log;
  TrainConfig c = small_run(folder.path + "/run");
  c.batch_size = 100000;
  CHECK_THROWS_WITH_AS(train(c, log), "--batch-size: at most the 120 usable pairs of train, got 100000", Error);
  c = small_run(folder.path + "/run");
  c.loss = "sigmiod";
  CHECK_THROWS_WITH_AS(validate(c), "--loss: one of sigmoid, softmax is expected, got \"sigmiod\"; the nearest is \"sigmoid\"", Error);
  c.loss = "sigmoid", c.bias_init = "minus ten";
  CHECK_THROWS_WITH_AS(validate(c), "--bias-init: auto or a finite number is expected, got \"minus ten\"", Error);
  c.bias_init = "auto", c.name = "";
  CHECK_THROWS_WITH_AS(validate(c), "--name: a name of a folder, without /, is expected, got \"\"", Error);
  c.name = "exp", c.lr = -1;
  CHECK_THROWS_WITH_AS(validate(c), "--lr: a number from 0 to 10 is expected, got -1", Error);
  c = small_run(folder.path + "/run");
  c.out = folder.path + "/other", c.data = folder.path + "/nothing";
  CHECK_THROWS_WITH_AS(train(c, log),
                       (c.data + ": a folder or a table (.csv, .tsv, .txt, .jsonl, .json) is expected, got nothing of this name").c_str(), Error);
  CHECK(!fs::exists(c.out));
}

TEST_CASE("train: settings as JSON and as key=value") {
  TrainConfig c;
  read_json(c, R"({"lr": 0.5, "steps": 7, "loss": "softmax", "strict": true})", "my.json");
  CHECK(c.lr == 0.5);
  CHECK(c.steps == 7);
  CHECK(c.loss == "softmax");
  CHECK(c.strict);
  TrainConfig again;
  read_json(again, to_json(c), "itself");
  CHECK(to_json(again) == to_json(c));
  CHECK_THROWS_WITH_AS(read_json(c, R"({"batchsize": 3})", "my.json"), "my.json: unknown setting \"batchsize\"; the nearest is \"batch_size\"",
                       Error);
  CHECK_THROWS_WITH_AS(read_json(c, R"({"lr": "fast"})", "my.json"), "my.json: lr: a finite number is expected, got \"fast\"", Error);
  CHECK_THROWS_WITH_AS(read_json(c, R"({"steps": 1.5})", "my.json"), "my.json: steps: a whole number is expected, got 1.5", Error);
  CHECK_THROWS_WITH_AS(read_json(c, "[1]", "my.json"), "my.json: an object of settings is expected, got array", Error);
  CHECK_THROWS_WITH_AS(read_json(c, R"({"loss": 1})", "my.json"), "my.json: loss: a string is expected, got 1", Error);
  CHECK_THROWS_WITH_AS(read_json(c, R"({"strict": 1})", "my.json"), "my.json: strict: true or false is expected, got 1", Error);
  CHECK_THROWS_WITH_AS(set(c, "lr"), "--set: key=value is expected, got \"lr\"", Error);
  set(c, "bias_init=auto");
  set(c, "epochs=2.5");
  CHECK(c.bias_init == "auto");
  CHECK(c.epochs == 2.5);
}

TEST_CASE("first step: a healthy start has no warning; towers that give one embedding for everything have") {
  const TemporaryFolder folder;
  const auto said = [&](const TrainConfig& c) {
    std::ostringstream log;
    train(c, log);
    const std::string text = log.str();
    CHECK(text.find("first step: loss ") != std::string::npos);
    const std::size_t begin = text.find("warning: ");
    return begin == std::string::npos ? "" : text.substr(begin, text.find('\n', begin) - begin);
  };
  TrainConfig c = small_run("");
  c.steps = 1;
  for (const char* bias : {"-10", "3"})
    for (const char* reduction : {"per_image", "mean"})
      for (const char* positives : {"caption", "diagonal"}) {
        c.out = folder / ("run" + std::string(bias) + reduction + positives), c.bias_init = bias, c.reduction = reduction, c.positives = positives;
        CHECK(said(c) == "");
      }

  std::string table = "file_name,text\n";
  for (int i = 0; i < 8; ++i) {
    write_png(folder / (std::to_string(i) + ".png"), {8, 8, std::vector<std::uint8_t>(192, 0)});
    table += std::to_string(i) + ".png,thing " + std::to_string(i) + "\n";
  }
  c = small_run(folder / "black");
  c.data = folder.write("pairs.csv", table), c.batch_size = 4, c.steps = 1, c.val_fraction = 0, c.candidates = "split", c.shift = c.scale = 0;
  CHECK(said(c) == "warning: all pictures of the first batch have one embedding; likely: they are all alike, or the tower ignores its input");

  // Both towers at one point: the loss is what t, b and that cosine demand, and yet nothing is well.
  Tensor u = Tensor::full({4, 2}, 0);
  for (Dim i = 0; i < 4; ++i) u.data()[2 * i] = 1;
  const Scalars start{10, -10};
  const FirstStep collapsed = first_step(4 * std::log(2.0), u, u, start, start, 1, 4);
  CHECK(collapsed.mean_cosine == 1);
  CHECK(collapsed.expected == doctest::Approx(4 * std::log(2.0)));
  CHECK(collapsed.warning ==
        "pictures and texts lie along one line before anything is learned (mean cosine 1); likely: both towers give nearly one embedding for "
        "everything (check initialisation and inputs)");
  Tensor v = Tensor::full({4, 2}, 0);  // texts that differ, across the pictures' line
  for (Dim i = 0; i < 4; ++i) v.data()[2 * i + 1] = i % 2 ? 1 : -1;
  CHECK(first_step(10.000136, u, v, start, start, 1, 4).warning ==
        "all pictures of the first batch have one embedding; likely: they are all alike, or the tower ignores its input");
  CHECK(first_step(10.000136, v, u, start, start, 1, 4).warning ==
        "all texts of the first batch have one embedding; likely: they are all alike, or the tower ignores its input");
}

TEST_CASE("train: it learns, with either loss") {
  const TemporaryFolder folder;
  for (const char* loss : {"sigmoid", "softmax"}) {
    std::ostringstream log;
    TrainConfig c = small_run(folder.path + "/" + loss);
    c.loss = loss, c.steps = 80, c.batch_size = 32, c.eval_every = 80, c.lr = 5e-3, c.warmup = 10, c.shift = c.scale = c.flip = 0;
    train(c, log);
    const RunHistory h = read_history(c.out);
    INFO(std::string(loss), ": first ", h.log.front().loss, ", last ", h.log.back().loss);
    CHECK(h.log.back().loss < 0.85 * h.log.front().loss);
  }
}

TEST_CASE("first step: a gap names its likely cause") {
  // Unit rows that are orthogonal to all others: every cosine is 0.
  const Dim B = 4, E = 8;
  Tensor u = Tensor::full({B, E}, 0), v = Tensor::full({B, E}, 0);
  for (Dim i = 0; i < B; ++i) u.data()[i * E + i] = 1, v.data()[i * E + 4 + i] = 1;
  const Scalars start{10, -10};
  const FirstStep right = first_step(10.000136, u, v, start, start, 1, 4);
  CHECK(right.expected == doctest::Approx(10.0001816));
  CHECK(right.text == "first step: loss 10, expected 10 from B = 4, t = 10, b = -10 and a mean cosine of 0 (10 if all were 0)");
  CHECK(right.warning.empty());
  const std::string apart = "the first loss is more than 5 % from what B, t and b demand; likely: ";
  CHECK(first_step(10.0 / 4, u, v, start, start, 1, 4).warning == apart + "divided by B² instead of B, or the reverse");
  CHECK(first_step(4 * 0.693147, u, v, start, start, 1, 4).warning == apart + "all logits are 0 (bias missing)");
  CHECK(first_step(15, u, v, start, start, 1, 4).warning == apart + "labels off, or cosines far from a bell curve (check initialisation and inputs)");
  // What the settings say is expected, whatever the model has.
  const std::string not_set = ", not with the t = 10 and b = -10 of its settings";
  CHECK(first_step(10, u, v, start, {1, -10}, 1, 4).expected == right.expected);
  CHECK(first_step(10, u, v, start, {1, -10}, 1, 4).warning == "the model starts with t = 1 and b = -10" + not_set);
  CHECK(first_step(2.77, u, v, start, {10, 0}, 1, 4).warning == "the model starts with t = 10 and b = 0" + not_set);
  CHECK(first_step(10, u, v, start, {double(std::exp(std::log(10.0f))), -10}, 1, 4).warning.empty());  // log_t is rounded
  const Tensor zeros = Tensor::full({4, u.columns()}, 0);  // the loss is that of cosines around 0: nothing else would tell
  CHECK(first_step(10.000136, u, zeros, start, start, 1, 4).warning ==
        "embeddings of texts are not unit rows, one has the length 0; likely: the tower gives nothing but zeros");
  u.data()[0] = 2;
  CHECK(first_step(15, u, v, start, start, 1, 4).warning ==
        "embeddings of pictures are not unit rows, one has the length 2; likely: normalisation is missing or done twice");
}

TEST_CASE("train: small data get a batch, steps and views that they need, and settings win") {
  TrainConfig c;
  CHECK(choose_for_data(c, 610, 607) == "chosen for 607 pairs: --batch-size 128 --steps 1000 --shift 0.1 --scale 0.25");
  CHECK(choose_for_data(c, 610, 607).empty());
  c = {};
  CHECK(choose_for_data(c, 100000, 100000) == "chosen for 100000 pairs: --batch-size 256 --steps 11700 --shift 0 --scale 0");
  c = {};
  CHECK(choose_for_data(c, 12, 12) == "chosen for 12 pairs: --batch-size 12 --steps 1000 --shift 0.1 --scale 0.25");
  c = {};
  c.batch_size = 64, c.epochs = 2.5, c.shift = 0, c.scale = 0.5;
  CHECK(choose_for_data(c, 640, 640).empty());
  CHECK(c.steps == 25);
  CHECK(c.shift == 0);
  c = {};
  c.minutes = 2;
  CHECK(choose_for_data(c, 2000, 2000) == "chosen for 2000 pairs: --batch-size 256 --shift 0.1 --scale 0.25");
  CHECK(c.steps == 0);

  const TemporaryFolder folder;
  std::ostringstream log;
  c = {};
  c.data = scenes(), c.out = folder / "run", c.model = "nano", c.steps = 1, c.candidates = "64", c.threads = 1;
  train(c, log);
  CHECK(contains(log.str(), "\nchosen for 120 pairs: --batch-size 16 --shift 0.1 --scale 0.25\n"));
  const std::string kept = read_file(c.out + "/train.json");
  for (const char* line : {"\"batch_size\": 16,", "\"shift\": 0.1,", "\"scale\": 0.25,"}) CHECK(contains(kept, line));
}

TEST_CASE("train: minutes become steps, which are kept, and a resumed run ends in the same bits") {
  const TemporaryFolder folder;
  TrainConfig c = small_run(folder / "run");
  c.steps = 0, c.minutes = 0.02, c.eval_every = 0, c.save_every = 0;
  std::ostringstream log;
  const TrainResult result = train(c, log);
  CHECK(result.steps >= 10);
  CHECK(contains(log.str(), "--minutes 0.02: a step takes "));
  CHECK(contains(log.str(), " s, so there will be " + std::to_string(result.steps) + " steps\n"));
  TrainConfig kept;
  read_json(kept, read_file(c.out + "/train.json"), "train.json");
  CHECK(kept.steps == result.steps);
  CHECK(kept.warmup == std::min<Dim>(100, result.steps / 10));

  // What the measured steps taught is forgotten: a run of as many steps, said in so many words, is the same.
  TrainConfig said = kept;
  said.out = folder / "said", said.minutes = 0;
  train(said, log);
  CHECK(read_file(c.out + "/last/model.safetensors") == read_file(said.out + "/last/model.safetensors"));
  CHECK(resume(c.out, {}, log).steps == result.steps);
}

TEST_CASE("train: the parts of a fold are held out in turn, each pair once, and the report names them") {
  const TemporaryFolder folder;
  std::string table = "file_name,text\n";
  for (int i = 0; i < 12; ++i) {
    write_png(folder / (std::to_string(i) + ".png"), {8, 8, std::vector<std::uint8_t>(192, static_cast<std::uint8_t>(20 * i))});
    table += std::to_string(i) + ".png,thing " + std::to_string(i / 2) + "\n";  // two of each
    const std::string file = folder / ("classes/" + std::string(i == 0 ? "alone" : i < 5 ? "few" : "many") + "/" + std::to_string(i) + ".png");
    fs::create_directories(fs::path(file).parent_path());
    fs::copy(folder / (std::to_string(i) + ".png"), file);
  }
  folder.write("pairs.csv", table);
  for (const char* name : {"pairs.csv", "classes"}) {
    std::map<std::string, int> held;
    for (const char* fold : {"1/3", "2/3", "3/3"}) {
      TrainConfig c;
      c.fold = fold;
      const DataSet data = read_data(folder / name, data_options(c));
      std::set<std::string> trained;
      for (const Pair& pair : data.split("train").pairs) trained.insert(pair.text);
      for (const Pair& pair : data.split("val").pairs) {
        ++held[pair.image];
        CHECK(trained.contains(pair.text) == !data.classes.empty());
      }
      CHECK(data.split("val").pairs.size() + data.split("train").pairs.size() == 12);
      CHECK(data.split("val").pairs.size() >= 3);
      CHECK(data.split("val").pairs.size() <= 4);
    }
    CHECK(held.size() == (std::string(name) == "classes" ? 11 : 12));  // a class of one picture is never held out
    for (const auto& [image, times] : held) CHECK(times == 1);
  }
  TrainConfig c;
  c.fold = "9/9";
  CHECK(complaint_of([&] { read_data(folder / "pairs.csv", data_options(c)); }, folder.path) ==
        folder.path + ": pairs in each of 9 folds are expected, got too few");
  c.fold = "1/2";
  CHECK(complaint_of([&] { read_data(scenes(), data_options(c)); }) ==
        scenes() + ": data without a val split are expected where a fold is held out, got some with one");
  CHECK_THROWS_WITH_AS(read_data(scenes(), {.fold = 3, .folds = 2}), "fold: a part from 1 to their number, at least 2, is expected, got 3 of 2",
                       Error);

  c = small_run(folder / "run");
  c.data = folder / "pairs.csv", c.fold = "2/3", c.steps = 1, c.batch_size = 4, c.candidates = "split";
  std::ostringstream log;
  train(c, log);
  report(c.out, log);
  CHECK(contains(read_file(c.out + "/summary.json"), "\"fold\": \"2/3\""));
  CHECK(contains(read_file(c.out + "/report.html"), "part 2/3"));
}

TEST_CASE("first step: cosines that spread raise the loss, as they must") {
  // Rows at random in 16 dimensions: cosines of variance 1/16, times t = 4 logits of spread 1.
  const Dim B = 200, E = 16;
  Tensor u({B, E}), v({B, E});
  Rng rng(3);
  for (const Tensor& x : {u, v})
    for (Dim i = 0; i < B; ++i) {
      double squares = 0;
      for (Dim e = 0; e < E; ++e) squares += std::pow(double(x.data()[i * E + e] = static_cast<Real>(rng.normal())), 2);
      for (Dim e = 0; e < E; ++e) x.data()[i * E + e] /= static_cast<Real>(std::sqrt(squares));
    }
  const Scalars start{4, -5};
  double loss = 0;
  for (Dim i = 0; i < B; ++i)
    for (Dim j = 0; j < B; ++j) {
      double cosine = 0;
      for (Dim e = 0; e < E; ++e) cosine += double(u.data()[i * E + e]) * double(v.data()[j * E + e]);
      const double logit = start.t * cosine + start.b;
      loss += std::log1p(std::exp(i == j ? -logit : logit)) / double(B);
    }
  const FirstStep check = first_step(loss, u, v, start, start, 1, double(B));
  CHECK(check.expected == doctest::Approx(loss).epsilon(0.05));
  CHECK(check.warning.empty());
  CHECK(first_step(loss * 1.2, u, v, start, start, 1, double(B)).warning.starts_with("the first loss is more than 5 % "));
}
