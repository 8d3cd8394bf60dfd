// matrix.cpp — the similarity matrix of a batch: a coloured square for each pair of picture and caption.
#include <algorithm>
#include <array>
#include <cmath>
#include <span>
#include "report/html.h"
#include "report/sections.h"
#include "siglip/error.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
constexpr int shades = 20;  // heat-0 … heat-20
using Colour = std::array<double, 3>;

// Sequential and monotone in lightness, so that every kind of colour vision, and a grey printer, sees the order.
constexpr std::array<Colour, 5> light_ramp{{{241, 243, 245}, {186, 222, 214}, {95, 176, 188}, {43, 112, 164}, {28, 42, 99}}};
constexpr std::array<Colour, 5> dark_ramp{{{32, 37, 46}, {33, 77, 110}, {38, 138, 146}, {126, 205, 152}, {253, 241, 170}}};

std::string shade_colour(std::span<const Colour, 5> ramp, int shade) {
  const double place = 4.0 * shade / shades;
  const std::size_t left = std::min<std::size_t>(3, static_cast<std::size_t>(place));
  std::string colour = "rgb(";
  for (std::size_t channel = 0; channel < 3; ++channel) {
    const double share = place - static_cast<double>(left);
    colour += (channel ? "," : "") + std::to_string(std::lround(ramp[left][channel] * (1 - share) + ramp[left + 1][channel] * share));
  }
  return colour + ")";
}

/// Square-root scale: 1 % and 10 % must look different too.
int shade_of(double p) { return static_cast<int>(std::lround(shades * std::sqrt(std::clamp(p, 0.0, 1.0)))); }

struct Summary {
  double right = 0, wrong = 0;  // mean probabilities
  std::size_t first = 0;        // pictures whose own caption is the likeliest
};

Summary summarise(const ReportData& data) {
  const std::size_t n = data.matrix_texts.size();
  Summary sums;
  std::size_t rights = 0, wrongs = 0;
  for (std::size_t i = 0; i < n; ++i) {
    bool first = true;
    for (std::size_t j = 0; j < n; ++j) {
      const double p = data.matrix[i * n + j];
      const bool right = data.matrix_texts[i] == data.matrix_texts[j];
      (right ? sums.right : sums.wrong) += p;
      ++(right ? rights : wrongs);
      first = first && (right || p < data.matrix[i * n + i]);
    }
    sums.first += first;
  }
  sums.right /= static_cast<double>(std::max<std::size_t>(1, rights));
  sums.wrong /= static_cast<double>(std::max<std::size_t>(1, wrongs));
  return sums;
}

std::string cell_square(const ReportData& data, std::size_t i, std::size_t j, double left, double top, double cell) {
  const double p = data.matrix[i * data.matrix_texts.size() + j];
  const bool right = data.matrix_texts[i] == data.matrix_texts[j];
  const std::string shade = std::isfinite(p) ? "heat-" + std::to_string(shade_of(p)) : "heat-none";
  const double inset = right ? 1.5 : 0.75;
  return "<rect class=\"" + shade + (right ? " right" : "") + "\" x=\"" + coordinate(left + static_cast<double>(j) * cell + inset) + "\" y=\"" +
         coordinate(top + static_cast<double>(i) * cell + inset) + "\" width=\"" + coordinate(cell - 2 * inset) + "\" height=\"" +
         coordinate(cell - 2 * inset) + "\" rx=\"2.5\"><title>picture of “" + escape(data.matrix_texts[i]) + "”, caption “" +
         escape(data.matrix_texts[j]) + "”: " + probability(p) + (right ? " (right)" : "") + "</title></rect>";
}

