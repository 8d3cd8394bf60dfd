// Texts, tokenizers and weights as people have them: what came once from a user's disk, each with what is right for it.
#include <doctest/doctest.h>
#include <functional>
#include <map>
#include <sstream>
#include "data/text_file.h"
#include "io/checksum.h"
#include "io/json.h"
#include "io/stand_in.h"
#include "shell.h"
#include "siglip/siglip.h"
using namespace siglip;

namespace {
const std::string pointer =
    "version https://git-lfs.github.com/spec/v1\noid sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\nsize 812672320\n";
const std::string page = "<!DOCTYPE html>\n<html><head><title>404</title></head><body>Entry not found</body></html>\n";

SiglipConfig small_config() { return {{8, 1, 1, 8}, {8, 1, 1, 8}, 16, 8, 8, 8, 8}; }

Siglip small_model() {
  Siglip model(small_config());
  initialize(model, 7);
  return model;
}

void write_picture(const std::string& path, std::uint8_t red, std::uint8_t blue) {
  Image image{16, 16, {}};
  for (int i = 0; i < 16 * 16; ++i) image.rgb.insert(image.rgb.end(), {red, std::uint8_t(i), blue});
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  write_png(path, image);
}

// A checkpoint folder "model" as others make them, without checksums, and a picture a.png.
struct Case : Shell {
  explicit Case(const Parameters& weights = small_model().parameters()) {
    std::filesystem::create_directory(folder / "model");
    write_config(folder / "model", small_config());
    Preprocessing preprocessing;
    preprocessing.image_size = 16;
    write_preprocessing(folder / "model", preprocessing);
    learn_words({"red blue caf\u00e9 cat dog"}, 8)->save(folder / "model");
    write_safetensors(folder / "model/model.safetensors", weights);
    write_picture(folder / "a.png", 200, 20);
  }
  std::string model(const std::string& name) const { return folder / ("model/" + name); }
  // Labels and probabilities of a.png.
  std::map<std::string, double> labels(const std::string& arguments) const {
    std::map<std::string, double> all;
    const Json answers = json("siglip classify model " + arguments + " a.png --json");
    for (const Json& result : answers[0]["results"]) all[result["label"].get<std::string>()] = result["probability"].get<double>();
    return all;
  }
  bool gives(const std::string& file, const std::string& text) const {
    folder.write(file, text);
    const auto found = labels("--labels-file " + file);
    return found.size() == 2 && found.contains("red") && found.contains("blue");
  }
  std::string refused(const std::string& file, const std::string& text) const {
    folder.write(file, text);
    return refusal("siglip classify model --labels-file " + file + " a.png");
  }
  std::string doctor() const {
    const Outcome run = (*this)("siglip doctor model");
    CHECK(run.exit_code == 1);
    std::string mistakes;
    std::istringstream lines(run.out);
    for (std::string line; std::getline(lines, line);)
      if (line.starts_with("MISTAKE")) mistakes += line.substr(9) + "\n";
    return mistakes;
  }
};

std::string utf16(const std::string& ascii, bool big) {
  std::string bytes = big ? "\xFE\xFF" : "\xFF\xFE";
  for (const char c : ascii) bytes += big ? std::string{'\0', c} : std::string{c, '\0'};
  return bytes;
}

const std::string small_run =
    "--width 8 --layers 1 --heads 1 --mlp 8 --image-size 16 --patch-size 8 --context 8 --steps 60 --batch-size 8 --lr 0.01 --val-fraction 0 "
    "--out run";

// A run on class folders of two colours, and what it makes of two labels.
Outcome classified(const Shell& shell, const std::string& red, const std::string& blue, const std::string& labels) {
  for (int i = 0; i < 5; ++i) {
    write_picture(shell.folder / ("data/" + red + "/" + std::to_string(i) + ".png"), static_cast<std::uint8_t>(200 + i), 10);
    write_picture(shell.folder / ("data/" + blue + "/" + std::to_string(i) + ".png"), 10, static_cast<std::uint8_t>(200 + i));
  }
  const Outcome trained = shell("siglip train --data data " + small_run);
  INFO(trained.err);
  CHECK(trained.exit_code == 0);
  return shell("siglip classify run --labels \"" + labels + "\" data/" + red + "/0.png --json");
}

void check_different(const Outcome& run) {
  INFO(run.err);
  CHECK(run.exit_code == 0);
  CHECK(run.err == "");  // no word is unknown, no two labels are one
  const Json results = parse_json(run.out, "out")[0]["results"];
  CHECK(results.size() == 2);
  CHECK(results[0]["probability"] != results[1]["probability"]);
}

constexpr const char* forms = "a text a line, a JSON array (.json), JSON lines (.jsonl) or a data.yaml is expected, got ";
}  // namespace

