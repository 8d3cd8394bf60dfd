// The program as its users meet it: every example of every --help is run, every kind of wrong use is answered.
#ifdef SIGLIP_PROGRAM_FOLDER
#include <doctest/doctest.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
#include <algorithm>
#include <cmath>
#include <limits>
#include <thread>
#include "devices.h"
#include "shell.h"
#include "siglip/train.h"
using namespace siglip;

namespace {
const std::vector<std::string> verbs{"data shapes", "train",          "eval",       "classify",   "embed",       "tokenize",
                                     "preprocess",  "inspect",        "doctor",     "convert",    "ops",         "gradcheck",
                                     "parity",      "parity-devices", "bench loss", "bench step", "bench tower", "bench tokenizer",
                                     "bench load",  "bench inputs",   "report"};

std::string example_of(const Shell& shell, const std::string& verb) {
  const Outcome help = shell("siglip " + verb + " --help");
  CHECK(help.exit_code == 0);
  CHECK(contains(help.out, verb == "bench" ? "loss" : "--json"));
  const std::size_t begin = help.out.find("Example:\n  ") + 11;
  return help.out.substr(begin, help.out.find('\n', begin) - begin);
}

// A data set and a run, made once by the examples of data shapes and train.
const Shell& trained() {
  static const Shell shell;
  static const bool made = [] {
    // The example of parity is meant for the folder of the source.
    std::filesystem::create_directory(shell.folder / "data");
    std::filesystem::create_directory_symlink(SIGLIP_GOLDENS, shell.folder / "data/goldens");
    for (const char* verb : {"data shapes", "train"}) {
      const std::string example = example_of(shell, verb);
      const Outcome run = shell(example);
      INFO(example, ": ", run.err);
      REQUIRE(run.exit_code == 0);
    }
    return true;
  }();
  CHECK(made);
  return shell;
}

void check_keys(const Json& json, const std::vector<std::string>& keys) {
  for (const std::string& key : keys) {
    INFO(key);
    CHECK(json.contains(key));
  }
}
}  // namespace

TEST_CASE("cli: the example of each --help works as typed") {
  const Shell& shell = trained();
  for (const std::string& verb : verbs) {
    const std::string example = example_of(shell, verb);
    CHECK(example.starts_with("siglip " + verb));
    if (verb == "data shapes" || verb == "train") continue;  // trained() ran them
    const Outcome run = shell(example);
    INFO(example, ": ", run.err);
    CHECK(run.exit_code == 0);
  }
  CHECK(example_of(shell, "data emoji").starts_with("siglip data emoji "));
  CHECK(example_of(shell, "bench").starts_with("siglip bench "));
}

TEST_CASE("cli: train says what came of it and what to try next") {
  const Shell& shell = trained();
  check_keys(parse_json(contents(shell.folder / "run/summary.json"), "summary.json"),
             {"split", "pairs", "candidates", "image_to_text", "text_to_image", "splits", "seconds", "steps", "peak_memory_bytes"});
  CHECK(contains(contents(shell.folder / "run/report.html"), "<html"));

  const Outcome run = shell("siglip train --data shapes --model nano --steps 2 --batch-size 16 --out short --json");
  CHECK(run.exit_code == 0);
  CHECK(parse_json(run.out, "stdout")["steps"] == 2);
  CHECK(contains(run.err, "short/report.html"));
  CHECK(contains(run.err, "\nwarning: on val the run is hardly better than chance: R@1 "));  // two steps teach little
  const Outcome tried = shell(shell.json("siglip report short --json")["try_next"][0].get<std::string>());
  INFO(tried.err);
  CHECK(tried.exit_code == 0);
  CHECK(contains(tried.out, "probability"));
}

TEST_CASE("cli: without --out every run gets a folder of its own") {
  const Shell& shell = trained();
  const std::string train = "siglip train --data ../shapes --model nano --steps 1 --batch-size 8 --name cat; ";
  const Outcome run = shell("mkdir own; cd own; " + train + "cksum < runs/train/cat/last/model.safetensors > first; " + train + train +
                            "cksum < runs/train/cat/last/model.safetensors | cmp - first && ls runs/train");
  CHECK(run.out == "cat\ncat2\ncat3\n");
}

TEST_CASE("cli: a model that the machine cannot hold is refused before it is made") {
  const Shell& shell = trained();
  const std::string said = shell.refusal("siglip train --data shapes --model nano --width 65536 --heads 1 --out large");
  CHECK(said.starts_with("1 siglip: --model: at most the "));
  CHECK(contains(said, " of memory that there are for weights, gradients and two moments, got "));
  CHECK(!std::filesystem::exists(shell.folder / "large"));
}

TEST_CASE("cli: defaults, then --config, then --set, then flags") {
  const Shell& shell = trained();
  std::ofstream(shell.folder / "some.json") << R"({"lr": 0.5, "wd": 0.5, "beta1": 0.5, "steps": 1, "batch_size": 8, "model": "nano"})";
  REQUIRE(
      shell("LC_ALL=de_DE.UTF-8 siglip train --config some.json --set wd=0.25 --set beta1=0.25 --beta1 .125 --data shapes --out order").exit_code ==
      0);
  const Json json = parse_json(contents(shell.folder / "order/train.json"), "train.json");
  CHECK(json["beta2"] == 0.95);
  CHECK(json["lr"] == 0.5);
  CHECK(json["wd"] == 0.25);
  CHECK(json["beta1"] == 0.125);
  std::ofstream(shell.folder / "wrong.json") << R"({"lrr": 1})";
  CHECK(shell.refusal("siglip train --config wrong.json") == "1 siglip: wrong.json: unknown setting \"lrr\"; the nearest is \"lr\"");
}

TEST_CASE("cli: a value out of range is the file's or the command line's") {
  const Shell shell;
  const auto said = [&](const std::string& json, const std::string& flags) {
    std::ofstream(shell.folder / "my.json") << json;
    return shell.refusal("siglip train --config my.json " + flags);
  };
  CHECK(said(R"({"lr": -1})", "--data x") == "1 siglip: my.json: lr: a number from 0 to 10 is expected, got -1");
  CHECK(said(R"({"lr": -1, "data": "x"})", "") == "1 siglip: my.json: lr: a number from 0 to 10 is expected, got -1");
  CHECK(said(R"({"batch_size": 1})", "--data x --lr 0.1") ==
        "1 siglip: my.json: batch_size: 0, for as many as the data need, or a whole number from 2 to 1048576 is expected, got 1");
  CHECK(said(R"({"loss": "sofmax"})", "--data x") ==
        "1 siglip: my.json: loss: one of sigmoid, softmax is expected, got \"sofmax\"; the nearest is \"softmax\"");
  CHECK(said(R"({"model": "tinny"})", "--data x") ==
        "1 siglip: my.json: model: the name of a known model is expected, got \"tinny\"; the nearest is \"tiny\"");
  CHECK(said(R"({"matmul_precision": "bf16"})", "--data x") ==
        "1 siglip: my.json: matmul_precision: f32 is expected on the CPU, got bf16, which needs --device cuda");
  CHECK(said(R"({"width": 4611686018427387904})", "--data x") ==
        "1 siglip: my.json: width: a whole number from 0 to 65536 is expected, got 4611686018427387904");
  CHECK(said(R"({"heads": 7})", "--data x") == "1 siglip: my.json: vision heads divide width 96, got 7");
  CHECK(said("{}", "--data x --model nano --heads 5") == "2 siglip: the model's settings: vision heads divide width 48, got 5");
  for (const char* flag : {"--image-size", "--patch-size", "--width", "--layers", "--heads", "--mlp", "--context"})
    CHECK(said("{}", std::string("--data x ") + flag + " -1").starts_with(std::string("2 siglip: ") + flag + ": a whole number from 0 to "));
  CHECK(said(R"({"candidates": "1"})", "--data x") == "1 siglip: my.json: candidates: split, all or a number from 2, got \"1\"");
  CHECK(said(R"({"bias_init": "ten"})", "--data x") == "1 siglip: my.json: bias_init: auto or a finite number is expected, got \"ten\"");
  // Overruled or wrong by the command line, it is none of the file's business.
  CHECK(said(R"({"lr": -1})", "--data nowhere --lr 1") ==
        "1 siglip: nowhere: a folder or a table (.csv, .tsv, .txt, .jsonl, .json) is expected, got nothing of this name");
  CHECK(said(R"({"lr": 1})", "--data x --lr -2") == "2 siglip: --lr: a number from 0 to 10 is expected, got -2");
  CHECK(said(R"({"lr": 1})", "--data x --set lr=-2") == "2 siglip: --lr: a number from 0 to 10 is expected, got -2");
  CHECK(said(R"({"lr": 1})", "") == "2 siglip: --data: a folder or table of pictures and texts is expected, got nothing");
  CHECK(said("[]", "--data x") == "1 siglip: my.json: an object of settings is expected, got array");
}

