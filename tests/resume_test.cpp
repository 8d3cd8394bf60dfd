// What a run keeps on disk: checked when it is taken up again, whatever happened to it in between.
#include <doctest/doctest.h>
#include <sys/resource.h>
#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <limits>
#include <map>
#include <sstream>
#include "io/checksum.h"
#include "io/json.h"
#include "siglip/checkpoint.h"
#include "siglip/optim.h"
#include "temporary_folder.h"
#include "train/evaluate.h"
#include "train/fields.h"
#include "train/run_folder.h"
#include "train/session.h"
using namespace siglip;
namespace fs = std::filesystem;

namespace {
// A few scenes and a finished run on them, made once; each test works on a copy.
struct Finished {
  TemporaryFolder folder;
  std::string data = folder / "shapes", path = folder / "run";
  TrainConfig config;
  Finished() {
    std::ostringstream log;
    make_shapes(data, {.size = 32, .scenes = 60, .seed = 1});
    config.data = data, config.out = path, config.model = "nano", config.steps = 4, config.batch_size = 8, config.eval_every = 2;
    config.candidates = "64", config.threads = 1;
    train(config, log);
  }
};
const Finished& finished() {
  static const Finished run;
  return run;
}

struct Copy {
  TemporaryFolder folder;
  std::string path = folder / "run", last = path + "/last", state = last + "/training_state.json";
  Copy() { fs::copy(finished().path, path, fs::copy_options::recursive); }
  std::string complaint(const std::vector<std::string>& changes = {}) const {
    std::ostringstream log;
    return complaint_of([&] { resume(path, changes, log); }, folder.path);
  }
  // What resuming says to a state that was changed by somebody who knows of the checksums.
  std::string complaint_about(const char* key, const Json& value) const {
    const std::string whole = read_file(state);
    Json json = parse_json(whole, state);
    json[key] = value;
    write_file(state, json.dump(2) + "\n");
    write_checksums(last);
    const std::string said = complaint();
    write_file(state, whole);
    write_checksums(last);
    return said;
  }
};

std::vector<std::string> names_in(const std::string& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  return names;
}
}  // namespace

TEST_CASE("resume: one flipped bit in any file of last or best is one clear error") {
  const Copy run;
  const std::vector<std::string> files{
      "checksums.txt",  "config.json",           "labels.json",         "model.safetensors",         "preprocessor_config.json",
      "tokenizer.json", "tokenizer_config.json", "training_state.json", "training_state.safetensors"};
  for (const std::string part : {"last", "best"}) {
    CHECK(names_in(run.path + "/" + part) == files);
    for (const std::string& name : files) {
      const std::string file = run.path + "/" + part + "/" + name, whole = read_file(file);
      for (const std::size_t at : {std::size_t{0}, whole.size() / 3, whole.size() / 2, whole.size() - 9, whole.size() - 1})
        for (const int bit : {0, 5, 7}) {
          std::string damaged = whole;
          damaged[at] = static_cast<char>(damaged[at] ^ (1 << bit));
          std::ofstream(file, std::ios::binary) << damaged;
          const std::string loading = complaint_of([&] { Pretrained::load(run.path + "/" + part); }, run.folder.path);
          INFO(part, "/", name, " byte ", at, " bit ", bit, ": ", loading);
          CHECK(!contains(loading, "\n"));
          const std::string changed = "run/" + part + "/" + name + ": the file as it was saved is expected (checksum ";
          if (name.starts_with("training_state")) {  // nothing but resuming reads it
            CHECK(loading == "nothing");
            if (part == "last") CHECK(run.complaint().starts_with(changed));
            continue;
          }
          CHECK(loading != "nothing");
          if (name != "checksums.txt") CHECK(loading.starts_with(changed));
          if (part == "last") CHECK(run.complaint() == loading);
        }
      write_file(file, whole);
    }
  }
  CHECK(run.complaint() == "nothing");
  const std::string list = read_file(run.last + "/checksums.txt");
  const auto said_to = [&](const std::string& text) {
    write_file(run.last + "/checksums.txt", text);
    return run.complaint();
  };
  CHECK(said_to("") == "run/last/checksums.txt: a line \"CHECKSUM  NAME\" for each file is expected, got a file cut off");
  CHECK(said_to("x\n") == "run/last/checksums.txt: a line \"CHECKSUM  NAME\" for each file is expected, got \"x\"");
  CHECK(contains(said_to(list.substr(0, 18) + "../../x\n"), "a line \"CHECKSUM  NAME\" for each file is expected, got "));
  CHECK(said_to(list.substr(0, 18) + "none\n") == "run/last/none: a regular file is expected, got nothing there");
  CHECK(said_to(list.substr(0, 18) + ".\n") == "run/last/.: a regular file is expected, got something else");

  // A model without its training state is one that loads.
  write_file(run.last + "/checksums.txt", list);
  fs::rename(run.last + "/training_state.safetensors", run.folder / "state");
  CHECK(complaint_of([&] { Pretrained::load(run.last); }) == "nothing");
  CHECK(run.complaint() == "run/last/training_state.safetensors: a regular file is expected, got nothing there");
  fs::rename(run.folder / "state", run.last + "/training_state.safetensors");
  CHECK(run.complaint() == "nothing");

  // Published folders have no checksums; what a user adds is the user's.
  fs::remove(run.path + "/best/checksums.txt");
  write_file(run.path + "/best/README.md", "mine");
  CHECK(complaint_of([&] { Pretrained::load(run.path); }) == "nothing");
  fs::remove(run.last + "/checksums.txt");
  CHECK(run.complaint() == "run/last/checksums.txt: a readable file is expected, got: No such file or directory");
}

