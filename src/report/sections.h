// sections.h — the report's sections, from top to bottom. Each is a piece of HTML, empty if there is nothing to show.
#pragma once
#include <string>
#include "report/report.h"

namespace siglip::inline SIGLIP_FLAVOUR {
std::string head_section(const ReportData& data);         // title and headline facts
std::string learning_section(const ReportData& data);     // loss and R@K
std::string temperature_section(const ReportData& data);  // t, b and what they do; learning rate, gradient norm
std::string classes_section(const ReportData& data);      // class by class
std::string matrix_section(const ReportData& data);       // similarity of a batch
std::string gallery_section(const ReportData& data);      // retrievals
std::string confusions_section(const ReportData& data);
std::string throughput_section(const ReportData& data);
std::string config_section(const ReportData& data);
std::string next_section(const ReportData& data);

/// <section id> with heading and introduction around `body`; nothing around nothing.
std::string section(const std::string& id, const std::string& heading, const std::string& introduction, const std::string& body);

std::string style();       // the style sheet
std::string heat_style();  // the colours heat-0 … heat-20 of the similarity matrix, light and dark
}  // namespace siglip::inline SIGLIP_FLAVOUR