TEST_CASE("cli: a run lies outside its data") {
  const Shell& shell = trained();
  const std::string refused = "1 siglip: --out: a folder outside the data is expected, got ";
  const std::string train = "siglip train --model nano --steps 1 --batch-size 8 ";
  CHECK(shell.refusal(train + "--data shapes --out shapes") == refused + "shapes, which lies in shapes");
  CHECK(shell.refusal(train + "--data shapes/ --out ./shapes/train/../run") == refused + "./shapes/train/../run, which lies in shapes/");
  CHECK(shell.refusal("ln -s shapes same; " + train + "--data same --out shapes/run") == refused + "shapes/run, which lies in same");
  CHECK(shell.refusal("cd shapes; " + train + "--data .") == refused + "runs/train/exp, which lies in .");
  CHECK(!std::filesystem::exists(shell.folder / "shapes/run"));
  CHECK(!std::filesystem::exists(shell.folder / "shapes/runs"));
  CHECK(!std::filesystem::exists(shell.folder / "shapes/train.json"));
  CHECK(shell(train + "--data shapes --out shapes2").exit_code == 0);  // beside it, although the name begins alike
}

TEST_CASE("cli: a terminal shows one line in place, in colour unless NO_COLOR says otherwise") {
  const Shell& shell = trained();
  const auto shown_by = [&](const std::string& command) {
    const int terminal = posix_openpt(O_RDWR | O_NOCTTY);
    REQUIRE(terminal >= 0);
    REQUIRE(grantpt(terminal) == 0);
    REQUIRE(unlockpt(terminal) == 0);
    const std::string name = ptsname(terminal);
    const int held = open(name.c_str(), O_RDWR | O_NOCTTY);  // the reader sees no end before this is closed
    std::string text;
    std::thread reader([&] {
      char bytes[4096];
      for (ssize_t count; (count = read(terminal, bytes, sizeof bytes)) > 0;) text.append(bytes, static_cast<std::size_t>(count));
    });
    const Outcome run = shell(command + " 2>" + name);
    close(held);
    reader.join();
    close(terminal);
    CHECK(run.exit_code == 0);
    CHECK(contains(text, "\r"));
    return text;
  };
  const auto shown = [&](const std::string& environment, const std::string& out) {
    const std::string text = shown_by("env " + environment + " siglip train --data shapes --model nano --steps 2 --batch-size 8 --out " + out);
    CHECK(contains(text, "2/2  "));
    return text;
  };
  CHECK(contains(shown("-u NO_COLOR", "coloured"), "\x1b["));
  CHECK(contains(shown("NO_COLOR=", "coloured2"), "\x1b["));  // empty is not set
  CHECK(!contains(shown("NO_COLOR=1", "plain"), "\x1b["));
  const std::string pictures = shown_by("siglip classify run --labels circle $(for i in $(seq 70); do echo shapes/val/00000.png; done)");
  CHECK(contains(pictures, "0 of 70 pictures\r"));
  CHECK(contains(pictures, "\r64 of 70 pictures\r"));
  CHECK(pictures.ends_with(" \r"));  // nothing stays
}

TEST_CASE("cli: Ctrl-C saves, --resume goes on, a run belongs to one process") {
  const Shell& shell = trained();
  const Outcome stopped = shell(
      "siglip train --data shapes --model nano --steps 40 --batch-size 256 --eval-every 100 --out broken --json & pid=$!\n"
      "while ! [ -s broken/log.jsonl ]; do sleep 0.02; done; kill -INT $pid; wait $pid");
  INFO(stopped.err);
  CHECK(stopped.exit_code == 0);
  CHECK(contains(stopped.err, "siglip train --resume broken"));
  const Json told = parse_json(stopped.out, "stopped");
  CHECK(told["run"] == "broken");
  CHECK(contains(stopped.err, "stopped after step " + told["stopped_at"].dump() + " of 40"));
  CHECK(shell.refusal("flock broken/.lock siglip train --resume broken") ==
        "1 siglip: broken: a run that nobody else is training is expected, got one locked by another process");
  CHECK(contains(shell.refusal("siglip train --resume broken --lr 1"), "1 siglip: --resume: a run keeps lr"));
  CHECK(contains(shell.refusal("siglip train --resume broken --config some.json"),
                 "2 siglip: --config: a run that is resumed keeps its configuration"));
  const Outcome resumed = shell("siglip train --resume broken --threads 1");
  INFO(resumed.err);
  CHECK(resumed.exit_code == 0);
  CHECK(contains(resumed.err, "continues after step"));
  CHECK(contains(resumed.err, "done: 40 steps"));
}