TEST_CASE("resume: a checksum sees every byte, and where it stands") {
  const auto sum = [](const std::string& bytes) {
    Checksum checksum;
    checksum.add(bytes.data(), bytes.size());
    return checksum.text();
  };
  std::vector<std::string> seen;
  for (std::size_t size = 0; size < 20; ++size) seen.push_back(sum(std::string(size, '\0')));
  for (std::size_t at = 0; at < 20; ++at)
    for (int bit = 0; bit < 8; ++bit) {
      std::string bytes(20, '\0');
      bytes[at] = static_cast<char>(1 << bit);
      seen.push_back(sum(bytes));
    }
  std::sort(seen.begin(), seen.end());
  CHECK(std::adjacent_find(seen.begin(), seen.end()) == seen.end());
  CHECK(seen[0].size() == 16);
}

TEST_CASE("resume: a state that does not fit together is refused") {
  const Copy run;
  const std::string file = "run/last/training_state.json: ";
  CHECK(run.complaint_about("version", 2) == file + "version is 3, got 2");
  CHECK(run.complaint_about("step", -1) == file + "step is a whole number from 0 to 2^53, got -1");
  CHECK(run.complaint_about("step", 5) == file + "a step from 0 to 4 is expected, got 5");
  CHECK(run.complaint_about("step", 2) == file + "adam_steps = step = 2 is expected, got 4");
  CHECK(run.complaint_about("adam_steps", 3) == file + "adam_steps = step = 4 is expected, got 3");
  CHECK(contains(run.complaint_about("best", Json::array()), file + "the best evaluation is expected once there was one, got 0 splits"));
  CHECK(contains(run.complaint_about("best_score", -1), file + "the best evaluation is expected once there was one, got "));
  CHECK(run.complaint_about("best", 7) == file + "best is a list of objects, got 7");
  CHECK(run.complaint_about("best", Json::array({7})) == file + "best is a list of objects, got [7]");
  CHECK(run.complaint_about("step", "four") == file + "step is a whole number from 0 to 2^53, got \"four\"");
  CHECK(run.complaint_about("step", 1e300) == file + "step is a whole number from 0 to 2^53, got 1e+300");
  CHECK(run.complaint_about("adam_steps", nullptr) == file + "adam_steps is a whole number from 0 to 2^53, got null");
  CHECK(run.complaint_about("seconds", "long") == file + "seconds is a number, got \"long\"");
  CHECK(run.complaint_about("data_fingerprint", 1) == file + "data_fingerprint is a string, got 1");
  CHECK(run.complaint_about("config", 1) == file + "config is an object, got 1");
  CHECK(run.complaint_about("config", {{"lrr", 1}}) == file + "settings of a run are expected in config, got \"lrr\"");
  Json best = parse_json(read_file(run.state), run.state)["best"];
  best[0]["pairs"] = 1e300;
  CHECK(run.complaint_about("best", best) == file + "best[0].pairs is a whole number from 0 to 2^53, got 1e+300");
  best[0]["pairs"] = 1, best[0]["image_to_text"].erase("r5");
  CHECK(run.complaint_about("best", best) == file + "best[0].image_to_text.r5 is a number, got none");
  CHECK(complaint_of([] { evaluations_json({}, {}); }) == "evaluation: at least one split is expected, got none");

  // Settings edited by hand: those that change the numbers are refused, the others are not.
  const std::string path = run.path + "/train.json", whole = read_file(path);
  TrainConfig config;
  read_json(config, whole, path);
  config.wd = 0.5;
  write_file(path, to_json(config));
  CHECK(run.complaint() == "run/train.json: wd = 0.1 as the run began with is expected, got 0.5");
  read_json(config, whole, path);
  fs::copy(finished().data, run.folder / "moved", fs::copy_options::recursive);
  config.data = run.folder / "moved", config.threads = 2, config.save_every = 1;
  write_file(path, to_json(config));
  CHECK(run.complaint() == "nothing");

  fs::remove_all(run.last), fs::remove_all(run.path + "/best");
  CHECK(run.complaint() == "run/last: a checkpoint to continue from is expected, got none: the run ended before its first one");
}

