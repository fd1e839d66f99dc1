#!/usr/bin/env bash
# Slow checks of the release binary with other programs: a sweep that is interrupted and resumed,
# read by TensorBoard; its tables in other programs; screens of a terminal; its report in a browser;
# trials that fail in several ways; sweeps on SLURM; the manifest against the schema of Kubernetes.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/verify-setup.sh

# What only GPUs do, on pretend GPUs; gpu-check on them is in verify-long.sh.
scripts/gpu-pretend.sh --short

reports=$(mktemp -d)
trap 'rm -rf "$reports"' EXIT

# The sweep is interrupted once, so that TensorBoard also reads a trial with two attempts.
sweep=(target/release/res2lab sweep scale=2,4 seed=0,1 epochs=2 train.log_every=5 --name verify --reports "$reports")
timeout --signal=INT 3 "${sweep[@]}" || echo "interrupted on purpose; going on"
"${sweep[@]}"
.tools/tensorboard/bin/python scripts/verify-tensorboard.py "$reports/verify"
.tools/verify/bin/python scripts/verify-tables.py "$reports/verify"

# What commands show on a terminal; the screens are kept.
python3 scripts/verify-terminal.py target/screens

# The sweep's report in a browser, and the reports of the fixture sweeps.
if ! command -v chromium >/dev/null && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null
fi
if command -v chromium >/dev/null || command -v google-chrome >/dev/null; then
  mkdir "$reports/pages"
  # With --workspace, dependencies keep the features of other builds and are not built again.
  cargo build --release --workspace --quiet --example pages --example large
  target/release/examples/pages "$reports/pages" >/dev/null
  target/release/examples/large "$reports/large.html" 3 >/dev/null
  # Pages of receptive fields: along axes, of one network, of the sweep.
  for words in scale=2,4,6,8 'scale=2,4 depth=26,50,101 --size 64' res2net50_v1b_26w_4s verify; do
    # shellcheck disable=SC2086
    target/release/res2lab rf $words --reports "$reports" >/dev/null
  done
  trial=$(find "$reports/verify/runs" -mindepth 1 -maxdepth 1 | sort | head -1)
  target/release/res2lab eval "$trial" --page "$reports/eval.html" >/dev/null
  .tools/verify/bin/python scripts/verify-report.py "$reports/verify" "$reports"/pages/*.html "$reports"/rf/*.html \
    "$reports/eval.html" "$reports/large.html"
else
  echo "skipped: the report in a browser; there is no chromium, and only root can install it"
fi

# Trials that crash, exceed memory, hang, or fill the disk.
python3 scripts/verify-faults.py

scripts/verify-kubernetes.sh

# What follows needs no cargo and mostly waits. CI compiles the tests meanwhile.
meanwhile=
if [ -n "${RES2LAB_MEANWHILE:-}" ]; then
  nice -n 15 bash -c "$RES2LAB_MEANWHILE" & meanwhile=$!
fi

# A cluster of two virtual nodes, which only root can start.
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  scripts/slurm-up.sh 2 1
  trap 'rm -rf "$reports"; scripts/slurm-up.sh down' EXIT
  python3 scripts/verify-slurm.py
  scripts/slurm-up.sh down
  scripts/slurm-up.sh 2 2
  python3 scripts/verify-slurm.py 2
else
  echo "skipped: sweeps on SLURM; the test cluster needs root and apt-get"
fi
if [ -n "$meanwhile" ]; then
  # What fails here is shown by whoever needs it.
  wait "$meanwhile" || true
fi