std::string drawing(const ReportData& data) {
  const std::size_t n = data.matrix_texts.size();
  const double cell = 28, left = 36, top = 124, side = static_cast<double>(n) * cell, width = left + side + 92, height = top + side + 4;
  std::string svg = "<svg class=\"matrix\" viewBox=\"0 0 " + coordinate(width) + " " + coordinate(height) +
                    "\" style=\"max-width:" + coordinate(width * 1.25) + "px;min-width:" + coordinate(width * 0.8) +
                    "px\" role=\"img\" aria-label=\"similarity of pictures and captions\">";
  for (std::size_t i = 0; i < n; ++i) {
    const double y = top + static_cast<double>(i) * cell, x = left + (static_cast<double>(i) + 0.55) * cell;
    const Image& image = data.matrix_images[i];
    if (has_pixels(image))
      svg += "<image x=\"2\" y=\"" + coordinate(y + 1) + "\" width=\"" + coordinate(cell - 2) + "\" height=\"" + coordinate(cell - 2) + "\" href=\"" +
             png_url(image) + "\"><title>" + escape(data.matrix_texts[i]) + "</title></image>";
    svg += "<text transform=\"translate(" + coordinate(x) + " " + coordinate(top - 7) + ") rotate(-48)\">" +
           escape(shorten(data.matrix_texts[i], 22)) + "<title>" + escape(data.matrix_texts[i]) + "</title></text>";
    for (std::size_t j = 0; j < n; ++j) svg += cell_square(data, i, j, left, top, cell);
  }
  return svg + "</svg>";
}

std::string scale_legend() {
  std::string svg = "<svg class=\"scale\" viewBox=\"0 0 262 34\" role=\"img\" aria-label=\"colour scale from 0 to 1\">";
  for (int shade = 0; shade <= shades; ++shade)
    svg += "<rect class=\"heat-" + std::to_string(shade) + "\" x=\"" + coordinate(5 + 12.0 * shade) + "\" y=\"0\" width=\"12.4\" height=\"14\"/>";
  for (const double p : {0.0, 0.05, 0.25, 0.5, 1.0})
    svg += "<text x=\"" + coordinate(11 + 240 * std::sqrt(p)) + "\" y=\"30\" text-anchor=\"middle\">" + significant(p, p == 0.25 ? 2 : 1) + "</text>";
  return svg + "</svg>";
}
}  // namespace

std::string heat_style() {
  std::string light, dark;
  for (int shade = 0; shade <= shades; ++shade) {
    light += ".heat-" + std::to_string(shade) + "{fill:" + shade_colour(light_ramp, shade) + "}";
    dark += ".heat-" + std::to_string(shade) + "{fill:" + shade_colour(dark_ramp, shade) + "}";
  }
  return light + "\n@media (prefers-color-scheme:dark){" + dark + "}\n";
}

std::string matrix_section(const ReportData& data) {
  const std::size_t n = data.matrix_texts.size();
  require(data.matrix.size() == n * n, "report", "the matrix has ", n * n, " values for ", n, " captions, got ", data.matrix.size());
  require(data.matrix_images.size() == n, "report", "the matrix has ", n, " pictures for ", n, " captions, got ", data.matrix_images.size());
  if (n == 0) return "";
  const Summary summary = summarise(data);
  const std::string reading = "<div class=\"reading\"><dl><div><dt>right pairs</dt><dd>" + probability(summary.right) +
                              "</dd></div><div><dt>wrong pairs</dt><dd>" + probability(summary.wrong) +
                              "</dd></div><div><dt>own caption first</dt><dd>" + std::to_string(summary.first) + " of " + std::to_string(n) +
                              "</dd></div></dl><p>The outlined squares are the right pairs: they should be far up the scale and all others at its "
                              "start. A strong square beside them is a "
                              "confusion. Point at a square for its pair.</p>" +
                              scale_legend() + "<p class=\"note\">probability, square-root scale</p></div>";
  return section("matrix", "Who matches whom", "Every picture of a validation batch against every caption of it.",
                 "<div class=\"matrix-layout panel\"><div class=\"scroll\">" + drawing(data) + "</div>" + reading + "</div>\n");
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