TEST_CASE("resume: the optimiser state of another model is refused") {
  const Copy run;
  const Session s = [&] {
    std::ostringstream log;
    TrainConfig config = finished().config;
    config.out = run.folder / "other", config.layers = 1;
    return set_up(config, nullptr, log);
  }();
  write_safetensors(run.last + "/training_state.safetensors", s.optimizer.state());
  write_checksums(run.last);
  const std::string said = run.complaint();
  CHECK(said.starts_with("run/last: a training state of "));
  CHECK(said.ends_with(" tensors is expected, got " + std::to_string(s.optimizer.state().size())));
}

TEST_CASE("resume: a gradient that is not finite stops the run, and leaves everything as it was") {
  // A head of 1e-41 behind a norm of 1e30: the embeddings have their length 1 as ever, but the gradient of the head is divided by its size.
  const Copy run;
  const Siglip model(read_config(run.last));
  load_parameters(run.last, model.parameters());
  for (const Parameter& p : model.parameters()) {
    if (p.name == "text_model.final_layer_norm.weight") p.value.fill(Real(1e30));
    if (p.name == "text_model.head.bias") p.value.fill(0);
    if (p.name == "text_model.head.weight")
      for (Dim i = 0; i < p.value.size(); ++i) p.value.data()[i] *= Real(1e-40);
  }
  write_safetensors(run.last + "/model.safetensors", model.parameters());
  Json state = parse_json(read_file(run.state), run.state);
  state["config"]["steps"] = 9;
  write_file(run.state, state.dump(2) + "\n");
  write_checksums(run.last);
  TrainConfig config = finished().config;
  const std::string settings = run.path + "/train.json";
  read_json(config, read_file(settings), settings);
  config.steps = 9;
  write_file(settings, to_json(config));

  std::map<std::string, std::string> before, after;
  const auto take = [&](std::map<std::string, std::string>& files) {
    for (const auto& entry : fs::recursive_directory_iterator(run.path))
      if (entry.is_regular_file()) files[entry.path()] = read_file(entry.path());
  };
  take(before);
  CHECK(run.complaint() ==
        "train: step 5: the gradient of text_model.head.weight is not finite; the last good checkpoint is run/last; a lower --lr, a longer --warmup "
        "or --grad-clip 1 may help");
  take(after);
  CHECK(before.size() > 16);
  CHECK(after == before);
}

