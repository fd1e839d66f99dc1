"""A trial of two processes started by the real torchrun, over Gloo: the same bits as when res2lab starts them.

pip install torch==2.13.0
RES2LAB_PYTHON=python python crates/bench/checks/launchers.py
"""

import glob
import json
import os
import shutil
import subprocess
import sys
import tempfile

RES2LAB = os.path.abspath("target/release/res2lab")
WORDS = "depth=11 planes=4 width=26 scale=2 seed=0 epochs=1 batch=100 devices_per_trial=2 sync_bn=true --no-time --threads 1"
folder = tempfile.mkdtemp()
env = {**os.environ, "RES2LAB_THREADS": "1", "OMP_NUM_THREADS": "1"}


def last_point():
    [path] = glob.glob(f"{folder}/here/runs/*/metrics.jsonl")
    return json.loads(open(path).read().splitlines()[-1])


try:
    subprocess.run(
        [
            RES2LAB,
            "sweep",
            *WORDS.split(),
            "--device",
            "cpu",
            "--reports",
            folder,
            "--name",
            "here",
        ],
        check=True,
        capture_output=True,
    )
    ours = last_point()
    [trial] = os.listdir(f"{folder}/here/runs")
    # The trial anew, without what the first run left but its words.
    for left in glob.glob(f"{folder}/here/runs/{trial}/*"):
        if not left.endswith("spec.yaml"):
            shutil.rmtree(left) if os.path.isdir(left) else os.remove(left)
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--nproc-per-node=2",
        "--master-port=29641",
        "--no-python",
        RES2LAB,
        "trial",
        f"{folder}/here",
        trial,
        "--data",
        os.path.abspath("data"),
    ]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=300)
    said = done.stderr + "".join(
        open(path).read() for path in glob.glob(f"{folder}/here/runs/{trial}/console.txt")
    )
    if done.returncode:
        sys.exit(f"FAILED: torchrun ended with {done.returncode}\n{said[-1500:]}")
    theirs = last_point()
    if ours != theirs:
        sys.exit(f"FAILED: {ours} by res2lab, {theirs} by torchrun")
    if "failed to bind" in said:
        sys.exit("FAILED: the first process opened torchrun's port once more")
    print("torchrun: two processes over Gloo train the bits of res2lab's own")
finally:
    shutil.rmtree(folder, ignore_errors=True)
