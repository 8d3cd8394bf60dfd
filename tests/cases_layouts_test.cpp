// Layouts of data as people have them: what is read, what is left out and named, what is refused with a cure.
#include <doctest/doctest.h>
#include <algorithm>
#include <filesystem>
#include "pictures.h"
#include "shell.h"
#include "siglip/data.h"
#include "siglip/error.h"
using namespace siglip;

namespace {
namespace fs = std::filesystem;
using Rows = std::vector<std::string>;
const DataOptions all_train{.val_fraction = 0};

/// "train: 6, test: 3"
std::string sizes(const DataSet& data) {
  std::string out;
  for (const Split& split : data.splits) out += (out.empty() ? "" : ", ") + split.name + ": " + std::to_string(split.pairs.size());
  return out;
}

/// "train/cat/0.png|a photo of a cat" of each pair of a split, the data's folder left out.
Rows rows(const DataSet& data, const std::string& split = "train") {
  Rows out;
  for (const Pair& pair : data.split(split).pairs) {
    const bool inside = pair.image.starts_with(data.root + "/");
    out.push_back((inside ? pair.image.substr(data.root.size() + 1) : pair.image) + "|" + pair.text);
  }
  return out;
}

/// What a user is shown of the data, the folder left out.
Rows shown(const DataSet& data) {
  Rows lines = remarks(data);
  for (std::string& line : lines)
    for (std::size_t at; (at = line.find(data.root)) != std::string::npos;) line.replace(at, data.root.size(), "DATA");
  return lines;
}

/// Empty files of these names.
void fill(const TemporaryFolder& folder, const Rows& names) {
  for (const std::string& name : names) folder.write(name, "");
}

std::string png(int shade) { return encode_png({16, 16, std::vector<std::uint8_t>(3 * 16 * 16, static_cast<std::uint8_t>(shade))}); }

const std::string tiny = "--width 8 --layers 1 --heads 1 --mlp 8 --image-size 16 --patch-size 8 --context 8 --steps 2 --batch-size 4 ";

// A model in `run`, to embed with.
const Shell& with_model() {
  static const Shell shell;
  static const bool made = [] {
    for (int i = 0; i < 4; ++i) shell.folder.write("made/" + std::to_string(i) + ".png", png(60 * i));
    shell.folder.write("made/metadata.csv", "file_name,text\n0.png,a\n1.png,b\n2.png,c\n3.png,d\n");
    REQUIRE(shell("siglip train --data made --val-fraction 0 --out run " + tiny).exit_code == 0);
    return true;
  }();
  static_cast<void>(made);
  return shell;
}
}  // namespace

// ---- splits ------------------------------------------------------------------------------------------------------------------------------

TEST_CASE("cases: split-names: splits under any case and every usual spelling") {
  const std::vector<std::pair<std::string, std::string>> names = {
      {"train", "train"}, {"Train", "train"},  {"TRAIN", "train"},    {"training", "train"}, {"Training", "train"},
      {"val", "val"},     {"Valid", "val"},    {"validation", "val"}, {"dev", "val"},        {"EVAL", "val"},
      {"Test", "test"},   {"testing", "test"}, {"extra", "extra"}};
  for (const auto& [name, split] : names) {
    const TemporaryFolder classes, tables;  // class folders, and folders with a table
    fill(classes, {name + "/green/0.png", name + "/red/1.png", (split == "train" ? "test" : "train") + std::string("/red/2.png")});
    if (split != "extra") CHECK(read_data(classes.path, all_train).split(split).pairs.size() == 2);
    tables.write(name + "/metadata.csv", "file_name,text\n0.png,a\n");
    CHECK(sizes(read_data(tables.path, all_train)) == split + ": 1");
  }
  const TemporaryFolder a, b;
  fill(a, {"Training/green/0.png", "Training/red/0.png", "Training/red/1.png", "Testing/green/4.png", "Testing/red/4.png"});
  CHECK(sizes(read_data(a.path, all_train)) == "train: 3, test: 2");
  CHECK(sizes(read_data(a.path)) == "train: 2, val: 1, test: 2");  // val is held out of train, never of test
  fill(b, {"train/green/0.png", "train/red/0.png", "dev/green/6.png", "dev/red/6.png"});
  CHECK(sizes(read_data(b.path)) == "train: 2, val: 2");
  fill(b, {"eval/green/7.png"});
  CHECK(complaint_of([&] { read_data(b.path); }) == b.path + ": one folder for split val is expected, got several");
}

TEST_CASE("cases: split-names-stray: a picture beside the class folders of a split is left out and named") {
  const TemporaryFolder folder;
  fill(folder, {"Train/green/0.png", "Train/red/0.png", "Train/preview.png", "Test/green/5.png", "Test/red/5.png", "Test/preview.png", "pool/1.png",
                "cover.png"});
  const DataSet data = read_data(folder.path, all_train);
  CHECK(sizes(data) == "train: 2, test: 2");
  CHECK(data.classes == Rows{"green", "red"});
  CHECK(shown(data) == Rows{"left out: folder beside the splits: 1 (DATA/pool); picture outside a class folder: 3 (DATA, DATA/Test, DATA/Train)"});
}