TEST_CASE("resume: a run folder is named, a train.json out of range is") {
  const Copy run;
  CHECK(complaint_of([&] { RunFolder::open(run.folder.path); }, fs::path(run.folder.path).parent_path()) ==
        fs::path(run.folder.path).filename().string() + ": a run folder with train.json is expected, got none");
  const std::string path = run.path + "/train.json", whole = read_file(path);
  Json json = parse_json(whole, path);
  json["lr"] = 11;
  write_file(path, json.dump());
  CHECK(run.complaint() == "run/train.json: lr: a number from 0 to 10 is expected, got 11");
  write_file(path, whole);
  CHECK(run.complaint({"threads=-1"}) == "--threads: a whole number from 0 to 4096 is expected, got -1");
}

TEST_CASE("results.csv: a split's name that separates fields is quoted") {
  const Copy run;
  Evaluation odd, val;
  odd.split = "held, \"out\"", odd.pairs = 3, val.split = "val", val.pairs = 2;
  RunLog(RunFolder::open(run.path), 4).write({.step = 5}, {odd, val});
  const std::string csv = read_file(run.path + "/results.csv");
  CHECK(contains(csv, ",\"held, \"\"out\"\"\",3,0,"));
  CHECK(contains(csv, ",val,2,0,"));
  CHECK(read_history(run.path).evaluations.back().split == "val");
}

TEST_CASE("resume: a log that cannot be written is named") {
  const Copy run;
  const RunFolder folder = RunFolder::open(run.path);
  const auto said = [&](const char* full) {
    RunLog log(folder, 4);
    std::ofstream(run.path + "/" + full, std::ios::app) << std::string(1 << 16, ' ');
    rlimit limit{};
    getrlimit(RLIMIT_FSIZE, &limit);
    const rlimit lowered{1 << 16, limit.rlim_max};
    void (*const before)(int) = std::signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &lowered);
    const std::string complaint = complaint_of([&] { log.write({.step = 5}, {}); }, run.folder.path);
    setrlimit(RLIMIT_FSIZE, &limit);
    std::signal(SIGXFSZ, before);
    return complaint;
  };
  CHECK(said("log.jsonl") == "run/log.jsonl: writing failed: is the disk full?");
  CHECK(said("results.csv") == "run/results.csv: writing failed: is the disk full?");
}

TEST_CASE("pretrained: parts that are not of one model are named") {
  const Copy run;
  const std::string best = run.path + "/best";
  fs::remove(best + "/checksums.txt");
  const std::string config = best + "/config.json", whole = read_file(config);
  const auto said = [&](const char* tower, const char* key, int value) {
    Json json = parse_json(whole, config);
    json[tower][key] = value;
    write_file(config, json.dump(2));
    return complaint_of([&] { Pretrained::load(best); }, run.folder.path);
  };
  CHECK(complaint_of([&] { Pretrained::load(best, {}, false).embed(std::vector<std::string>{"a text"}); }, run.folder.path) ==
        "run/best: a model loaded with its tokenizer is expected for texts, got one without");
  const Json model = parse_json(whole, config);
  const std::string words = model["text_config"]["vocab_size"].dump(), context = model["text_config"]["max_position_embeddings"].dump(),
                    size = model["vision_config"]["image_size"].dump();
  CHECK(said("text_config", "vocab_size", 7) == "run/best: a tokenizer of at most vocab_size = 7 ids is expected, got " + words);
  CHECK(said("text_config", "max_position_embeddings", 7) ==
        "run/best: a tokenizer that pads to max_position_embeddings = 7 ids is expected, got " + context);
  CHECK(said("vision_config", "image_size", 64) == "run/best: a preprocessor with size = image_size = 64 is expected, got " + size);
}