TEST_CASE("cli: the keys of --json are a contract") {
  const Shell& shell = trained();
  check_keys(shell.json("siglip eval run --json --split val --candidates 64"),
             {"split", "pairs", "candidates", "image_to_text", "text_to_image", "splits", "seconds", "peak_memory_bytes"});
  CHECK(shell.json("siglip eval run --json --candidates all --data shapes --split single")["candidates"] > 96);

  const Json classified = shell.json(
      "siglip classify run --labels 'a cat, a dog,a cow' --template 'a photo of {}' --top 2 --json shapes/val/00000.png shapes/val/00001.png");
  REQUIRE(classified.size() == 2);
  REQUIRE(classified[0]["results"].size() == 2);
  check_keys(classified[0]["results"][0], {"rank", "label", "probability", "cosine", "logit"});

  std::ofstream(shell.folder / "texts.json") << R"(["A small red circle", "a large blue star"])";
  const Json tokens = shell.json("siglip tokenize run --texts texts.json --json");
  Json padded = {"a", "small", "red", "circle"};
  padded.insert(padded.end(), 12, "</s>");
  CHECK(tokens["pieces"][0] == padded);
  CHECK(tokens["ids"][1].size() == 16);
  CHECK(contains(shell.refusal("siglip tokenize run --texts texts.json --no-lower"), "learned words are always lowered, got lower = false"));

  const Json inspected = shell.json("siglip inspect run --json");
  check_keys(inspected, {"parameters", "vision_parameters", "text_parameters", "t", "b", "files", "dtypes", "links_outside", "vision_head", "config",
                         "tokenizer", "preprocessing", "labels", "misfit", "missing", "left_over", "checksums", "damage", "tensors"});
  const SiglipConfig config = read_config(shell.folder / "run/best");
  CHECK(inspected["config"]["vision"] ==
        Json{{"width", 48}, {"layers", config.vision.layers}, {"heads", config.vision.heads}, {"mlp", config.vision.mlp}});
  check_keys(inspected["config"], {"text", "image_size", "patch_size", "vocab_size", "context", "projection"});
  CHECK(inspected["tokenizer"] == Json{{"profile", "words"}, {"ids", config.vocab_size}, {"context", 16}, {"lower", true}});
  check_keys(inspected["preprocessing"], {"profile", "resize", "image_size", "resample", "rescale", "rescale_factor", "normalize", "mean", "std"});
  CHECK(inspected["preprocessing"]["profile"] == "pil");
  CHECK(inspected["preprocessing"]["image_size"] == config.image_size);
  CHECK(inspected["checksums"] == true);
  CHECK(inspected["damage"].is_null());
  const Json single = shell.json("siglip inspect run/best/model.safetensors --json");
  for (const char* key : {"config", "tokenizer", "preprocessing", "labels", "misfit", "missing", "left_over", "damage"}) CHECK(single[key].is_null());
  CHECK(single["checksums"] == false);
  CHECK(contains(shell("siglip inspect run").out, "\nchecksums   every file is as it was saved\n"));
  CHECK(contains(shell("siglip inspect run").out, ", bicubic, profile pil\n"));
  CHECK(inspected["parameters"] == shell.json("siglip inspect run/best/model.safetensors --json")["parameters"]);
  CHECK(inspected["files"] == Json{"model.safetensors"});
  CHECK(inspected["dtypes"] == Json{{"F32", inspected["tensors"].size()}});
  CHECK(inspected["links_outside"] == Json::array());
  CHECK(inspected["vision_head"] == true);
  CHECK(inspected["misfit"].is_null());
  CHECK(contains(shell("siglip inspect run").out, ": a cosine of 0.1 more adds "));
  CHECK(contains(shell("siglip inspect run").out, ": two unrelated items (cosine 0) are matched with p = "));

  const Json examined = shell.json("siglip doctor run --json --text 'a red circle' --image shapes/val/00000.png");
  CHECK(examined["healthy"] == true);
  check_keys(examined["findings"][0], {"level", "about", "mistakes", "seen", "cause", "advice"});
  check_keys(shell.json("siglip doctor --known --json")[0], {"mistake", "what", "advice"});

  check_keys(shell.json("siglip ops --json")[0], {"op", "shapes", "cost", "saved_bytes"});
  const Json checked = shell.json("siglip gradcheck --op gelu --json --threads 2");
  check_keys(checked, {"cases", "failed", "worst_relative_error", "results"});
  CHECK(checked["failed"] == 0);

  const std::vector<std::string> loss_keys{
      "batch", "dim",  "device",  "precision", "edge",   "threads", "seconds",     "gflops",           "matmul_gflops",
      "ratio", "loss", "du_norm", "dv_norm",   "dlog_t", "db",      "extra_bytes", "peak_memory_bytes"};
  const Json measured = shell.json("siglip bench loss --batch 64 --dim 8 --repeat 1 --json");
  check_keys(measured, loss_keys);
  // What PyTorch has in double for the same rows (rows of tools/reference/bench_cuda.py, dense).
  const std::vector<std::pair<const char*, double>> of_pytorch{{"loss", 9.802295101652575},
                                                               {"du_norm", 1.2644925271314074},
                                                               {"dv_norm", 1.2525973310480811},
                                                               {"dlog_t", 1.2187755185387816},
                                                               {"db", -0.7596162646879532}};
  for (const auto& expected : of_pytorch) {
    INFO(expected.first);
    CHECK(std::abs(measured[expected.first].get<double>() - expected.second) <= 1e-5);
  }
  check_keys(shell.json("siglip bench loss --batch 64,65 --dim 8 --repeat 1 --json")["results"][1], loss_keys);
  check_keys(shell.json("siglip bench step --model nano --batch 8 --repeat 1 --json"),
             {"seconds", "samples_per_second", "threads", "batch", "parameters", "peak_memory_bytes", "phases"});
  const std::vector<std::string> tower_keys{"model", "tower", "batch", "threads", "seconds", "gflops", "items_per_second"};
  check_keys(shell.json("siglip bench tower --model nano --batch 2 --repeat 1 --json"), tower_keys);
  check_keys(shell.json("siglip bench tower --model nano --tower text --batch 1,2 --repeat 1 --json")["results"][1], tower_keys);
  const Json encoded = shell.json("siglip bench tokenizer run/last --texts shapes/val/metadata.jsonl --repeat 1 --json");
  check_keys(encoded, {"load_seconds", "texts", "seconds", "texts_per_second", "tokens_per_second"});
  CHECK(encoded["tokens_per_second"] > encoded["texts_per_second"]);
  const Json loaded = shell.json("siglip bench load run --json --text 'a red circle'");
  check_keys(loaded,
             {"load_seconds", "load_bytes", "text_seconds", "text_bytes", "image_seconds", "image_bytes", "parameter_bytes", "threads", "seconds"});
  CHECK(loaded["parameter_bytes"] == 4 * inspected["parameters"].get<Dim>());
  CHECK(loaded["load_seconds"] > 0);
}

TEST_CASE("cli: a text brings nothing of the image tower into memory, nor a picture of the text tower") {
  const Shell& shell = trained();
  REQUIRE(shell("mkdir large && cp run/best/*token* run/best/preprocessor_config.json large").exit_code == 0);
  SiglipConfig config = read_config(shell.folder / "run/best");
  config.vision = config.text = {512, 2, 8, 2048};
  config.projection = 512;
  const Siglip model(config);
  initialize(model, 1);
  write_config(shell.folder / "large", config);
  write_safetensors(shell.folder / "large/model.safetensors", model.parameters());
  const Json loaded = shell.json("siglip bench load large --json --threads 1");
  const Json counts = shell.json("siglip inspect large --json");
  // Each brings its own tower in, 4 bytes a number, and not much more.
  const auto share = [&](const char* cost, const char* tower) { return loaded[cost].get<double>() / (4 * counts[tower].get<double>()); };
  CHECK(share("text_bytes", "text_parameters") > 0.9);
  CHECK(share("text_bytes", "text_parameters") < 1.5);
  CHECK(share("image_bytes", "vision_parameters") > 0.9);
  CHECK(share("image_bytes", "vision_parameters") < 1.5);
  CHECK(loaded["load_bytes"].get<double>() < 0.2 * loaded["parameter_bytes"].get<double>());
}

TEST_CASE("cli: damaged files are told by inspect, and not converted") {
  const Shell& shell = trained();
  REQUIRE(shell("cp -r run/best damaged").exit_code == 0);
  std::string bytes = contents(shell.folder / "damaged/model.safetensors");
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  std::ofstream(shell.folder / "damaged/model.safetensors", std::ios::binary) << bytes;
  const std::string changed = "damaged/model.safetensors: the file as it was saved is expected (checksum ";
  CHECK(contains(shell("siglip inspect damaged").out, "\nchecksums   " + changed));
  const Json inspected = shell.json("siglip inspect damaged --json");
  CHECK(inspected["checksums"] == true);
  CHECK(inspected["damage"].get<std::string>().starts_with(changed));
  CHECK(inspected["misfit"].is_null());
  CHECK(shell.refusal("siglip convert damaged carried").starts_with("1 siglip: " + changed));
  CHECK(!std::filesystem::exists(shell.folder / "carried"));
  REQUIRE(shell("rm damaged/checksums.txt && siglip convert damaged carried").exit_code == 0);  // a published folder has none
  CHECK(contains(shell("siglip inspect carried").out, "\nchecksums   none\n"));
  CHECK(shell.json("siglip inspect carried --json")["checksums"] == false);
}

TEST_CASE("cli: a folder as transformers 5 saves it, with processor_config.json alone") {
  const Shell& shell = trained();
  REQUIRE(shell("cp -r run/best five && rm five/checksums.txt && { printf '{\"processor_class\": \"SiglipProcessor\", \"image_processor\": '; "
                "cat five/preprocessor_config.json; printf '}'; } > five/processor_config.json && rm five/preprocessor_config.json")
              .exit_code == 0);
  const std::string labels = " --labels 'a cat, a small red circle' --json shapes/val/00000.png";
  CHECK(shell.json("siglip classify five" + labels) == shell.json("siglip classify run" + labels));
  CHECK(shell.json("siglip inspect five --json")["preprocessing"] == shell.json("siglip inspect run --json")["preprocessing"]);
  CHECK(shell.json("siglip doctor five --json")["healthy"] == true);
  CHECK(shell.json("siglip preprocess five shapes/val/00000.png --out five.safetensors --json")["profile"] == "pil");
  REQUIRE(shell("siglip convert five six --dtype bf16").exit_code == 0);
  CHECK(contents(shell.folder / "six/processor_config.json") == contents(shell.folder / "five/processor_config.json"));
  CHECK(shell("siglip classify six" + labels).exit_code == 0);
  REQUIRE(shell("rm six/processor_config.json").exit_code == 0);
  CHECK(shell.refusal("siglip classify six" + labels) ==
        "1 siglip: six: preprocessor_config.json, or processor_config.json with image_processor, is expected, got neither");
  CHECK(contains(shell("siglip inspect six").out,
                 "\npictures    nothing that can be read says how they are prepared: six: preprocessor_config.json, or "));
  CHECK(shell.json("siglip inspect six --json")["preprocessing"].is_null());
}