TEST_CASE("cases: root-metadata-splits: one table at the top makes splits by its column or by its paths") {
  const TemporaryFolder folder;
  std::string lines;
  for (int i = 0; i < 6; ++i) lines += "train/" + std::to_string(i) + ".png,a red box " + std::to_string(i) + ",train\n";
  for (int i = 0; i < 3; ++i) lines += "test/" + std::to_string(i) + ".png,a blue box " + std::to_string(i) + ",test\n";
  folder.write("metadata.csv", "file_name,text,split\n" + lines);
  CHECK(sizes(read_data(folder.path, all_train)) == "train: 6, test: 3");
  CHECK(sizes(read_data(folder.path)) == "train: 5, val: 1, test: 3");  // a tenth of train
  folder.write("metadata.csv", "file_name,text,other\n" + lines);       // by the paths alone
  const DataSet data = read_data(folder.path, all_train);
  CHECK(sizes(data) == "train: 6, test: 3");
  for (const std::string& row : rows(data, "test")) CHECK(row.starts_with("test/"));

  // The column decides where both speak; a path that says nothing is of train.
  const TemporaryFolder mixed;
  mixed.write("0.jsonl", R"({"file_name": "train/0.png", "text": "a", "split": "Validation"}
{"file_name": "1.png", "text": "b", "split": "testing"}
{"file_name": "test/2.png", "text": "c"}
{"file_name": "images/Test/3.png", "text": "d"}
{"file_name": "photos/4.png", "text": "e"}
{"file_name": "test.png", "text": "f"}
)");
  const DataSet by_line = read_data(mixed / "0.jsonl", all_train);
  CHECK(sizes(by_line) == "train: 2, val: 1, test: 3");
  CHECK(complaint_of([&] { read_data(mixed.write("1.csv", "file_name,text,split\n0.png,a,\n")); }) ==
        mixed / "1.csv:2: a split is expected as split, got an empty one");
  CHECK(complaint_of([&] { read_data(mixed.write("1.jsonl", R"({"file_name": "0.png", "text": "a", "split": " "})")); }) ==
        mixed / "1.jsonl:1: a split is expected as \"split\", got an empty one");

  // Names without a folder, of pictures that lie in test/ alone, are of test.
  const TemporaryFolder lone;
  fill(lone, {"test/0.png", "pool/1.png"});
  lone.write("metadata.csv", "file_name,text\n0.png,a\n");
  CHECK(sizes(read_data(lone.path, all_train)) == "test: 1");
  lone.write("test/metadata.csv", "file_name,text\n0.png,a\n");
  CHECK(shown(read_data(lone.path, all_train)) == Rows{"left out: table below another: 1 (DATA/test/metadata.csv)"});
  fs::remove(lone / "metadata.csv");
  CHECK(shown(read_data(lone.path, all_train)) == Rows{"left out: folder without captions: 1 (DATA/pool)"});
}

TEST_CASE("cases: val-other-classes: classes that one split alone has are named") {
  const Shell shell;
  for (const std::string name : {"train/green", "train/red", "val/blue", "val/red"})
    for (int i = 0; i < 3; ++i) shell.folder.write("data/" + name + "/" + std::to_string(i) + ".png", png(10 * i));
  const Outcome run = shell("siglip train --data data --out run " + tiny);
  CHECK(run.exit_code == 0);
  CHECK(contains(run.err, "note: val has 1 class that train lacks, so no picture of it is trained on: \"blue\"\n"));
  CHECK(contains(run.err, "note: train has 1 class that val lacks: \"green\"\n"));
  CHECK(contains(shell("siglip eval run").err, "note: train has 1 class that val lacks: \"green\"\n"));

  const TemporaryFolder held;  // a class of one picture keeps it in train: that is no finding
  fill(held, {"cat/0.png", "dog/0.png", "dog/1.png", "Cat/0.png"});
  const DataSet data = read_data(held.path, {.val_fraction = 0.5});
  CHECK(data.splits.size() == 2);
  CHECK(data.notes.empty());
  fill(held, {"train/cat/0.png", "train/dog/0.png", "train/a/1.png", "test/Cat/0.png", "test/Dog/0.png"});
  CHECK(shown(read_data(held.path))[0] == "note: test has 2 classes that train lacks, so no picture of them is trained on: \"Cat\", \"Dog\"");
}

// ---- class folders -----------------------------------------------------------------------------------------------------------------------

