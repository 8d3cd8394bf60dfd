// chart.cpp — line charts as inline SVG. Coordinates are SVG units; the style enlarges the letters where the drawing is shown small.
#include "report/chart.h"
#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include "report/html.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
/// Where values go on the paper.
struct Axis {
  double low, high;  // values
  double from, to;   // SVG units
  bool logarithmic = false;
  double place(double value) const {
    const double share = logarithmic ? std::log(value / low) / std::log(high / low) : (value - low) / (high - low);
    return from + share * (to - from);
  }
};

struct Range {
  double low = std::numeric_limits<double>::infinity(), high = -low;
  void add(double value) { low = std::min(low, value), high = std::max(high, value); }
};

bool finite(const Point& point) { return std::isfinite(point.x) && std::isfinite(point.y); }

/// Removes what is not finite; the number of points removed.
std::size_t clean(Chart& chart) {
  std::size_t removed = 0;
  for (Series& series : chart.series) removed += std::erase_if(series.points, [](const Point& point) { return !finite(point); });
  std::erase_if(chart.series, [](const Series& series) { return series.points.empty(); });
  return removed;
}

/// At most about `limit` points of the same outline: the lowest and the highest of each stretch.
std::vector<Point> thin(const std::vector<Point>& points, std::size_t limit) {
  if (points.size() <= limit) return points;
  std::vector<Point> kept;
  const std::size_t stretch = (2 * points.size() + limit - 1) / limit;
  for (std::size_t begin = 0; begin < points.size(); begin += stretch) {
    const auto first = points.begin() + static_cast<std::ptrdiff_t>(begin);
    const auto last = points.begin() + static_cast<std::ptrdiff_t>(std::min(points.size(), begin + stretch));
    const auto [low, high] = std::minmax_element(first, last, [](const Point& a, const Point& b) { return a.y < b.y; });
    kept.push_back(*std::min(low, high));
    if (low != high) kept.push_back(*std::max(low, high));
  }
  return kept;
}

Axis horizontal_axis(const Chart& chart, double from, double to) {
  Range range;
  for (const Series& series : chart.series)
    for (const Point& point : series.points) range.add(point.x);
  if (range.low > 0 && range.low < 0.05 * range.high) range.low = 0;
  if (range.low == range.high) range.low -= range.low >= 1 ? 1 : 0, range.high += 1;
  return {range.low, range.high, from, to};
}

Axis vertical_axis(const Chart& chart, double from, double to) {
  Range range;
  for (const Series& series : chart.series)
    for (const Point& point : series.points) range.add(point.y);
  if (chart.logarithmic && range.low > 0 && range.high > 10 * range.low) return {range.low / 1.1, range.high * 1.1, from, to, true};
  if (chart.from_zero) range.low = std::min(range.low, 0.0);
  const double spread = range.high - range.low;
  const double margin = spread > 0 ? 0.06 * spread : std::max(1e-9, 0.1 * std::abs(range.high));
  if (!(chart.from_zero && range.low == 0)) range.low -= margin;
  return {range.low, range.high + margin, from, to};
}

int digits_between(const std::vector<double>& ticks) {
  if (ticks.size() < 2) return 2;
  return std::clamp(-static_cast<int>(std::floor(std::log10(ticks[1] - ticks[0]) + 1e-9)), 0, 9);
}

std::string tick_text(double tick, const std::vector<double>& ticks, bool logarithmic) {
  if (logarithmic) return significant(tick, 1);
  if (std::abs(tick) < 1e-12 * std::abs(ticks.back())) return "0";
  return std::abs(ticks.back()) < 1e-4 ? significant(tick, 2) : fixed(tick, digits_between(ticks));
}

std::string text(double x, double y, const char* anchor, const std::string& words, const char* style = "") {
  return "<text x=\"" + coordinate(x) + "\" y=\"" + coordinate(y) + "\" text-anchor=\"" + anchor + "\"" + style + ">" + escape(words) + "</text>";
}

std::string line(double x1, double y1, double x2, double y2, const char* style) {
  return "<line class=\"" + std::string(style) + "\" x1=\"" + coordinate(x1) + "\" y1=\"" + coordinate(y1) + "\" x2=\"" + coordinate(x2) +
         "\" y2=\"" + coordinate(y2) + "\"/>";
}

std::string drawn_axes(const Chart& chart, const Axis& x, const Axis& y, double height) {
  std::string svg;
  const std::vector<double> y_ticks =
      y.logarithmic ? logarithmic_ticks(y.low, y.high, chart.small ? 5 : 8) : linear_ticks(y.low, y.high, chart.small ? 4 : 5);
  for (const double tick : y_ticks) {
    svg += line(x.from, y.place(tick), x.to, y.place(tick), "grid");
    svg += text(x.from - 8, y.place(tick) + 4, "end", tick_text(tick, y_ticks, y.logarithmic));
  }
  const std::vector<double> x_ticks = linear_ticks(x.low, x.high, chart.small ? 3 : 5);
  for (const double tick : x_ticks) {
    if (tick != std::floor(tick)) continue;  // steps are whole
    svg += line(x.place(tick), y.from, x.place(tick), y.from + 5, "axis");
    svg += text(x.place(tick), y.from + 20, "middle", fixed(tick, 0));
  }
  svg += line(x.from, y.from, x.to, y.from, "axis");
  svg += text(2, 14, "start", chart.y_label + (!y.logarithmic ? "" : chart.y_label.empty() ? "logarithmic" : ", logarithmic"), " class=\"label\"");
  svg += text((x.from + x.to) / 2, height - 4, "middle", chart.x_label, " class=\"label\"");
  return svg;
}

std::string line_style(const Series& series) { return series.line == Series::dashed ? " dashed" : series.line == Series::faint ? " faint" : ""; }