TEST_CASE("report: the figures at its head are those of the checkpoint it shows") {
  const Copy run;
  const std::string state = run.path + "/best/training_state.json", log = run.path + "/log.jsonl";
  Json json = parse_json(read_file(state), state);
  json["step"] = 2;
  write_file(state, json.dump(2));
  write_checksums(run.path + "/best");
  std::istringstream lines(read_file(log));
  std::string changed;
  for (std::string line; std::getline(lines, line);) {
    Json row = parse_json(line, log);
    if (row.contains("evaluation"))
      for (Json& e : row["evaluation"]) e["image_to_text"]["r1"] = row["step"] == 2 ? 0.625 : 0.125, e["text_to_image"]["r1"] = 0.375;
    changed += row.dump() + "\n";
  }
  write_file(log, changed);
  std::ostringstream said;
  report(run.path, said);
  const std::string html = read_file(run.path + "/report.html"), head = html.substr(0, html.find("<section"));
  CHECK(contains(head, "after step 2"));
  CHECK(contains(head, "62.5\u00a0% / 37.5\u00a0%"));
  CHECK(!contains(head, "12.5\u00a0%"));
  CHECK(contains(html, "<caption>After step 2, the checkpoint shown below: % of queries</caption>"));
  const std::string table = html.substr(html.find("<caption>After step 2"));
  CHECK(contains(table.substr(0, table.find("</table>")), "<td>62.5</td>"));
  CHECK(!contains(table.substr(0, table.find("</table>")), "<td>12.5</td>"));

  json.erase("step");
  write_file(state, json.dump(2));
  write_checksums(run.path + "/best");
  CHECK(complaint_of([&] { report(run.path, said); }, run.folder.path) ==
        "run/best/training_state.json: step is a whole number from 0 to 2^53, got none");
}

TEST_CASE("report: a caption that ties with others is not of the first rank") {
  const TemporaryFolder folder;
  for (const char* split : {"train", "val"}) {
    std::string table = "file_name,text\n";
    fs::create_directories(folder / split);
    for (int i = 0; i < 4; ++i) {
      const std::string name = std::to_string(i) + ".png";
      write_png(folder / (std::string(split) + "/" + name), {8, 8, std::vector<std::uint8_t>(192, static_cast<std::uint8_t>(60 * i))});
      table += name + (split == std::string("val") ? ",unknown" : ",known") + std::to_string(i) + "\n";
    }
    folder.write(std::string(split) + "/metadata.csv", table);
  }
  TrainConfig c;
  c.data = folder.path, c.model = "nano", c.steps = 1, c.batch_size = 4, c.threads = 1;
  const TemporaryFolder out;
  c.out = out / "run";
  std::ostringstream log;
  train(c, log);
  report(c.out, log);
  const std::string html = read_file(out / "run/report.html");
  std::size_t cards = 0;
  for (std::size_t at = 0; (at = html.find("<article class=\"card panel by-image\">", at)) != std::string::npos; ++at, ++cards) {
    const std::string card = html.substr(at, html.find("</article>", at) - at);
    CHECK(contains(card, ">rank 4</span>"));
  }
  CHECK(cards == 4);
}

