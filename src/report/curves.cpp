// curves.cpp — what happened over time: loss, retrieval, temperature and bias, throughput.
#include <algorithm>
#include <cmath>
#include "report/chart.h"
#include "report/html.h"
#include "report/sections.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
std::vector<Point> over_steps(const std::vector<LogRow>& log, double LogRow::*field, double scale = 1) {
  std::vector<Point> points;
  for (const LogRow& row : log) points.push_back({static_cast<double>(row.step), row.*field * scale});
  return points;
}

bool any_nonzero(const std::vector<LogRow>& log, double LogRow::*field) {
  return std::any_of(log.begin(), log.end(), [field](const LogRow& row) { return row.*field != 0 && std::isfinite(row.*field); });
}

/// A small chart of one logged value; empty if it was never logged.
std::string small_chart(const ReportData& data, const std::string& title, double LogRow::*field, int colour, bool logarithmic = false) {
  if (!any_nonzero(data.log, field)) return "";
  Chart chart;
  chart.title = title, chart.x_label = "step";
  chart.small = true, chart.logarithmic = logarithmic;
  chart.series = {{"last", colour, over_steps(data.log, field)}};
  return line_chart(chart);
}

std::string loss_chart(const ReportData& data) {
  const std::vector<Point> raw = over_steps(data.log, &LogRow::loss);
  Chart chart;
  chart.title = "Loss", chart.x_label = "step", chart.y_label = "loss per image (nats)", chart.logarithmic = true;
  if (raw.size() < 8) {
    chart.series = {{"loss", 1, raw, Series::plain, true}};
  } else {
    chart.series = {{"each step logged", 1, raw, Series::faint}, {"moving mean", 1, moving_mean(raw, std::max<std::size_t>(1, raw.size() / 40))}};
  }
  return line_chart(chart);
}

/// What was held out comes first.
std::vector<std::string> splits(const ReportData& data) {
  std::vector<std::string> names;
  for (const EvalRow& row : data.evaluations)
    if (std::find(names.begin(), names.end(), row.split) == names.end()) names.push_back(row.split);
  std::stable_partition(names.begin(), names.end(), [](const std::string& name) { return name.rfind("train", 0) != 0; });
  return names;
}

/// R@1 and R@5 in both directions; R@10 stands in the table.
std::string recall_chart(const ReportData& data, const std::string& split) {
  Series image_1{"image → text R@1", 1, {}, Series::plain, true}, text_1{"text → image R@1", 2, {}, Series::plain, true};
  Series image_5{"image → text R@5", 1, {}, Series::dashed, true}, text_5{"text → image R@5", 2, {}, Series::dashed, true};
  for (const EvalRow& row : data.evaluations) {
    if (row.split != split) continue;
    const double step = static_cast<double>(row.step);
    image_1.points.push_back({step, 100 * row.image_to_text.r1}), image_5.points.push_back({step, 100 * row.image_to_text.r5});
    text_1.points.push_back({step, 100 * row.text_to_image.r1}), text_5.points.push_back({step, 100 * row.text_to_image.r5});
  }
  Chart chart;
  chart.title = "Retrieval on " + split, chart.x_label = "step", chart.y_label = "recall (% of queries)", chart.unit = " %", chart.from_zero = true;
  chart.series = {image_1, text_1, image_5, text_5};
  return line_chart(chart);
}

/// The share of a split's pictures that are taken for their class.
std::string accuracy_chart(const ReportData& data, const std::string& split) {
  Series accuracy{"accuracy", 1, {}, Series::plain, true};
  for (const EvalRow& row : data.evaluations)
    if (row.split == split) accuracy.points.push_back({static_cast<double>(row.step), 100 * row.accuracy});
  Chart chart;
  chart.title = "Accuracy on " + split, chart.x_label = "step", chart.y_label = "right class (% of pictures)", chart.unit = " %",
  chart.from_zero = true;
  chart.series = {accuracy};
  return line_chart(chart);
}