TEST_CASE("labels-latin1: a byte that is no UTF-8 is named with its line, by every reader of texts") {
  const Case c;
  c.folder.write("labels.txt", "caf\xE9 red\nblue\n");
  const std::string said = "1 siglip: labels.txt:1: UTF-8 is expected, got byte 233";
  CHECK(c.refusal("siglip classify model --labels-file labels.txt a.png") == said);
  CHECK(c.refusal("siglip tokenize model --texts labels.txt") == said);
  CHECK(c.refusal("siglip embed model --texts labels.txt --out x.npy") == said);
  CHECK(c.refused("labels.txt", "red\r\nblue\r\ncaf\xE9") == "1 siglip: labels.txt:3: UTF-8 is expected, got byte 233");
  CHECK(c.refused("labels.jsonl", "{\"text\": \"red\"}\r{\"text\": \"\xE9\"}") == "1 siglip: labels.jsonl:2: UTF-8 is expected, got byte 233");
  CHECK(c.refused("labels.txt", std::string("red\nblu\0e\n", 10)) == "1 siglip: labels.txt:2: text is expected, got a NUL byte");
}

TEST_CASE("labels-latin1: what becomes of other bytes can still be compared") {
  const Case c;
  c.folder.write("texts.txt", "red\xE9 blue\ncat\n");
  const Json ids = c.json("siglip tokenize model --texts texts.txt --any-bytes --json")["ids"];
  CHECK(ids == c.json("printf 'red\\357\\277\\275 blue\\ncat\\n' | siglip tokenize model --texts - --json")["ids"]);  // U+FFFD
  CHECK(ids.size() == 2);
}

TEST_CASE("labels-utf16: text of any mark and any ends of lines") {
  const Case c;
  CHECK(c.gives("labels.txt", utf16("red\r\nblue\r\n", false)));
  CHECK(c.gives("labels.txt", utf16("red\nblue", true)));
  CHECK(c.gives("labels.txt", "\xEF\xBB\xBFred\r\nblue"));
  CHECK(c.gives("labels.txt", "red\rblue\r"));
  CHECK(c.gives("labels.json", utf16("[\"red\", \"blue\"]", false)));
  CHECK(text_of("\xFF\xFE\x3D\xD8\x4D\xDC", "x") == "\U0001F44D");
  CHECK(complaint_of([] {
          text_of(
              "\xFF\xFE"
              "a",
              "x");
        }) == "x: an even number of bytes is expected in UTF-16, got 3");
  CHECK(complaint_of([] { text_of(utf16("a\nb", false) + "\x3D\xD8", "x"); }) == "x:2: UTF-16 is expected, got half of a pair at byte 8");
  CHECK(complaint_of([] { text_of(utf16(std::string("a\n\0", 3), true), "x"); }) == "x:2: text is expected, got a NUL byte");
  CHECK(lines_of("a\r\n\rb\n\nc") == std::vector<std::string_view>{"a", "", "b", "", "c"});
  c.folder.write("data/metadata.csv", utf16("file_name,text\n0.png,red\n1.png,blue\n", false));
  c.folder.write("more/metadata.jsonl", utf16("{\"file_name\": \"0.png\", \"text\": \"red\"}\r\n", false));
  CHECK(read_data(c.folder / "data", {.val_fraction = 0}).split("train").pairs[1].text == "blue");
  CHECK(read_data(c.folder / "more", {.val_fraction = 0}).split("train").pairs[0].text == "red");
}

