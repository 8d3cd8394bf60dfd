// classes.cpp — what the pictures of each class were taken for.
#include "report/html.h"
#include "report/sections.h"
#include "siglip/error.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
constexpr std::size_t most_columns = 24;  // a wider matrix cannot be read: its figures are shown alone

std::string share(Dim part, Dim whole) { return whole ? fixed(100 * static_cast<double>(part) / static_cast<double>(whole), 1) : "–"; }

struct Counts {
  const ReportData& data;
  std::size_t n = data.classes.size();
  Dim at(std::size_t right, std::size_t taken) const { return data.class_counts[right * n + taken]; }
  Dim of_class(std::size_t c) const {
    Dim sum = 0;
    for (std::size_t k = 0; k < n; ++k) sum += at(c, k);
    return sum;
  }
  Dim taken_for(std::size_t c) const {
    Dim sum = 0;
    for (std::size_t k = 0; k < n; ++k) sum += at(k, c);
    return sum;
  }
};

std::string cell(const Counts& counts, std::size_t right, std::size_t taken) {
  const Dim count = counts.at(right, taken);
  const std::string text = right == taken ? "<b>" + std::to_string(count) + "</b>" : count ? std::to_string(count) : "<span class=\"quiet\">0</span>";
  return "<td title=\"" + std::to_string(count) + " of " + escape(counts.data.classes[right]) + " taken for " + escape(counts.data.classes[taken]) +
         "\">" + text + "</td>";
}
}  // namespace

std::string classes_section(const ReportData& data) {
  const Counts counts{data};
  require(data.class_counts.size() == counts.n * counts.n, "report", "the class matrix has ", counts.n * counts.n, " counts for ", counts.n,
          " classes, got ", data.class_counts.size());
  if (counts.n == 0) return "";
  const bool whole = counts.n <= most_columns;
  const auto heading = [](const std::string& text) { return "<th scope=\"col\">" + text + "</th>"; };
  std::string head = heading("class"), rows;
  for (std::size_t c = 0; whole && c < counts.n; ++c) head += heading(escape(shorten(data.classes[c], 16)));
  for (const char* name : {"precision %", "recall %", "pictures"}) head += heading(name);
  for (std::size_t c = 0; c < counts.n; ++c) {
    rows += "<tr><th scope=\"row\">" + escape(data.classes[c]) + "</th>";
    for (std::size_t k = 0; whole && k < counts.n; ++k) rows += cell(counts, c, k);
    rows += "<td>" + share(counts.at(c, c), counts.taken_for(c)) + "</td><td>" + share(counts.at(c, c), counts.of_class(c)) + "</td><td>" +
            std::to_string(counts.of_class(c)) + "</td></tr>";
  }
  return section("classes", "Class by class",
                 "Pictures of " + data.class_split + ": a row for the right class, a column for what they were taken for.",
                 "<div class=\"chart scroll\"><table><thead><tr>" + head + "</tr></thead><tbody>" + rows + "</tbody></table></div>\n");
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
