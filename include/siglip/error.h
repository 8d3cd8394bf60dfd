// error.h — every failure is one sentence: "op: what must hold = expected, got actual".
#pragma once
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace siglip {
/// The text as one line that a terminal can show, whatever stood in the file it speaks of: control characters are written \n or \x1b, and of more
/// than 2,000 bytes the middle is left out.
std::string one_line(const std::string& text);

/// Input that breaks a contract: shapes that do not fit, a file that is not what it claims to be. what() is one_line().
struct Error : std::runtime_error {
  explicit Error(const std::string& message) : std::runtime_error(one_line(message)) {}
};

/// Asked of a device that this build or this machine lacks.
struct NoBackend : Error {
  using Error::Error;
};

/// Shapes in messages: (2, 3).
template <class T>
std::ostream& operator<<(std::ostream& out, const std::vector<T>& axes) {
  out << '(';
  for (std::size_t i = 0; i < axes.size(); ++i) out << (i ? ", " : "") << axes[i];
  return out << ')';
}

/// "where: part part part", thrown as an Error.
template <class... Part>
[[noreturn]] void fail(const std::string& where, const Part&... part) {
  std::ostringstream message;
  message << where << ": ";
  (message << ... << part);
  throw Error(message.str());
}

/// require(x.rank() >= 1, "softmax", "x has at least one axis, got shape ", x.shape());
template <class... Part>
void require(bool holds, const std::string& where, const Part&... part) {
  if (!holds) fail(where, part...);
}

inline std::string one_line(const std::string& text) {
  constexpr std::size_t most = 2000, last = 500;
  const auto inside_character = [&](std::size_t at) { return at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80; };
  std::size_t left_out = text.size(), goes_on = text.size();
  if (text.size() > most) {
    left_out = most - last, goes_on = text.size() - last;
    for (int step = 0; step < 3 && inside_character(left_out); ++step) --left_out;
    for (int step = 0; step < 3 && inside_character(goes_on); ++step) ++goes_on;
  }
  std::string line;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (at == left_out) line += " ... ", at = goes_on;
    const unsigned char c = static_cast<unsigned char>(text[at]);
    if (c == '\n')
      line += "\\n";
    else if (c < 0x20 || c == 0x7f)
      line += {'\\', 'x', "0123456789abcdef"[c / 16], "0123456789abcdef"[c % 16]};
    else
      line += text[at];
  }
  return line;
}
}  // namespace siglip
