// The HTML report: helpers, charts, and whole pages from full, tiny, empty and hostile data.
#include <doctest/doctest.h>
#include <algorithm>
#include <cmath>
#include <limits>
#include "report/chart.h"
#include "report/html.h"
#include "report/report.h"
#include "report/sections.h"
#include "siglip/checkpoint.h"
#include "siglip/error.h"
#include "temporary_folder.h"
using namespace siglip;

namespace {
Image dot(Dim edge, std::uint8_t shade) { return {edge, edge, std::vector<std::uint8_t>(static_cast<std::size_t>(3 * edge * edge), shade)}; }

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t n = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size())) ++n;
  return n;
}
bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

/// Every element that is opened is closed, in order.
bool balanced(const std::string& html) {
  std::vector<std::string> open;
  for (std::size_t at = html.find('<'); at != std::string::npos; at = html.find('<', at + 1)) {
    const std::size_t end = html.find('>', at);
    if (end == std::string::npos) return false;
    const std::string tag = html.substr(at + 1, end - at - 1), name = tag.substr(0, tag.find_first_of(" \n"));
    if (name[0] == '!' || name == "meta" || name == "img" || tag.back() == '/') continue;
    if (name[0] != '/') {
      open.push_back(name);
    } else {
      if (open.empty() || open.back() != name.substr(1)) return false;
      open.pop_back();
    }
  }
  return open.empty();
}

ReportData sample() {
  ReportData data;
  data.title = "a <run> & \"more\"";
  data.facts = {{"held-out R@1", "52.4 %"}, {"parameters", "1.02 M"}};
  for (Dim k = 0; k < 40; ++k) data.log.push_back({k * 10, 10.0 / static_cast<double>(k + 1), 1e-3, 10, -10, 1, 0.5, 0.001, 1400, 4e8});
  data.log[7].loss = std::numeric_limits<double>::quiet_NaN();
  data.evaluations = {{0, "train", {0, 0, 0, 10, 20}, {0, 0, 0, 10, 20}}, {400, "val", {0.5, 0.9, 1, 10, 20}, {0.6, 0.8, 1, 10, 20}}};
  for (int i = 0; i < 2; ++i) data.matrix_images.push_back(dot(32, static_cast<std::uint8_t>(50 * i)));
  data.shown_step = 400;
  data.matrix_texts = {"red <circle>", "blue star"};
  data.matrix = {0.9, 0.01, std::numeric_limits<double>::quiet_NaN(), 0.8};
  GalleryItem seen, held;
  seen.image = held.image = dot(32, 9);
  seen.text = "seen item", held.text = "held item";
  seen.rank = 1, held.rank = 9, held.held_out = true;
  seen.best = held.best = {{{}, "<script>alert(1)</script>", 0.7, 0.4, true}, {{}, "other", 1e-6, 0.1, false}};
  data.gallery = {seen, held};
  held.image_query = false;
  held.best = {{dot(80, 3), "a picture", 0.6, 0.3, false}};
  data.gallery.push_back(held);
  data.confusions = {{dot(32, 200), "right 'one'", "wrong one", 0.1, 0.8}};
  data.next_commands = {"siglip classify RUN --labels \"a, b\""};
  data.config_json = "{\"note\": \"</pre>\"}";
  return data;
}

std::string written(const ReportData& data) {
  const TemporaryFolder folder;
  write_report(folder / "report.html", data);
  return read_file(folder / "report.html");
}
}  // namespace

TEST_CASE("report: words and numbers") {
  CHECK(escape("<a href=\"x\">'&'</a>\x01") == "&lt;a href=&quot;x&quot;&gt;&#39;&amp;&#39;&lt;/a&gt; ");
  CHECK(shorten("twelve years", 12) == "twelve years");
  CHECK(shorten("twelve years", 8) == "twelve…");
  CHECK(shorten("éééé", 3) == "éé…");
  CHECK(fixed(1234567.891, 2) == "1,234,567.89");
  CHECK(fixed(-1234.5, 1) == "−1,234.5");
  CHECK(fixed(std::nan(""), 1) == "–");
  CHECK(fixed(1e300, 1) == "1.00e+300");
  CHECK(significant(0.00123456) == "0.00123");
  CHECK(significant(45678.9) == "45,679");
  CHECK(significant(0) == "0");
  CHECK(significant(2e-7, 2) == "2.0e-07");
  CHECK(coordinate(1234.56) == "1234.6");
  CHECK(coordinate(std::nan("")) == "0");
  CHECK(probability(0.934) == "0.93");
  CHECK(probability(0.0041) == "0.0041");
  CHECK(probability(2e-6) == "2e-06");
  CHECK(probability(std::nan("")) == "–");
}

