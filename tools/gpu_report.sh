#!/bin/sh
# What a machine with a GPU can tell of the CUDA backend: builds, compares the backends, watches the kernels with compute-sanitizer, measures, trains.
# Each result goes to data/gpu/NAME.json with device, driver, date and command. Needs nvcc, CMake, a C++ compiler and the headers (`make gpu-bundle`
# brings them); no network. Exit status 1 if something failed, which then stands in its file.
#   GPU_BUILD=folder of the build   GPU_OUT=folder of the results   GPU_CMAKE="more -D settings"
set -u
cd "$(dirname "$0")/.."
build=${GPU_BUILD:-build-gpu} out=${GPU_OUT:-data/gpu}
failed=0
say() { echo "gpu-report: $*" >&2; }

# ---- building --------------------------------------------------------------------------------------------------------------------------------
command -v nvcc > /dev/null || { [ -x /usr/local/cuda/bin/nvcc ] && PATH=/usr/local/cuda/bin:$PATH; } ||
  { say "nvcc is expected (CUDA 13 or later), got none"; exit 1; }
command -v "${CXX:-clang++}" > /dev/null && CXX=${CXX:-clang++} || CXX=g++
export CXX PATH
bundled=""
[ ! -d third_party/usr ] || bundled="-DCMAKE_PREFIX_PATH=$PWD/third_party/usr -DSIGLIP_SENTENCEPIECE=OFF -DSIGLIP_ZIP=OFF -DSIGLIP_EMOJI=OFF"
# shellcheck disable=SC2086
cmake -S . -B "$build" -DCMAKE_BUILD_TYPE=Release -DSIGLIP_CUDA=ON -DSIGLIP_TESTS=OFF $bundled ${GPU_CMAKE:-} &&
  cmake --build "$build" --parallel "$(nproc 2> /dev/null || echo 2)" --target siglip_program || { say "the build failed"; exit 1; }
siglip=$build/siglip
backend=$("$siglip" --version | sed -n 's/^CUDA backend *//p')
case $backend in no* | built*) say "a CUDA device is expected, got: $backend"; exit 1 ;; esac

# ---- results ---------------------------------------------------------------------------------------------------------------------------------
mkdir -p "$out"
driver=$(nvidia-smi --query-gpu=driver_version --format=csv,noheader 2> /dev/null | head -1)
cuda=$(nvcc --version | sed -n 's/.*release \([0-9.]*\).*/\1/p')
commit=$(git rev-parse HEAD 2> /dev/null || cat COMMIT 2> /dev/null || echo unknown)

# record NAME STATUS COMMAND JSON-FILE: the file's JSON (null if it has none) among what one must know to read it.
record() {
  [ "$2" = 0 ] || { failed=1 && say "$1 failed"; }
  {
    printf '{\n"device": "%s",\n"driver": "%s",\n"cuda": "%s",\n"date": "%s",\n"commit": "%s",\n"command": "%s",\n"exit_code": %s,\n"result": ' \
      "$backend" "$driver" "$cuda" "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$commit" "$(echo "$3" | sed 's/"/\\"/g')" "$2"
    if [ -s "$4" ]; then cat "$4"; else echo null; fi
    echo '}'
  } > "$out/$1.json.tmp" && mv "$out/$1.json.tmp" "$out/$1.json"
  say "$out/$1.json"
}

# measured NAME WORD…: a verb that prints JSON.
measured() {
  name=$1
  shift
  "$siglip" "$@" > "$build/$name.out"
  record "$name" $? "siglip $*" "$build/$name.out"
}

measured parity parity-devices --json --goldens data/goldens

# The whole table under each tool, with few steps of training: every access is checked, so all is slow.
for tool in memcheck racecheck initcheck; do
  command -v compute-sanitizer > /dev/null || { say "$tool: compute-sanitizer is expected, got none"; failed=1; continue; }
  compute-sanitizer --tool "$tool" --error-exitcode 9 --log-file "$build/$tool.log" "$siglip" parity-devices --steps 2 --json > "$build/$tool.parity"
  status=$?
  summary=$(grep -E 'ERROR SUMMARY|RACECHECK SUMMARY' "$build/$tool.log" | tail -1 | sed 's/^=* *//; s/"//g')
  printf '{"tool": "%s", "summary": "%s"}\n' "$tool" "$summary" > "$build/$tool.out"
  record "$tool" "$status" "compute-sanitizer --tool $tool siglip parity-devices --steps 2" "$build/$tool.out"
done

measured bench_loss bench loss --device cuda --batch 4096,16384,65536 --dim 768 --precision bf16,tf32,f32 --json
for precision in f32 tf32 bf16; do
  measured "bench_step_$precision" bench step --device cuda --model siglip-base-patch16-224 --batch 64 --matmul-precision $precision --json
done
measured bench_tower bench tower --device cuda --batch 1,64 --json

data=emoji demo=demo
if [ ! -d data/emoji ]; then
  data=shapes demo=demo-shapes
  [ -d data/shapes ] || "$siglip" data shapes --out data/shapes
fi
run=$build/train-$(date -u +%Y%m%d-%H%M%S)
measured "train_$data" train --config "data/$demo.json" --data "data/$data" --device cuda --out "$run" --json

if python3 -c 'import torch; assert torch.cuda.is_available()' 2> /dev/null && [ -f tools/reference/bench_cuda.py ]; then
  python3 tools/reference/bench_cuda.py --siglip "$siglip" --json > "$build/bench_cuda.out"
  record bench_pytorch $? "tools/reference/bench_cuda.py" "$build/bench_cuda.out"
else
  say "PyTorch with CUDA is not here: the loss is measured alone"
fi
exit $failed
