#!/usr/bin/env bash
# Builds the pretend device and checks it: planted.sh [FOLDER], by default target/pretend.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
out=${1:-$here/../../../target/pretend}
"$here/build.sh" "$out"
unset CUDA_VISIBLE_DEVICES PYTORCH_ALLOC_CONF PYTORCH_CUDA_ALLOC_CONF
OMP_NUM_THREADS=1 LD_PRELOAD=$out/pretend.so RES2LAB_PRETEND_GPUS=2 "$out/planted"
