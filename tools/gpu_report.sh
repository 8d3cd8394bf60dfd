#!/bin/sh
# What a machine with a GPU can tell of the CUDA backend: builds, compares the backends, measures, trains, and watches the kernels with
# compute-sanitizer. All results go to one file, data/gpu/report.json, with device, driver, date and commands, and what was said to
# data/gpu/report.log; the file is whole after each result, so that a run that is cut off leaves what it has. Needs nvcc, CMake with make or ninja, a
# C++ compiler and the headers (tools/gpu_bundle.sh brings them); no network. Exit status 1 if something failed, which then stands in the file.
#
#   sh tools/gpu_report.sh                                      all of it; `make gpu-report` is the same
#   GPU_PARTS="build parity bench" sh tools/gpu_report.sh       some of: build parity bench pytorch train sanitize. The files are then named after
#                                                               the parts, and parts without build use the program that is there
#   GPU_BUILD=folder of the build   GPU_OUT=folder of the results   GPU_CMAKE="more -D settings"   GPU_SECONDS=that one command may take (600)
#   GPU_COMMIT=of the sources, where neither git nor the bundle says it
set -u
cd "$(dirname "$0")/.." || exit 1
all="build parity bench pytorch train sanitize"
build=${GPU_BUILD:-build-gpu} out=${GPU_OUT:-data/gpu} parts=${GPU_PARTS:-$all} seconds=${GPU_SECONDS:-600}
siglip=$build/siglip
failed=0
name=report
[ "$parts" = "$all" ] || name=report-$(echo "$parts" | tr ' ' '-')
mkdir -p "$out" "$build/records" && rm -f "$build"/records/* && : > "$out/$name.log" || exit 1
say() { echo "gpu-report: $*" | tee -a "$out/$name.log" >&2; }
wanted() { case " $parts " in *" $1 "*) return 0 ;; *) return 1 ;; esac; }
for part in $parts; do
  case " $all " in *" $part "*) ;; *) say "GPU_PARTS: some of $all are expected, got $part"; exit 1 ;; esac
done

# ---- building --------------------------------------------------------------------------------------------------------------------------------
command -v nvcc > /dev/null || { [ -x /usr/local/cuda/bin/nvcc ] && PATH=/usr/local/cuda/bin:$PATH; } ||
  { say "nvcc is expected (CUDA 13 or later), got none"; exit 1; }
toolkit=$(dirname "$(dirname "$(readlink -f "$(command -v nvcc)")")")
# A compiler is one that also links OpenMP: on some machines clang++ comes without libomp.
echo 'int main() {}' > "$build/openmp.cpp"
# shellcheck disable=SC2086
compiles() { ${1:-none} -fopenmp "$build/openmp.cpp" -o "$build/openmp" > /dev/null 2>&1; }
CXX=${CXX:-clang++}
compiles "$CXX" || ! compiles g++ || CXX=g++
export CXX PATH

# Where the toolkit has no cuBLAS, that of Python's package nvidia-cublas: its headers and libraries under the names that CMake looks for.
python_cublas() {
  include=$(python3 -c 'import glob, sys
found = [f for p in sys.path for f in glob.glob(p + "/nvidia/*/include/cublas_v2.h")]
print(found[0].rsplit("/", 1)[0] if found else "")' 2> /dev/null)
  [ -n "$include" ] || { say "cuBLAS is expected beside nvcc or in Python's nvidia-cublas, got neither"; exit 1; }
  library=$(cd "$include/../lib" && pwd) there=$PWD/$build/cublas
  mkdir -p "$there/include" "$there/lib"
  ln -sf "$include"/cublas*.h "$there/include/"
  for part in cublas cublasLt; do ln -sf "$(ls "$library/lib$part".so* | head -1)" "$there/lib/lib$part.so"; done
  say "cuBLAS of $include"
  set -- "-DCMAKE_CUDA_FLAGS=-I$there/include" "-DCUDA_cublas_LIBRARY=$there/lib/libcublas.so" "-DCUDA_cublasLt_LIBRARY=$there/lib/libcublasLt.so"
  cublas="$* -DCMAKE_BUILD_RPATH=$library"
}

