#!/usr/bin/env bash
# The paths that only GPUs take, on pretend GPUs: what the pretend device must catch, then the program on it.
#
#   scripts/gpu-pretend.sh [GROUP ...]     without the first part, only these groups of scripts/verify-gpu.py
#   scripts/gpu-pretend.sh --short         without the two longest groups: `just gpu-check` on pretend GPUs, and recipes
set -euo pipefail
cd "$(dirname "$0")/.."

if grep -qs cuda .libtorch/complete; then
  echo "skipped: pretend GPUs; they need libtorch for the CPU (RES2LAB_CUDA=0 just setup)"
  exit 0
fi
if [ $# -gt 0 ] && [ "$1" != --short ]; then
  crates/libtorch/pretend/build.sh
  exec python3 scripts/verify-gpu.py "$@"
fi
crates/libtorch/pretend/planted.sh
# Two halves side by side: most of their processes use one core.
if [ "${1:-}" = --short ]; then
  one=(numbers commands several devices memory) other=(streams resume ranks launchers counts refusals accidents)
else
  one=(numbers commands several gpu_check) other=(devices memory streams resume ranks launchers counts recipes refusals accidents)
fi
python3 scripts/verify-gpu.py "${one[@]}" & half=$!
failed=0
python3 scripts/verify-gpu.py "${other[@]}" || failed=1
wait "$half" || failed=1
exit $failed
