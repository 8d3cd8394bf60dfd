// Data sets: every layout that is read, and the line that names what is wrong with it.
#include <doctest/doctest.h>
#include <algorithm>
#include <set>
#include "temporary_folder.h"
#include "siglip/data.h"
#include "siglip/error.h"
using namespace siglip;

namespace {
const DataOptions all_train{.val_fraction = 0};

/// What read_data says of a file of this name and these bytes, the folder left out.
std::string problem(const std::string& name, const std::string& bytes, const DataOptions& options = all_train) {
  const TemporaryFolder folder;
  const std::string file = folder.write(name, bytes);
  return complaint_of([&] { read_data(name.starts_with("metadata") ? folder.path : file, options); }, folder.path);
}

/// "image|text" of each pair of the first split, the folder left out.
std::vector<std::string> rows(const std::string& name, const std::string& bytes, const DataOptions& options = all_train) {
  const TemporaryFolder folder;
  const DataSet data = read_data(folder.write(name, bytes), options);
  std::vector<std::string> out;
  for (const Pair& pair : data.splits[0].pairs) out.push_back(pair.image.substr(folder.path.size() + 1) + "|" + pair.text);
  return out;
}
using Rows = std::vector<std::string>;
const std::string head = "file_name,text\n";
}  // namespace

TEST_CASE("csv: quotes, line ends, byte order mark, no final newline, other columns") {
  CHECK(rows("a.csv", head + "a.png,one\nb.png,two\n") == Rows{"a.png|one", "b.png|two"});
  CHECK(rows("a.csv", "\xEF\xBB\xBF" + head + "a.png,one") == Rows{"a.png|one"});
  CHECK(rows("a.csv", "file_name,text\r\na.png,one\r\nb.png,two\rc.png,three\n\n\r\nd.png,four") ==
        Rows{"a.png|one", "b.png|two", "c.png|three", "d.png|four"});
  CHECK(rows("a.csv", head + "a.png,\"one, \"\"two\"\"\nthree\"\n\"b.png\",x") == Rows{"a.png|one, \"two\"\nthree", "b.png|x"});
  CHECK(rows("a.csv", head + "a.png,a 5\" nail\n") == Rows{"a.png|a 5\" nail"});
  CHECK(rows("A.TSV", "id\ttext\tfile_name\n1\tone, two\tsub/a.png\n") == Rows{"sub/a.png|one, two"});
  CHECK(rows("a.csv", "caption,path\nx,a.png\n", {.image_column = "path", .text_column = "caption", .val_fraction = 0}) == Rows{"a.png|x"});
  CHECK(rows("a.csv", head + "a.png,\xC3\xA9t\xC3\xA9 \xF0\x9F\x98\x80\n") == Rows{"a.png|\xC3\xA9t\xC3\xA9 \xF0\x9F\x98\x80"});
}