if wanted build; then
  settings=""
  [ ! -d third_party/usr ] || settings="-DCMAKE_PREFIX_PATH=$PWD/third_party/usr -DSIGLIP_SENTENCEPIECE=OFF -DSIGLIP_ZIP=OFF -DSIGLIP_EMOJI=OFF"
  command -v make > /dev/null || [ -f "$build/CMakeCache.txt" ] || settings="-G Ninja $settings"
  compiles g++ || [ -n "${CUDAHOSTCXX:-}" ] || settings="-DCMAKE_CUDA_HOST_COMPILER=$(command -v "${CXX##* }") $settings"  # nvcc asks for g++ otherwise
  cublas=""
  here=""
  for header in "$toolkit"/include/cublas_v2.h "$toolkit"/targets/*/include/cublas_v2.h /usr/include/cublas_v2.h; do [ ! -e "$header" ] || here=$header; done
  [ -n "$here" ] || python_cublas
  # Code for the device that is here, and no other.
  # shellcheck disable=SC2086
  cmake -S . -B "$build" -DCMAKE_BUILD_TYPE=Release -DSIGLIP_CUDA=ON -DSIGLIP_TESTS=OFF -DCMAKE_CUDA_ARCHITECTURES=native $settings $cublas \
    ${GPU_CMAKE:-} >> "$out/$name.log" 2>&1 &&
    cmake --build "$build" --parallel "$(nproc 2> /dev/null || echo 2)" --target siglip_program >> "$out/$name.log" 2>&1 ||
    { tail -40 "$out/$name.log" >&2; say "the build failed"; exit 1; }
  say "built $siglip"
fi
[ -x "$siglip" ] || { say "the program $siglip is expected (or build among GPU_PARTS), got none"; exit 1; }
backend=$("$siglip" --version | sed -n 's/^CUDA backend *//p')
case $backend in no* | built*) say "a CUDA device is expected, got: $backend"; exit 1 ;; esac

# ---- results ---------------------------------------------------------------------------------------------------------------------------------
driver=$(nvidia-smi --query-gpu=driver_version --format=csv,noheader 2> /dev/null | head -1)
cuda=$(nvcc --version | sed -n 's/.*release \([0-9.]*\).*/\1/p')
commit=${GPU_COMMIT:-$(cat COMMIT 2> /dev/null || git describe --always --abbrev=40 --dirty --exclude '*' 2> /dev/null || echo unknown)}
quoted() { printf '%s' "$1" | sed 's/\\/\\\\/g; s/"/\\"/g'; }  # as a string of JSON has it

