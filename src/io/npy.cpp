// npy.cpp — an array as NumPy reads it: magic, version, a Python dictionary padded to 64 bytes, the numbers.
// source    numpy.lib.format, version 1.0
#include <sstream>
#include "io/atomic_file.h"
#include "siglip/checkpoint.h"
#include "siglip/error.h"

namespace siglip::inline SIGLIP_FLAVOUR {
void write_npy(const std::string& path, const Tensor& rows) {
  require(rows.defined(), path, "a tensor of shape (N, C) is expected, got none");
  require(rows.rank() == 2, path, "a tensor of shape (N, C) is expected, got ", rows.shape());
  std::ostringstream dictionary;
  dictionary << "{'descr': '" << (sizeof(Real) == 4 ? "<f4" : "<f8") << "', 'fortran_order': False, 'shape': " << rows.shape() << ", }";
  std::string text = dictionary.str();
  constexpr std::size_t before = 10, alignment = 64;  // 6 bytes of magic, 2 of version, 2 of length
  text.append(alignment - (before + text.size() + 1) % alignment, ' ');
  text += '\n';

  AtomicFile file(path);
  file.write(std::string("\x93NUMPY\x01\x00", 8));
  file.write(std::string{static_cast<char>(text.size() & 255), static_cast<char>(text.size() >> 8)});
  file.write(text);
  const Tensor host = rows.device() == Device::cpu ? rows : rows.to(Device::cpu);
  file.write(host.data(), static_cast<std::size_t>(host.size()) * sizeof(Real));
  file.commit();
}
}  // namespace siglip::inline SIGLIP_FLAVOUR