TEST_CASE("cases: class-jfif: pictures by every ending of JPEG and PNG, by their first bytes where the ending says nothing") {
  const Shell& shell = with_model();
  for (const char* name : {"0.jfif", "1.JPE", "2", "3.backup", "4.2024"}) shell.folder.write(std::string("jfif/blue/") + name, jpeg_baseline);
  shell.folder.write("jfif/blue/5", png(9));
  shell.folder.write("jfif/blue/notes.txt", "");
  shell.folder.write("jfif/blue/empty", "");
  shell.folder.write("jfif/red/text", "\xFF\xD8 almost");
  shell.folder.write("jfif/red/0.png", png(80));
  REQUIRE(shell("mkfifo jfif/red/pipe.png").exit_code == 0);
  const DataSet data = read_data(shell.folder / "jfif", all_train);
  CHECK(data.classes == Rows{"blue", "red"});
  CHECK(sizes(data) == "train: 7");
  CHECK(shown(data) == Rows{"left out: not a picture: 2 (DATA/blue, DATA/red); not a regular file: 1 (DATA/red/pipe.png)"});
  CHECK(contains(shell("siglip train --data jfif --val-fraction 0 --out jfif-run " + tiny).err, "data: 7 pairs with 2 distinct captions in train\n"));
  for (const std::string verb : {"embed run --out jfif.npy --images ", "classify run --labels a,b ", "preprocess run --out jfif.safetensors "}) {
    const Outcome run = shell("siglip " + verb + "jfif");
    CHECK(run.exit_code == 0);
    CHECK(run.err.starts_with("left out: not a picture: 2 (jfif/blue, jfif/red); not a regular file: 1 (jfif/red/pipe.png)\n"));
  }
  CHECK(contents(shell.folder / "jfif.txt") ==
        "jfif/blue/0.jfif\njfif/blue/1.JPE\njfif/blue/2\njfif/blue/3.backup\njfif/blue/4.2024\njfif/blue/5\njfif/red/0.png\n");
}

TEST_CASE("cases: class-nested: everything below a class folder is of its class") {
  const TemporaryFolder folder;
  fill(folder, {"blue/monday/0.png", "blue/monday/1.png", "green/0.png", "red/0.png", "red/tuesday/late/0.png"});
  const DataSet data = read_data(folder.path, all_train);
  CHECK(data.classes == Rows{"blue", "green", "red"});
  CHECK(rows(data) == Rows{"blue/monday/0.png|a photo of a blue", "blue/monday/1.png|a photo of a blue", "green/0.png|a photo of a green",
                           "red/0.png|a photo of a red", "red/tuesday/late/0.png|a photo of a red"});
  CHECK(shown(data).empty());
}

TEST_CASE("cases: folder-named-jpg, hidden-folders: a folder is no picture, and hidden and systems' folders are left out everywhere") {
  const Shell& shell = with_model();
  for (const char* name : {"photos/a/0.png", "photos/b.jpg/1.png", "photos/@eaDir/IMG_1.jpg/SYNOPHOTO_THUMB_M.jpg", "photos/.thumbnails/a.png",
                           "photos/a/.ipynb_checkpoints/0-checkpoint.png", "photos/__MACOSX/a/._0.png", "photos/a/Thumbnails/0.png",
                           "photos/a/._0.png", "photos/a/.DS_Store", "photos/a/Thumbs.db"})
    shell.folder.write(name, png(7));
  const std::string line =
      "left out: hidden: 2 (photos/.thumbnails, photos/a/.ipynb_checkpoints); thumbnails or a system's folder: 3 (photos/@eaDir, "
      "photos/__MACOSX, photos/a/Thumbnails)\n";
  const Outcome embedded = shell("siglip embed run --images photos --out photos.npy");
  CHECK(embedded.exit_code == 0);
  CHECK(embedded.err.starts_with(line));
  CHECK(contents(shell.folder / "photos.txt") == "photos/a/0.png\nphotos/b.jpg/1.png\n");
  CHECK(shell("siglip classify run --labels x photos").err.starts_with(line));
  CHECK(shell("siglip embed run --images photos/.thumbnails --out own.npy").exit_code == 0);  // named by the user
  const DataSet data = read_data(shell.folder / "photos", all_train);
  CHECK(data.classes == Rows{"a", "b.jpg"});
  CHECK(sizes(data) == "train: 2");
  CHECK(shown(data).size() == 1);
}

