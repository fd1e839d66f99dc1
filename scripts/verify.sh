#!/usr/bin/env bash
# The slow and the real: a sweep by the binary as built, interrupted on the way, read by a real TensorBoard; and trials that
# go wrong in every way.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/verify-setup.sh

reports=$(mktemp -d)
trap 'rm -rf "$reports"' EXIT

# Interrupted once on the way, so that TensorBoard also sees a trial of two attempts.
sweep=(target/release/res2lab sweep scale=2,4 seed=0,1 epochs=2 train.log_every=5 --name verify --reports "$reports")
timeout --signal=INT 4 "${sweep[@]}" || echo "interrupted on purpose; going on"
"${sweep[@]}"
.tools/tensorboard/bin/python scripts/verify-tensorboard.py "$reports/verify"

# Trials that crash, eat memory, hang and fill the disk.
python3 scripts/verify-faults.py
