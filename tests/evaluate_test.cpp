// Evaluation: ranks and accuracies that were worked out by hand, and a run on class folders whose accuracy is known.
#include <doctest/doctest.h>
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <sstream>
#include "siglip/error.h"
#include "temporary_folder.h"
#include "train/evaluate.h"
#include "train/run_folder.h"
using namespace siglip;
namespace fs = std::filesystem;

namespace {
// Row i holds the scores of picture i with the captions "0", "1", …: its embedding is the row, that of caption "k" the k-th unit vector.
using Scores = std::vector<std::vector<Real>>;

EmbeddedSplit by_hand(const std::vector<std::string>& captions, const Scores& scores) {
  const Dim N = std::ssize(scores), E = std::ssize(scores[0]);
  EmbeddedSplit split{"val", {}, {Tensor({N, E}), Tensor::full({N, E}, 0)}};
  for (Dim i = 0; i < N; ++i) {
    const auto at = static_cast<std::size_t>(i);
    split.pairs.push_back({"", captions[at], -1, false});
    std::copy(scores[at].begin(), scores[at].end(), split.embeddings.images.data() + i * E);
    split.embeddings.texts.data()[i * E + std::stoi(captions[at])] = 1;
  }
  return split;
}

// Twelve pairs. To picture i, its own caption scores 1/2, the i captions after it (round the end) 1, all others 0: its rank is i + 1.
// Caption j is above its own picture's score at those i with (j - i) mod 12 in 1 … i: six of them if j is even, five if it is odd.
EmbeddedSplit twelve() {
  Scores scores(12, std::vector<Real>(12, 0));
  std::vector<std::string> captions;
  for (std::size_t i = 0; i < 12; ++i) {
    captions.push_back(std::to_string(i));
    scores[i][i] = Real(0.5);
    for (std::size_t k = 1; k <= i; ++k) scores[i][(i + k) % 12] = 1;
  }
  return by_hand(captions, scores);
}

Evaluation evaluated(const EmbeddedSplit& split, const char* candidates, const std::vector<EmbeddedSplit>& others = {}, const Tensor& classes = {}) {
  return evaluate({split}, others, Candidates::parse(candidates), classes)[0];
}

void check_recall(const Recall& recall, double r1, double r5, double r10) {
  CHECK(recall.r1 == r1);
  CHECK(recall.r5 == r5);
  CHECK(recall.r10 == r10);
}

// "val 0.png,text" …: pictures of one shade each.
struct Table {
  TemporaryFolder folder;
  Split split{"val", {}};
  void add(std::uint8_t shade, const std::string& text) {
    const std::string file = folder / (std::to_string(split.pairs.size()) + ".png");
    write_png(file, {8, 8, std::vector<std::uint8_t>(192, shade)});
    split.pairs.push_back({file, text, -1, false});
  }
};
}  // namespace

TEST_CASE("evaluate: among whom a query searches") {
  CHECK(Candidates::parse("all").kind == Candidates::all);
  CHECK(Candidates::parse("64").group == 64);
  CHECK_THROWS_WITH_AS(Candidates::parse("1"), "--candidates: split, all or a number from 2, got \"1\"", Error);
  CHECK_THROWS_WITH_AS(Candidates::parse("some"), "--candidates: split, all or a number from 2, got \"some\"", Error);
}

TEST_CASE("evaluate: a whole split, ranks worked by hand") {
  const Evaluation e = evaluated(twelve(), "split");
  CHECK(e.split == "val");
  CHECK(e.pairs == 12);
  CHECK(e.candidates == 12);
  check_recall(e.image_to_text, 1.0 / 12, 5.0 / 12, 10.0 / 12);  // ranks 1 … 12
  check_recall(e.text_to_image, 0, 0, 1);                        // ranks 7 and 6
  CHECK(e.accuracy == -1);
}

TEST_CASE("evaluate: groups are whole, and a query searches in its own") {
  const Evaluation threes = evaluated(twelve(), "3");  // ranks 1 2 1, 3 2 1, 3 2 1, 3 2 3
  CHECK(threes.pairs == 12);
  CHECK(threes.candidates == 3);
  check_recall(threes.image_to_text, 4.0 / 12, 1, 1);
  CHECK(evaluated(twelve(), "5").pairs == 10);  // the last two are no group
  CHECK(evaluated(twelve(), "5").candidates == 5);
  CHECK(evaluated(twelve(), "13").pairs == 12);  // nor is a split that is too small: it is one group
  CHECK(evaluated(twelve(), "13").candidates == 12);
}

