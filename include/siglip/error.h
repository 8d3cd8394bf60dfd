// error.h — every failure is one sentence: "op: what must hold = expected, got actual".
#pragma once
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace siglip {
/// Input that breaks a contract: shapes that do not fit, a file that is not what it claims to be.
struct Error : std::runtime_error {
  using std::runtime_error::runtime_error;
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
}  // namespace siglip
