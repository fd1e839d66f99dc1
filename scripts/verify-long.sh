#!/usr/bin/env bash
# Everything that reads what people bring, for long: fuzzed with coverage for ten minutes each (scripts/fuzz.sh), then the
# property tests with many more cases than `just test` draws: words and experiment files, folders, Parquet, tar, IDX and
# CIFAR, PNG and JPEG, pickles and safetensors, and every file of a sweep's folder. Usage: scripts/verify-long.sh [CASES]
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/fuzz.sh 600

export RES2LAB_CASES=${1:-20000}
export PROPTEST_CASES=$RES2LAB_CASES
tests() {
  # All of the workspace is named, so that dependencies are built with the same features as everywhere.
  cargo test --release --workspace --quiet "$@"
}
tests --test damage --test nests --test formats --test pictures
tests --lib -- words:: yaml:: axes:: range:: checksum:: torchvision pickle
# Ten thousand made-up sweeps of each kind: false claims, coverage, wrong equalities, power.
RES2LAB_SWEEPS=10000 cargo test --release --workspace --quiet --test simulation