TEST_CASE("cli: convert, and what inspect says of shards, links and models that do not fit") {
  const Shell& shell = trained();
  const std::string line = "siglip classify RUN --labels 'a cat, a small red circle' --json shapes/val/00000.png";
  const auto classified = [&](const std::string& run) { return shell.json(std::string(line).replace(line.find("RUN"), 3, run)); };
  const Json converted = shell.json("siglip convert run pieces --shard-size 100000 --json");
  CHECK(classified("pieces") == classified("run"));
  const Json pieces = shell.json("siglip inspect pieces --json");
  CHECK(pieces["files"].size() > 1);
  CHECK(pieces["files"][0].get<std::string>().starts_with("model-00001-of-0000"));
  CHECK(converted["out"] == "pieces");
  CHECK(converted["files"] == pieces["files"]);
  CHECK(converted["tensors"] == pieces["tensors"].size());
  CHECK(converted["types"] == Json{{"F32", converted["tensors"]}});
  CHECK(converted["bytes"] == 4 * pieces["parameters"].get<Dim>());
  REQUIRE(shell("siglip convert pieces half --dtype bf16 && siglip convert half wide --dtype f32").exit_code == 0);
  CHECK(classified("half") == classified("wide"));
  CHECK(contains(shell("siglip inspect half").out, "types       BF16 in "));

  REQUIRE(
      shell("mkdir links && cp half/* links && mv links/model.safetensors blob && ln -s ../blob links/model.safetensors && ln -s config.json links/x")
          .exit_code == 0);
  const Json links = shell.json("siglip inspect links --json")["links_outside"];
  REQUIRE(links.size() == 1);
  CHECK(links[0]["name"] == "model.safetensors");
  CHECK(contains(shell("siglip inspect links").out, "link        model.safetensors leads out of the folder, to "));
  REQUIRE(shell("mkdir other && cp half/* other && sed -i 's/\"num_hidden_layers\": [0-9]*/\"num_hidden_layers\": 1/' other/config.json").exit_code ==
          0);
  CHECK(contains(shell("siglip inspect other").out, "model       other/model.safetensors: exactly the model's "));
  CHECK(contains(shell.json("siglip inspect other --json")["misfit"], " left over: "));
  CHECK(shell.refusal("siglip convert run half") == "1 siglip: half: a name that is not taken is expected, got a folder");
  CHECK(shell.refusal("siglip convert run x --dtype int8") == "2 siglip: --dtype: one of f32, f16, bf16 is expected, got \"int8\"");
  CHECK(contains(shell.refusal("siglip convert other x"), "1 siglip: other/model.safetensors: exactly the model's "));
}

TEST_CASE("cli: a model that is cut short while it is used is one line") {
  const Shell& shell = trained();
  REQUIRE(shell("mkdir cut && cp run/best/*token* run/best/preprocessor_config.json cut").exit_code == 0);
  SiglipConfig config = read_config(shell.folder / "run/best");
  config.vision = config.text = {192, 2, 3, 768};  // large enough to be used where the file has it
  config.projection = 192;
  const Siglip model(config);
  initialize(model, 1);
  write_config(shell.folder / "cut", config);
  write_safetensors(shell.folder / "cut/model.safetensors", model.parameters());
  // Many pictures keep the program busy: the file is cut as soon as it is seen among what the program has mapped.
  const std::string command =
      "siglip classify cut --labels 'a circle' $(for i in $(seq 2000); do echo shapes/val/00000.png; done) & pid=$!; "
      "until grep -q cut/model /proc/$pid/maps; do kill -0 $pid || break; done; truncate -s 4096 cut/model.safetensors; wait $pid";
  const Outcome run = shell(command);
  CHECK(run.exit_code == 1);
  CHECK(contains(run.err, "cut/model.safetensors: "));
  CHECK(std::count(run.err.begin(), run.err.end(), '\n') == 1);
}

TEST_CASE("cli: --json of what writes files names them") {
  const Shell& shell = trained();
  const Json made = shell.json("siglip data shapes --out few --scenes 8 --size 16 --json");
  CHECK(made["out"] == "few");
  REQUIRE(made["splits"].size() == 3);
  CHECK(made["splits"][0] == Json{{"name", "train"}, {"pairs", 8}});

  std::ofstream(shell.folder / "labels.txt") << "a red circle\na blue star";
  const Json embedded = shell.json("siglip embed run --images shapes/single/00000.png --texts labels.txt --out json.npy --json");
  CHECK(embedded ==
        Json{{"out", "json.npy"}, {"list", "json.txt"}, {"rows", 3}, {"dim", 48}, {"images", 1}, {"texts", 2}, {"skipped", Json::array()}});

  const Json reported = shell.json("siglip report run --json");
  CHECK(reported["report"] == "run/report.html");
  CHECK(contains(reported["try_next"][0].get<std::string>(), "siglip classify run"));
  for (const char* verb : {"data shapes", "data emoji", "embed", "report"})
    CHECK(contains(shell(std::string("siglip ") + verb + " --help").out, "JSON on standard output (--json):"));
}

TEST_CASE("cli: a checkpoint of a run knows how the run read its data") {
  const Shell& shell = trained();
  const Json whole = shell.json("siglip eval run --split val --json");
  for (const char* checkpoint : {"run/best", "./run/best/"}) {
    const Json part = shell.json(std::string("siglip eval ") + checkpoint + " --split val --json");
    CHECK(part["image_to_text"] == whole["image_to_text"]);
    CHECK(part["candidates"] == whole["candidates"]);
  }
  REQUIRE(shell("siglip train --data shapes --model nano --steps 1 --batch-size 8 --loss softmax --out soft").exit_code == 0);
  for (const char* classify : {"siglip classify soft/best --labels 'a, b' shapes/val/00000.png",
                               "cd soft/last && siglip classify . --labels 'a, b' ../../shapes/val/00000.png"})
    CHECK(contains(shell(classify).err, "note: this model was trained with the softmax loss"));
}

TEST_CASE("cli: embed writes rows and says what they are") {
  const Shell& shell = trained();
  const Outcome run = shell("siglip embed run --images shapes/single/00001.png shapes/single/00000.png --texts texts.txt --out two.npy");
  CHECK(run.exit_code == 1);  // no such file of texts
  std::ofstream(shell.folder / "texts.txt") << "a red circle\r\na blue star";
  REQUIRE(shell("siglip embed run --images shapes/single/00001.png shapes/single/00000.png --texts texts.txt --out two.npy").exit_code == 0);
  CHECK(contents(shell.folder / "two.txt") == "shapes/single/00000.png\nshapes/single/00001.png\na red circle\na blue star\n");
  CHECK(contains(contents(shell.folder / "two.npy"), "(4, 48)"));

  CHECK(shell.refusal("siglip embed run --texts texts.txt --out texts.npy") ==
        "2 siglip: --out: a file that is not also read is expected, got texts.txt, which --texts names");
  CHECK(shell.refusal("siglip embed run --texts texts.txt --out x.txt") == "2 siglip: --out: a name that ends in .npy is expected, got \"x.txt\"");
  CHECK(shell.refusal("siglip embed run --out x.npy") == "2 siglip: --images: pictures or --texts are expected, got neither");
  CHECK(shell.refusal("mkdir none; siglip embed run --images none --out x.npy") ==
        "1 siglip: none: a folder with .png, .jpg, .jpeg, .webp, .gif or .bmp files is expected, got none");
  CHECK(contains(shell.refusal("siglip embed run --texts texts.txt --out nowhere/x.npy"), "1 siglip: nowhere/x.npy"));
  CHECK(contains(shell.refusal("ulimit -f 8; siglip embed run --images shapes/val --out x.npy"), "1 siglip: x.npy"));
}

