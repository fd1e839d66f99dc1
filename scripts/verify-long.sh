#!/usr/bin/env bash
# Long checks of every reader of user input: ten minutes of coverage-guided fuzzing each
# (scripts/fuzz.sh), then the property tests with many more cases than in `just test`: words and
# experiment files, folders, Parquet, tar, IDX and CIFAR, PNG and JPEG, pickles and safetensors, and
# every file of a sweep's folder. All golden networks in float32. Last, TensorBoard with 88 runs, a
# page of a paper, and the image of container/.
# Usage: scripts/verify-long.sh [CASES=20000]
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/fuzz.sh 600

# gpu-check on pretend GPUs.
scripts/gpu-pretend.sh gpu_check recipes

# Links within the documentation of the crates.
cargo doc --release --workspace --no-deps --quiet

export RES2LAB_CASES=${1:-20000}
export PROPTEST_CASES=$RES2LAB_CASES
tests() {
  # With --workspace, dependencies keep the features of other builds and are not built again.
  cargo test --release --workspace --quiet "$@"
}
tests --test damage --test nests --test formats --test pictures
tests --test golden
tests --lib -- words:: yaml:: axes:: range:: checksum:: torchvision pickle
# Ten thousand simulated sweeps of each kind: false claims, coverage, wrong equalities, power.
RES2LAB_SWEEPS=10000 cargo test --release --workspace --quiet --test simulation

# TensorBoard on a sweep of 88 runs, looked at in Chromium.
if command -v chromium >/dev/null && [ -x .tools/tensorboard/bin/python ] && [ -x .tools/verify/bin/python ]; then
  reports=$(mktemp -d)
  trap 'rm -rf "$reports"' EXIT
  cargo build --release --workspace --quiet
  target/release/res2lab sweep scale=2,4 seed=0,1 epochs=2 --name few --reports "$reports" >/dev/null
  .tools/verify/bin/python scripts/verify-tensorboard-many.py "$reports/few"
else
  echo "skipped: TensorBoard with 88 runs, which needs chromium and the tools of just verify"
fi

# A page of a paper from a sweep's table and figures, by pdflatex.
if ! command -v pdflatex >/dev/null && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    texlive-latex-recommended texlive-science texlive-pictures lmodern poppler-utils >/dev/null
fi
if command -v pdflatex >/dev/null; then
  cargo build --release --workspace --quiet
  scripts/verify-paper.sh
else
  echo "skipped: a page by pdflatex, which only root can install"
fi

# The container image, compiled in the steps of the Containerfile.
scripts/verify-containers.sh