TEST_CASE("evaluate: a caption of several pictures is one candidate, and each of them is right for it") {
  // Image ranks 1, 2, 1 and, by a tie, 2. Caption 0 finds picture 0 although picture 1 is below picture 3; so do all.
  const Evaluation e =
      evaluated(by_hand({"0", "0", "1", "2"}, {{0.5, 0.125, 0.25}, {0.25, 0.5, 0.125}, {0.125, 0.75, 0.25}, {0.375, 0.25, 0.375}}), "split");
  CHECK(e.pairs == 4);
  CHECK(e.candidates == 3);
  check_recall(e.image_to_text, 0.5, 1, 1);
  check_recall(e.text_to_image, 1, 1, 1);
}

TEST_CASE("evaluate: a distractor is found, and never asked") {
  // Its caption beats picture 0's, its picture caption 0's.
  EmbeddedSplit split = by_hand({"0", "1", "2"}, {{0.25, 0.125, 0.5}, {0.125, 0.5, 0.25}, {0.75, 0.25, 0.125}});
  for (const char* candidates : {"split", "all", "2"}) {  // a split with distractors is one group
    split.pairs[2].distractor = true;
    const Evaluation e = evaluated(split, candidates);
    CHECK(e.pairs == 2);
    CHECK(e.candidates == 3);
    check_recall(e.image_to_text, 0.5, 1, 1);
    check_recall(e.text_to_image, 0.5, 1, 1);
  }
  split.pairs[2].distractor = false;
  check_recall(evaluated(split, "split").image_to_text, 1.0 / 3, 1, 1);
}

TEST_CASE("evaluate: among all splits, a caption of two splits is one candidate") {
  const EmbeddedSplit split = by_hand({"0", "1"}, {{0.25, 0.125, 0.5}, {0.125, 0.5, 0.25}}),
                      other = by_hand({"0", "2"}, {{1, 0, 0}, {0.5, 0.75, 0.25}});
  const Evaluation alone = evaluated(split, "split", {other}), among = evaluated(split, "all", {other});
  CHECK(alone.candidates == 2);
  check_recall(alone.image_to_text, 1, 1, 1);
  check_recall(alone.text_to_image, 1, 1, 1);
  CHECK(among.pairs == 2);
  CHECK(among.candidates == 3);
  check_recall(among.image_to_text, 0.5, 1, 1);  // caption 2 beats caption 0
  check_recall(among.text_to_image, 0.5, 1, 1);  // caption 0 finds the other split's picture of it, caption 1 a wrong one
  const std::vector<Evaluation> both = evaluate({split, other}, {}, Candidates::parse("all"));
  REQUIRE(both.size() == 2);
  check_recall(both[0].text_to_image, 0.5, 1, 1);
  check_recall(both[1].image_to_text, 0.5, 1, 1);  // picture 1 of it prefers both others: rank 3
}

TEST_CASE("evaluate: zero-shot accuracy is over the pairs that have a class") {
  EmbeddedSplit split = by_hand({"0", "1", "2", "0"}, {{0.5, 0.25, 0}, {0.5, 0.25, 0}, {0, 0.25, 0.5}, {0, 0, 1}});
  const Tensor classes = Tensor::from({3, 3}, {1, 0, 0, 0, 1, 0, 0, 0, 1});
  CHECK(evaluated(split, "split", {}, classes).accuracy == -1);
  for (std::size_t i = 0; i < 3; ++i) split.pairs[i].label = static_cast<std::int32_t>(i);
  const Evaluation e = evaluated(split, "split", {}, classes);
  CHECK(e.accuracy == 2.0 / 3);
  REQUIRE(e.predictions.size() == 3);
  CHECK(e.predictions[1].label == 1);
  CHECK(e.predictions[1].predicted == 0);
  CHECK(e.predictions[1].cosine == 0.5);
}