TEST_CASE("cli: parity names what does not agree") {
  const Shell& shell = trained();
  for (const char* flags : {"", "--double "}) {
    const Json json = shell.json("siglip parity data/goldens/models/one_pair data/goldens/loss --json " + std::string(flags));
    CHECK(json["failed"] == 0);
    CHECK(json["cases"].size() > 60);
    check_keys(json["cases"][0],
               {"name", "tensor", "max_abs", "max_rel", "l2_rel", "ok", "at", "got", "expected", "at_max_rel", "got_max_rel", "expected_max_rel"});
    CHECK(json["cases"][0]["name"] == "data/goldens/models/one_pair");
    CHECK(json["cases"][0]["ok"] == true);
  }
  const std::string all = shell("siglip parity data/goldens/models/one_pair").out,
                    brief = shell("siglip parity data/goldens/models/one_pair --brief").out;
  CHECK(contains(all, "largest absolute error"));
  CHECK(contains(all, "largest relative error"));
  for (const char* tensor : {"image_embeds", "hidden.text.0", "loss", "grad.logit_scale"}) CHECK(contains(all, tensor));
  CHECK(std::count(brief.begin(), brief.end(), '\n') == 2);  // the headings, and a line a case
  CHECK(contains(brief, "nearest to its limit"));
  CHECK(contains(shell("siglip parity data/goldens/loss/B2 --double --json").out, "\"limit\": 1e-10"));

  REQUIRE(shell("cp -rL data/goldens/models/one_pair spoiled && cp data/goldens/models/one_token/inputs.safetensors spoiled").exit_code == 0);
  CHECK(shell("siglip parity spoiled").exit_code == 1);
  REQUIRE(shell("cp data/goldens/models/one_pair/inputs.safetensors spoiled && sed -i s/1e-06/1e-02/ "
                "spoiled/model/config.json")
              .exit_code == 0);
  const Outcome run = shell("siglip parity spoiled data/goldens/models/one_patch --json");
  CHECK(run.exit_code == 1);
  const Json json = parse_json(run.out, "stdout");
  CHECK(json["failed"] > 10);
  for (const Json& match : json["cases"]) CHECK((match["ok"] == true || match["name"] == "spoiled"));
  CHECK(contains(run.err, "spoiled: max_abs "));
  CHECK(contains(run.err, "(at most 1.0e-05); worst: image_embeds[0, "));
  CHECK(contains(run.err, "siglip: parity: every tensor within its limit, got " + json["failed"].dump() + " of "));

  // One case that cannot be run, here for want of its pictures, keeps no other from it.
  REQUIRE(shell("cp -rL data/goldens/models/one_pair unusable && cp data/goldens/models/one_token/inputs.safetensors unusable").exit_code == 0);
  const Outcome both = shell("siglip parity unusable data/goldens/models/one_patch --json");
  CHECK(both.exit_code == 1);
  const Json cases = parse_json(both.out, "stdout");
  CHECK(cases["failed"] == 1);
  CHECK(cases["cases"][0]["name"] == "unusable");
  CHECK(cases["cases"][0]["ok"] == false);
  CHECK(cases["cases"][0]["problem"].get<std::string>().starts_with("unusable/inputs.safetensors: "));
  CHECK(cases["cases"].size() > 20);
  CHECK(contains(both.err, "siglip: parity: cases that can be run are expected, got 1 of 2 that cannot"));
  CHECK(contains(shell("siglip parity unusable data/goldens/models/one_patch").out, "CANNOT BE RUN"));
}

TEST_CASE("cli: parity says what a case has no numbers of") {
  const Shell& shell = trained();
  REQUIRE(shell("cp -rL data/goldens/models/one_pair few-numbers").exit_code == 0);
  write_safetensors(shell.folder / "few-numbers/expected.safetensors",
                    {{"loss", SafetensorsFile(shell.folder / "few-numbers/expected.safetensors").read("loss")}});
  const Outcome run = shell("siglip parity few-numbers");
  CHECK(run.exit_code == 0);
  CHECK(contains(run.err,
                 "note: few-numbers: not in the reference, so not compared: image_embeds, text_embeds, logits_per_*, hidden.vision.*, hidden.text.*, "
                 "grad.*\n"));
  CHECK(!contains(shell("siglip parity data/goldens/models/one_pair data/goldens/loss/B2").err, "not compared"));
}

TEST_CASE("cli: a temperature that is no number is an error, not a probability") {
  const Shell& shell = trained();
  REQUIRE(shell("cp -r run/last cold; rm cold/checksums.txt").exit_code == 0);
  const Siglip model(read_config(shell.folder / "cold"));
  load_parameters(shell.folder / "cold", model.parameters());
  model.log_t.fill(std::numeric_limits<Real>::quiet_NaN());
  write_safetensors(shell.folder / "cold/model.safetensors", model.parameters());
  CHECK(shell.refusal("siglip classify cold --labels red shapes/val/00000.png")
            .starts_with("1 siglip: cold: a finite temperature and bias are expected, got t = nan and b = "));
}

TEST_CASE("cli: embeddings that are no numbers are an error") {
  const Shell& shell = trained();
  REQUIRE(shell("cp -r run/best broken-text && rm broken-text/checksums.txt").exit_code == 0);
  const std::string folder = shell.folder / "broken-text";
  const Siglip model(read_config(folder));
  load_parameters(folder, model.parameters());
  model.text.head.bias.data()[0] = std::numeric_limits<Real>::quiet_NaN();
  write_safetensors(folder + "/model.safetensors", model.parameters());
  const std::string reason = "finite embeddings are expected, got nan; siglip doctor examines the model's weights";
  CHECK(shell.refusal("siglip classify broken-text --labels circle,star shapes/val/00000.png") == "1 siglip: broken-text: " + reason);
  CHECK(shell.refusal("siglip embed broken-text --texts shapes/val/metadata.jsonl --out broken.npy") == "1 siglip: broken-text: " + reason);
  CHECK(!std::filesystem::exists(shell.folder / "broken.npy"));
  CHECK(shell.refusal("siglip eval broken-text --data shapes --split val") == "1 siglip: eval val: " + reason);
}

TEST_CASE("cli: what does not fit the model names the picture or the folder; --no-lower") {
  const Shell& shell = trained();
  REQUIRE(shell("cp -r run/best unfit && rm unfit/checksums.txt").exit_code == 0);
  const std::string preprocessor = shell.folder / "unfit/preprocessor_config.json";
  Json json = parse_json(contents(preprocessor), preprocessor);
  json["do_resize"] = false;
  write_file(preprocessor, json.dump());
  write_png(shell.folder / "other.png", {24, 24, std::vector<std::uint8_t>(24 * 24 * 3)});
  const std::string reason = "1 siglip: other.png: a picture of 32 x 32 is expected, because do_resize is false, got 24 x 24";
  CHECK(shell.refusal("siglip classify unfit --labels circle other.png") == reason);
  CHECK(shell.refusal("siglip embed unfit --images other.png --out other.npy") == reason);

  SiglipConfig config = read_config(shell.folder / "unfit");
  const Siglip whole(config);
  load_parameters(shell.folder / "unfit", whole.parameters());
  config.vision_head = false;
  const Siglip model(config);
  Parameters kept;
  for (const Parameter& p : whole.parameters())
    if (!p.name.starts_with("vision_model.head.")) kept.push_back(p);
  write_config(shell.folder / "unfit", config);
  write_safetensors(shell.folder / "unfit/model.safetensors", kept);
  const std::string headless = "1 siglip: unfit: a model with a head is expected for pictures (vision_use_head), got one without";
  CHECK(shell.refusal("siglip classify unfit --labels circle shapes/val/00000.png") == headless);
  CHECK(shell.refusal("siglip embed unfit --images shapes/val --out other.npy") == headless);
  CHECK(shell.refusal("siglip eval unfit --data shapes --split val") == headless);

  // A tokenizer of learned words has one way; that of SigLIP 2 has two (bpe_test.cpp).
  for (const std::string verb : {"classify run --labels circle shapes/val/00000.png", "embed run --texts shapes/val/metadata.jsonl --out x.npy",
                                 "eval run --split val", "tokenize run --texts shapes/val/metadata.jsonl"})
    CHECK(contains(shell.refusal("siglip " + verb + " --no-lower"), "tokenizer.json: learned words are always lowered, got lower = false"));
}

