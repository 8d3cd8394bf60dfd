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

TEST_CASE("cli: names of files are bytes; where they must be UTF-8 the setting is named") {
  const Shell shell;
  const std::string strange = "'odd\xE9'";
  REQUIRE(shell("siglip data shapes --scenes 40 --size 32 --out " + strange).exit_code == 0);
  REQUIRE(shell("mv odd* data && siglip train --data data --model nano --steps 1 --batch-size 4 --out run && mv data " + strange + " && mv run " +
                "'run\xE9'")
              .exit_code == 0);
  const std::string utf8 = ": UTF-8 is expected, since train.json stores it, got ";
  CHECK(shell.refusal("siglip train --data " + strange + " --out new") == "2 siglip: --data" + utf8 + "\"odd\\ufffd\"");
  CHECK(shell.refusal("siglip train --data x --out 'new\xE9'") == "2 siglip: --out" + utf8 + "\"new\\ufffd\"");
  CHECK(shell.refusal("siglip train --data x --set text_template='{}\xE9'") == "2 siglip: --text-template" + utf8 + "\"{}\\ufffd\"");
  CHECK(shell.refusal("siglip train --data x --set model='n\xE9'") == "2 siglip: --model" + utf8 + "\"n\\ufffd\"");
  CHECK(shell.refusal("siglip train --resume 'run\xE9' --data " + strange) == "1 siglip: --data" + utf8 + "\"odd\\ufffd\"");
  CHECK(shell.refusal("siglip train --data x --set 'k\xE9=1'").starts_with("2 siglip: --set: unknown setting \"k\xE9\"; the nearest is "));

  CHECK(shell.json("siglip eval 'run\xE9' --data " + strange + " --json").contains("splits"));
  CHECK(shell("siglip inspect 'run\xE9'").exit_code == 0);
  CHECK(shell.json("siglip doctor 'run\xE9' --json").contains("findings"));
  const Outcome run = shell("siglip classify 'run\xE9' --labels red,blue " + strange + "/val --json");
  CHECK(run.exit_code == 0);
  CHECK(contains(parse_json(run.out, "stdout")[0]["image"].get<std::string>(), "odd\uFFFD/val/"));
  CHECK(contains(run.err, "note: JSON is UTF-8: other bytes of names are U+FFFD in it\n"));
}
#endif