TEST_CASE("evaluate: what each class was taken for, worked by hand") {
  const std::vector<Prediction> all{{"a", 0, 0, 1}, {"b", 0, 1, 1}, {"c", 0, 0, 1}, {"d", 1, 0, 1}, {"e", 2, 0, 1}};
  const ClassMatrix matrix = class_matrix(all, 4);
  CHECK(matrix.counts == std::vector<Dim>{2, 1, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0});
  CHECK(matrix.support(0) == 3);
  CHECK(matrix.recall(0) == 2.0 / 3);
  CHECK(matrix.precision(0) == 0.5);
  CHECK(matrix.recall(1) == 0);
  CHECK(matrix.precision(1) == 0);
  CHECK(std::isnan(matrix.precision(2)));
  CHECK(std::isnan(matrix.recall(3)));
  CHECK_THROWS_WITH_AS(class_matrix(all, 2), "class matrix: classes below 2 are expected, got 2 taken for 0", Error);
}

TEST_CASE("evaluate: a run that is hardly better than chance says so, and what to change") {
  const auto evaluation = [](const char* split, double r1, Dim pairs, Dim candidates) {
    Evaluation e{split, pairs, candidates, {}, {}};
    e.image_to_text.r1 = e.text_to_image.r1 = r1;
    return e;
  };
  const auto of_classes = [](double accuracy) {
    Evaluation e{"val", 100, 5, {}, {}, accuracy};
    for (int i = 0; i < 100; ++i) e.predictions.push_back({"", i < 40 ? 0 : 1 + i % 4, 0, 0});
    return e;
  };
  TrainConfig c;
  c.steps = 60, c.batch_size = 128, c.shift = c.scale = 0;
  const Evaluation train = evaluation("train", 0.9, 512, 512), poor = evaluation("val", 0.03, 67, 67);
  const std::string begin = "on val the run is hardly better than chance: R@1 0.03, by chance 0.015. ";
  CHECK(doubt_of({train, poor}, c, 607) ==
        begin + "Its 60 steps are few: try --steps 1000, or --minutes. Its 607 pairs are few: try --shift 0.1 --scale 0.25.");
  c.steps = 2000;
  CHECK(doubt_of({train, poor}, c, 607) == begin + "Its 607 pairs are few: try --shift 0.1 --scale 0.25.");
  c.shift = 0.1;
  CHECK(doubt_of({train, poor}, c, 607) ==
        begin + "It learned train by heart: more pictures would help, or captions whose words several pictures share.");
  CHECK(doubt_of({evaluation("train", 0.002, 512, 512), poor}, c, 607) ==
        begin + "It did not learn train either: try more --steps, or another --lr.");
  CHECK(doubt_of({train, evaluation("val", 0.19, 67, 67)}, c, 607).empty());
  CHECK(doubt_of({train, evaluation("val", 0.05, 366, 366)}, c, 3000).empty());  // eighteen times chance
  CHECK(doubt_of({}, c, 607).empty());
  CHECK(doubt_of({train, of_classes(0.42)}, c, 607).starts_with("on val the run is hardly better than chance: accuracy 0.42, by chance 0.4. "));
  CHECK(doubt_of({train, of_classes(0.62)}, c, 607).empty());
}

TEST_CASE("evaluate: captions that the tokenizer cannot tell apart are different ones, and tie") {
  Table known, unknown, cut;
  for (const char* text : {"dark thing", "bright thing"}) known.add(static_cast<std::uint8_t>(100 * known.split.pairs.size()), text);
  const auto tokenizer = learn_words({"dark thing", "bright thing", "dark thing here"}, 4);
  SiglipConfig config = preset("nano");
  config.image_size = config.patch_size = 8, config.context = 4, config.vocab_size = tokenizer->vocab_size();
  const Siglip model(config);
  initialize(model, 1);
  const auto evaluation = [&](const Table& table) {
    const NamedSamples samples{"val", std::make_shared<const Samples>(table.split, *tokenizer, Preprocessing{.image_size = 8, .resample = 2})};
    return evaluate(model, {samples}, {}, Candidates::parse("split"))[0];
  };
  CHECK(evaluation(known).image_to_text.r1 > 0);
  // Many of them, so that they lie anywhere in the tiles of a product.
  for (int i = 0; i < 37; ++i) unknown.add(static_cast<std::uint8_t>(5 * i), "fremdes wort" + std::to_string(i));
  for (int i = 0; i < 3; ++i) cut.add(static_cast<std::uint8_t>(50 * i), "dark dark dark dark " + std::string(static_cast<std::size_t>(i), 'x'));
  for (const Table* table : {&unknown, &cut}) {
    const Evaluation e = evaluation(*table);
    CHECK(e.candidates == std::ssize(table->split.pairs));
    CHECK(e.image_to_text.r1 == 0);
  }
  check_recall(evaluation(cut).image_to_text, 0, 1, 1);      // rank 3
  check_recall(evaluation(unknown).image_to_text, 0, 0, 0);  // rank 37
}