TEST_CASE("cli: with --skip-bad a picture that cannot be read is left out, unless it is alone") {
  const Shell& shell = trained();
  std::filesystem::create_directory(shell.folder / "some");
  for (const char* name : {"a.png", "c.png"})
    std::filesystem::copy_file(shell.folder / "shapes/val/00000.png", shell.folder / ("some/" + std::string(name)));
  for (const char* name : {"b.png", ".hidden.png"}) std::ofstream(shell.folder / ("some/" + std::string(name)));
  const std::string bad = "some/b.png: a JPEG, PNG, WebP, GIF or BMP picture is expected, got an empty file";
  const std::string left_out = "skipped: " + bad + "\npictures that could not be read and were left out: 1 of 3\n";

  const Outcome classified = shell("siglip classify run --labels \"a red circle\" some --skip-bad --json");
  CHECK(classified.exit_code == 0);
  CHECK(classified.err == left_out);
  CHECK(parse_json(classified.out, "classify").size() == 2);
  const Outcome embedded = shell("siglip embed run --images some --out some.npy --skip-bad");
  CHECK(embedded.exit_code == 0);
  CHECK(embedded.err.starts_with(left_out));
  CHECK(contents(shell.folder / "some.txt") == "some/a.png\nsome/c.png\n");
  CHECK(shell.json("siglip embed run --images some --out some.npy --skip-bad --json")["skipped"] == Json::array({"some/b.png"}));

  CHECK(shell.refusal("siglip classify run --labels red some/b.png --skip-bad") == "1 siglip: " + bad);
  CHECK(shell.refusal("siglip embed run --images some/b.png --out none.npy") == "1 siglip: " + bad);
  CHECK(!std::filesystem::exists(shell.folder / "none.npy"));
}

TEST_CASE("cli: labels: blank lines are none, words that were never seen are told") {
  const Shell& shell = trained();
  std::ofstream(shell.folder / "labels.txt") << "a red circle\n\na red kitten \n \n";
  const Outcome run = shell("siglip classify run --labels-file labels.txt shapes/val/00000.png --json");
  CHECK(parse_json(run.out, "classify")[0]["results"].size() == 2);
  CHECK(run.err == "note: the model never saw the word \"kitten\", so texts that differ in such words alone are one to it\n");
  std::ofstream(shell.folder / "blank.txt") << "\n\n";
  CHECK(shell.refusal("siglip classify run --labels-file blank.txt shapes/val/00000.png") ==
        "2 siglip: --labels: at least one label is expected, got only blank lines in blank.txt");
  CHECK(shell.refusal("siglip classify run --labels ' , ' shapes/val/00000.png") ==
        "2 siglip: --labels: at least one label is expected, got \" , \"");
}

TEST_CASE("cli: what a model does not see of texts is told by every verb that takes some") {
  const Shell& shell = trained();
  std::ofstream(shell.folder / "texts.txt") << "a red circle\nA red circle.\n" + std::string(20, 'x') + "\n"
                                            << "red red red red red red red red red red red red red red red red circle\n"
                                            << "red red red red red red red red red red red red red red red red cross\n";
  const std::string notes =
      "note: 2 of 5 texts are longer than 15 tokens; the rest is not seen\n"
      "note: the model never saw the word \"xxxxxxxxxxxxxxxxxxxx\", so texts that differ in such words alone are one to it\n"
      "note: 2 of 5 texts are to the model what another one is, as \"a red circle\" and \"A red circle.\"\n";
  std::ofstream(shell.folder / "many.txt") << "k1 k2 k3\nk4 k5 k6 k7\n";
  CHECK(contains(shell("siglip tokenize run --texts many.txt").err, "note: nor 2 other words of these texts\n"));
  CHECK(contains(shell("siglip embed run --texts texts.txt --out texts-seen.npy").err, notes));
  CHECK(contains(shell("siglip tokenize run --texts texts.txt").err, notes));
  CHECK(contains(shell("siglip classify run --labels-file texts.txt shapes/val/00000.png").err, notes));
  std::ofstream(shell.folder / "noted.csv") << "file_name,text\nshapes/val/00000.png,a red kitten\nshapes/val/00001.png,a red dog\n";
  CHECK(contains(shell("siglip eval run --data noted.csv").err, "note: the model never saw the word \"kitten\""));
}

TEST_CASE("cli: pictures of formats that are not read are counted") {
  const Shell& shell = trained();
  const std::filesystem::path folder = shell.folder / "mixed-formats";
  std::filesystem::create_directories(folder);
  std::filesystem::copy_file(shell.folder / "shapes/val/00000.png", folder / "a.png");
  for (const char* name : {"b.tif", "c.HEIC", "d.tif", "notes.txt"}) std::ofstream(folder / name) << "x";
  CHECK(shell("siglip embed run --images mixed-formats --out mixed-formats.npy")
            .err.starts_with("left out: .heic is not read: 1 (mixed-formats); .tif is not read: 2 (mixed-formats)\n"));
}

TEST_CASE("cli: embed keeps its hands off what is not its own, and wants a tokenizer for texts alone") {
  const Shell& shell = trained();
  std::ofstream(shell.folder / "precious.txt") << "my captions\n";
  CHECK(shell.refusal("siglip embed run --images shapes/val/00000.png --out precious.npy") ==
        "2 siglip: --out: a name is expected whose list of rows, precious.txt, is free or lies beside its .npy, got precious.npy");
  CHECK(contents(shell.folder / "precious.txt") == "my captions\n");
  CHECK(shell("cp -r run/last wordless; rm wordless/tokenizer*.json wordless/checksums.txt; "
              "siglip embed wordless --images shapes/val/00000.png --out wordless.npy")
            .exit_code == 0);
  CHECK(shell.refusal("siglip embed wordless --texts shapes/val/metadata.jsonl --out wordless-texts.npy") ==
        "1 siglip: wordless: a tokenizer, tokenizer.json or spiece.model, is expected, got neither");
}

TEST_CASE("cli: the words people try first") {
  const Shell& shell = trained();
  CHECK(shell("siglip help train").out == shell("siglip train --help").out);
  CHECK(shell("siglip help").out == shell("siglip --help").out);
  CHECK(shell.refusal("siglip train shapes") == "2 siglip: train: no such word is expected, got \"shapes\"; siglip train --help shows what is");
  CHECK(shell.refusal("siglip inspect run b: c") == "2 siglip: inspect: no such word is expected, got \"b:\"; siglip inspect --help shows what is");
  CHECK(shell.refusal("siglip data shapes extra --out y") ==
        "2 siglip: data shapes: no such word is expected, got \"extra\"; siglip data shapes --help shows what is");
  CHECK(shell.refusal("siglip eval nope").starts_with("1 siglip: nope: a checkpoint folder with model.safetensors or its shards"));
}

TEST_CASE("cli: a run finds its data under any spelling of their path, and where they have gone") {
  const Shell& shell = trained();
  const Json as_typed = shell.json("siglip eval run --json")["splits"];
  for (const char* path : {"shapes/", "./shapes", "$PWD/shapes"})
    CHECK(shell.json(std::string("siglip eval run --json --data ") + path)["splits"] == as_typed);
  shell("cp -r shapes moving; siglip train --data moving --model nano --steps 2 --batch-size 8 --out moved-run; mv moving moved");
  const std::string refused =
      "moved-run/train.json: data: the folder or table that the run was trained on is expected, got \"moving\", which is not there from here; siglip "
      "train --resume RUN --data DIR tells the run its new place";
  for (const char* verb : {"eval moved-run", "eval moved-run/best", "report moved-run", "train --resume moved-run"}) {
    const std::string said = shell.refusal(std::string("siglip ") + verb);
    CHECK(said.starts_with("1 siglip: "));
    CHECK(said.ends_with(refused));
  }
  CHECK(contains(shell("siglip eval moved-run --data moved").err, "note: what the run was trained on, moving, is not there from here."));
  shell("cp -r moved moved-less; rm moved-less/train/00000.png moved-less/val/00000.png");
  CHECK(contains(shell("siglip train --resume moved-run --data moved-less").err, "the data the run began with is expected (fingerprint "));
  CHECK(!std::filesystem::exists(shell.folder / "moved-run/skipped.txt"));
  CHECK(shell("siglip train --resume moved-run --data moved").exit_code == 0);
  CHECK(shell.json("siglip eval moved-run --json")["splits"].size() == as_typed.size());
}