TEST_CASE("labels-yaml-csv: a data.yaml gives its names; a table or JSON under another ending is named as such") {
  const Case c;
  CHECK(c.gives("data.yaml", "path: animals\ntrain: images/train\nval: images/val\nnames:\n  0: red\n  1: blue\n"));
  CHECK(c.gives("data.yml", "names: [red, 'blue']  # two\nnc: 2\n"));
  CHECK(c.gives("labels.JSON", "[\"red\", \"blue\"]"));
  CHECK(c.gives("labels.jsonl", "{\"text\": \"red\"}\n\n{\"text\": \"blue\"}\n"));
  const std::string table = "a table; write the column of texts into a file of its own, a text a line";
  CHECK(c.refused("names.csv", "id,name\n0,red\n1,blue\n") == std::string("1 siglip: names.csv: ") + forms + table);
  CHECK(c.refused("names.txt", "id\tname\n0\tred\n1\tblue\n") == std::string("1 siglip: names.txt: ") + forms + table);
  CHECK(c.refused("names.txt", "[\"red\", \"blue\"]\n") ==
        std::string("1 siglip: names.txt: ") + forms + "a JSON array under another ending; name it .json");
  CHECK(c.refused("names.json", "{\"text\": \"red\"}\n{\"text\": \"blue\"}\n") ==
        std::string("1 siglip: names.json: ") + forms + "JSON lines under another ending; name it .jsonl");
  CHECK(c.refused("names.txt", "nc: 2\nnames:\n- red\n- blue\n") ==
        std::string("1 siglip: names.txt: ") + forms + "the names of a data.yaml under another ending; name it .yaml");
  CHECK(c.gives("names.txt", "red\nblue"));
  CHECK(contains(c.refused("names.txt", page), "names.txt: the file itself is expected, got a web page (HTML)"));
  CHECK(texts_of("a cat, a dog\nname, of a thing\n", "x.txt").size() == 2);  // commas alone make no table
  c.folder.write("data.csv", "[{\"file_name\": \"0.png\", \"text\": \"red\"}]");
  CHECK(complaint_of([&] { read_data(c.folder / "data.csv"); }, c.folder.path) ==
        "data.csv: a table with a header line is expected, got JSON; JSON is read from .json and .jsonl files");
  c.folder.write("data/metadata.jsonl", "[\n{\"file_name\": \"0.png\", \"text\": \"red\"}]");
  CHECK(complaint_of([&] { read_data(c.folder / "data"); }, c.folder.path) ==
        "data/metadata.jsonl:1: an object a line is expected (JSON lines), got an array");
}

TEST_CASE("texts: the names of a data.yaml in the ways in which they are written") {
  using List = std::vector<std::string>;
  const auto names = [](const std::string& yaml) { return names_of_yaml(yaml, "d.yaml"); };
  CHECK(names("names: {1: 'it''s', 0: \"a \\u00e9\"}") == List{"a é", "it's"});
  CHECK(names("names: [traffic light,\n  \"a, b\", # c\n  stop]\nnc: 3") == List{"traffic light", "a, b", "stop"});
  CHECK(names("nc: 2\nnames:\n- red # a comment\n\n- blue's\ntrain: x") == List{"red", "blue's"});
  CHECK(names("names:\r\n    0: 1: 2\r\n    1: b#c\r\n") == List{"1: 2", "b#c"});
  const auto said = [&](const std::string& yaml) { return complaint_of([&] { names(yaml); }); };
  CHECK(said("nc: 1") == "d.yaml: a line \"names:\" is expected, as in a data.yaml, got none");
  CHECK(said("names: 3") == "d.yaml:1: a list of names is expected, got \"3\"");
  CHECK(said("names:\n  red: 0") == "d.yaml:2: a number, a colon and a name are expected, got \"red: 0\"");
  CHECK(said("names:\n  0: red\n  2: blue") == "d.yaml:1: names numbered from 0 on without a gap are expected, got none for 1");
  CHECK(said("names: {0: a, 0: b}") == "d.yaml:1: each number once is expected, got 0 twice");
  CHECK(said("names: [a, b") == "d.yaml:1: a closing ] is expected, got none");
  CHECK(said("names: []") == "d.yaml:1: at least one name is expected, got none");
  CHECK(said("names: [a, '']") == "d.yaml:1: a name is expected, got none");
  CHECK(said("names: ['a]") == "d.yaml:1: a closing ] is expected, got none");
}