TEST_CASE("report: a picture is a base64 PNG, small ones enlarged by a whole factor") {
  const std::string small = picture(dot(32, 7), 96, "a \"b\"");
  CHECK(small.rfind("<img src=\"data:image/png;base64,iVBORw0KGgo", 0) == 0);
  CHECK(has(small, "width=\"96\" height=\"96\" class=\"pixels\" alt=\"a &quot;b&quot;\""));
  CHECK(has(picture(dot(24, 7), 64, ""), "width=\"48\""));
  CHECK(has(picture(dot(200, 7), 96, ""), "width=\"96\" height=\"96\" alt"));
  Image wide = dot(1, 7);
  wide.width = 300, wide.rgb.resize(900);
  CHECK(has(picture(wide, 96, ""), "width=\"96\" height=\"1\""));
  CHECK(picture({}, 96, "").empty());
}

TEST_CASE("report: ticks are round and inside") {
  CHECK(linear_ticks(0, 10, 5) == std::vector<double>{0, 2, 4, 6, 8, 10});
  CHECK(linear_ticks(-1, 1, 4) == std::vector<double>{-1, -0.5, 0, 0.5, 1});
  CHECK(linear_ticks(1, 1, 4).empty());
  // Two neighbours among the doubles: steps between them round to one or the other.
  const std::vector<double> close = linear_ticks(10.000000319754371, 10.000000319754372, 4);
  for (std::size_t i = 1; i < close.size(); ++i) CHECK(close[i] > close[i - 1]);
  const std::vector<double> vast = linear_ticks(1e300, 1.0000000000000002e300, 5);
  for (std::size_t i = 1; i < vast.size(); ++i) CHECK(vast[i] > vast[i - 1]);
  CHECK(linear_ticks(0, std::numeric_limits<double>::infinity(), 4).empty());
  CHECK(logarithmic_ticks(0.6, 12, 8) == std::vector<double>{1, 2, 5, 10});
  CHECK(logarithmic_ticks(0.5, 2e4, 5) == std::vector<double>{1, 10, 100, 1000, 10000});
  CHECK(logarithmic_ticks(0, 1, 5).empty());
}

TEST_CASE("report: moving mean") {
  const std::vector<Point> means = moving_mean({{0, 1}, {1, 2}, {2, std::nan("")}, {3, 6}}, 1);
  REQUIRE(means.size() == 3);
  CHECK(means[0].y == 1.5);
  CHECK(means[1].y == 3);
  CHECK(means[2].y == 4);
  CHECK(means[2].x == 3);
}

TEST_CASE("report: charts of few, equal, many and no points") {
  Chart chart;
  chart.title = "x";
  chart.series = {{"s", 1, {}}};
  CHECK(line_chart(chart).empty());
  chart.series[0].points = {{5, std::nan("")}};
  CHECK(line_chart(chart).empty());
  chart.series[0].points = {{5, 2}, {6, std::numeric_limits<double>::infinity()}};
  CHECK(count(line_chart(chart), "<circle class=\"dot") == 1);
  CHECK(has(line_chart(chart), "1 value is not finite and left out."));
  for (const bool logarithmic : {false, true}) {
    chart.logarithmic = logarithmic;
    for (const double y : {0.0, -3.0, 1e-300, 1e300}) {
      chart.series[0].points = {{0, y}, {1, y}};
      const std::string html = line_chart(chart);
      CHECK(balanced(html));
      CHECK(!has(html, "nan"));
      CHECK(!has(html, "inf"));
    }
  }
  chart.series[0].points.clear();
  for (int i = 0; i < 20000; ++i) chart.series[0].points.push_back({static_cast<double>(i), i == 12345 ? 50.0 : 1.0 + i % 7});
  const std::string html = line_chart(chart);
  CHECK(html.size() < 20000);
  const std::size_t line = html.find("<polyline");
  REQUIRE(line != std::string::npos);
  double top = 1000;  // thinning keeps the outlier, which stands far above all others
  for (std::size_t at = html.find(',', line); at < html.find("/>", line); at = html.find(',', at + 1))
    top = std::min(top, std::stod(html.substr(at + 1)));
  CHECK(top < 60);
}