# record NAME STATUS SECONDS COMMAND JSON-FILE: the file's JSON (null if it has none) joins the report.
record() {
  [ "$2" = 0 ] || { failed=1 && say "$1 failed"; }
  {
    printf '"%s": {\n"command": "%s",\n"exit_code": %s,\n"took": %s,\n"result": ' "$1" "$(quoted "$4")" "$2" "$3"
    if [ -s "$5" ]; then cat "$5"; else echo null; fi
    echo '}'
  } > "$build/records/$(printf %02d "$(ls "$build/records" | wc -l)")-$1"
  {
    printf '{\n"device": "%s",\n"driver": "%s",\n"cuda": "%s",\n"date": "%s",\n"commit": "%s",\n"results": {\n' \
      "$(quoted "$backend")" "$driver" "$cuda" "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$commit"
    comma=""
    for result in "$build"/records/*; do printf '%s' "$comma" && cat "$result" && comma=", "; done
    echo '}}'
  } > "$out/$name.json.tmp" && mv "$out/$name.json.tmp" "$out/$name.json"
  say "$1 took $3 s"
}

# measured NAME WORD…: a verb that prints JSON.
measured() {
  result=$1
  shift
  begin=$(date +%s)
  timeout "$seconds" "$siglip" "$@" > "$build/$result.out" 2> "$build/$result.err"
  status=$?
  tail -60 "$build/$result.err" | tee -a "$out/$name.log" >&2
  record "$result" $status $(($(date +%s) - begin)) "siglip $*" "$build/$result.out"
}

if wanted parity; then measured parity parity-devices --json --goldens data/goldens; fi

if wanted bench; then
  measured bench_loss bench loss --device cuda --batch 4096,16384,65536 --dim 768 --precision bf16,tf32,f32 --json
  measured bench_edges bench loss --device cuda --batch 65536 --dim 768 --precision bf16 --edge 2048,2560,2688,2816,4096,5632 --json
  for precision in f32 tf32 bf16; do
    measured "bench_step_$precision" bench step --device cuda --model siglip-base-patch16-224 --batch 64 --matmul-precision $precision --json
  done
  measured bench_tower bench tower --device cuda --batch 1,64 --json
fi

if wanted pytorch; then
  if python3 -c 'import torch; assert torch.cuda.is_available()' 2> /dev/null && [ -f tools/reference/bench_cuda.py ]; then
    words="--batch 16384,65536 --precision bf16,f32 --repeat 1"
    begin=$(date +%s)
    # shellcheck disable=SC2086
    timeout "$seconds" python3 tools/reference/bench_cuda.py --siglip "$siglip" $words --json > "$build/pytorch.out" 2>> "$out/$name.log"
    record pytorch $? $(($(date +%s) - begin)) "tools/reference/bench_cuda.py $words" "$build/pytorch.out"
  else
    say "PyTorch with CUDA is not here: the loss is measured alone"
  fi
fi

if wanted train; then
  data=emoji demo=demo
  if [ ! -d data/emoji ]; then
    data=shapes demo=demo-shapes
    [ -d data/shapes ] || "$siglip" data shapes --out data/shapes >> "$out/$name.log" 2>&1
  fi
  measured "train_$data" train --config "data/$demo.json" --data "data/$data" --device cuda --out "$build/train-$(date -u +%Y%m%d-%H%M%S)" --json
fi

# The whole table under each tool, with few steps of training and few pairs: every access is checked, so all is slow. Our kernels alone are watched
# where the tool can do that; by initcheck all, since what cuBLAS writes is read by ours.
if wanted sanitize; then
  sanitizer=compute-sanitizer
  for path in "$toolkit/bin/compute-sanitizer" "$toolkit/compute-sanitizer/compute-sanitizer"; do
    command -v "$sanitizer" > /dev/null || [ ! -x "$path" ] || sanitizer=$path
  done
  filter=""
  ! "$sanitizer" --help 2>&1 | grep -q -e '--kernel-name' || filter="--kernel-name kns=siglip"
  for tool in memcheck racecheck initcheck; do
    [ "$tool" != initcheck ] || filter=""
    rm -f "$build/$tool.log"
    begin=$(date +%s)
    # shellcheck disable=SC2086
    timeout "$seconds" "$sanitizer" --tool "$tool" --error-exitcode 9 --log-file "$build/$tool.log" $filter "$siglip" parity-devices --steps 2 --quick \
      --json > "$build/$tool.parity" 2>> "$out/$name.log"
    status=$?
    tail -60 "$build/$tool.log" >> "$out/$name.log" 2> /dev/null
    summary=$(grep -E 'ERROR SUMMARY|RACECHECK SUMMARY' "$build/$tool.log" 2> /dev/null | tail -1 | sed 's/^=* *//')
    # Clean is what says so, whatever the status: without a summary nothing was watched.
    case $summary in
      *"ERROR SUMMARY: 0 errors"* | *"RACECHECK SUMMARY: 0 hazards"*) ;;
      *) [ -n "$summary" ] || summary=none
        [ "$status" != 0 ] || status=1 ;;
    esac
    printf '{"tool": "%s", "summary": "%s"}\n' "$tool" "$(quoted "$summary")" > "$build/$tool.out"
    record "$tool" "$status" $(($(date +%s) - begin)) "compute-sanitizer --tool $tool${filter:+ $filter} siglip parity-devices --steps 2 --quick" "$build/$tool.out"
  done
fi
[ -f "$out/$name.json" ] && say "$out/$name.json"
exit $failed
