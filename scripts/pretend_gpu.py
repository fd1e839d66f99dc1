"""What the checks on pretend GPUs share: commands that run on them, and what they leave behind.

The pretend device (crates/libtorch/pretend) is a library that the program is started with. It
makes libtorch for the CPU show GPUs, runs their work on the CPU, and counts it.
"""

import glob
import json
import os
import shutil
import subprocess
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
RES2LAB = os.path.join(ROOT, "target/release/res2lab")
LIBRARY = os.path.join(ROOT, "target/pretend/pretend.so")
# The stand-in for nvidia-smi.
BIN = os.path.join(ROOT, "crates/libtorch/pretend/bin")
folder = tempfile.mkdtemp(prefix="res2lab-gpu-")
failures = 0


def check(ok, what, detail=""):
    """Prints one line; the script fails if one of them did."""
    global failures
    failures += not ok
    print(
        f"{'ok    ' if ok else 'FAILED'} {what}{'' if ok or not detail else ': ' + str(detail)[-600:]}",
        flush=True,
    )
    return ok


def environment(gpus=1, **settings):
    """The environment of a program on `gpus` pretend devices. Settings of None are left out."""
    env = {
        name: value
        for name, value in os.environ.items()
        if name not in ("CUDA_VISIBLE_DEVICES", "RANK", "LOCAL_RANK", "WORLD_SIZE")
    }
    env.update(
        LD_PRELOAD=LIBRARY, RES2LAB_PRETEND_GPUS=str(gpus), PATH=f"{BIN}:{os.environ['PATH']}"
    )
    env.update(settings)
    return {name: str(value) for name, value in env.items() if value is not None}


def run(*words, gpus=1, timeout=300, **settings):
    """The finished process of `res2lab WORDS`."""
    command = [RES2LAB, *[part for word in words for part in word.split()]]
    return subprocess.run(
        command,
        cwd=ROOT,
        env=environment(gpus, **settings),
        capture_output=True,
        text=True,
        timeout=timeout,
    )


def sweep_words(name, words):
    # Sums of the CPU's kernels depend on the number of threads.
    return f"sweep {words} --threads 1 --no-time --reports {folder} --name {name}"


def sweep(name, words, gpus=1, **settings):
    """Runs a sweep, and returns the finished process."""
    return run(sweep_words(name, words), gpus=gpus, **settings)


def on_cpu(name, words):
    """The same sweep by libtorch's operators on the CPU, without the pretend device."""
    words = sweep_words(name, f"{words} --device cpu --plain").split()
    return subprocess.run([RES2LAB, *words], cwd=ROOT, capture_output=True, text=True, timeout=300)


def results(name):
    """The results of a sweep's trials, in the order of their ids."""
    paths = sorted(glob.glob(f"{folder}/{name}/runs/*/result.json"))
    return [json.load(open(path)) for path in paths]


def last_points(name):
    """The last line of each trial's metrics, in the order of their ids."""
    points = []
    for path in sorted(glob.glob(f"{folder}/{name}/runs/*/metrics.jsonl")):
        lines = open(path).read().splitlines()
        points.append(json.loads(lines[-1]) if lines else {})
    return points


def differences(left, right, tolerance=1e-5):
    """The metrics in which the trials of two sweeps differ, relative to their size or to 1."""
    found = []
    a, b = last_points(left), last_points(right)
    if len(a) != len(b) or not a:
        return [f"{len(a)} and {len(b)} trials"]
    for one, other in zip(a, b):
        for key in sorted((one.keys() | other.keys()) - {"checksum"}):
            x, y = one.get(key), other.get(key)
            if x is None or y is None or abs(x - y) > tolerance * max(1, abs(x)):
                found.append(f"{key}: {x} and {y}")
    return found


def counted(name, words, gpus=1, **settings):
    """Runs a command and returns it with the reports of the processes that used a device."""
    reports = os.path.join(folder, f"counts-{name}")
    shutil.rmtree(reports, ignore_errors=True)
    os.makedirs(reports)
    done = run(words, gpus=gpus, RES2LAB_PRETEND_REPORT=reports, **settings)
    found = [json.load(open(path)) for path in glob.glob(f"{reports}/*.json")]
    return done, sorted(found, key=lambda report: report["pid"])


def trials(reports):
    """The reports of processes that trained."""
    return [report for report in reports if report["steps"]]