TEST_CASE("cases: folders that show nothing of what a picture is") {
  const TemporaryFolder images, flat, bare;
  fill(images, {"Images/0.png", "Images/1.png"});
  const std::string expected = ": captions, or a folder of pictures for each class, are expected, got pictures in ";
  CHECK(complaint_of([&] { read_data(images.path); }) == images.path + expected + images.path + "/Images alone");
  images.write("labels.csv", "id,x\n"), images.write("results.csv", "image_name| comment_number| comment\nImages/0.png| 0| a\nImages/1.png| 0| b\n");
  CHECK(complaint_of([&] { read_data(images.path); }) == images.path + expected + images.path +
                                                             "/Images alone, beside labels.csv, results.csv; a table of captions is read by --data " +
                                                             images.path + "/labels.csv, where --image-column and --text-column name its columns");
  CHECK(rows(read_data(images / "results.csv", all_train)) == Rows{"Images/0.png|a", "Images/1.png|b"});
  fill(flat, {"0.png", "1.png"});
  CHECK(complaint_of([&] { read_data(flat.path); }) == flat.path + expected + flat.path + " alone");
  fill(bare, {"images/cat/0.png", "images/dog/1.png"});
  CHECK(complaint_of([&] { read_data(bare.path); }) ==
        bare.path + expected + bare.path + "/images alone; if the folders in it are classes or splits, --data " + bare.path + "/images reads them");
  CHECK(read_data(bare / "images").classes == Rows{"cat", "dog"});
  const TemporaryFolder above;  // one level too high, or splits below classes: pictures to test with would be trained on
  fill(above, {"pets/train/cat/0.png", "pets/test/cat/1.png"});
  CHECK(complaint_of([&] { read_data(above.path); }) ==
        above.path + expected + above.path + "/pets alone; if the folders in it are classes or splits, --data " + above.path + "/pets reads them");
  CHECK(sizes(read_data(above / "pets", all_train)) == "train: 1, test: 1");
  fill(above, {"cars/train/0.png", "cars/Test/1.png"});
  CHECK(complaint_of([&] { read_data(above.path); }) == above.path + ": folders of splits above those of classes are expected, got " + above.path +
                                                            "/cars/Test below a class; if cars is a data set of its own, --data " + above.path +
                                                            "/cars reads it");
  const TemporaryFolder splits;
  fill(splits, {"train/0.png", "val/1.png"});
  CHECK(complaint_of([&] { read_data(splits.path); }) == splits.path + expected + splits.path + "/train alone");
  splits.write("train/readme.pdf", ""), splits.write(".cache/0.png", "");
  fs::remove(splits / "train/0.png"), fs::remove(splits / "val/1.png");
  CHECK(complaint_of([&] { read_data(splits.path); }).ends_with(" got none of these; left out: not a picture: 1 (" + splits.path + "/train)"));
}

TEST_CASE("cases: the images of a data set for detection are refused under each of their folders") {
  const TemporaryFolder folder;
  fill(folder, {"images/train/0.jpg", "images/val/1.jpg", "labels/train/0.txt", "labels/val/1.txt"});
  const std::string refusal = ": a folder of pictures for each class is expected, got images/ beside labels/, as of a data set for detection";
  for (const std::string below : {"", "/images", "/images/train"})
    CHECK(complaint_of([&] { read_data(folder.path + below); }) == folder.path + below + refusal);
  const TemporaryFolder darknet;  // boxes beside the pictures
  darknet.write("a/0.jpg", ""), darknet.write("a/0.txt", "0 0.5 0.5 0.25 0.25\n");
  CHECK(complaint_of([&] { read_data(darknet.path); }) == darknet.path +
                                                              ": a folder of pictures for each class is expected, got \"0 0.5 0.5 0.25 0.25\" in " +
                                                              darknet.path + "/a/0.txt, as of a data set for detection");
}

// ---- captions ----------------------------------------------------------------------------------------------------------------------------

TEST_CASE("cases: images-and-captions: captions beside a folder of images are read, and it is said which") {
  const Shell shell;
  std::string lines = "image,caption\n";
  for (int i = 0; i < 6; ++i) {
    shell.folder.write("data/Images/" + std::to_string(i) + ".png", png(40 * i));
    for (int k = 0; k < 2; ++k) lines += std::to_string(i) + ".png,a box number " + std::to_string(i) + std::to_string(k) + "\n";
  }
  shell.folder.write("data/captions.txt", lines);
  const Outcome run = shell("siglip train --data data --val-fraction 0 --out run " + tiny);
  CHECK(run.exit_code == 0);
  CHECK(contains(run.err, "note: captions are read from data/captions.txt\n"));
  CHECK(contains(run.err, "note: data/captions.txt: pictures are read from column \"image\", captions from \"caption\"\n"));
  CHECK(contains(run.err, "data: 12 pairs with 12 distinct captions in train\n"));

  const std::vector<std::pair<std::string, std::string>> tables = {
      {"captions.csv", "image,caption\n0.png,one\n1.png,two\n"},
      {"captions.tsv", "filepath\ttitle\n0.png\tone\n1.png\ttwo\n"},
      {"captions.jsonl", "{\"image\": \"0.png\", \"caption\": \"one\"}\n{\"image\": \"1.png\", \"caption\": \"two\"}\n"},
      {"captions.json", R"([{"image": "0.png", "caption": "one"}, {"image": "1.png", "caption": ["two"]}])"},
      {"metadata.json", R"({"0.png": "one", "1.png": ["two"]})"},
      {"metadata.json", R"({"0.png": {"caption": "one", "tags": "x"}, "1.png": {"caption": "two"}})"},
      {"metadata.json", R"({"images": [{"id": 1, "file_name": "0.png"}, {"id": 2, "file_name": "1.png"}],
                            "annotations": [{"image_id": 1, "caption": "one"}, {"image_id": 2, "caption": "two"}]})"}};
  for (const auto& [name, bytes] : tables) {
    const TemporaryFolder folder;
    fill(folder, {"images/0.png", "images/1.png"});
    folder.write(name, bytes);
    CAPTURE(folder.path);
    CHECK(rows(read_data(folder.path, all_train)) == Rows{"images/0.png|one", "images/1.png|two"});
    CHECK(rows(read_data(folder / name, all_train)) == Rows{"images/0.png|one", "images/1.png|two"});
  }
}

