#!/bin/sh
# usage: run.sh SECONDS [READER…]   fuzzes each reader for so long, from its seeds, its corpus here and what earlier runs kept in runs/fuzz.
# Prints a line a reader: executions, edges covered, findings, whose inputs lie in runs/fuzz/READER. Exit status 1 if there is a finding.
#   FUZZ_PROGRAM   build-asan/tests/fuzz/siglip_fuzz
#   FUZZ_SEED      of the mutations; without it every run has others
set -u
cd "$(dirname "$0")/../.."
program=${FUZZ_PROGRAM:-build-asan/tests/fuzz/siglip_fuzz}
seconds=${1:?"usage: run.sh SECONDS [READER…]"}
shift
[ -x "$program" ] || { echo "fuzz: $program is expected, got none: make fuzz builds it" >&2; exit 2; }
[ $# -gt 0 ] || set -- $("$program" 2>&1 < /dev/null | tail -n +2)
place=$(mktemp -d "$([ -w /dev/shm ] && echo /dev/shm || echo "${TMPDIR:-/tmp}")/siglip_fuzz_XXXXXX")
trap 'rm -rf "$place"' EXIT
trap 'exit 130' INT TERM

total=0 all=0
for reader in "$@"; do
  kept=runs/fuzz/$reader seeds=$place/seeds-$reader log=runs/fuzz/$reader.log
  mkdir -p "$kept/corpus" "$seeds"
  corpus=$kept/corpus
  [ ! -d "tests/fuzz/corpus/$reader" ] || corpus="$corpus tests/fuzz/corpus/$reader"
  find "$kept" -maxdepth 1 -type f | sort > "$place/before"
  # An input's second is counted by the program itself. More memory than there is must end in our error line, not in the sanitizer's.
  SIGLIP_FUZZ_READER=$reader SIGLIP_FUZZ_SEEDS=$seeds TMPDIR=$place OMP_NUM_THREADS=1 ASAN_OPTIONS=allocator_may_return_null=1 \
    UBSAN_OPTIONS=print_stacktrace=1 LSAN_OPTIONS=suppressions=tests/lsan_suppressions.txt:print_suppressions=0 \
    "$program" -max_total_time="$seconds" -seed="${FUZZ_SEED:-0}" -timeout=60 -rss_limit_mb=4096 -print_final_stats=1 -use_value_profile=1 \
    -artifact_prefix="$kept/" $corpus "$seeds" > "$log" 2>&1
  status=$?
  executions=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
  edges=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -1)
  findings=$(find "$kept" -maxdepth 1 -type f | sort | comm -13 "$place/before" - | wc -l)
  [ $status -eq 0 ] || [ "$findings" -gt 0 ] || findings=1
  printf '%-16s %12s executions %8s edges %3s findings\n' "$reader" "${executions:-0}" "${edges:-0}" "$findings"
  [ $status -eq 0 ] || { echo "fuzz: $reader: $log says what was found" >&2; grep -m 3 -E '^(==|SUMMARY|.*(runtime error|terminate called|what\(\)))' "$log" >&2; }
  total=$((total + ${executions:-0})) all=$((all + findings))
done
printf '%-16s %12s executions %17s %3s findings\n' all "$total" "" "$all"
[ "$all" -eq 0 ]