TEST_CASE("cli: the report of class folders shows accuracy and what was left out, and calls no class held out") {
  const Shell& shell = trained();
  for (const std::string name : {"red", "blue"}) {
    std::filesystem::create_directories(shell.folder / ("crops/" + name));
    for (int i = 10; i < 22; ++i)
      std::filesystem::copy_file(shell.folder / ("shapes/val/000" + std::to_string(i) + ".png"),
                                 shell.folder / ("crops/" + name + "/" + std::to_string(i) + ".png"));
  }
  std::ofstream(shell.folder / "crops/red/bad.png") << "x";
  const Outcome run = shell("siglip train --data crops --model nano --steps 2 --batch-size 8 --out crops-run");
  CHECK(run.exit_code == 0);
  CHECK(contains(run.err, "note: val has "));
  const std::string html = contents(shell.folder / "crops-run/report.html");
  CHECK(contains(html, "val accuracy"));
  CHECK(contains(html, "Accuracy on val"));
  CHECK(!contains(html, "R@1"));  // of two captions
  CHECK(contains(html, "<section id=\"classes\">"));
  CHECK(contains(html, "pictures that could not be read"));
  int by_image = 0, by_text = 0;
  for (std::size_t at = 0; (at = html.find("<article class=\"card panel by-", at)) != std::string::npos; ++at) {
    const std::string card = html.substr(at, html.find("</article>", at) - at);
    const bool is_image = contains(card, "panel by-image");
    (is_image ? by_image : by_text) += 1;
    CHECK(contains(card, "held out: never seen in training") == is_image);
  }
  CHECK(by_image > 0);
  CHECK(by_text > 0);
}

TEST_CASE("cli: eval of pictures that a run was not trained on uses all of them") {
  const Shell& shell = trained();
  for (const char* name : {"red", "blue"}) {
    std::filesystem::create_directories(shell.folder / ("classes/" + std::string(name)));
    for (int i = 0; i < 10; ++i)
      std::filesystem::copy_file(shell.folder / "shapes/val/00000.png",
                                 shell.folder / ("classes/" + std::string(name) + "/" + std::to_string(i) + ".png"));
  }
  const Json json = shell.json("siglip eval run --data classes --json");
  CHECK(json["split"] == "all");
  CHECK(json["pairs"] == 20);
  CHECK(json["splits"].size() == 1);
}

TEST_CASE("cli: files of texts that are none") {
  const Shell& shell = trained();
  std::ofstream(shell.folder / "empty.txt");
  std::ofstream(shell.folder / "object.json") << "{}";
  std::ofstream(shell.folder / "number.json") << "[1]";
  std::ofstream(shell.folder / "other.jsonl") << "{\"caption\": 1}\n";
  CHECK(shell.refusal("siglip tokenize run --texts empty.txt") == "1 siglip: empty.txt: at least one text is expected, got none");
  CHECK(shell.refusal("siglip tokenize run --texts object.json") == "1 siglip: object.json: an array of strings is expected, got {}");
  CHECK(shell.refusal("siglip tokenize run --texts number.json") == "1 siglip: number.json: a string is expected, got 1");
  CHECK(shell.refusal("siglip tokenize run --texts other.jsonl") ==
        "1 siglip: other.jsonl:1: an object with \"text\" is expected, got {\"caption\":1}");
}

TEST_CASE("cli: wrong use is answered with exit code 2 and the nearest right word") {
  const Shell shell;
  const std::vector<std::pair<std::string, std::string>> answers{
      {"",
       "a verb is expected, one of train, data, eval, classify, embed, tokenize, preprocess, inspect, doctor, convert, ops, gradcheck, parity, "
       "parity-devices, bench, report; --help says more"},
      {"trian", "unknown verb \"trian\"; the nearest is \"train\""},
      {"data shape", "data: unknown verb \"shape\"; the nearest is \"shapes\""},
      {"data", "data: a verb is expected, one of shapes, emoji; --help says more"},
      {"train --batchsize 8", "unknown flag --batchsize; the nearest is \"--batch-size\""},
      {"train --devices cuda", "unknown flag --devices; the nearest is \"--device\""},
      {"train -q", "unknown flag -q"},
      {"train --lr", "--lr: a value is expected, got nothing"},
      {"train --lr=", "--lr: a value is expected, got nothing"},
      {"train --out --lr 1", "--out: a value is expected, got --lr"},
      {"train --seed 1 --seed 2", "--seed: is given once, got it twice"},
      {"train --json=1", "--json: takes no value, got \"1\""},
      {"train --lr nan", "--lr: a finite number is expected, got \"nan\""},
      {"train --lr 1e999", "--lr: a finite number is expected, got \"1e999\""},
      {"train --lr 0,1", "--lr: a finite number is expected, got \"0,1\""},
      {"train --lr ' 8'", "--lr: a finite number is expected, got \" 8\""},
      {"train --lr 8x", "--lr: a finite number is expected, got \"8x\""},
      {"train --data x --lr -1", "--lr: a number from 0 to 10 is expected, got -1"},
      {"train --data x --lr 10.0000001", "--lr: a number from 0 to 10 is expected, got 10.0000001"},
      {"train --data x --beta1 1", "--beta1: a number from 0 to 0.9999999 is expected, got 1"},
      {"train --data x --grad-clip -1", "--grad-clip: a number from 0 to 1e+09 is expected, got -1"},
      {"train --data x --steps 1000000001", "--steps: a whole number from 0 to 1000000000 is expected, got 1000000001"},
      {"train --data x --seed -1", "--seed: a whole number from 0 to 1000000000000000 is expected, got -1"},
      {"train --data x --warmup -2", "--warmup: a whole number from -1 to 1000000000 is expected, got -2"},
      {"train --data x --name ..", "--name: a name of a folder, without /, is expected, got \"..\""},
      {"train --data x --name a/b", "--name: a name of a folder, without /, is expected, got \"a/b\""},
      {"train --data x --model tiy", "--model: the name of a known model is expected, got \"tiy\"; the nearest is \"tiny\""},
      {"train --data x --batch-size 1", "--batch-size: 0, for as many as the data need, or a whole number from 2 to 1048576 is expected, got 1"},
      {"train --data x --batch-size -1", "--batch-size: 0, for as many as the data need, or a whole number from 2 to 1048576 is expected, got -1"},
      {"train --data x --minutes -1", "--minutes: a number from 0 to 1e+06 is expected, got -1"},
      {"train --data x --shift -0.5", "--shift: a number from 0 to 1 is expected, got -0.5"},
      {"train --data x --fold 6/5", "--fold: a part and the number of parts, as 1/5 to 5/5, are expected, got \"6/5\""},
      {"train --data x --fold 0/5", "--fold: a part and the number of parts, as 1/5 to 5/5, are expected, got \"0/5\""},
      {"train --data x --fold 1", "--fold: a part and the number of parts, as 1/5 to 5/5, are expected, got \"1\""},
      {"train --data x --fold 1/5x", "--fold: a part and the number of parts, as 1/5 to 5/5, are expected, got \"1/5x\""},
      {"train --schedule-start 1", "unknown flag --schedule-start"},
      {"train --batch-size 9223372036854775808", "--batch-size: a whole number is expected, got \"9223372036854775808\""},
      {"train --batch-size 0x10", "--batch-size: a whole number is expected, got \"0x10\""},
      {"train --batch-size 1e3", "--batch-size: a whole number is expected, got \"1e3\""},
      {"train --set lr", "--set: key=value is expected, got \"lr\""},
      {"train --set lrr=1", "--set: unknown setting \"lrr\"; the nearest is \"lr\""},
      {"train", "--data: a folder or table of pictures and texts is expected, got nothing"},
      {"data shapes", "--out is required"},
      {"data shapes --out x --size 15", "--size: a whole number from 16 to 1024 is expected, got 15"},
      {"data shapes --out x --scenes 1000001", "--scenes: a whole number from 1 to 1000000 is expected, got 1000001"},
      {"data emoji --out x --size 7", "--size: a whole number from 8 to 1024 is expected, got 7"},
      {"eval " SIGLIP_GOLDENS "/models/deep/model", "--data: a folder or table of pictures and texts is expected, got nothing"},
      {"eval x --data y --candidates 1", "--candidates: split, all or a number from 2, got \"1\""},
      {"classify x y --labels a --labels-file b", "--labels: either --labels or --labels-file is expected, got both"},
      {"classify x y --labels a --template b", "--template: {} is expected where the name goes, got \"b\""},
      {"doctor", "FOLDER: a run folder or a checkpoint folder is expected, got nothing"},
      {"doctor x --inputs y", "--inputs: go with --reference, got them alone"},
      {"doctor x --pairs", "--pairs: goes with --reference, got it alone"},
      {"gradcheck --op sofmax", "--op: unknown op \"sofmax\"; the nearest is \"softmax\""},
      {"ops --threads 1", "unknown flag --threads"},
      {"gradcheck --threads 4097", "--threads: a whole number from 0 to 4096 is expected, got 4097"},
      {"eval x --threads 4097", "--threads: a whole number from 0 to 4096 is expected, got 4097"},
      {"train --data x --threads 4097", "--threads: a whole number from 0 to 4096 is expected, got 4097"},
      {"bench loss --batch 8,0", "--batch: whole numbers from 1 to 4194304 are expected, got 0"},
      {"bench loss --batch ,", "--batch: at least one number is expected, got \",\""},
      {"bench loss --device gpu", "--device: one of cpu, cuda is expected, got \"gpu\"; the nearest is \"cpu\""},
      {"bench loss --edge 2560", "--edge: 0 is expected on the CPU, got 2560, which needs --device cuda"},
      {"bench loss --device cuda --edge 100", "--edge: 0 or multiples of 16 up to 8192 are expected, got 100"},
      {"train --data x --lr 1e10", "--lr: a number from 0 to 10 is expected, got 1e+10"},
      {"bench loss --edge ,", "--edge: at least one number is expected, got \",\""},
      {"bench loss --precision ,", "--precision: at least one of f32, tf32, bf16 is expected, got \",\""},
      {"bench loss --device cuda --precision f32,f16", "--precision: one of f32, tf32, bf16 is expected, got \"f16\"; the nearest is \"bf16\""},
      {"bench loss --precision f32,bf16", "--precision: f32 is expected on the CPU, got bf16, which needs --device cuda"},
      {"bench tower --tower left", "--tower: one of vision, text is expected, got \"left\"; the nearest is \"text\""},
      {"bench step --model tiy", "--model: the name of a known model is expected, got \"tiy\"; the nearest is \"tiny\""},
  };
  for (const auto& [words, answer] : answers) CHECK(shell.refusal("siglip " + words) == "2 siglip: " + answer);
}