TEST_CASE("csv: what is wrong is named by file and line") {
  CHECK(problem("a.csv", "") == "a.csv: a header line is expected, got an empty file");
  CHECK(problem("a.csv", head) == "a.csv: at least one pair is expected, got none");
  CHECK(problem("a.csv", "id,text\n") ==
        "a.csv:1: one column \"file_name\" is expected in the header, got none among: id, text; --image-column and --text-column name others");
  CHECK(problem("a.csv", "text,file_name,text\n") ==
        "a.csv:1: one column \"text\" is expected in the header, got several among: text, file_name, text; --image-column and --text-column name "
        "others");
  CHECK(problem("a.csv", head + "a.png,x\nb.png\n") == "a.csv:3: 2 columns as in the header are expected, got 1");
  CHECK(problem("a.csv", head + "a.png,\"x\ny\"\nb.png,x,y\n") == "a.csv:4: 2 columns as in the header are expected, got 3");
  CHECK(problem("a.csv", head + "a.png,x\nb.png,\"never\nclosed\n") == "a.csv:3: a closing quote is expected, got the end of the file");
  CHECK(problem("a.csv", head + "a.png,\"x\" y\n") == "a.csv:2: the field's end is expected behind its closing quote, got  ");
  CHECK(problem("a.csv", head + "a.png,\nb.png, \t \n") ==
        "a.csv: at least one pair is expected, got none; left out: no caption: 2 (a.csv:2, a.csv:3)");
  CHECK(problem("a.csv", head + "a.png,x\nb.png," + std::string(1, '\0') + "\n") == "a.csv:3: text is expected, got a NUL byte");
  for (const char* bad : {"\xFF", "\x80", "\xC0\xAF", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xE2\x82", "\xF0\x80\x80\x80"})
    CHECK(problem("a.csv", head + "a.png,x" + bad).starts_with("a.csv:2: UTF-8 is expected, got byte "));
  CHECK(problem("a.csv", "file_name,text,distractor\na.png,x,maybe\n") == "a.csv:2: true or false is expected as distractor, got maybe");
  CHECK(
      problem("data.yaml", "path: .\n") ==
      "data.yaml: a folder or a table of captions is expected, got the description of a data set for detection; crops of its boxes, in a folder for "
      "each class, can be trained on");
  CHECK(problem("a.png", head) == "a.png: a folder or a table (.csv, .tsv, .txt, .jsonl, .json) is expected, got another file");
}

TEST_CASE("csv: a picture that comes twice is two pairs, with the same caption as well") {
  const TemporaryFolder folder;
  const DataSet data = read_data(folder.write("a.csv", head + "a.png,one\na.png,two\na.png,two\n"), all_train);
  REQUIRE(data.splits[0].pairs.size() == 3);
  CHECK(data.splits[0].pairs[1].image == data.splits[0].pairs[0].image);
  CHECK(data.splits[0].pairs[2].text == "two");
}

TEST_CASE("csv: a gigabyte in one line is refused by its size alone") {
  const TemporaryFolder folder;
  const std::string file = folder.write("a.csv", head);
  std::filesystem::resize_file(file, (std::uintmax_t{1} << 30) + 1);  // sparse
  CHECK_THROWS_WITH_AS(read_data(file), (file + ": at most 1073741824 bytes are expected, got 1073741825").c_str(), Error);
}

TEST_CASE("a relative path does not leave the folder of its table; a link does, unless links are not followed") {
  const std::string where = "a.csv:2: a picture inside this file's folder is expected, got ", cure = "; an absolute path may name one elsewhere";
  CHECK(problem("a.csv", head + "b/../../a.png,x\n") == where + "\"b/../../a.png\"" + cure);
  CHECK(problem("a.csv", head + "b\\..\\a.png,x\n") == where + "\"b/../a.png\"" + cure);

  const TemporaryFolder folder, outside;
  outside.write("out.png", "");
  folder.write("in.png", "");
  std::filesystem::create_symlink(outside / "out.png", folder / "link.png");
  std::filesystem::create_directory_symlink(outside.path, folder / "linked");
  std::filesystem::create_symlink(folder / "in.png", folder / "good.png");
  std::filesystem::create_symlink("loop.png", folder / "loop.png");
  for (const std::string name : {"link.png", "linked/out.png", "loop.png"}) {
    const std::string file = folder.write("a.csv", head + "good.png,y\n" + name + ",x\n");
    CHECK(read_data(file, all_train).splits[0].pairs[1].image == folder / name);
    CHECK(complaint_of([&] { read_data(file, {.follow_links = false}); }) ==
          file + ":3: with --no-follow, pictures inside " + folder.path + " are expected, got " + folder / name + ", which leads out of it");
  }
  const DataOptions inside{.val_fraction = 0, .follow_links = false};
  CHECK(read_data(folder.write("a.csv", head + "good.png,x\nmissing/none.png,y\n"), inside).splits[0].pairs.size() == 2);
}

TEST_CASE("metadata.jsonl: pairs, distractors, splits in order") {
  const TemporaryFolder folder;
  folder.write("train/metadata.jsonl",
               "\xEF\xBB\xBF{\"file_name\": \"a.png\", \"text\": \"one\"}\r\n\n{\"file_name\": \"b.png\", \"text\": \"\\u00e9\"}");
  folder.write("single/metadata.jsonl", "{\"file_name\": \"x/c.png\", \"text\": \"three\", \"distractor\": true}\n");
  folder.write("validation/metadata.csv", "file_name,text,distractor\nd.png,four,true\ne.png,five,false\nf.png,six,\n");
  folder.write("images/a.png", "");
  const DataSet data = read_data(folder.path + "/");
  CHECK(data.root == folder.path);
  REQUIRE(data.splits.size() == 3);
  CHECK(data.splits[0].name == "train");
  CHECK(data.splits[1].name == "val");
  CHECK(data.splits[2].name == "single");
  CHECK(data.splits[0].pairs[0].image == folder / "train/a.png");
  CHECK(data.splits[0].pairs[1].text == "\xC3\xA9");
  CHECK(!data.splits[0].pairs[0].distractor);
  CHECK(data.splits[2].pairs[0].distractor);
  CHECK(data.splits[1].pairs[0].distractor);
  CHECK(!data.splits[1].pairs[2].distractor);
  CHECK(data.classes.empty());
  CHECK(data.find("test") == nullptr);
  CHECK(data.split("single").pairs.size() == 1);
  CHECK_THROWS_WITH_AS(data.split("test"), (folder.path + ": a split \"test\" is expected, got only train, val, single").c_str(), Error);
}

TEST_CASE("metadata.jsonl: what is wrong is named by file and line") {
  const std::string good = "{\"file_name\": \"a.png\", \"text\": \"x\"}\n", name = "metadata.jsonl", second = name + ":2: ";
  CHECK(problem(name, "\n") == name + ": at least one pair is expected, got none");
  CHECK(problem(name, good + "{").starts_with(second + "valid JSON is expected, got "));
  CHECK(problem(name, good + "{\"text\": \"\xFF\"}") == second + "UTF-8 is expected, got byte 255");
  CHECK(problem(name, good + "[]") == second + "an object a line is expected (JSON lines), got an array");
  CHECK(problem(name, "\n{\"text\": \"x\"}") == second + "a key \"file_name\" is expected, got none; --image-column and --text-column name others");
  CHECK(problem(name, good + "{\"file_name\": \"a.png\", \"text\": 3}") == second + "a string is expected as \"text\", got number");
  CHECK(problem(name, "{\"file_name\": \"a.png\", \"text\": \"\"}") ==
        name + ": at least one pair is expected, got none; left out: no caption: 1 (" + name + ":1)");
  CHECK(problem(name, good + "{\"file_name\": \"a\\u0000.png\", \"text\": \"x\"}") ==
        second + "a text is expected as \"file_name\", got a NUL in it");
  CHECK(problem(name, "{\"file_name\": \"a.png\", \"text\": \"x\", \"distractor\": 1}") ==
        name + ":1: true or false is expected as \"distractor\", got 1");
  CHECK(problem(name, good + "{\"file_name\": \"../a.png\", \"text\": \"x\"}") ==
        second + "a picture inside this file's folder is expected, got \"../a.png\"; an absolute path may name one elsewhere");
  const TemporaryFolder folder;
  folder.write("metadata.jsonl", good);
  folder.write("metadata.csv", head);
  CHECK_THROWS_WITH_AS(read_data(folder.path), (folder.path + ": one of metadata.jsonl and metadata.csv is expected, got both").c_str(), Error);
}

TEST_CASE("class folders: with and without splits") {
  const TemporaryFolder folder;
  for (const char* name : {"train/dog/1.jpg", "train/dog/0.PNG", "train/cat/0.webp", "val/cat/9.jpeg", "test/emu/1.png", "train/dog/notes.txt",
                           "train/empty/readme", "train/.hidden/1.png"})
    folder.write(name, "");
  const DataSet data = read_data(folder.path, {.text_template = "a {}, only a {}"});
  CHECK(data.classes == Rows{"cat", "dog", "emu"});
  CHECK(data.text_template == "a {}, only a {}");
  REQUIRE(data.splits.size() == 3);
  const std::vector<Pair>& train = data.split("train").pairs;
  REQUIRE(train.size() == 3);
  CHECK(train[0].image == folder / "train/cat/0.webp");
  CHECK(train[1].image == folder / "train/dog/0.PNG");
  CHECK(train[1].text == "a dog, only a dog");
  CHECK(train[1].label == 1);
  CHECK(data.split("test").pairs[0].label == 2);
  CHECK_THROWS_WITH_AS(read_data(folder.path, {.text_template = "a photo"}), "text template: {} is expected where the name goes, got \"a photo\"",
                       Error);
  CHECK(fill_template("{}{} {", "a{}") == "a{}a{} {");

  // A class is asked about in the very words it was trained with.
  const auto tokenizer = learn_words({train[0].text, train[1].text, "a emu, only a emu"}, 8);
  const Ids classes = class_tokens(data, *tokenizer);
  CHECK(classes.shape() == Shape{3, 8});
  CHECK(classes.to_vector() == tokenizer->encode({"a cat, only a cat", "a dog, only a dog", "a emu, only a emu"}).to_vector());
  CHECK(!class_tokens(DataSet{}, *tokenizer).defined());

  const TemporaryFolder plain;  // here "train" is a class like any other
  for (int i = 0; i < 60; ++i)
    for (const char* name : {"car", "train"}) plain.write(std::string(name) + "/" + std::to_string(i) + ".jpg", "");
  const DataSet held = read_data(plain.path, {.val_fraction = 0.25});
  CHECK(held.classes == Rows{"car", "train"});
  REQUIRE(held.splits.size() == 2);
  for (const Split& split : held.splits) {  // every class is on both sides
    std::set<std::int32_t> labels;
    for (const Pair& pair : split.pairs) labels.insert(pair.label);
    CHECK(labels.size() == 2);
  }
  CHECK(held.split("val").pairs.size() == 30);
  Dim cars = 0;
  for (const Pair& pair : held.split("val").pairs) cars += pair.label == 0;
  CHECK(cars == 15);

  // A class of one picture keeps it; of each other one the share goes.
  for (int i = 1; i < 60; ++i) std::filesystem::remove(plain.path + "/car/" + std::to_string(i) + ".jpg");
  const DataSet uneven = read_data(plain.path, {.val_fraction = 0.25});
  REQUIRE(uneven.splits.size() == 2);
  CHECK(uneven.split("val").pairs.size() == 15);
  for (const Pair& pair : uneven.split("val").pairs) CHECK(pair.label == 1);
}

TEST_CASE("class folders: a data set for detection is not taken for one class \"images\"") {
  const std::string said = "a folder of pictures for each class is expected, got images/ beside labels/, as of a data set for detection";
  for (const std::string split : {"", "train/"}) {
    const TemporaryFolder folder;
    folder.write(split + "images/0.jpg", ""), folder.write(split + "labels/0.txt", "0 0.5 0.5 1 1");
    CHECK(complaint_of([&] { read_data(folder.path); }) == folder.path + ": " + said);
    folder.write(split + "images/train/0.jpg", ""), std::filesystem::remove(folder / (split + "images/0.jpg"));
    CHECK(complaint_of([&] { read_data(folder.path); }) == folder.path + ": " + said);
    folder.write(split + "images/0.jpg", ""), folder.write(split + "cat/0.jpg", "");  // with another class beside it, "images" is a class
    CHECK(read_data(folder.path).classes == Rows{"cat", "images"});
  }
}

TEST_CASE("val is held out by caption: equal captions stay together") {
  const TemporaryFolder folder;
  std::string bytes = head;
  for (int i = 0; i < 1000; ++i) bytes += std::to_string(i) + ".png,caption " + std::to_string(i / 2) + "\n";
  const std::string file = folder.write("a.csv", bytes);
  const DataSet data = read_data(file), again = read_data(file);
  const std::vector<Pair>&train = data.split("train").pairs, &val = data.split("val").pairs;
  CHECK(train.size() + val.size() == 1000);
  CHECK(val.size() == 100);
  CHECK(val.size() == again.split("val").pairs.size());
  std::set<std::string> texts;
  for (const Pair& pair : train) texts.insert(pair.text);
  for (const Pair& pair : val) CHECK(!texts.contains(pair.text));

  for (double fraction : {0.001, 0.999}) {  // two captions: one for each side
    const DataSet two = read_data(folder.write("b.csv", head + "a.png,x\nb.png,y\nc.png,x\n"), {.val_fraction = fraction});
    REQUIRE(two.splits.size() == 2);
    CHECK(two.splits[0].pairs.size() + two.splits[1].pairs.size() == 3);
    CHECK(!two.splits[0].pairs.empty());
  }
  // "A b." in train would give away "a b" in val.
  const DataSet spelled = read_data(folder.write("d.csv", head + "0.png,A b.\n1.png,a b\n2.png,\"a,  B\"\n3.png,c\n4.png,...\n5.png,?\n"));
  REQUIRE(spelled.splits.size() == 2);
  for (const double fraction : {0.1, 0.4, 0.6, 0.8}) {
    std::set<std::string> sides;
    const DataSet parts = read_data(folder / "d.csv", {.val_fraction = fraction});
    for (const Split& part : parts.splits)
      for (const Pair& pair : part.pairs)
        if (pair.text.size() >= 3 && pair.text != "...") sides.insert(part.name);
    CHECK(sides.size() == 1);
  }
  CHECK(read_data(folder.write("c.csv", head + "a.png,x\nb.png,x\n"), {.val_fraction = 0.999}).splits.size() == 1);
  CHECK(read_data(file, all_train).splits.size() == 1);
  CHECK_THROWS_WITH_AS(read_data(file, {.val_fraction = 1}), "val fraction: a number in [0, 1) is expected, got 1", Error);
}

TEST_CASE("a path that holds no data set") {
  const TemporaryFolder folder;
  CHECK_THROWS_WITH_AS(read_data(folder / "none"),
                       (folder / "none: a folder or a table (.csv, .tsv, .txt, .jsonl, .json) is expected, got nothing of this name").c_str(), Error);
  const std::string nothing =
      folder.path +
      ": metadata.jsonl, metadata.csv, folders train, val, … that have one, or class folders with pictures are expected, got none of these";
  CHECK_THROWS_WITH_AS(read_data(folder.path), nothing.c_str(), Error);
  folder.write("cat/readme.txt", "");
  CHECK_THROWS_WITH_AS(read_data(folder.path), nothing.c_str(), Error);
  folder.write("validation/metadata.csv", head + "a.png,x\n");
  folder.write("val/metadata.csv", head + "a.png,x\n");
  CHECK_THROWS_WITH_AS(read_data(folder.path), (folder.path + ": one folder for split val is expected, got several").c_str(), Error);
  const TemporaryFolder broken;
  broken.write("train/cat/a.png", "");
  broken.write("val/cat/readme.txt", "");
  CHECK(complaint_of([&] { read_data(broken.path); }) == broken.path + ": at least one pair is expected in split val, got none");
  const TemporaryFolder loop;
  std::filesystem::create_symlink("again", loop / "again");
  CHECK(complaint_of([&] { read_data(loop / "again"); }) ==
        loop / "again: a folder that can be read is expected, got: Too many levels of symbolic links");
  CHECK(complaint_of([&] { read_data(loop.path); }).ends_with("got none of these; left out: link that leads nowhere: 1 (" + loop / "again" + ")"));
}
