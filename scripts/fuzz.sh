#!/usr/bin/env bash
# Coverage-guided fuzzing (libFuzzer) of every reader of user input. Each target runs for SECONDS,
# two targets at a time, starting from the inputs in crates/fuzz/corpus. A finding is a panic, an
# input that takes more than 20 s, or more than 4 GB of memory.
#
#   scripts/fuzz.sh SECONDS [TARGET...]         exit status other than 0 on a finding; prints the
#                                               path of its input
#   scripts/fuzz.sh --keep SECONDS [TARGET...]  also replaces the corpus by a minimal set of inputs
#                                               with the same coverage
#   scripts/fuzz.sh --from FOLDER ...           also starts from the inputs in FOLDER/TARGET
#                                               (crates/fuzz/seeds.py makes such a folder)
set -euo pipefail
cd "$(dirname "$0")/.."

keep="" from=""
while true; do
  case "${1:-}" in
    --keep) keep=1; shift ;;
    --from) from=$2; shift 2 ;;
    *) break ;;
  esac
done
[[ "${1:-}" =~ ^[1-9][0-9]*$ ]] ||
  { echo "error: it is not said for how many seconds to fuzz" >&2; echo "help: write scripts/fuzz.sh 20, or 20 TARGET..." >&2; exit 2; }
seconds=$1; shift
targets=("$@")
[ $# -gt 0 ] || targets=(axes yaml pickle pth zip safetensors picture idx cifar parquet tar folder)

# Only crates of the workspace are compiled differently; dependencies are those of other builds.
RUSTC_WORKSPACE_WRAPPER=$PWD/scripts/fuzz-rustc.sh cargo build --release --workspace --quiet --bin fuzz
found=$PWD/target/fuzz
rm -rf "$found"
mkdir -p "$found"
work=$(mktemp -d -p "$([ -w /dev/shm ] && echo /dev/shm || echo "${TMPDIR:-/tmp}")")
trap 'rm -rf "$work"' EXIT
cp target/release/fuzz "$work/fuzz"
mkdir "$work/tmp"
export TMPDIR=$work/tmp found work seconds keep from

one() { # TARGET
  local target=$1 kept=crates/fuzz/corpus/$1 log=$work/$1.log
  local of_fuzzer=(-max_len=8000 -timeout=20 -rss_limit_mb=4096 -print_final_stats=1)
  mkdir -p "$work/new/$target" "$kept"
  folders=("$work/new/$target" "$kept")
  [ ! -d "crates/fuzz/findings/$target" ] || folders+=("crates/fuzz/findings/$target")
  [ -z "$from" ] || folders+=("$from/$target")
  export RES2LAB_FUZZ=$target
  if ! "$work/fuzz" "${of_fuzzer[@]}" -max_total_time="$seconds" -artifact_prefix="$found/$target-" "${folders[@]}" \
      > "$log" 2>&1; then
    echo "FAILED  $target: $(grep -A1 '^panicked' "$log" | grep -v -e 'cannot unwind' -e panicking.rs -e '^--' | tail -2 | tr '\n' ' ' || true)"
    echo "        $(grep -E '^SUMMARY' "$log" | tail -1); its input lies in $(ls -d "$found/$target"-* 2>/dev/null | tail -1)"
    cp "$log" "$found/$target.log"
    return 1
  fi
  if [ -n "$keep" ]; then
    mkdir -p "$work/smallest/$target"
    "$work/fuzz" "${of_fuzzer[@]}" -use_counters=0 -set_cover_merge=1 "$work/smallest/$target" "${folders[@]}" \
      > "$work/merge.$target" 2>&1 || { echo "FAILED  $target: its inputs cannot be merged"; tail -2 "$work/merge.$target"; return 1; }
    # Above a total of 100 kB per target, the largest inputs are removed, so that the whole corpus
    # stays at about one megabyte.
    (cd "$work/smallest/$target" && find . -type f -printf '%s %p\n' | sort -n | awk '(sum += $1) > 100000 { print $2 }' |
      xargs -r rm)
    rm -rf "$kept" && mv "$work/smallest/$target" "$kept"
  fi
  echo "ok      $target: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") executions," \
    "$(grep -o 'cov: [0-9]*' "$log" | tail -1 | cut -d' ' -f2) edges reached," \
    "$(find "$kept" -type f | wc -l) inputs kept ($(du -sb "$kept" | cut -f1) bytes)"
}
export -f one
printf '%s\n' "${targets[@]}" | xargs -P 2 -I{} bash -c 'one {}'