TEST_CASE("cli: what cannot be done is answered with exit code 1") {
  const Shell shell;
  CHECK(shell.refusal("siglip train --data nowhere") ==
        "1 siglip: nowhere: a folder or a table (.csv, .tsv, .txt, .jsonl, .json) is expected, got nothing of this name");
  CHECK(contains(shell.refusal("siglip inspect nowhere"), "1 siglip: nowhere: a checkpoint folder with model.safetensors"));
  CHECK(contains(shell.refusal("siglip data shapes --out /proc/none"), "1 siglip: /proc/none"));
  CHECK(contains(shell.refusal("siglip report nowhere"), "1 siglip: nowhere/train.json"));
  CHECK(shell.refusal("siglip inspect 'no\nwhere\x1b[31m'").starts_with("1 siglip: no\\nwhere\\x1b[31m: a checkpoint folder"));
}

TEST_CASE("cli: streams and environment that are not as usual") {
  const Shell shell;
  const std::string no_output = "siglip: standard output: a place that takes what is written is expected, got an error: is it full, or closed?";
  CHECK(shell.refusal("siglip ops >/dev/full") == "1 " + no_output);
  CHECK(shell.refusal("siglip --help >/dev/full") == "1 " + no_output);
  CHECK(shell.refusal("siglip --version >&-") == "1 " + no_output);
  const Outcome unread = shell("mkfifo pipe; { exec 3<pipe; exec 3<&-; } & siglip ops --json >pipe; code=$?; wait; exit $code");
  CHECK(unread.exit_code == 1);  // in silence: whoever closed the pipe has seen enough
  CHECK(unread.err.empty());
  CHECK(shell("siglip ops <&- 2>&-").exit_code == 0);
  for (const std::string threads : {"0", "-1", "10000", "many", ""}) {
    INFO(threads);
    CHECK(shell("OMP_NUM_THREADS=" + threads + " siglip gradcheck --op add").exit_code == 0);
  }
  CHECK(shell("siglip gradcheck --op add --threads 4096").exit_code == 0);
  CHECK(contains(shell("OMP_NUM_THREADS=-1 siglip --version").err,
                 "OMP_NUM_THREADS: a whole number from 1 is expected, got \"-1\"; all processors are used"));
  CHECK(shell("env -u HOME siglip ops").exit_code == 0);
  CHECK(shell("ulimit -n 16; siglip data shapes --out shapes --scenes 8").exit_code == 0);
  const Outcome version = shell("siglip --version");
  for (const char* part :
       {"siglip ", "compiler", "instruction set", "library          part of the program", "threads", "CUDA backend", "pictures         JPEG "})
    CHECK(contains(version.out, part));
}

TEST_CASE("cli: a device that is not there is refused before anything is read") {
  const Shell& shell = trained();
  const std::string why = why_no_cuda(), version = shell("siglip --version").out;
  if (why.empty()) return;
  CHECK(contains(version, built_for(Device::cuda) ? "CUDA backend     built, no device" : "CUDA backend     no (this build has none)\n"));
  const std::string refused = "1 siglip: --device cuda: " + why;
  CHECK(shell.refusal("siglip train --data nowhere --device cuda --out refused") == refused);
  CHECK(!std::filesystem::exists(shell.folder / "refused"));
  CHECK(shell.refusal("siglip train --resume run --device cuda") == refused);
  CHECK(shell.refusal("siglip eval nowhere --data nowhere --device cuda") == refused);
  CHECK(shell.refusal("siglip classify nowhere --labels a --device cuda none.png") == refused);
  CHECK(shell.refusal("siglip embed nowhere --texts nowhere --out rows.npy --device cuda") == refused);
  CHECK(shell.refusal("siglip bench step --device cuda --matmul-precision tf32") == refused);
  CHECK(shell.refusal("siglip bench tower --device cuda") == refused);
  CHECK(shell.refusal("siglip bench loss --device cuda --precision bf16,tf32,f32") == refused);
  CHECK(shell.refusal("siglip eval run --device gpu") == "2 siglip: --device: one of cpu, cuda is expected, got \"gpu\"; the nearest is \"cpu\"");
  CHECK(shell.refusal("siglip train --data shapes --device tpu") ==
        "2 siglip: --device: one of cpu, cuda is expected, got \"tpu\"; the nearest is \"cpu\"");
  CHECK(shell.refusal("siglip train --data shapes --matmul-precision bf16") ==
        "2 siglip: --matmul-precision: f32 is expected on the CPU, got bf16, which needs --device cuda");
  CHECK(shell.refusal("siglip bench step --matmul-precision f16") ==
        "2 siglip: --matmul-precision: one of f32, tf32, bf16 is expected, got \"f16\"; the nearest is \"bf16\"");
}

TEST_CASE("cli: parity-devices says what it skips") {
  const Shell& shell = trained();
  const Json ops = parse_json(shell("siglip ops --json").out, "stdout");
  CHECK(ops[0]["backends"].size() == (built_for(Device::cuda) ? 2 : 1));
  CHECK(shell.refusal("siglip parity-devices --op gelo") == "2 siglip: --op: unknown op \"gelo\"; the nearest is \"gelu\"");
  const std::string why = why_no_cuda();
  if (why.empty()) return;
  const Outcome skipped = shell("siglip parity-devices --json --goldens data/goldens");
  CHECK(skipped.exit_code == 0);
  CHECK(contains(skipped.err, "skipped: " + why + "; not compared: matmul, "));
  CHECK(contains(skipped.err, ", softmax_loss, large losses, hygiene, model, training of 50 steps, goldens\n"));
  const Json json = parse_json(skipped.out, "stdout");
  CHECK(json["cases"] == 0);
  CHECK(json["failed"] == 0);
  CHECK(json["why"] == why);
  CHECK(json["skipped"].size() == ops.size() + 5);
  CHECK(shell("siglip parity-devices --op gelu").err == "skipped: " + why + "; not compared: gelu\n");
}
#endif
