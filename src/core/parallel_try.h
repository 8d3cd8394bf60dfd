// parallel_try.h — parallel work that may fail: files are read in it, memory runs out in it.
#pragma once
#include <exception>
#include <vector>
#include "core/parallel.h"

namespace siglip::inline SIGLIP_FLAVOUR {
/// parallel_for where body(i) may throw: all are called, then what the first of them threw is thrown.
template <class Body>
void parallel_try(Dim count, const Body& body) {
  std::vector<std::exception_ptr> thrown(static_cast<std::size_t>(count));
  parallel_for(count, [&](Dim i) {
    try {
      body(i);
    } catch (...) {
      thrown[static_cast<std::size_t>(i)] = std::current_exception();
    }
  });
  for (const std::exception_ptr& one : thrown)
    if (one) std::rethrow_exception(one);
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
