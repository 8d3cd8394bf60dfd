// Small inputs that ask for much work: each is refused, or answered in a time that its size explains.
#include <doctest/doctest.h>
#include <bit>
#include <cstring>
#include <ctime>
#include "bytes.h"
#include "io/checksum.h"
#include "shell.h"
#include "siglip/checkpoint.h"
#include "siglip/data.h"
using namespace siglip;

#ifdef SIGLIP_PROGRAM_FOLDER
TEST_CASE("cli: a table of sixty thousand rows is printed in time") {
  const Shell shell;
  std::string header;
  constexpr int count = 60000;
  for (int i = 0; i < count; ++i) header += (i ? ",\"t" : "{\"t") + std::to_string(i) + "\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}";
  header += "}";
  write_file(shell.folder / "many.safetensors", little_endian(header.size(), 8) + header);
  const Outcome run = shell("timeout 60 siglip inspect many.safetensors | tail -1");
  CHECK(run.out == "t59999  F32   (0)          0\n");
}

#endif
