// html.cpp — words, numbers and pictures as HTML.
#include "report/html.h"
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>

namespace siglip::inline SIGLIP_FLAVOUR {
namespace {
std::string base64(const std::string& bytes) {
  static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - i);
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 3; ++k) group = group << 8 | (k < count ? static_cast<std::uint8_t>(bytes[i + k]) : 0u);
    for (std::size_t k = 0; k < 4; ++k) text += k <= count ? letters[group >> (18 - 6 * k) & 63] : '=';
  }
  return text;
}

std::string grouped(std::string digits) {
  const std::size_t first = digits.front() == '-' ? 1 : 0;
  for (std::size_t end = std::min(digits.find('.'), digits.size()); end > first + 3; end -= 3) digits.insert(end - 3, ",");
  if (first == 1) digits.replace(0, 1, "−");
  return digits;
}

std::string written(double value, std::chars_format format, int digits) {
  char buffer[512];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value, format, digits).ptr;
  return std::string(buffer, end);
}

bool continues(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }  // a later byte of a UTF-8 character
}  // namespace

std::string escape(const std::string& text) {
  std::string safe;
  for (const char c : text) {
    switch (c) {
      case '&':
        safe += "&amp;";
        break;
      case '<':
        safe += "&lt;";
        break;
      case '>':
        safe += "&gt;";
        break;
      case '"':
        safe += "&quot;";
        break;
      case '\'':
        safe += "&#39;";
        break;
      default:
        safe += static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t' ? ' ' : c;
    }
  }
  return safe;
}

std::string shorten(const std::string& text, std::size_t limit) {
  const auto characters = static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) { return !continues(c); }));
  if (characters <= limit) return text;
  std::size_t end = 0, kept = 0;
  while (end < text.size() && (kept + 1 < limit || continues(text[end]))) kept += !continues(text[end++]);
  while (end > 0 && text[end - 1] == ' ') --end;
  return text.substr(0, end) + "…";
}

std::string fixed(double value, int digits) {
  if (!std::isfinite(value)) return "–";
  return std::abs(value) < 1e15 ? grouped(written(value, std::chars_format::fixed, digits)) : written(value, std::chars_format::scientific, 2);
}

std::string significant(double value, int digits) {
  if (!std::isfinite(value)) return "–";
  if (value == 0) return "0";
  const double size = std::abs(value);
  if (size < 1e-4 || size >= 1e15) return written(value, std::chars_format::scientific, std::max(0, digits - 1));
  return fixed(value, std::clamp(digits - 1 - static_cast<int>(std::floor(std::log10(size))), 0, 12));
}

std::string coordinate(double value) { return std::isfinite(value) ? written(value, std::chars_format::fixed, 1) : "0"; }

std::string probability(double p) {
  if (!std::isfinite(p)) return "–";
  if (p >= 0.0995 || p == 0) return fixed(p, 2);
  return significant(p, p < 1e-4 ? 1 : 2);
}

bool has_pixels(const Image& image) { return image.width > 0 && image.height > 0; }

std::string png_url(const Image& image) { return "data:image/png;base64," + base64(encode_png(image)); }

std::string picture(const Image& image, Dim edge, const std::string& alternative_text) {
  if (!has_pixels(image)) return "";
  const Dim longer = std::max(image.width, image.height);
  const bool small = longer < 64;
  Dim width = image.width * edge / longer, height = image.height * edge / longer;
  if (small) {
    const Dim factor = std::max<Dim>(1, edge / longer);
    width = image.width * factor, height = image.height * factor;
  }
  return "<img src=\"" + png_url(image) + "\" width=\"" + std::to_string(std::max<Dim>(1, width)) + "\" height=\"" +
         std::to_string(std::max<Dim>(1, height)) + "\"" + (small ? " class=\"pixels\"" : "") + " alt=\"" + escape(alternative_text) + "\">";
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
