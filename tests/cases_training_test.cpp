// What went wrong while people trained and used what they had trained, as they did it.
#ifdef SIGLIP_PROGRAM_FOLDER
#include <doctest/doctest.h>
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <string>
#include "shell.h"
using namespace siglip;
namespace fs = std::filesystem;

namespace {
const Shell& with_shapes() {
  static const Shell shell;
  static const Outcome made = shell("siglip data shapes --out shapes --scenes 40");
  REQUIRE(made.exit_code == 0);
  return shell;
}
}  // namespace

TEST_CASE("cases: a terminal that is closed ends a run as Ctrl-C does, unless nohup has it go on") {
  const Shell& shell = with_shapes();
  const std::string train = "siglip train --data shapes --model nano --steps 1000000 --batch-size 4 --eval-every 1000000 --threads 1 --out ";
  const auto wait_for = [](const std::string& run) { return "\nwhile ! [ -s " + run + "/log.jsonl ]; do sleep 0.01; done\n"; };
  const Outcome closed = shell(train + "closed & pid=$!" + wait_for("closed") + "kill -HUP $pid; wait $pid");
  INFO(closed.err);
  CHECK(closed.exit_code == 0);
  CHECK(contains(closed.err, "; continue with:  siglip train --resume closed\n"));
  CHECK(fs::exists(shell.folder / "closed/last/model.safetensors"));

  const Outcome kept = shell("nohup " + train + "kept & pid=$!" + wait_for("kept") +
                             "kill -HUP $pid; before=$(wc -l < kept/log.jsonl)\n"
                             "for i in $(seq 500); do [ $(wc -l < kept/log.jsonl) -gt $((before + 3)) ] && break; sleep 0.01; done\n"
                             "kill -0 $pid && echo alive; kill -INT $pid; wait $pid");
  INFO(kept.err);
  CHECK(kept.exit_code == 0);
  CHECK(contains(kept.out, "alive"));
  CHECK(fs::exists(shell.folder / "kept/last/model.safetensors"));
}

TEST_CASE("cases: one bad picture costs no answer but its own, and --skip-bad is named") {
  const Shell& shell = with_shapes();
  REQUIRE(shell("siglip train --data shapes --model nano --steps 1 --batch-size 8 --out run").exit_code == 0);
  REQUIRE(
      shell("mkdir pictures; for i in 0 1 2 3; do cp shapes/val/0000$i.png pictures/p$i.png; done; head -c 40 shapes/val/00000.png > pictures/p1.png;"
            "echo version https://git-lfs > pictures/p3.png")
          .exit_code == 0);
  const std::string end =
      "siglip: pictures: 2 of 4 could not be read (named above); the results are those of the others, and --skip-bad accepts that\n";
  const Outcome classified = shell("siglip classify run --labels 'red, blue' --json pictures");
  CHECK(classified.exit_code == 1);
  CHECK(contains(classified.err, "skipped: pictures/p1.png: "));
  CHECK(contains(classified.err, "\nskipped: pictures/p3.png: "));
  CHECK(classified.err.ends_with(end));
  const Json answers = parse_json(classified.out, "classify");
  REQUIRE(answers.size() == 2);
  CHECK(answers[0]["image"] == "pictures/p0.png");
  CHECK(answers[1]["image"] == "pictures/p2.png");
  // Each is the answer that the picture has alone.
  const Json alone = shell.json("siglip classify run --labels 'red, blue' --json pictures/p2.png")[0]["results"];
  for (std::size_t k = 0; k < 2; ++k) {
    CHECK(answers[1]["results"][k]["label"] == alone[k]["label"]);
    CHECK(std::abs(answers[1]["results"][k]["cosine"].get<double>() - alone[k]["cosine"].get<double>()) < 1e-6);
  }
  const Outcome embedded = shell("siglip embed run --images pictures --out rows.npy");
  CHECK(embedded.exit_code == 1);
  CHECK(embedded.err.ends_with(end));
  CHECK(contents(shell.folder / "rows.txt") == "pictures/p0.png\npictures/p2.png\n");
  CHECK(shell("siglip classify run --labels red pictures --skip-bad").exit_code == 0);
}