TEST_CASE("texts: a pipe is read, and a text in the place of a file is named") {
  const Case c;
  CHECK(c.json("printf 'red\\nblue\\n' | siglip tokenize model --texts - --json")["ids"].size() == 2);
  CHECK(c.json("printf '[\"red\", \"blue\", \"cat\"]' | siglip tokenize model --texts /dev/stdin --json")["ids"].size() == 3);
  CHECK(c.json("printf 'red\\nblue\\n' | siglip classify model --labels-file - a.png --json")[0]["results"].size() == 2);
  CHECK(c.refusal("printf 'r\\351d' | siglip tokenize model --texts -") == "1 siglip: standard input:1: UTF-8 is expected, got byte 233");
  CHECK(c.refusal("siglip tokenize model --texts \"a red bird\"") ==
        "1 siglip: a red bird: a file of texts is expected, got nothing of this name (a text itself? - reads standard input)");
}

TEST_CASE("case-beyond-ascii: labels in lower case are the class folders' words") {
  check_different(classified(Shell(), "Красный", "Синий", "a photo of a красный,a photo of a синий"));
}

TEST_CASE("nfd-class-folders: a word is one word, however its accents were written") {
  check_different(classified(Shell(), "cafe\u0301", "the\u0301", "a photo of a caf\u00e9,a photo of a th\u00e9"));
}

TEST_CASE("nfd-class-folders: a table finds a file whose name the disk spells in the other form") {
  const TemporaryFolder folder;
  write_picture(folder / "the\u0301/cafe\u0301.png", 1, 2);
  write_picture(folder / "na\u00efve.png", 1, 2);
  folder.write("d.csv", "file_name,text\nth\u00e9/caf\u00e9.png,one\nnai\u0308ve.png,two\nn\u00f3.png,three\n");
  const DataSet data = read_data(folder / "d.csv", {.val_fraction = 0});
  CHECK(data.splits[0].pairs[0].image == folder / "the\u0301/cafe\u0301.png");
  CHECK(data.splits[0].pairs[1].image == folder / "na\u00efve.png");
  CHECK(data.splits[0].pairs[2].image == folder / "n\u00f3.png");
}

TEST_CASE("captions-without-blanks: characters are words, and messages spell them as they are") {
  const Shell shell;
  std::string lines;
  for (int i = 0; i < 16; ++i) {
    const bool red = i % 2 == 0;
    write_picture(shell.folder / ("data/" + std::to_string(i) + ".png"), red ? 200 : 10, red ? 10 : 200);
    const std::string colour = red ? "红色" : "蓝色", thing = i < 8 ? "的猫" : "的汽车";
    lines += "{\"file_name\": \"" + std::to_string(i) + ".png\", \"text\": \"一只" + colour + thing + "\"}\n";
  }
  shell.folder.write("data/metadata.jsonl", lines);
  CHECK(shell("siglip train --data data " + small_run).exit_code == 0);
  check_different(shell("siglip classify run --labels 红色,蓝色 data/0.png --json"));
  const Outcome unknown = shell("siglip classify run --labels 绿色,蓝色 data/0.png");
  CHECK(contains(unknown.err, "note: the model never saw the word \"绿\", so texts that"));
}

TEST_CASE("lfs-picture: a pointer is named, and the cure") {
  const Shell shell;
  for (const char* name : {"red/0.png", "red/1.png", "blue/0.png"}) write_picture(shell.folder / ("data/" + std::string(name)), 10, 20);
  shell.folder.write("data/blue/1.png", pointer);
  const Outcome run = shell("siglip train --data data " + small_run);
  CHECK(contains(run.err,
                 "data/blue/1.png: the file itself is expected, got a Git LFS pointer, which stands for a file of 812672320 bytes that was not "
                 "downloaded; `git lfs pull` fetches it"));
  shell.folder.write("a.jpg", page);
  CHECK(complaint_of([&] { read_image(shell.folder / "a.jpg"); }, shell.folder.path) ==
        "a.jpg: the file itself is expected, got a web page (HTML), as a login or an error shows it; download the file itself, from a link that asks "
        "for "
        "no login");
}

