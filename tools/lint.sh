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
  src/core/product.h src/core/panels.h
model='#include "siglip/(nn|model|train|siglip)\.h"|#include "(nn|train|report)/'
# What runs reference cases and compares devices is above the model: both are about whole models.
forbid "below nn nobody knows the model" "$model" src/core src/ops src/loss $(find src/check -type f ! -name 'reference*' ! -name 'device_model*') src/optim src/data include/siglip/tensor.h include/siglip/tape.h \
  include/siglip/ops.h include/siglip/loss.h include/siglip/optim.h include/siglip/data.h include/siglip/tokenizer.h include/siglip/metrics.h include/siglip/check.h \
  include/siglip/checkpoint.h
forbid "nn does not know training, data or files" '#include "(siglip/(train|data|checkpoint)\.h|(train|data|io|report)/)' src/nn include/siglip/nn.h include/siglip/model.h
forbid "nn never names a kernel or a device" '#include "kernels\.h"|LAUNCH\(|Device::' src/nn

# The same as a table: a room of src, the public headers (without siglip/ and .h) and the rooms that it may include.
includes() { grep -rnHoE --include='*.cpp' --include='*.h' --include='*.inc' --include='*.cu' '#include "[^"]+"' "$1" | sed -E 's/"$//'; }
may_include() {
  room=$1 allowed=$2
  for found in $(includes "src/$room" | awk -F '"' -v allowed=" $allowed " '{
      name = $2
      if (sub(/^siglip\//, "", name)) sub(/\.h$/, "", name); else sub(/\/.*/, "", name)
      if (!index(allowed, " " name " ")) { split($1, at, ":"); print at[1] ":" at[2] ":" $2 }
    }'); do
    breach "${found%:*}: src/$room does not include ${found##*:}"
  done
}
may_include core "real error version config rng tensor tape kernels.h core cuda"
may_include cuda "real error kernels.h kernels.inc core cuda"
may_include ops "error tape ops kernels.h core cuda check"
may_include loss "error tensor tape ops loss kernels.h core cuda check loss"
may_include optim "error optim kernels.h core cuda"
may_include io "real error config pixels tensor checkpoint core io"
may_include data "real error config rng pixels tensor tokenizer data checkpoint core io data"
may_include nn "error rng nn model core"
may_include train "real error tensor tape ops loss metrics train core io report train"
may_include report "real error metrics data checkpoint report"
may_include check "error rng tensor tape ops loss optim checkpoint model check kernels.h core loss io"
may_include doctor "error rng data checkpoint model doctor core io data check"
for room in $(ls src); do
  [ ! -d "src/$room" ] || grep -q "^may_include $room " tools/lint.sh || breach "tools/lint.sh: says nothing of src/$room"
done

# A public header includes those before it, and the standard library.
before=' '
for header in real error version config rng pixels tensor tape tokenizer ops loss optim metrics data checkpoint nn model train check doctor; do
  for found in $(sed -nE 's/^#include ["<]([^">]+)[">].*/\1/p' include/siglip/$header.h); do
    case $found in
      siglip/*.h) case $before in *" ${found#siglip/} "*) ;; *) breach "include/siglip/$header.h: does not include $found" ;; esac ;;
      *[!a-z_]*) breach "include/siglip/$header.h: no third-party header in the public interface, got $found" ;;
    esac
  done
  before="$before$header.h "
done
for header in include/siglip/*.h; do
  case "$before siglip.h " in *" ${header#include/siglip/} "*) ;; *) breach "tools/lint.sh: says nothing of $header" ;; esac
done

# Third-party headers: each in its one room.
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
forbid_outside "libjpeg-turbo belongs to one page" '#include [<"](jpeglib|jerror|turbojpeg)' src/data/jpeg_turbo.cpp
forbid_outside "libwebp belongs to one page" '#include [<"]webp/' src/data/webp.cpp
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
forbid "nothing depends on the time of day, which may go backwards, nor on the locale" '\b(system_clock|gettimeofday|CLOCK_REALTIME|setlocale|localtime|gmtime)\b|[^a-z_]time\((nullptr|NULL|0|&)|std::locale' src include tools tests
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