TEST_CASE("cases: captions in JSON: what does not fit is named") {
  const TemporaryFolder folder;
  const auto problem = [&](const std::string& bytes) { return complaint_of([&] { read_data(folder.write("a.json", bytes)); }, folder.path); };
  const std::string shapes =
      "a.json: an array of objects, an object of pictures and captions, or COCO's images and annotations are expected, got another JSON";
  for (const char* other : {"{}", "[]", "3", "[\"a\"]", "{\"name\": \"cats\"}"}) CHECK(problem(other) == shapes);
  CHECK(problem(R"([{"image": "0.png", "caption": 3}])") == "a.json: record 1: a string is expected as \"caption\", got number");
  CHECK(problem(R"([{"image": "0.png", "caption": "a", "title": "b"}])") ==
        "a.json: record 1: a key \"text\" is expected, got none; --image-column and --text-column name others");
  CHECK(problem(R"({"0.png": {"tags": "a"}})") ==
        "a.json: 0.png: a key \"text\" is expected, got none; --image-column and --text-column name others");
  CHECK(problem(R"({"images": [{"file_name": "0.png"}], "annotations": [{"caption": "a"}]})") ==
        "a.json: an object with \"id\" is expected, got {\"file_name\":\"0.png\"}");
  CHECK(problem(R"({"images": [{"id": 1, "file_name": "0.png"}], "annotations": [{"image_id": 2, "caption": "a"}]})") ==
        "a.json: annotation 1: the id of an image is expected as \"image_id\", got 2");
  CHECK(problem(R"({"images": [], "annotations": [{"bbox": [1]}]})") ==
        "a.json: captions are expected in its annotations, got [{\"bbox\":[1]}], as of a data set for detection");
  const TemporaryFolder about;  // a metadata.json about something else leaves class folders what they are
  fill(about, {"cat/0.png", "dog/1.png"});
  about.write("metadata.json", R"({"name": "cats and dogs", "license": "CC0"})");
  CHECK(read_data(about.path).classes == Rows{"cat", "dog"});
  about.write("captions.csv", "image,caption\ncat/0.png,a\n"), about.write("captions.txt", "");
  CHECK(complaint_of([&] { read_data(about.path); }) ==
        about.path + ": one of metadata.json and captions.csv and captions.txt is expected, got all of them");
}

TEST_CASE("cases: a text file beside each picture holds its captions") {
  const TemporaryFolder folder;
  fill(folder, {"a/0.png", "a/1.png", "a/2.png", "b/0.v2.png", "b/3.png"});
  folder.write("a/0.txt", "one\r\n\n two \n"), folder.write("a/1.caption", "\xEF\xBB\xBFthree"), folder.write("a/2.txt", " \n");
  folder.write("b/0.v2.txt", "four");
  const DataSet data = read_data(folder.path, all_train);
  CHECK(data.classes.empty());
  CHECK(rows(data) == Rows{"a/0.png|one", "a/0.png|two", "a/1.png|three", "b/0.v2.png|four"});
  CHECK(shown(data) ==
        Rows{"note: captions are read from the text files beside the pictures", "left out: no caption: 2 (DATA/a/2.png, DATA/b/3.png)"});

  const TemporaryFolder classes;  // one of three is no more than a note about a picture
  fill(classes, {"a/0.png", "a/1.png", "b/2.png"});
  classes.write("a/0.txt", "a note");
  CHECK(read_data(classes.path).classes == Rows{"a", "b"});

  const TemporaryFolder splits;
  fill(splits, {"Train/0.png", "valid/1.png"});
  splits.write("Train/0.txt", "one"), splits.write("valid/1.txt", "two");
  CHECK(sizes(read_data(splits.path)) == "train: 1, val: 1");
  splits.write("valid/1.txt", std::string("x\0", 2));
  CHECK(complaint_of([&] { read_data(splits.path); }) == splits.path + "/valid/1.txt:1: text is expected, got a NUL byte");
}

// ---- tables ------------------------------------------------------------------------------------------------------------------------------

TEST_CASE("cases: csv-absolute-path: absolute paths are read") {
  const TemporaryFolder folder, elsewhere;
  fill(folder, {"0.png"}), fill(elsewhere, {"1.png"});
  const std::string file = folder.write("metadata.csv", "file_name,text\n" + folder.path + "/0.png,a\n" + elsewhere.path + "/1.png,b\n");
  const DataSet data = read_data(folder.path, all_train);
  CHECK(rows(data) == Rows{"0.png|a", elsewhere.path + "/1.png|b"});
  CHECK(complaint_of([&] { read_data(folder.path, {.follow_links = false}); }) ==
        file + ":3: with --no-follow, pictures inside " + folder.path + " are expected, got " + elsewhere.path + "/1.png, which leads out of it");
  folder.write("metadata.csv", "file_name,text\n" + folder.path + "/test/0.png,a\n");  // the folders of an absolute path count as well
  CHECK(sizes(read_data(folder.path)) == "test: 1");
  fs::create_directory_symlink(folder.path, elsewhere / "again");  // under another name of the folder too
  CHECK(sizes(read_data(elsewhere / "again")) == "test: 1");
  std::string far = "file_name,text\n";
  for (const char* name : {"train/cat/0.png", "train/1.png", "Test/2.png", "3.png"}) far += elsewhere.path + "/dev/" + name + ",a\n";
  CHECK(sizes(read_data(folder.write("far.csv", far), all_train)) == "train: 3, test: 1");
  CHECK(sizes(read_data(folder.write("one.csv", "file_name,text\n/test/0.png,a\n"), all_train)) == "train: 1");
  folder.write("metadata.csv", "file_name,text\nC:\\data\\0.png,a\n");
  CHECK(complaint_of([&] { read_data(folder.path); }) ==
        file + ":2: the path of a picture on this machine is expected, got \"C:\\data\\0.png\", one of Windows; relative paths are read anywhere");
}