TEST_CASE("lfs-tokenizer, lfs-weights: every file of a folder that stands for another is named, by every verb and by the doctor") {
  const std::string said =
      ": the file itself is expected, got a Git LFS pointer, which stands for a file of 812672320 bytes that was not downloaded; "
      "`git lfs pull` fetches it";
  for (const char* name : {"spiece.model", "tokenizer.json", "config.json", "preprocessor_config.json", "model.safetensors"}) {
    CAPTURE(name);
    const Case c;
    c.folder.write("model/" + std::string(name), pointer);
    CHECK(c.refusal("siglip classify model --labels red,blue a.png") == "1 siglip: model/" + std::string(name) + said);
    CHECK(c.doctor() ==
          "files [not-downloaded]: " + std::string(name) +
              " is a Git LFS pointer, which stands for a file of 812672320 bytes that was not downloaded: the folder was not downloaded as "
              "a whole; `git lfs pull` fetches it\n");
  }
  const Case c;
  c.folder.write("model/model.safetensors", pointer), c.folder.write("model/tokenizer.json", pointer);
  CHECK(contains(c.refusal("siglip inspect model"), said));
  CHECK(contains(c.refusal("siglip convert model out"), said));
  const Case only;
  write_checksums(only.folder / "model");  // of a run: what they say of the pointer would hide what it is
  only.folder.write("model/tokenizer.json", pointer);
  CHECK(only.refusal("siglip convert model out") == "1 siglip: model/tokenizer.json" + said);
  const Case unread;  // words need no tokenizer_config.json, but the copy would have it
  unread.folder.write("model/tokenizer_config.json", pointer);
  CHECK(unread.refusal("siglip convert model out") == "1 siglip: model/tokenizer_config.json" + said);
  CHECK(!std::filesystem::exists(only.folder / "out"));
  CHECK(contains(c.doctor(), "files [not-downloaded]: model.safetensors, tokenizer.json are each a Git LFS pointer"));
  c.folder.write("model/model.safetensors", page), c.folder.write("model/tokenizer.json", "");
  CHECK(contains(c.refusal("siglip inspect model"), "model.safetensors: the file itself is expected, got a web page (HTML)"));
  CHECK(contains(c.doctor(), "files [not-downloaded]: model.safetensors is a web page (HTML)"));
  c.folder.write("model/model.safetensors", "Entry not found, or you are not logged in");
  CHECK(c.refusal("siglip inspect model") ==
        "1 siglip: model/model.safetensors: safetensors are expected, got a text that begins with \"Entry not found, or you are not logged in\"");
}

TEST_CASE("files that were cut off while they were copied") {
  const Case c;
  const std::string whole = contents(c.model("model.safetensors"));
  const auto with = [&](std::size_t bytes) {
    c.folder.write("model/model.safetensors", whole.substr(0, bytes));
    return c.refusal("siglip classify model --labels red,blue a.png");
  };
  const std::string size = std::to_string(whole.size());
  CHECK(with(whole.size() - 100) == "1 siglip: model/model.safetensors: " + size + " bytes are expected, got " + std::to_string(whole.size() - 100) +
                                        ": the file is cut off, 100 bytes are missing; download or copy it again");
  CHECK(contains(c.doctor(), "the file is cut off, 100 bytes are missing; download or copy it again\n"));
  CHECK(contains(with(50), " bytes are expected, got 50: the file is cut off, "));
  c.folder.write("model/model.safetensors", whole);
  const std::string config = contents(c.model("config.json"));
  c.folder.write("model/config.json", config.substr(0, 100));
  CHECK(c.refusal("siglip inspect model").ends_with("; it is cut off"));
  c.folder.write("model/config.json", config);
  const std::string tokenizer = contents(c.model("tokenizer.json"));
  for (const std::size_t bytes : {tokenizer.size() - 2, tokenizer.find("caf"), tokenizer.find("LongestFirst")}) {
    c.folder.write("model/tokenizer.json", tokenizer.substr(0, bytes));
    CHECK(c.refusal("siglip classify model --labels red,blue a.png").ends_with(" it is cut off"));
  }
}