bool has_classes(const ReportData& data) {
  return std::any_of(data.evaluations.begin(), data.evaluations.end(), [](const EvalRow& row) { return row.accuracy >= 0; });
}

std::string recall_row(const std::string& split, const std::string& direction, const Recall& recall) {
  return "<tr><th scope=\"row\">" + escape(split) + " <span class=\"quiet\">" + direction + "</span></th><td>" + fixed(100 * recall.r1, 1) +
         "</td><td>" + fixed(100 * recall.r5, 1) + "</td><td>" + fixed(100 * recall.r10, 1) + "</td><td class=\"quiet\">" +
         fixed(static_cast<double>(recall.candidates), 0) + "</td></tr>";
}

std::string recall_table(const ReportData& data) {
  std::string rows;
  for (const std::string& split : splits(data))
    for (const EvalRow& row : data.evaluations)
      if (row.split == split && row.step == data.shown_step)
        rows += recall_row(split, "image → text", row.image_to_text) + recall_row(split, "text → image", row.text_to_image);
  if (rows.empty()) return "";
  std::string head;
  for (const char* name : {"split", "R@1", "R@5", "R@10", "of candidates"}) head += "<th scope=\"col\">" + std::string(name) + "</th>";
  return "<div class=\"chart\"><table><caption>After step " + std::to_string(data.shown_step) +
         ", the checkpoint shown below: % of queries</caption><thead><tr>" + head + "</tr></thead><tbody>" + rows + "</tbody></table></div>\n";
}

std::string charts(const char* kind, const std::string& body) {
  return body.empty() ? "" : "<div class=\"" + std::string(kind) + "\">" + body + "</div>\n";
}
}  // namespace

std::string learning_section(const ReportData& data) {
  std::string drawings = loss_chart(data);
  const bool classes = has_classes(data);
  for (const std::string& split : splits(data)) drawings += classes ? accuracy_chart(data, split) : recall_chart(data, split);
  if (classes) return section("learning", "Learning", "", charts("charts", drawings));
  return section("learning", "Learning",
                 "R@K is the share of queries whose right partner is among the K best of all candidates; ties count as missed.",
                 charts("charts", drawings + recall_table(data)));
}

std::string temperature_section(const ReportData& data) {
  std::string drawings = small_chart(data, "Temperature t", &LogRow::t, 1) + small_chart(data, "Bias b", &LogRow::b, 2);
  if (any_nonzero(data.log, &LogRow::p_positive)) {
    Chart chart;
    chart.title = "Mean probability", chart.x_label = "step", chart.small = true, chart.logarithmic = true;
    chart.series = {{"right pairs", 1, over_steps(data.log, &LogRow::p_positive)},
                    {"wrong pairs", 2, over_steps(data.log, &LogRow::p_negative), Series::dashed}};
    drawings += line_chart(chart);
  }
  drawings += small_chart(data, "Learning rate", &LogRow::lr, 3) + small_chart(data, "Gradient norm", &LogRow::grad_norm, 4, true);
  return section("temperature", "Temperature and bias",
                 "A pair's probability is σ(t · cosine + b). The temperature says how sharply cosines are told apart, the bias how rare a match is.",
                 charts("charts three", drawings));
}

std::string throughput_section(const ReportData& data) {
  std::string drawings;
  if (any_nonzero(data.log, &LogRow::samples_per_second)) {
    Chart chart;
    chart.title = "Throughput", chart.x_label = "step", chart.y_label = "pairs per second", chart.from_zero = true;
    chart.series = {{"pairs per second", 3, over_steps(data.log, &LogRow::samples_per_second)}};
    drawings += line_chart(chart);
  }
  if (any_nonzero(data.log, &LogRow::peak_memory)) {
    Chart chart;
    chart.title = "Peak memory", chart.x_label = "step", chart.y_label = "MiB", chart.unit = " MiB", chart.from_zero = true;
    chart.series = {{"process", 4, over_steps(data.log, &LogRow::peak_memory, 1.0 / (1 << 20))}};
    drawings += line_chart(chart);
  }
  return section("throughput", "Throughput", "", charts("charts", drawings));
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
