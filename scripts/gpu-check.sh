#!/usr/bin/env bash
# Every path that only a GPU takes, in small: training in each precision, a step as a CUDA graph beside the plain one,
# evaluation, and, where there are two GPUs, a trial on both. Written without a GPU at hand; none has run it yet.
set -euo pipefail
cd "$(dirname "$0")/.."

gpus=$({ nvidia-smi -L 2>/dev/null || true; } | wc -l)
[ "$gpus" -gt 0 ] || { echo "gpu-check: skipped, nvidia-smi finds no GPU here"; exit 0; }
res2lab=target/release/res2lab
reports=$(mktemp -d)
trap 'rm -rf "$reports"' EXIT

$res2lab env | grep -q "CUDA linked" ||
  { echo "error: this build has no CUDA" >&2; echo "help: run just setup on this machine, then build again" >&2; exit 1; }
sweep() { $res2lab sweep scale=4 seed=0,1 epochs=2 --reports "$reports" --json "$@"; }

sweep --name precision train.precision=f32,bf16,fp16 >/dev/null
sweep --name graph train.cuda_graph=false,true > "$reports/graph.json"
# The same arithmetic by the same kernels: a graph changes how they are launched.
python3 - "$reports/graph.json" <<'PYTHON'
import json, sys
means = [arm["mean"] for arm in json.load(open(sys.argv[1]))["arms"]]
assert len(means) == 2 and abs(means[0] - means[1]) < 2, f"accuracy without and with a CUDA graph: {means}"
print("gpu-check: accuracy without and with a CUDA graph", means)
PYTHON
for how in "" --cuda-graph; do
  echo "gpu-check: the digits net's step ${how:-plainly launched}: $($res2lab speed train block=res2 stem=cifar depth=11 planes=8 \
    stem_stride=2 --size 28 --batch 32 --channels 1 --classes 10 --steps 50 $how)"
done
trial=$(find "$reports/graph/runs" -mindepth 1 -maxdepth 1 | head -1)
$res2lab eval "$trial" >/dev/null
if [ "$gpus" -gt 1 ]; then sweep --name devices devices_per_trial=2 sync_bn=false,true >/dev/null; fi
echo "gpu-check: all paths ran on $gpus GPU(s)"
