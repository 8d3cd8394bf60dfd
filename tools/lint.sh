#!/bin/sh
# What a compiler does not see: formatting, who includes whom, what the table of ops forgot. Prints each breach; exit status 1 if there is one.
set -eu
cd "$(dirname "$0")/.."
breaches=$(mktemp)
trap 'rm -f "$breaches"' EXIT
breach() { echo "lint: $1" | tee -a "$breaches"; }

# forbid WHAT PATTERN FILE…: no line may match the extended regular expression.
forbid() {
  what=$1 pattern=$2
  shift 2
  for found in $(grep -rnE --include='*.cpp' --include='*.h' --include='*.inc' --include='*.cu' -- "$pattern" "$@" 2> /dev/null | cut -d: -f1,2 | tr ' ' '_'); do
    breach "$found: $what"
  done
}

# Formatting. clang-format 14 warns about the closing comment of `namespace siglip::inline`; only the text counts.
for file in $(find include src tests tools -name '*.cpp' -o -name '*.h' -o -name '*.cu'); do
  clang-format "$file" 2> /dev/null | cmp -s - "$file" || breach "$file: not as clang-format writes it (clang-format -i $file)"
done

# Who includes whom: real, error → kernels → ops, loss;  tensor → tape → ops, loss → nn → train → tools, tests;  tensor → optim, data, io.
forbid "kernels know neither Tensor nor tape" '#include "siglip/(tensor|tape|ops|nn|model|data|train)' src/kernels.h src/kernels.inc src/core/eigen.h src/core/parallel.h \
  src/core/product.h src/core/small_product.h
model='#include "siglip/(nn|model|train|siglip)\.h"|#include "(nn|train|report)/'
# What runs reference cases and compares devices is above the model: both are about whole models.
forbid "below nn nobody knows the model" "$model" src/core src/ops src/loss $(find src/check -type f ! -name 'reference*' ! -name 'device_model*') src/optim src/data include/siglip/tensor.h include/siglip/tape.h \
  include/siglip/ops.h include/siglip/loss.h include/siglip/optim.h include/siglip/data.h include/siglip/tokenizer.h include/siglip/metrics.h include/siglip/check.h \
  include/siglip/checkpoint.h
forbid "io knows shapes of models (config.h), never models" "$model" src/io
forbid "nn does not know training, data or files" '#include "(siglip/(train|data|checkpoint)\.h|(train|data|io|report)/)' src/nn include/siglip/nn.h include/siglip/model.h
forbid "nn never names a kernel or a device" '#include "kernels\.h"|LAUNCH\(|Device::' src/nn
forbid "io does not know data" '#include "(data/|siglip/data\.h)' src/io

# Third-party headers: each in its one room, none in include/.
third_party='#include [<"](Eigen|nlohmann|CLI|doctest|stb|sentencepiece_|zip\.h|ft2build|freetype|hb)'
forbid "no third-party header in the public interface" "$third_party" include
forbid_outside() {  # WHAT PATTERN ALLOWED…
  what=$1 pattern=$2
  shift 2
  for file in $(grep -rlE --include='*.cpp' --include='*.h' -- "$pattern" include src tools tests 2> /dev/null); do
    allowed=no
    for room in "$@"; do case $file in $room*) allowed=yes ;; esac; done
    [ $allowed = yes ] || breach "$file: $what"
  done
}
forbid_outside "Eigen comes through core/eigen.h" '#include <Eigen' src/core/eigen.h
forbid_outside "nlohmann-json comes through io/json.h" '#include <nlohmann' src/io/json.h
forbid_outside "stb belongs to src/data" '#include [<"]stb' src/data/
forbid_outside "libsentencepiece belongs to one page" '#include [<"]sentencepiece_' src/data/sentencepiece.cpp
forbid_outside "FreeType and HarfBuzz belong to the emoji" '#include [<"](ft2build|freetype|hb)' src/data/emoji.cpp
forbid_outside "libzip belongs to the archives of arrays" '#include [<"]zip\.h' src/io/npz.cpp
forbid_outside "CLI11 belongs to the program" '#include [<"]CLI' tools/
forbid_outside "doctest belongs to the tests" '#include [<"]doctest' tests/

# Every row is in the table.
for row in $(sed -n 's/^OpRow \(.*\)();$/\1/p' src/check/rows.h); do
  grep -q "$row()" src/ops/table.cpp || breach "src/ops/table.cpp: lacks $row()"
done

# What reads as one program has no conditional parts, and is finished.
forbid "no conditional compilation in a page" '^ *# *(if|ifdef|ifndef|else|elif|endif)\b' src/ops src/loss src/nn src/optim src/train
forbid "finished, or not there" '\b(TODO|FIXME|XXX)\b' include src tools tests
forbid "the bits must not depend on the threads" 'reduction *\(|omp atomic|omp critical|[^a-z_]s?rand\(\)' src include

# The example stands in three places, word for word.
example=tests/consumer/example.cpp
sed -n '/^```cpp$/,/^```$/p' README.md | sed '1d;$d' | cmp -s - $example || breach "README.md: its C++ example differs from $example"
sed -n '/^#pragma/q; /^\/\/   \|^\/\/$/p' include/siglip/siglip.h | sed '1d; s|^//   ||; s|^//$||' | cmp -s - $example ||
  breach "include/siglip/siglip.h: its example differs from $example"

if [ -s "$breaches" ]; then
  echo "lint: $(wc -l < "$breaches") breaches"
  exit 1
fi
echo "lint: clean"
