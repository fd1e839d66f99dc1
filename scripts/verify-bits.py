"""Checks whether two builds of res2lab train bit-identical weights.

    scripts/verify-bits.py OLD_BINARY [NEW_BINARY=target/release/res2lab]

Six networks in float32 are trained for 20 steps on generated images, with one and with two threads
and with each instruction set of this processor. Every tensor of the last checkpoint is compared,
including momentum. Builds with different kernels may differ.
"""
import json
import os
import struct
import subprocess
import sys
import tempfile

NETWORKS = [
    "depth=11 planes=8 scale=2",
    "depth=20 planes=16 scale=4 width=26",
    "block=bottleneck scale=1 cardinality=1 depth=20 planes=8",
    "scale=4 cardinality=4 depth=20 planes=16 width=8",
    "scale=4 depth=20 planes=8 se=true downsample=avg",
    "zoo=res2net50_26w_4s scale=4 data.size=64",
]
DATA = "data=generated data.images=160 data.classes=10 epochs=2 batch=16 seed=0 train.log_every=5"


def tensors(path):
    """The bytes of each tensor by name. Other contents of the header are not compared."""
    raw = open(path, "rb").read()
    length = struct.unpack("<Q", raw[:8])[0]
    header = json.loads(raw[8:8 + length])
    header.pop("__metadata__", None)
    data = raw[8 + length:]
    return {name: data[slice(*entry["data_offsets"])] for name, entry in header.items()}


def train(binary, words, threads, vectors, reports):
    name = f"{os.path.basename(os.path.dirname(binary))}-{len(os.listdir(reports))}"
    command = [binary, "sweep", "experiments/quickstart.yaml", *words.split(), *DATA.split(), "--name", name,
               "--reports", reports, "--slots", "1", "--threads", str(threads), "--device", "cpu"]
    env = dict(os.environ, RES2LAB_VECTORS=vectors)
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"FAILED: {' '.join(command)}\n{done.stderr[-600:]}")
    runs = f"{reports}/{name}/runs"
    [trial] = os.listdir(runs)
    return tensors(f"{runs}/{trial}/checkpoints/last.safetensors")


old = os.path.abspath(sys.argv[1])
new = os.path.abspath(sys.argv[2] if len(sys.argv) > 2 else "target/release/res2lab")
available = json.loads(subprocess.run([new, "env", "--json"], capture_output=True, text=True, check=True).stdout)
processor, levels = available["cpu"], available["vectors"]["available"]
failed = compared = 0
with tempfile.TemporaryDirectory() as reports:
    for words in NETWORKS:
        for threads in (1, 2):
            for vectors in levels:
                a, b = (train(binary, words, threads, vectors, reports) for binary in (old, new))
                differ = sorted(name for name in a.keys() | b.keys() if a.get(name) != b.get(name))
                compared += len(a)
                failed += bool(differ)
                if differ:
                    print(f"FAILED: {words}, {threads} threads, {vectors}: {len(differ)} of {len(a)} tensors differ")
print(f"{processor}: {len(NETWORKS)} networks, 1 and 2 threads, {', '.join(levels)}: {compared} tensors compared")
sys.exit(failed > 0)