TEST_CASE("cases: more pictures than a batch are answered in their order") {
  const Shell& shell = with_shapes();
  if (!fs::exists(shell.folder / "run")) REQUIRE(shell("siglip train --data shapes --model nano --steps 1 --batch-size 8 --out run").exit_code == 0);
  REQUIRE(shell("mkdir many; for i in $(seq 100 239); do cp shapes/val/000$((i % 10))0.png many/$i.png; done; echo x > many/150.png").exit_code == 0);
  const Json answers = shell.json("siglip classify run --labels 'red, blue' --json --skip-bad many");
  REQUIRE(answers.size() == 139);
  for (std::size_t i = 0; i < answers.size(); ++i) CHECK(answers[i]["image"] == "many/" + std::to_string(100 + i + (i >= 50)) + ".png");
  CHECK(answers[7]["results"][0]["label"] == answers[136]["results"][0]["label"]);  // 107 and 237: one picture
}

TEST_CASE("cases: a run knows its template, classes and captions") {
  const Shell& shell = with_shapes();
  for (const std::string name : {"red", "blue"}) {
    fs::create_directories(shell.folder / ("crops/" + name));
    for (int i = 10; i < 22; ++i)
      fs::copy_file(shell.folder / ("shapes/val/000" + std::to_string(i) + ".png"),
                    shell.folder / ("crops/" + name + "/" + std::to_string(i) + ".png"));
  }
  const Outcome trained = shell("siglip train --data crops --text-template 'a crop, {}' --model nano --steps 2 --batch-size 8 --out crops-run");
  REQUIRE(trained.exit_code == 0);
  const std::string picture = " --json crops/red/10.png", classify = "siglip classify crops-run ";
  std::ofstream(shell.folder / "captions.json") << R"(["a crop, blue", "a crop, red"])";
  const Json wanted = shell.json(classify + "--labels-file captions.json --template '{}'" + picture)[0]["results"];
  const auto same = [&](const Json& results) {
    REQUIRE(results.size() == 2);
    for (std::size_t k = 0; k < 2; ++k) {
      CHECK("a crop, " + results[k]["label"].get<std::string>() == wanted[k]["label"].get<std::string>());
      CHECK(std::abs(results[k]["cosine"].get<double>() - wanted[k]["cosine"].get<double>()) < 1e-6);
    }
  };
  REQUIRE(shell("siglip convert crops-run crops-copy").exit_code == 0);
  for (const std::string run : {"crops-run", "crops-run/best", "crops-copy"})
    for (const std::string labels : {"", "--labels 'red, blue'", "--labels 'red, blue' --template 'a crop, {}'"})
      same(shell.json("siglip classify " + run + " " + labels + picture)[0]["results"]);
  const std::string note = "note: each label is put into the template of the training, \"a crop, {}\"; --template '{}' leaves labels as they are\n";
  CHECK(contains(shell(classify + "--labels 'red, blue'" + picture).err, note));
  CHECK(!contains(shell(classify + "--labels 'red, blue' --template '{}'" + picture).err, "template of the training"));
  CHECK(shell.json("siglip report crops-run --json")["try_next"][0].get<std::string>().starts_with("siglip classify crops-run crops/"));
  CHECK(contains(shell("siglip inspect crops-run").out, "\nlabels      2 classes, as \"a crop, {}\": \"blue\", \"red\"\n"));
  CHECK(shell.json("siglip inspect crops-run --json")["labels"] ==
        Json{{"kind", "classes"}, {"text_template", "a crop, {}"}, {"names", {"blue", "red"}}});

  std::ofstream(shell.folder / "list.txt") << "red\nblue\n";
  CHECK(contains(shell("siglip embed crops-run --texts list.txt --out names.npy").err,
                 "note: texts are taken as they are; in training they stood in \"a crop, {}\", which --template puts them into\n"));
  REQUIRE(shell("siglip embed crops-run --texts list.txt --template 'a crop, {}' --out filled.npy").exit_code == 0);
  std::ofstream(shell.folder / "filled.json") << R"(["a crop, red", "a crop, blue"])";
  REQUIRE(shell("siglip embed crops-run --texts filled.json --template '{}' --out whole.npy").exit_code == 0);
  CHECK(contents(shell.folder / "filled.npy") == contents(shell.folder / "whole.npy"));
  CHECK(contents(shell.folder / "filled.npy") != contents(shell.folder / "names.npy"));
  CHECK(shell.refusal("siglip embed crops-run --texts list.txt --template x --out names.npy") ==
        "2 siglip: --template: {} is expected where the name goes, got \"x\"");

  // Captions are labels of their own.
  REQUIRE(shell("siglip train --data shapes --model nano --steps 1 --batch-size 8 --out captions-run").exit_code == 0);
  const Json five = shell.json("siglip classify captions-run --json shapes/val/00000.png")[0]["results"];
  REQUIRE(five.size() == 5);
  const std::string captions = contents(shell.folder / "shapes/train/metadata.jsonl");
  for (const Json& result : five) CHECK(contains(captions, result["label"].dump()));
  CHECK(shell.json("siglip classify captions-run --top 7 --json shapes/val/00000.png")[0]["results"].size() == 7);

  // A folder that was not trained here has none.
  REQUIRE(shell("cp -r captions-run/best bare; rm bare/checksums.txt bare/labels.json").exit_code == 0);
  CHECK(shell.refusal("siglip classify bare shapes/val/00000.png") ==
        "2 siglip: --labels: either --labels or --labels-file is expected, since bare keeps no labels of its own, got neither");
  CHECK(!contains(shell("siglip inspect bare").out, "\nlabels "));
  std::ofstream(shell.folder / "bare/labels.json") << R"({"0": "cat", "1": "dog"})";  // as others use the name
  CHECK(shell("siglip classify bare --labels a shapes/val/00000.png").exit_code == 0);
  for (const std::string bad : {R"({"kind": "classes"})", R"({"kind": "x", "text_template": "{}", "names": []})",
                                R"({"kind": "classes", "text_template": "{}", "names": [1]})"}) {
    std::ofstream(shell.folder / "bare/labels.json") << bad;
    CHECK(
        shell.refusal("siglip classify bare --labels a shapes/val/00000.png")
            .starts_with("1 siglip: bare/labels.json: an object with kind (classes or captions), text_template and names [text] is expected, got "));
    CHECK(contains(shell("siglip inspect bare").out, "\nlabels      none that can be read: bare/labels.json: "));
    CHECK(shell.json("siglip inspect bare --json")["labels"].is_null());
  }
}