TEST_CASE("report: one page, everything escaped, nothing fetched, no script") {
  const std::string html = written(sample());
  CHECK(!balanced(html.substr(html.find("<main>"))));  // the checker sees a head that is missing
  CHECK(balanced(html));
  for (const char* bad : {"<script", "http", "url(", "src=\"/", "nan", "javascript"}) CHECK_MESSAGE(!has(html, bad), bad);
  for (const char* id : {"learning", "temperature", "matrix", "gallery", "confusions", "throughput", "config", "next"})
    CHECK_MESSAGE(has(html, "<section id=\"" + std::string(id) + "\">"), id);
  CHECK(has(html, "<h1>a &lt;run&gt; &amp; &quot;more&quot;</h1>"));
  CHECK(has(html, "&lt;script&gt;alert(1)"));
  CHECK(has(html, "{&quot;note&quot;: &quot;&lt;/pre&gt;&quot;}"));
  CHECK(has(html, "prefers-color-scheme:dark"));
  CHECK(html.find("held item") < html.find("seen item"));
  CHECK(count(html, "held out: never seen in training") == 2);
  CHECK(has(html, "was the right one."));
  CHECK(has(html, "class=\"heat-none\""));
  CHECK(count(html, " right\" x=") == 2);  // outlined squares
  CHECK(has(html, "1 value is not finite and left out."));
}

TEST_CASE("report: one step, and nothing at all") {
  ReportData data = sample();
  data.log.resize(1), data.evaluations.resize(1), data.gallery.resize(1);
  CHECK(balanced(written(data)));
  const std::string empty = written({});
  CHECK(balanced(empty));
  CHECK(!has(empty, "<section"));
  CHECK(!has(empty, "<nav"));
}

TEST_CASE("report: a matrix that is not one, a place that cannot be written") {
  ReportData data;
  data.matrix_texts = {"a", "b"};
  data.matrix = {1, 2, 3};
  CHECK_THROWS_WITH_AS(matrix_section(data), "report: the matrix has 4 values for 2 captions, got 3", Error);
  data.matrix.push_back(4);
  CHECK_THROWS_WITH_AS(matrix_section(data), "report: the matrix has 2 pictures for 2 captions, got 0", Error);
  CHECK_THROWS_WITH_AS(write_report("/nonexistent/report.html", {}), "/nonexistent/report.html: cannot be written: No such file or directory", Error);
}

TEST_CASE("report: classes have their accuracy over the steps and a matrix, of many the figures alone") {
  ReportData data = sample();
  for (EvalRow& row : data.evaluations) row.accuracy = 0.5;
  data.classes = {"cat <big>", "dog"}, data.class_counts = {3, 1, 0, 0}, data.class_split = "val";
  const std::string html = written(data);
  CHECK(balanced(html));
  CHECK(has(html, "Accuracy on val"));
  CHECK(!has(html, "Retrieval on val"));
  const std::string classes = classes_section(data);
  CHECK(has(classes, "<th scope=\"col\">cat &lt;big&gt;</th>"));
  CHECK(has(classes, "title=\"1 of cat &lt;big&gt; taken for dog\">1</td>"));
  CHECK(has(classes, "<td>100.0</td><td>75.0</td><td>4</td></tr>"));
  CHECK(has(classes, "<td>0.0</td><td>–</td><td>0</td></tr>"));
  data.classes.assign(30, "c"), data.class_counts.assign(900, 1);
  CHECK(!has(classes_section(data), "taken for c\">"));
  CHECK(count(classes_section(data), "<tr>") == 31);
  data.class_counts.pop_back();
  CHECK_THROWS_WITH_AS(classes_section(data), "report: the class matrix has 900 counts for 30 classes, got 899", Error);
}