std::string drawn_series(const Chart& chart, const Series& series, const Axis& x, const Axis& y) {
  const std::vector<Point> points = thin(series.points, 800);
  const std::string colour = "c" + std::to_string(series.colour);
  std::string svg, path;
  for (const Point& point : points) path += (path.empty() ? "" : " ") + coordinate(x.place(point.x)) + "," + coordinate(y.place(point.y));
  if (points.size() > 1) svg += "<polyline class=\"line " + colour + line_style(series) + "\" points=\"" + path + "\"/>";
  const bool dots = series.markers || points.size() == 1;
  if (!dots && (series.line == Series::faint || points.size() > 150)) return svg;
  for (const Point& point : points) {
    svg += "<circle class=\"" + (dots ? "dot " + colour : "hit") + "\" cx=\"" + coordinate(x.place(point.x)) + "\" cy=\"" +
           coordinate(y.place(point.y)) + "\" r=\"" + (dots ? "3.2" : "7") + "\"><title>" + escape(series.name) + ", " + escape(chart.x_label) + " " +
           significant(point.x, 9) + ": " + significant(point.y, 4) + escape(chart.unit) + "</title></circle>";
  }
  return svg;
}

std::string legend(const Chart& chart) {
  std::string html = "<ul class=\"legend\">";
  for (const Series& series : chart.series) {
    html += "<li><svg class=\"key\" viewBox=\"0 0 22 10\" aria-hidden=\"true\"><line class=\"line c" + std::to_string(series.colour) +
            line_style(series) + "\" x1=\"1\" y1=\"5\" x2=\"21\" y2=\"5\"/></svg>" + escape(series.name);
    if (series.line != Series::faint) html += " <b>" + significant(series.points.back().y) + escape(chart.unit) + "</b>";
    html += "</li>";
  }
  return html + "</ul>";
}
}  // namespace

std::vector<Point> moving_mean(const std::vector<Point>& points, std::size_t reach) {
  std::vector<Point> finite_points, means;
  std::copy_if(points.begin(), points.end(), std::back_inserter(finite_points), finite);
  // A million steps are drawn a thousand points wide, and a mean may reach over a fortieth of them.
  const std::size_t count = finite_points.size(), stride = std::max<std::size_t>(1, count / 1000);
  for (std::size_t at = 0; at < count + stride - 1; at += stride) {
    const std::size_t i = std::min(at, count - 1), begin = i > reach ? i - reach : 0, end = std::min(finite_points.size(), i + reach + 1);
    double sum = 0;
    for (std::size_t k = begin; k < end; ++k) sum += finite_points[k].y;
    means.push_back({finite_points[i].x, sum / static_cast<double>(end - begin)});
  }
  return means;
}

std::vector<double> linear_ticks(double low, double high, int wanted) {
  if (!(high > low) || !std::isfinite(high - low)) return {};
  const double rough = (high - low) / wanted, power = std::pow(10, std::floor(std::log10(rough)));
  const double share = rough / power;
  const double step = power * (share < 1.5 ? 1 : share < 3.5 ? 2 : share < 7.5 ? 5 : 10);
  std::vector<double> ticks;
  constexpr int most = 50;
  const double first = std::ceil(low / step - 1e-9);
  for (int k = 0; k < most; ++k) {
    const double tick = (first + k) * step + 0.0;  // -0 + 0 = 0
    if (!(tick <= high + 1e-9 * step)) break;
    if (ticks.empty() || tick > ticks.back()) ticks.push_back(tick);  // where a step is less than the numbers resolve, ticks coincide
  }
  return ticks;
}

std::vector<double> logarithmic_ticks(double low, double high, std::size_t most) {
  if (!(low > 0) || !(high > low) || !std::isfinite(high)) return {};
  const int first = static_cast<int>(std::floor(std::log10(low))), last = static_cast<int>(std::ceil(std::log10(high)));
  std::vector<double> all, powers;
  for (int exponent = first; exponent <= last; ++exponent) {
    for (const double digit : {1.0, 2.0, 5.0}) {
      const double tick = digit * std::pow(10, exponent);
      if (tick < low || tick > high) continue;
      all.push_back(tick);
      if (digit == 1) powers.push_back(tick);
    }
  }
  if (all.size() <= most) return all;
  const std::size_t stride = (powers.size() + most - 1) / most;
  std::vector<double> ticks;
  for (std::size_t i = 0; i < powers.size(); i += stride) ticks.push_back(powers[i]);
  return ticks;
}

std::string line_chart(const Chart& given) {
  Chart chart = given;
  const std::size_t removed = clean(chart);
  if (chart.series.empty()) return "";
  const double width = chart.small ? 360 : 560, height = chart.small ? 230 : 320;
  const Axis x = horizontal_axis(chart, chart.small ? 54 : 62, width - 20),
             y = vertical_axis(chart, height - 46, chart.y_label.empty() && !chart.logarithmic ? 14 : 30);
  std::string html = "<figure class=\"chart\"><figcaption>" + escape(chart.title) + "</figcaption>" + legend(chart);
  html += "<svg class=\"" + std::string(chart.small ? "small" : "wide") + "\" viewBox=\"0 0 " + coordinate(width) + " " + coordinate(height) +
          "\" role=\"img\" aria-label=\"" + escape(chart.title) + "\">";
  html += drawn_axes(chart, x, y, height);
  for (const Series& series : chart.series) html += drawn_series(chart, series, x, y);
  html += "</svg>";
  if (removed > 0)
    html += "<p class=\"note\">" + std::to_string(removed) + (removed == 1 ? " value is" : " values are") + " not finite and left out.</p>";
  return html + "</figure>\n";
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