TEST_CASE("cases: eval of class folders says what each class was taken for") {
  const Shell& shell = with_shapes();
  for (const std::string name : {"red", "blue, deep"}) {
    fs::create_directories(shell.folder / ("kinds/" + name));
    for (int i = 10; i < 22; ++i)
      fs::copy_file(shell.folder / ("shapes/val/000" + std::to_string(i) + ".png"),
                    shell.folder / ("kinds/" + name + "/" + std::to_string(i) + ".png"));
  }
  REQUIRE(shell("siglip train --data kinds --model nano --steps 2 --batch-size 8 --fold 1/4 --out kinds-run").exit_code == 0);
  const Outcome table = shell("siglip eval kinds-run --split val --csv all.csv");
  INFO(table.err);
  CHECK(table.exit_code == 0);
  CHECK(!contains(table.out, "R@"));
  for (const char* part :
       {"split  pictures  classes  accuracy\n", "\nval: pictures of each class, and what they were taken for\n", "precision  recall  support\n"})
    CHECK(contains(table.out, part));
  const Json json = shell.json("siglip eval kinds-run --split val --json");
  CHECK(json["fold"] == "1/4");
  REQUIRE(json["classes"].size() == 2);
  CHECK(json["classes"][0]["name"] == "blue, deep");
  Dim right = 0, all = 0;
  for (std::size_t c = 0; c < 2; ++c) {
    CHECK(json["classes"][c]["support"] == 3);
    for (std::size_t k = 0; k < 2; ++k) all += json["confusion"][c][k].get<Dim>(), right += c == k ? json["confusion"][c][k].get<Dim>() : 0;
  }
  CHECK(all == 6);
  CHECK(json["accuracy"] == double(right) / 6);
  const std::string csv = contents(shell.folder / "all.csv");
  CHECK(csv.starts_with("split,image,class,predicted,right,cosine,probability\nval,"));
  CHECK(std::count(csv.begin(), csv.end(), '\n') == 7);
  CHECK(contains(csv, ",\"blue, deep\","));
  CHECK(parse_json(contents(shell.folder / "kinds-run/summary.json"), "summary")["fold"] == "1/4");
  CHECK(shell.refusal("siglip eval kinds-run --data shapes --csv x.csv") ==
        "2 siglip: --csv: class folders are expected, whose pictures are taken for one class or another, got captions in shapes");
}

TEST_CASE("cases: a run that learned nothing ends with a warning, not with things to try") {
  const Shell& shell = with_shapes();
  const Outcome run = shell("siglip train --data shapes --model nano --steps 1 --lr 0 --batch-size 8 --shift 0 --out nothing");
  CHECK(run.exit_code == 0);
  CHECK(contains(run.err, "\nwarning: on val the run is hardly better than chance: R@1 "));
  CHECK(contains(run.err, " Its 1 steps are few: try --steps 1000, or --minutes."));
  CHECK(!contains(run.err, "try next: "));
}
#endif
