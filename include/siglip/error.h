// error.h — every failure is one sentence: "op: what must hold = expected, got actual".
#pragma once
#include <sstream>
#include <stdexcept>
#include <string>

namespace siglip {
/// Input that breaks a contract: shapes that do not fit, a file that is not what it claims to be.
struct Error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// Asked of a device that this build or this machine lacks.
struct NoBackend : Error {
  using Error::Error;
};

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
