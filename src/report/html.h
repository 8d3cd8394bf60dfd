// html.h — words, numbers and pictures as HTML.
#pragma once
#include <string>
#include "siglip/data.h"

namespace siglip::inline SIGLIP_FLAVOUR {
/// Safe as text and inside quoted attributes: & < > " ' are escaped; control characters, which no page may hold, become spaces.
std::string escape(const std::string& text);

/// At most `limit` characters (code points) of text, the last one an ellipsis if it was longer.
std::string shorten(const std::string& text, std::size_t limit);

// Numbers are written with a point in every locale. What is not finite is a dash.
std::string fixed(double value, int digits);            // 3.14
std::string significant(double value, int digits = 3);  // 0.00123, 12.3, 4,560
std::string coordinate(double value);                   // 1234.5, for SVG
std::string probability(double p);                      // 0.93, 0.0041, 2e-06

/// "data:image/png;base64,…"
std::string png_url(const Image& image);

/// An <img> that fills `edge` pixels with its longer side. Below 64 pixels it is enlarged by a whole factor, every pixel a sharp square. Nothing
/// if the picture is empty.
std::string picture(const Image& image, Dim edge, const std::string& alternative_text);
bool has_pixels(const Image& image);
}  // namespace siglip::inline SIGLIP_FLAVOUR
