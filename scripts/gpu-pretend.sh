#!/usr/bin/env bash
# The paths that only GPUs take, on pretend GPUs: what the pretend device must catch, then the program on it.
#
#   scripts/gpu-pretend.sh [GROUP ...]     without the first part, only these groups of scripts/verify-gpu.py
set -euo pipefail
cd "$(dirname "$0")/.."

if grep -qs cuda .libtorch/complete; then
  echo "skipped: pretend GPUs; they need libtorch for the CPU (RES2LAB_CUDA=0 just setup)"
  exit 0
fi
if [ $# = 0 ]; then
  crates/libtorch/pretend/planted.sh
else
  crates/libtorch/pretend/build.sh
fi
python3 scripts/verify-gpu.py "$@"