TEST_CASE("resume: logs that a crash cut off, and logs that are damaged") {
  const Copy run;
  const std::string csv = run.path + "/results.csv", jsonl = run.path + "/log.jsonl", whole_csv = read_file(csv), whole_jsonl = read_file(jsonl);
  const auto append = [](const std::string& path, const std::string& bytes) { std::ofstream(path, std::ios::app) << bytes; };
  for (const std::string tail : {"5,1.0", "5", "{\"step\": 5, \"lo", "{\"step\": 5, \"lo\n", "garbage\n", "\n"}) {
    append(csv, tail);
    append(jsonl, tail);
    INFO(tail);
    CHECK(read_history(run.path).log.size() == 4);
    CHECK(run.complaint() == "nothing");
    CHECK(read_file(csv) == whole_csv);
    CHECK(read_file(jsonl) == whole_jsonl);
  }
  append(csv, std::string(512, '\0'));  // what some file systems leave of a page that never reached the disk
  append(jsonl, std::string(512, '\0'));
  CHECK(run.complaint() == "nothing");
  CHECK(read_file(csv) == whole_csv);
  CHECK(read_file(jsonl) == whole_jsonl);

  const auto second_line = [](const std::string& text, const std::string& line) {
    const std::size_t begin = text.find('\n') + 1;
    return text.substr(0, begin) + line + text.substr(text.find('\n', begin));
  };
  write_file(jsonl, second_line(whole_jsonl, "{\"loss\": 1}"));
  CHECK(run.complaint() == "run/log.jsonl:2: step is a whole number from 0 to 2^53, got none");
  CHECK(complaint_of([&] { read_history(run.path); }, run.folder.path) == run.complaint());
  write_file(jsonl, second_line(whole_jsonl, "{\"step\": 1e300}"));
  CHECK(run.complaint() == "run/log.jsonl:2: step is a whole number from 0 to 2^53, got 1e+300");
  write_file(jsonl, second_line(whole_jsonl, "[2]"));
  CHECK(run.complaint() == "run/log.jsonl:2: an object is expected, got [2]");
  write_file(jsonl, second_line(whole_jsonl, "{\"step\": 2,"));
  CHECK(contains(run.complaint(), "run/log.jsonl:2: valid JSON is expected, got parse error at line 1, column 12"));
  write_file(jsonl, whole_jsonl);
  for (const std::string line : {"two,1", "", "2", "99999999999999999999,1", "-1,1"}) {
    write_file(csv, second_line(whole_csv, line));
    CHECK(run.complaint() == "run/results.csv:2: a row that begins with its step is expected, got \"" + line + "\"");
  }
}

TEST_CASE("resume: the lock stays, and says which failure it met") {
  const Copy run;
  { const RunFolder held = RunFolder::open(run.path); }
  CHECK(fs::exists(run.path + "/.lock"));
  const RunFolder first = RunFolder::open(run.path);
  CHECK(complaint_of([&] { RunFolder::open(run.path); }, run.folder.path) ==
        "run: a run that nobody else is training is expected, got one locked by another process");
  const TemporaryFolder other;
  fs::create_directory(other / ".lock");
  CHECK(complaint_of([&] { RunFolder::create(other.path, "x"); }) == other.path + ": a folder that can be written is expected, got: Is a directory");
}

TEST_CASE("resume: what a killed process left of a checkpoint goes away, unless it is the only one") {
  const Copy run;
  for (const char* name : {"/.last.tmp123", "/.best.tmp9", "/.last.tmp123.old", "/.mine"}) fs::create_directory(run.path + name);
  for (const char* name : {"/results.csv.tmp5", "/log.jsonl.tmp5"}) write_file(run.path + name, "half a li");
  fs::rename(run.path + "/best", run.path + "/.best.tmp7");
  { const RunFolder opened = RunFolder::open(run.path); }
  CHECK(names_in(run.path) ==
        std::vector<std::string>{".best.tmp7", ".best.tmp9", ".lock", ".mine", "last", "log.jsonl", "results.csv", "summary.json", "train.json"});
}

