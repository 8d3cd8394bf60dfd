// gallery.cpp — single pictures and captions: what was found for them, and what was confused with what.
#include <algorithm>
#include <cmath>
#include "report/html.h"
#include "report/sections.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
constexpr std::size_t shown_at_first = 6;

std::string rank_chip(Dim rank) {
  const char* kind = rank == 1 ? "good" : rank <= 5 ? "near" : "far";
  return "<span class=\"chip " + std::string(kind) + "\">" + (rank == 1 ? "✓ " : "") + "rank " + std::to_string(rank) + "</span>";
}

std::string right_mark(bool right) { return right ? "<span class=\"mark\" title=\"right\">✓</span>" : ""; }

std::string bar(double p) {
  const double share = std::isfinite(p) ? std::clamp(p, 0.0, 1.0) : 0;
  return "<span class=\"bar\"><i style=\"width:" + coordinate(100 * share) + "%\"></i></span>";
}

std::string caption_candidate(const GalleryItem::Candidate& candidate) {
  return "<li" + std::string(candidate.right ? " class=\"right\"" : "") + ">" + bar(candidate.probability) + "<span class=\"words\">" +
         right_mark(candidate.right) + escape(candidate.text) + "</span><span class=\"score\" title=\"cosine " + fixed(candidate.cosine, 3) + "\">" +
         probability(candidate.probability) + "</span></li>";
}

std::string picture_candidate(const GalleryItem::Candidate& candidate) {
  return "<li" + std::string(candidate.right ? " class=\"right\"" : "") + " title=\"" + escape(candidate.text) + ", cosine " +
         fixed(candidate.cosine, 3) + "\">" + picture(candidate.image, 64, candidate.text) + "<span class=\"score\">" + right_mark(candidate.right) +
         probability(candidate.probability) + "</span></li>";
}

std::string card(const GalleryItem& item) {
  std::string html = "<article class=\"card panel " + std::string(item.image_query ? "by-image" : "by-text") + "\"><header>";
  if (item.image_query) html += picture(item.image, 96, item.text);
  html += "<p class=\"query\">" + (item.image_query ? escape(item.text) : "“" + escape(item.text) + "”") + "</p></header><p class=\"chips\">" +
          rank_chip(item.rank) + (item.held_out ? "<span class=\"chip held\">held out: never seen in training</span>" : "") + "</p><ol>";
  for (const GalleryItem::Candidate& candidate : item.best) html += item.image_query ? caption_candidate(candidate) : picture_candidate(candidate);
  html += "</ol>";
  if (!item.image_query && item.rank > static_cast<Dim>(item.best.size()) && has_pixels(item.image))
    html += "<p class=\"missed\">" + picture(item.image, 32, item.text) + " was the right one.</p>";
  return html + "</article>\n";
}

/// The cards of one direction, held-out ones first, all but the first few folded away.
std::string direction(const std::vector<GalleryItem>& gallery, bool image_query, const std::string& heading) {
  std::vector<const GalleryItem*> items;
  for (const GalleryItem& item : gallery)
    if (item.image_query == image_query) items.push_back(&item);
  if (items.empty()) return "";
  std::stable_partition(items.begin(), items.end(), [](const GalleryItem* item) { return item->held_out; });
  std::string first, rest;
  for (std::size_t i = 0; i < items.size(); ++i) (i < shown_at_first ? first : rest) += card(*items[i]);
  std::string html = "<h3>" + heading + "</h3><div class=\"gallery\">" + first + "</div>\n";
  if (!rest.empty())
    html += "<details class=\"more\"><summary>" + std::to_string(items.size() - shown_at_first) + " more</summary><div class=\"gallery\">" + rest +
            "</div></details>\n";
  return html;
}
}  // namespace

std::string gallery_section(const ReportData& data) {
  return section("gallery", "Retrieval",
                 "A query, the rank of its right partner among all candidates, and the five it likes best with their probabilities.",
                 direction(data.gallery, true, "From picture to caption") + direction(data.gallery, false, "From caption to picture"));
}

std::string confusions_section(const ReportData& data) {
  std::string rows;
  for (const Confusion& confusion : data.confusions) {
    rows += "<li class=\"panel\">" + picture(confusion.image, 64, confusion.right) + "<dl><div class=\"wrong\"><dt>taken for</dt><dd>" +
            escape(confusion.wrong) + "</dd><dd class=\"score\">" + probability(confusion.p_wrong) + "</dd></div><div><dt>is</dt><dd>" +
            escape(confusion.right) + "</dd><dd class=\"score\">" + probability(confusion.p_right) + "</dd></div></dl></li>\n";
  }
  if (!rows.empty()) rows = "<ul class=\"confusions\">" + rows + "</ul>\n";
  return section("confusions", "Worst confusions", "Where the model is surest of a wrong caption.", rows);
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