TEST_CASE("cases: csv-backslash: a table from Windows separates folders by backslashes") {
  const TemporaryFolder folder;
  fill(folder, {"images/0.png", "images/test/1.png", "odd\\name.png"});
  folder.write("metadata.csv", "file_name,text\r\nimages\\0.png,a red box\r\nodd\\name.png,b\r\nimages\\test\\1.png,c\r\n");
  const DataSet data = read_data(folder.path, all_train);
  CHECK(rows(data) == Rows{"images/0.png|a red box", "odd\\name.png|b"});  // a file of the very name comes first
  CHECK(rows(data, "test") == Rows{"images/test/1.png|c"});
}

TEST_CASE("cases: csv-dialects: | and ; separate too, sep= names what does, blanks around columns are none of their names") {
  const auto read = [](const std::string& name, const std::string& bytes) {
    const TemporaryFolder folder;
    return rows(read_data(folder.write(name, bytes), all_train));
  };
  const Rows both{"0.png|a red box", "1.png|b"};
  CHECK(read("pipe.csv", "image_name| comment_number| comment\n0.png| 0| a red box \n1.png| 0|b\n") == both);
  CHECK(read("semicolon.csv", "file_name;text\n0.png;a red box\n1.png;b\n") == both);
  CHECK(read("quoted.csv", "\"file_name\";\"text\"\n\"0.png\";\"a red box\"\n1.png;b\n") == both);
  CHECK(read("tab.csv", "file_name\ttext\n0.png\ta red box\n1.png\tb\n") == both);
  CHECK(read("comma.tsv", "file_name,text\n0.png,a red box\n1.png,b\n") == both);
  CHECK(read("sep.csv", "sep=,\r\nfile_name,text\r\n0.png,a red box\r\n1.png,b\r\n") == both);
  CHECK(read("sep.csv", "\xEF\xBB\xBFSEP=;\nfile_name;text\n0.png;a red box\n1.png;b\n") == both);
  CHECK(read("blank.csv", "file_name, text\n0.png, a red box\n1.png , \"b\" \n") == both);
  CHECK(read("blank.csv", "file_name, text\n0.png, \"a, or b\"\n") == Rows{"0.png|a, or b"});
  CHECK(read("case.csv", "Image_Path,Caption\n0.png,a red box\n1.png,b\n") == both);
  CHECK(read("kept.csv", "file_name,text\n0.png, a red box\n") == Rows{"0.png| a red box"});  // without blanks in the header they are text

  const TemporaryFolder folder;
  const auto problem = [&](const std::string& bytes) { return complaint_of([&] { read_data(folder.write("a.csv", bytes)); }, folder.path); };
  CHECK(problem("sep=,\nfile_name,text\n0.png\n") == "a.csv:3: 2 columns as in the header are expected, got 1");
  CHECK(problem("sep=,\n") == "a.csv: a header line is expected, got an empty file");
  CHECK(problem("sep=;") == "a.csv: a header line is expected, got an empty file");
  CHECK(problem("id| url| words\n0| x| a\n") ==
        "a.csv:1: one column \"file_name\" is expected in the header, got none among: id, url, words; --image-column and --text-column name others");
  CHECK(
      problem("0.jpg#0\ta child\n0.png,1\n") ==
      "a.csv:1: one column \"file_name\" is expected in the header, got none among: 0.jpg#0, a child; --image-column and --text-column name others");
  CHECK(problem("0.jpg,a child\n") ==
        "a.csv:1: one column \"file_name\" is expected in the header, got none among: 0.jpg, a child; the first line names a picture: is the header "
        "missing?");
  CHECK(
      problem("image,caption,title\n0.png,a,b\n") ==
      "a.csv:1: one column \"text\" is expected in the header, got none among: image, caption, title; --image-column and --text-column name others");
}