TEST_CASE("save: a tensor that is not finite leaves the checkpoint as it was") {
  const TemporaryFolder folder;
  std::ostringstream log;
  TrainConfig config = finished().config;
  config.out = folder / "run";
  Session s = set_up(config, nullptr, log);
  const std::string advice = "; a lower --lr, a longer --warmup or --grad-clip 1 may help";
  const Parameters parameters = s.model.parameters(), moments = s.optimizer.state();
  s.step = 3;
  Real& last_weight = parameters[1].value.data()[parameters[1].value.size() - 1];
  const Real good = std::exchange(last_weight, std::numeric_limits<Real>::quiet_NaN());
  CHECK(complaint_of([&] { save(s, "last"); }) ==
        "train: step 3: " + parameters[1].name + " is not finite; the last good checkpoint is none yet" + advice);
  CHECK(!fs::exists(folder / "run/last"));
  last_weight = good;
  save(s, "best");
  last_weight = -std::numeric_limits<Real>::infinity();
  CHECK(contains(complaint_of([&] { save(s, "last"); }), " is not finite; the last good checkpoint is " + folder.path + "/run/best" + advice));
  last_weight = good;
  save(s, "last");
  const std::string before = read_file(folder / "run/last/checksums.txt");
  for (Tensor tensor : {parameters.back().value, moments.back().value}) {
    tensor.data()[0] = std::numeric_limits<Real>::infinity();
    s.step = 4;
    const std::string said = complaint_of([&] { save(s, "last"); });
    CHECK(contains(said, " is not finite; the last good checkpoint is " + folder.path + "/run/last" + advice));
    CHECK(said.starts_with("train: step 4: "));
    tensor.data()[0] = 0;
  }
  CHECK(read_file(folder / "run/last/checksums.txt") == before);
  CHECK(complaint_of([&] { verify_checksums(folder / "run/last"); }) == "nothing");
  CHECK(names_in(folder / "run") == std::vector<std::string>{".lock", "best", "last"});
}

TEST_CASE("save: best can be trained on as well") {
  const Copy run;
  const std::string path = run.path + "/best/training_state.json";
  const Json state = parse_json(read_file(path), path);
  fs::remove_all(run.last);
  fs::copy(run.path + "/best", run.last);
  std::ostringstream log;
  CHECK(resume(run.path, {}, log).steps == 4);
  CHECK(contains(log.str(), "continues after step " + state["step"].dump() + " of 4"));
  CHECK(read_file(run.last + "/model.safetensors") == read_file(finished().path + "/last/model.safetensors"));
}

TEST_CASE("evaluate: a sample is whole groups spread over the split, and nothing else is embedded") {
  const Finished& run = finished();
  const Pretrained model = Pretrained::load(run.path);
  const DataSet data = read_data(run.data);
  const NamedSamples train{"train", std::make_shared<const Samples>(data.split("train"), *model.tokenizer, model.preprocessing)};
  const NamedSamples single{"single", std::make_shared<const Samples>(data.split("single"), *model.tokenizer, model.preprocessing)};
  const Dim N = train.samples->size();
  REQUIRE(N == 60);
  const auto needed = [&](const char* candidates, Dim most) { return sampled(*train.samples, Candidates::parse(candidates), most); };
  CHECK(needed("8", 20) ==
        std::vector<Dim>{0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23, 32, 33, 34, 35, 36, 37, 38, 39});  // three groups of seven
  CHECK(needed("8", 24) == needed("8", 20));
  CHECK(std::ssize(needed("8", 55)) == N);
  CHECK(std::ssize(needed("8", 0)) == N);
  CHECK(std::ssize(needed("64", 20)) == N);
  CHECK(needed("split", 4) == std::vector<Dim>{0, 15, 30, 45});
  CHECK(std::ssize(needed("split", 60)) == N);
  CHECK(std::ssize(needed("all", 20)) == N);
  CHECK(std::ssize(sampled(*single.samples, Candidates::parse("8"), 20)) == single.samples->size());  // its distractors are candidates
  CHECK(embed(model.model, *train.samples, 24).images.shape() == Shape{24, 48});

  // What is scored is what is embedded: the sample alone gives the same figures.
  for (const char* candidates : {"8", "split"}) {
    Split few{"train", {}};
    for (const Dim i : needed(candidates, 20)) few.pairs.push_back(train.samples->pair(i));
    const NamedSamples alone{"train", std::make_shared<const Samples>(few, *model.tokenizer, model.preprocessing)};
    const Evaluation a = evaluate(model.model, {train}, {}, Candidates::parse(candidates), {}, 20)[0],
                     b = evaluate(model.model, {alone}, {}, Candidates::parse(candidates))[0];
    CHECK(a.pairs == std::ssize(few.pairs));
    CHECK(a.candidates == b.candidates);
    CHECK(a.image_to_text.r1 == b.image_to_text.r1);
    CHECK(a.text_to_image.r5 == b.text_to_image.r5);
  }
}