TEST_CASE("evaluate: class folders, trained until every picture is told from the others") {
  const TemporaryFolder folder;
  const auto put = [&](const std::string& file, std::uint8_t shade) {
    fs::create_directories(fs::path(folder / file).parent_path());
    write_png(folder / file, {8, 8, std::vector<std::uint8_t>(192, shade)});
  };
  for (int i = 0; i < 8; ++i) {
    const std::string name = std::to_string(i) + ".png";
    const auto shift = static_cast<std::uint8_t>(i);
    for (const std::string part : {"data/train/", "data/val/", "swapped/val/"}) {
      const bool swapped = part == "swapped/val/" && i < 6;  // six of eight lie in the wrong folder
      put(part + (swapped ? "white/" : "black/") + name, shift);
      put(part + (swapped ? "black/" : "white/") + "w" + name, static_cast<std::uint8_t>(255 - shift));
    }
  }
  fs::copy(folder / "data/train", folder / "swapped/train", fs::copy_options::recursive);
  TrainConfig c;
  c.data = folder / "data", c.out = folder / "run", c.model = "nano", c.image_size = 8, c.patch_size = 8, c.context = 8;
  c.steps = 40, c.batch_size = 16, c.lr = 3e-3, c.threads = 1;
  std::ostringstream log;
  const TrainResult result = train(c, log);
  REQUIRE(result.evaluations.size() == 2);
  for (const Evaluation& e : result.evaluations) {
    CHECK(e.accuracy == 1);
    CHECK(e.pairs == 16);
    CHECK(e.candidates == 2);  // captions
    check_recall(e.image_to_text, 1, 1, 1);
    check_recall(e.text_to_image, 1, 1, 1);
  }
  CHECK(log.str().find(" val: accuracy 1.000 (16 pictures, 2 classes)\n") != std::string::npos);
  const std::string logged = read_file(folder / "run/log.jsonl");
  CHECK(logged.find("\"accuracy\":1.0") != std::string::npos);

  const Pretrained model = Pretrained::load(folder / "run");
  const DataSet swapped = read_data(folder / "swapped");
  const NamedSamples val{"val", std::make_shared<const Samples>(swapped.split("val"), *model.tokenizer, model.preprocessing)};
  const Evaluation e = evaluate(model.model, {val}, {}, Candidates::parse("split"), class_tokens(swapped, *model.tokenizer))[0];
  CHECK(e.accuracy == 0.25);
  CHECK(e.image_to_text.r1 == 0.25);
}

TEST_CASE("evaluate: the best checkpoint of class folders is the one of the best accuracy") {
  const TemporaryFolder folder;
  for (const std::string split : {"train", "val"})
    for (int i = 0; i < 12; ++i) {
      const std::string file = folder / ("data/" + split + "/" + (i % 3 == 0 ? "a" : i % 3 == 1 ? "b" : "c") + "/" + std::to_string(i) + ".png");
      fs::create_directories(fs::path(file).parent_path());
      write_png(file, {8, 8, std::vector<std::uint8_t>(192, static_cast<std::uint8_t>(80 * (i % 3) + (split == "val" ? 9 : 0) + 3 * i))});
    }
  TrainConfig c;
  c.data = folder / "data", c.out = folder / "run", c.model = "nano", c.image_size = 8, c.patch_size = 8, c.context = 8;
  c.steps = 16, c.batch_size = 12, c.eval_every = 1, c.save_every = 16, c.lr = 3e-3, c.threads = 1;
  std::ostringstream log;
  const TrainResult result = train(c, log);
  double best = -1;
  Dim step = 0;
  for (const EvalRow& row : read_history(c.out).evaluations)
    if (row.split == "val" && row.accuracy >= best) best = row.accuracy, step = row.step;
  REQUIRE(result.evaluations.size() == 2);
  CHECK(result.evaluations[1].accuracy == best);
  const std::string state = read_file(c.out + "/best/training_state.json");
  CHECK(contains(state, "\"step\": " + std::to_string(step) + ","));
  const std::string summary = read_file(c.out + "/summary.json");
  for (const char* key : {"\"classes\"", "\"confusion\"", "\"precision\"", "\"support\": 4"}) CHECK(contains(summary, key));
}