TEST_CASE("cases: empty-captions: records without a caption or a picture are left out, all of them named") {
  const TemporaryFolder folder;
  folder.write("metadata.jsonl", R"({"file_name": "0.png", "text": "a red box 0"}
{"file_name": "1.png", "text": null}
{"file_name": "2.png", "text": "a red box 2"}
{"file_name": "3.png", "text": ""}
{"file_name": "4.png", "text": "  "}
{"file_name": "5.png"}
{"file_name": null, "text": "six"}
{"file_name": "7.png", "text": NaN}
)");
  const DataSet data = read_data(folder.path, all_train);
  CHECK(sizes(data) == "train: 2");
  CHECK(shown(data) == Rows{"left out: no caption: 5 (DATA/metadata.jsonl:2, DATA/metadata.jsonl:4, DATA/metadata.jsonl:5, DATA/metadata.jsonl:6, "
                            "DATA/metadata.jsonl:8); no picture: 1 (DATA/metadata.jsonl:7)"});
  const DataSet table = read_data(folder.write("a.csv", "file_name,text\n0.png,\n1.png,x\n,y\n3.png, \t\n"), all_train);
  CHECK(sizes(table) == "train: 1");
  CHECK(shown(table) == Rows{"left out: no caption: 2 (DATA/a.csv:2, DATA/a.csv:5); no picture: 1 (DATA/a.csv:4)"});
  std::string many = "file_name,text\n0.png,x\n";
  for (int i = 0; i < 1000; ++i) many += "1.png,\n";
  CHECK(shown(read_data(folder.write("b.csv", many), all_train)) ==
        Rows{"left out: no caption: 1000 (DATA/b.csv:3, DATA/b.csv:4, DATA/b.csv:5, DATA/b.csv:6, DATA/b.csv:7, ...)"});
}

TEST_CASE("cases: jsonl-nan: numbers that Python writes and JSON lacks are read as null") {
  const TemporaryFolder folder;
  folder.write("metadata.jsonl", R"({"file_name": "0.png", "text": "a", "score": NaN}
{"file_name": "1.png", "text": "NaN and \"-Infinity\"", "score": [Infinity, -Infinity, 1]}
)");
  CHECK(rows(read_data(folder.path, all_train)) == Rows{"0.png|a", "1.png|NaN and \"-Infinity\""});
  folder.write("metadata.jsonl", "{\"file_name\": \"0.png\", \"text\": \"a\", \"score\": NaNs}\n");
  CHECK(contains(complaint_of([&] { read_data(folder.path); }), "metadata.jsonl:1: valid JSON is expected, got "));
}

// ---- links -------------------------------------------------------------------------------------------------------------------------------

TEST_CASE("cases: linked-pictures: links are followed, out of the folder too, unless --no-follow says otherwise") {
  const Shell& shell = with_model();
  for (const std::string name : {"red", "blue"}) {
    fs::create_directories(shell.folder / ("linked/" + name));
    for (int i = 0; i < 4; ++i) {
      const std::string file = name + "/" + std::to_string(i) + ".png";
      shell.folder.write("pool/" + file, png(30 * i));
      fs::create_symlink("../../pool/" + file, shell.folder / ("linked/" + file));
    }
  }
  const std::string train = "siglip train --data linked --val-fraction 0 " + tiny;
  CHECK(contains(shell(train + "--out linked-run").err, "data: 8 pairs with 2 distinct captions in train\n"));
  const std::string refusal = ": with --no-follow, pictures inside linked are expected, got linked/blue/0.png, which leads out of it";
  CHECK(shell.refusal(train + "--no-follow --out refused") == "1 siglip: linked/blue" + refusal);
  for (const std::string verb :
       {"eval run --data ", "embed run --out linked.npy --images ", "classify run --labels a ", "preprocess run --out p.safetensors "}) {
    CHECK(shell("siglip " + verb + "linked").exit_code == 0);
    CHECK(shell.refusal("siglip " + verb + "linked --no-follow") == "1 siglip: linked/blue" + refusal);
  }
}

TEST_CASE("cases: a linked folder is entered once, where it really lies if that is read, and loops end") {
  const TemporaryFolder folder, pool;
  fill(pool, {"red/0.png", "red/1.png", "blue/2.png"});
  fill(folder, {"train/green/3.png", "val/green/4.png", "pool/5.png"});
  fs::create_directory_symlink(pool / "red", folder / "train/red");
  fs::create_directory_symlink("../../train/green", folder / "train/green/loop");
  fs::create_directory_symlink("..", folder / "val/up");
  fs::create_directory_symlink("../train/green", folder / "val/same");
  fs::create_directory_symlink("../pool", folder / "val/pool");  // it lies in the data's folder, but is not read there
  fs::create_symlink("nowhere", folder / "train/green/nothing");
  fs::create_symlink("nowhere.png", folder / "train/green/nothing.png");
  fs::create_symlink("self", folder / "train/green/self");
  const DataSet data = read_data(folder.path, all_train);
  CHECK(rows(data) == Rows{"train/green/3.png|a photo of a green", "train/green/nothing.png|a photo of a green", "train/red/0.png|a photo of a red",
                           "train/red/1.png|a photo of a red"});
  CHECK(rows(data, "val") == Rows{"val/green/4.png|a photo of a green", "val/pool/5.png|a photo of a pool"});
  CHECK(shown(data).back() ==
        "left out: folder beside the splits: 1 (DATA/pool); link that leads nowhere: 2 (DATA/train/green/nothing, DATA/train/green/self); link to a "
        "folder above: 1 (DATA/val/up); link to a folder that is read already: 2 (DATA/train/green/loop, DATA/val/same)");
  CHECK(complaint_of([&] { read_data(folder.path, {.follow_links = false}); }) == folder.path + "/train: with --no-follow, pictures inside " +
                                                                                      folder.path + " are expected, got " + folder.path +
                                                                                      "/train/red, which leads out of it");

  const TemporaryFolder linked;  // a whole split by a link
  fs::create_directory_symlink(folder / "train", linked / "train");
  CHECK(sizes(read_data(linked.path, all_train)) == "train: 4");
  fs::create_directory_symlink(linked.path, pool / "all");  // the data set itself by a link
  CHECK(sizes(read_data(pool / "all", all_train)) == "train: 4");
  fs::create_directory_symlink(folder / "train", pool / "classes");
  CHECK(sizes(read_data(pool / "classes", all_train)) == "train: 4");
  fs::create_directory_symlink("train", linked / "test");  // would test on train
  CHECK(contains(complaint_of([&] { read_data(linked.path); }), "at least one pair is expected in split train, got none; left out: "));
}

