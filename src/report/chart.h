// chart.h — line charts as inline SVG.
#pragma once
#include <string>
#include <vector>
#include "siglip/real.h"

namespace siglip::inline SIGLIP_FLAVOUR {
struct Point {
  double x = 0, y = 0;
};
struct Series {
  std::string name;
  int colour = 1;  // 1 … 4: c1 … of the style
  std::vector<Point> points;
  enum Line { plain, dashed, faint } line = plain;  // faint: what lies behind, as raw values under their mean
  bool markers = false;                             // a dot on each point
};
struct Chart {
  std::string title, x_label, y_label, unit;  // the unit stands behind values in the legend: " %"
  std::vector<Series> series;
  bool small = false;        // one of several beside each other
  bool from_zero = false;    // the vertical axis starts at 0
  bool logarithmic = false;  // if all values are positive and span more than a factor of 10
};
/// A <figure> with legend and drawing. Points that are not finite are left out, and the figure says how many. Empty if no point is left.
std::string line_chart(const Chart& chart);

/// The mean of the points up to `reach` to the left and right of each; those that are not finite take no part.
std::vector<Point> moving_mean(const std::vector<Point>& points, std::size_t reach);

/// Round numbers (1, 2 or 5 times a power of ten apart) inside low … high, about `wanted` of them.
std::vector<double> linear_ticks(double low, double high, int wanted);
/// 1, 2, 5 times powers of ten inside low … high; powers of ten alone if that were more than `most`.
std::vector<double> logarithmic_ticks(double low, double high, std::size_t most);
}  // namespace siglip::inline SIGLIP_FLAVOUR
