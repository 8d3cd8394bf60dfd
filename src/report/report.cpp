// report.cpp — the page: sections in order, one style sheet, no script.
#include "report/report.h"
#include "report/html.h"
#include "report/sections.h"
#include "siglip/checkpoint.h"

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
struct Part {
  const char *id, *name;
  std::string (*make)(const ReportData&);
};
const Part parts[] = {
    {"learning", "Learning", learning_section},
    {"temperature", "Temperature", temperature_section},
    {"classes", "Classes", classes_section},
    {"matrix", "Matrix", matrix_section},
    {"gallery", "Retrieval", gallery_section},
    {"confusions", "Confusions", confusions_section},
    {"throughput", "Throughput", throughput_section},
    {"config", "Configuration", config_section},
    {"next", "Try next", next_section},
};
}  // namespace

std::string section(const std::string& id, const std::string& heading, const std::string& introduction, const std::string& body) {
  if (body.empty()) return "";
  return "<section id=\"" + id + "\"><h2>" + escape(heading) + "</h2>" +
         (introduction.empty() ? "" : "<p class=\"intro\">" + escape(introduction) + "</p>") + "\n" + body + "</section>\n";
}

std::string head_section(const ReportData& data) {
  std::string html = "<header class=\"top\"><p class=\"kicker\">siglip.cpp · training report</p><h1>" + escape(data.title) + "</h1>";
  if (!data.facts.empty()) {
    html += "<dl class=\"facts\">";
    for (const auto& [label, value] : data.facts) html += "<div class=\"panel\"><dt>" + escape(label) + "</dt><dd>" + escape(value) + "</dd></div>";
    html += "</dl>";
  }
  return html + "</header>\n";
}

std::string config_section(const ReportData& data) {
  if (data.config_json.empty()) return "";
  return section("config", "Configuration", "",
                 "<details class=\"panel\"><summary>The resolved configuration</summary><pre>" + escape(data.config_json) + "</pre></details>\n");
}

std::string next_section(const ReportData& data) {
  std::string body;
  for (const std::string& command : data.next_commands) body += "<pre class=\"command panel\"><code>" + escape(command) + "</code></pre>\n";
  return section("next", "Try next", "One click on a command selects it.", body);
}

void write_report(const std::string& path, const ReportData& data) {
  std::string body, links;
  for (const Part& part : parts) {
    const std::string html = part.make(data);
    if (html.empty()) continue;
    links += "<a href=\"#" + std::string(part.id) + "\">" + part.name + "</a> ";
    body += html;
  }
  std::string page = "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n";
  page += "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><meta name=\"color-scheme\" content=\"light dark\">\n";
  page += "<title>" + escape(data.title) + " – siglip.cpp</title>\n<style>\n" + style() + heat_style() + "</style></head>\n<body><main>\n";
  page += head_section(data);
  if (!links.empty()) page += "<nav aria-label=\"sections\">" + links + "</nav>\n";
  write_file(path, page + body + "</main></body></html>\n");
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