// ---- test pictures are never trained on -----------------------------------------------------------------------------------------------------

TEST_CASE("splits: however a table spells a path, its split counts") {
  for (const std::string test : {"test/0.png", "./test/0.png", ".//test//0.png", ".\\test\\0.png", "test\\0.png"}) {
    const TemporaryFolder folder;
    fill(folder, {"train/0.png", "test/0.png"});
    folder.write("metadata.csv", "file_name,text\ntrain/0.png,a\n" + test + ",b\n");
    INFO(test);
    CHECK(sizes(read_data(folder.path, all_train)) == "train: 1, test: 1");
  }
  // The pictures lie in a folder beside the table.
  const TemporaryFolder folder;
  fill(folder, {"coco/train/0.png", "coco/test/0.png"});
  folder.write("metadata.csv", "file_name,text\ntrain/0.png,a\ntest/0.png,b\n");
  CHECK(sizes(read_data(folder.path, all_train)) == "train: 1, test: 1");
}

TEST_CASE("splits: the column counts in any case of letters, without the blanks around its values") {
  const TemporaryFolder folder;
  fill(folder, {"0.png", "1.png"});
  folder.write("t.csv", "file_name,text,Split\n0.png,a,train\n1.png,b, test \n");
  CHECK(sizes(read_data(folder / "t.csv", all_train)) == "train: 1, test: 1");
  folder.write("t.jsonl", "{\"file_name\":\"0.png\",\"text\":\"a\",\"SPLIT\":null}\n{\"file_name\":\"1.png\",\"text\":\"b\",\"SPLIT\":\"test \"}\n");
  CHECK(sizes(read_data(folder / "t.jsonl", all_train)) == "train: 1, test: 1");
  std::string many = "file_name,text,split\n";
  for (int i = 0; i < 101; ++i) many += "0.png,a,s" + std::to_string(i) + "\n";
  folder.write("many.csv", many);
  CHECK(complaint_of([&] { read_data(folder / "many.csv"); }, folder.path) ==
        "many.csv: at most 100 splits are expected, got more: does \"split\" name them?");
}

TEST_CASE("splits: flat folders of splits beside others are no classes, and captions beside pictures have splits") {
  const TemporaryFolder flat, captions, nested, trains;
  fill(flat, {"train/0.png", "train/1.png", "test/2.png"});
  flat.write("annotations/notes.json", "{}");
  CHECK(complaint_of([&] { read_data(flat.path, all_train); }).starts_with(flat.path + ": "));
  for (const std::string part : {"train/", "test/"}) {
    fill(captions, {part + "0.png"}), captions.write(part + "0.txt", "a cat"), captions.write("logs/run.log", "x");
    fill(nested, {"images/" + part + "0.png"}), nested.write("images/" + part + "0.txt", "a cat");
  }
  CHECK(sizes(read_data(captions.path, all_train)) == "train: 1, test: 1");
  CHECK(sizes(read_data(nested.path, all_train)) == "train: 1, test: 1");
  fill(trains, {"train/0.png", "bus/1.png"});  // a class of its own
  CHECK(read_data(trains.path, all_train).classes == Rows{"bus", "train"});
}

TEST_CASE("links: --no-follow holds for the folders of splits as well") {
  const TemporaryFolder outside, classes, tables;
  fill(outside, {"red/0.png", "blue/0.png"});
  outside.write("metadata.csv", "file_name,text\nred/0.png,a\n");
  fs::create_directory_symlink(outside.path, tables / "train");
  CHECK(sizes(read_data(tables.path, all_train)) == "train: 1");
  CHECK(contains(complaint_of([&] { read_data(tables.path, {.val_fraction = 0, .follow_links = false}); }), "with --no-follow, pictures inside "));
  fs::remove(outside / "metadata.csv");
  fs::create_directory_symlink(outside.path, classes / "train");
  CHECK(sizes(read_data(classes.path, all_train)) == "train: 2");
  CHECK(contains(complaint_of([&] { read_data(classes.path, {.val_fraction = 0, .follow_links = false}); }), "with --no-follow, pictures inside "));
}