TEST_CASE("stand-ins are told from files by how they begin") {
  CHECK(!stand_in("").has_value());
  CHECK(!stand_in("version 2 of a caption").has_value());
  CHECK(!stand_in("<svg xmlns=\"http://www.w3.org/2000/svg\"/>").has_value());
  CHECK(!stand_in("<?xml version=\"1.0\"?><svg/>").has_value());
  CHECK(stand_in("\xEF\xBB\xBF\r\n <!doctype HTML>")->what == "a web page (HTML), as a login or an error shows it");
  CHECK(stand_in("<?xml version=\"1.0\"?>\n<Error><Code>AccessDenied</Code></Error>")->what == "a server's message (XML)");
  CHECK(stand_in("/annex/objects/SHA256E-s3--abc.png\n")->cure == "`git annex get` fetches it");
  CHECK(stand_in("version https://git-lfs.github.com/spec/v1\n")->what == "a Git LFS pointer, which stands for a file that was not downloaded");
}

TEST_CASE("classification-head, one tower: one cause, one cure") {
  const auto with = [](const std::string& kept, bool head) {
    Parameters some;
    for (const Parameter& p : small_model().parameters())
      if (p.name.starts_with(kept)) some.push_back(p);
    if (head) some.push_back({"classifier.weight", Tensor::full({2, 8}, 1)}), some.push_back({"classifier.bias", Tensor::full({2}, 1)});
    return some;
  };
  const auto check = [](const Case& c, const std::string& name, const std::string& what, const std::string& cure) {
    CHECK(c.doctor() ==
          "tensors [" + name + "]: the weights are those of " + what + ": this is no model that compares pictures and texts; " + cure + "\n");
    CHECK(c.refusal("siglip classify model --labels red,blue a.png") ==
          "1 siglip: model/model.safetensors: a model of pictures and texts is expected, got " + what + "; " + cure);
    CHECK(contains(c("siglip inspect model").out, what));
  };
  check(Case(with("vision_model.", true)), "classification-head",
        "a SiglipForImageClassification, which knows fixed classes and has no text tower (classifier.weight)",
        "take the SiglipModel that it was made from");
  check(Case(with("vision_model.", false)), "half", "the image tower alone (no tensor of text_model)", "save the whole SiglipModel");
  check(Case(with("text_model.", false)), "half", "the text tower alone (no tensor of vision_model)", "save the whole SiglipModel");
  const Case c;
  c.folder.write("model/config.json", R"({"architectures": ["SiglipVisionModel"], "model_type": "siglip_vision_model", "hidden_size": 8})");
  CHECK(c.refusal("siglip classify model --labels red,blue a.png") ==
        "1 siglip: model/config.json: model_type is \"siglip\", got \"siglip_vision_model\": this is the image tower alone; save the whole "
        "SiglipModel");
  CHECK(contains(c.doctor(), "config [half]: model_type is \"siglip_vision_model\": this is the image tower alone; save the whole SiglipModel\n"));
}

TEST_CASE("prefix: names are read without what wrapped the model, and one note says so") {
  const auto wrapped = [](const std::function<std::string(const std::string&)>& name) {
    Parameters all = small_model().parameters();
    for (Parameter& p : all) p.name = name(p.name);
    return all;
  };
  const auto expected = Case().labels("--labels red,blue");
  for (const char* prefix : {"_orig_mod.module.", "module.", "model.", "module.model._orig_mod.", "siglip.", "_fsdp_wrapped_module."}) {
    CAPTURE(prefix);
    const Case c(wrapped([&](const std::string& name) { return prefix + name; }));
    CHECK(c.labels("--labels red,blue") == expected);
    CHECK(contains(c("siglip inspect model").out, "names       read without \"" + std::string(prefix) + "\""));
    const Outcome doctor = c("siglip doctor model");
    CHECK(doctor.exit_code == 0);
    CHECK(contains(doctor.out, "note  tensors: the names of the weights have \"" + std::string(prefix) + "\" in them"));
  }
  // A tower that was compiled by itself.
  const Case inner(
      wrapped([](const std::string& name) { return name.starts_with("text_model.") ? "text_model._orig_mod." + name.substr(11) : name; }));
  CHECK(inner.labels("--labels red,blue") == expected);
  CHECK(contains(inner("siglip inspect model").out, "names       read without \"_orig_mod.\""));
  CHECK(inner("siglip convert model out").exit_code == 0);
  CHECK(!contains(contents(inner.folder / "out/model.safetensors"), "_orig_mod"));
  // Two models in one file: nothing is cut.
  Parameters two = wrapped([](const std::string& name) { return "student." + name; });
  for (const Parameter& p : wrapped([](const std::string& name) { return "teacher." + name; })) two.push_back(p);
  CHECK(contains(Case(two).refusal("siglip classify model --labels red,blue a.png"), "left over: \"student."));
}