TEST_CASE("resume: a run whose last checkpoint was never written goes on from its best") {
  const Copy run;
  const std::string path = run.path + "/best/training_state.json";
  const Json state = parse_json(read_file(path), path);
  fs::remove_all(run.last);  // the disk was full
  std::ostringstream log;
  CHECK(resume(run.path, {}, log).steps == 4);
  CHECK(contains(log.str(), "note: the run has no last checkpoint, so it goes on from " + run.path + "/best\n"));
  CHECK(contains(log.str(), " continues after step " + state["step"].dump() + " of 4"));
  CHECK(read_file(run.last + "/model.safetensors") == read_file(finished().path + "/last/model.safetensors"));
}

TEST_CASE("resume: more steps continue a run with a schedule of their own, which is kept") {
  const Copy run;
  CHECK(run.complaint({"steps=3"}) == "--steps: more than the run's 4 steps are expected, got 3");
  CHECK(run.complaint({"steps=4"}) == "nothing");
  CHECK(run.complaint({"schedule_rate=1"}).starts_with("--resume: a run keeps schedule_rate = 0.0, got 1.0 (only data, "));

  const Copy whole, broken;
  TrainConfig before;
  read_json(before, read_file(whole.path + "/train.json"), "train.json");
  std::ostringstream log;
  CHECK(resume(whole.path, {"steps=9"}, log).steps == 9);
  CHECK(contains(log.str(), "schedule: a new one from step 5 to 9: from the last rate, "));
  CHECK(contains(log.str(), ", up to 0.001, then down to 0\n"));
  TrainConfig kept;
  read_json(kept, read_file(whole.path + "/train.json"), "train.json");
  CHECK(kept.steps == 9);
  CHECK(kept.schedule_start == 4);
  CHECK(kept.schedule_rate == rate_at(before, 3));
  const RunHistory history = read_history(whole.path);
  REQUIRE(history.log.size() == 9);
  for (Dim step = 0; step < 9; ++step) CHECK(history.log[static_cast<std::size_t>(step)].lr == kept.lr * rate_at(step < 4 ? before : kept, step));
  CHECK(history.log[4].lr > history.log[3].lr);

  // Killed before its first checkpoint of the new schedule: train.json says where that began.
  write_file(broken.path + "/train.json", read_file(whole.path + "/train.json"));
  CHECK(resume(broken.path, {}, log).steps == 9);
  CHECK(read_file(broken.last + "/model.safetensors") == read_file(whole.last + "/model.safetensors"));
  CHECK(broken.complaint({"steps=10"}) == "nothing");

  // Killed there, and then given more steps still: the new schedule has taken no step, so it begins from the same rate.
  const Copy again;
  write_file(again.path + "/train.json", read_file(whole.path + "/train.json"));
  CHECK(resume(again.path, {"steps=12"}, log).steps == 12);
  read_json(kept, read_file(again.path + "/train.json"), "train.json");
  CHECK(kept.schedule_start == 4);
  CHECK(kept.schedule_rate == rate_at(before, 3));
}

TEST_CASE("schedule: of a run that was continued, from its last rate up and down to 0") {
  TrainConfig c;
  c.steps = 100, c.warmup = 10;
  for (const Dim step : {0, 5, 50, 99}) CHECK(rate_at(c, step) == cosine_rate(step, 10, 100));
  c.schedule_start = 100, c.schedule_rate = 0.25, c.steps = 300;
  CHECK(rate_at(c, 100) == 0.25);
  CHECK(rate_at(c, 105) == 0.625);
  CHECK(rate_at(c, 110) == 1);
  CHECK(rate_at(c, 205) == doctest::Approx(0.5));
  CHECK(rate_at(c, 299) < 1e-3);
}