TEST_CASE("shards-position-ids: buffers of old versions are passed over, whether or not the index lists them; missing shards are named") {
  const Case c;
  const auto expected = c.labels("--labels red,blue");
  const Parameters all = small_model().parameters();
  std::filesystem::remove(c.model("model.safetensors"));
  Parameters first(all.begin(), all.begin() + 20), second(all.begin() + 20, all.end());
  second.push_back({"vision_model.embeddings.position_ids", Tensor::full({1, 4}, 1)});
  const auto write = [&](bool listed, bool text_listed) {
    Json places = Json::object();
    for (const Parameter& p : first) places[p.name] = "model-00001-of-00002.safetensors";
    for (const Parameter& p : second)
      if (listed || p.name != "vision_model.embeddings.position_ids") places[p.name] = "model-00002-of-00002.safetensors";
    if (text_listed) places["text_model.embeddings.position_ids"] = "model-00001-of-00002.safetensors";  // there is none
    write_safetensors(c.model("model-00001-of-00002.safetensors"), first);
    write_safetensors(c.model("model-00002-of-00002.safetensors"), second);
    write_file(c.model("model.safetensors.index.json"), Json{{"metadata", {{"total_size", 1}}}, {"weight_map", places}}.dump());
  };
  for (const bool listed : {false, true})
    for (const bool text_listed : {false, true}) {
      write(listed, text_listed);
      CHECK(c.labels("--labels red,blue") == expected);
      CHECK(c("siglip doctor model").exit_code == 0);
    }
  std::filesystem::remove(c.model("model-00002-of-00002.safetensors"));
  const std::string missing =
      "model/model.safetensors.index.json: 2 files of weights are expected beside it, got 1; 1 missing: "
      "model-00002-of-00002.safetensors; download or copy what is missing";
  CHECK(c.refusal("siglip classify model --labels red,blue a.png") == "1 siglip: " + missing);
  CHECK(c.doctor() == "tensors [file]: " + missing + "\n");
}

TEST_CASE("weights under another name or in another format are named") {
  const Case c;
  const std::string expected =
      "1 siglip: model: a checkpoint folder with model.safetensors or its shards, or a run folder with best/ or last/, is expected, got ";
  const auto renamed = [&](const std::string& from, const std::string& to) {
    std::filesystem::rename(c.model(from), c.model(to));
    CHECK(c.refusal("siglip classify model --labels red,blue a.png") == c.refusal("siglip doctor model"));
    return c.refusal("siglip inspect model");
  };
  CHECK(renamed("model.safetensors", "model-00001-of-00002.safetensors") ==
        expected + "shards without model.safetensors.index.json, which says what is in them; download or copy it too");
  CHECK(renamed("model-00001-of-00002.safetensors", "siglip.safetensors") == expected + "siglip.safetensors; name it model.safetensors");
  CHECK(renamed("siglip.safetensors", "pytorch_model.bin") ==
        expected + "pytorch_model.bin, which is PyTorch's own format; save the model as safetensors");
  CHECK(renamed("pytorch_model.bin", "weights") == expected + "a folder without them");
}

TEST_CASE("inspect names what it reads") {
  const Case c;
  CHECK(c.refusal("siglip inspect a.png") ==
        "1 siglip: a.png: a run folder, a checkpoint folder or a .safetensors file is expected, got another file");
}
