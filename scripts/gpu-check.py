#!/usr/bin/env python3
"""The first ten minutes on a machine with a GPU: is everything right there, and how fast is it?

    scripts/gpu-check.py [--quick] [--reports FOLDER] [--data FOLDER] [--binary FILE]

Checks each path that only GPUs take against the CPU, times networks in each mode, beside plain
PyTorch where RES2LAB_PYTHON has a torch with CUDA, and writes index.html and speed.csv into
FOLDER/gpu-check. A step that fails does not end it. What passed is kept in the data folder
(.cache/gpu-check.json): what is `auto` (train.cuda_graph, train.fused_evaluation, --mps) is on for
a card only after that. --quick times small networks, for tests. Needs Python 3.8 alone. Exit status 1 if a step failed.
"""

import argparse
import datetime
import glob
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from gpu_check_page import write_page, write_speeds

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# Nobody waits longer than this for all of it; what is left is told as left out.
LIMIT_S = 540
BEGUN = time.time()
ONE = "seed=0 --no-time --threads 1"
NET = f"depth=11 planes=4 width=26 scale=2 {ONE}"
# In a hurry: generated images in place of the digits.
SMALL = f"{NET} data=generated data.size=12 data.images=300 data.classes=5"
# Networks that differ in their operators.
GOLDEN = [
    "scale=4 planes=4 width=26",
    "scale=4 cardinality=4 width=8 planes=16",
    "block=bottleneck scale=1 planes=8",
    "scale=4 planes=8 se=true downsample=avg",
]
TIMED = [
    (
        "res2net50_26w_4s, 224 px, batch 64",
        "res2net50_26w_4s --size 224 --batch 64",
        "--model ref:res2net50_26w_4s --size 224 --batch 64",
    ),
    (
        "CIFAR, depth 20, 16 planes, 26w4s, batch 128",
        "block=res2 stem=cifar depth=20 planes=16 width=26 scale=4 --size 32 --classes 10 --batch 128",
        "--model cifar:depth=20,planes=16,width=26,scale=4 --size 32 --batch 128",
    ),
]
QUICK = [
    (
        "res2net50_26w_4s, 32 px, batch 2",
        "res2net50_26w_4s --size 32 --batch 2",
        "--model ref:res2net50_26w_4s --size 32 --batch 2",
    ),
    (
        "CIFAR, depth 11, 8 planes, 26w4s, batch 8",
        "block=res2 stem=cifar depth=11 planes=8 width=26 scale=4 --size 32 --classes 10 --batch 8",
        "--model cifar:depth=11,planes=8,width=26,scale=4 --size 32 --batch 8",
    ),
]

# A network with grouped convolutions: the whole one, and in a hurry.
LAYOUTS = [
    ("res2next50, 224 px, batch 64", "res2next50 --size 224 --batch 64"),
    (
        "CIFAR, depth 11, 4 groups, batch 8",
        "block=res2 stem=cifar depth=11 planes=8 width=8 cardinality=4 scale=4 --size 32 --classes 10 --batch 8",
    ),
]


class Failed(Exception):
    pass


class Skipped(Exception):
    """A step that this machine has nothing for, and why."""


class Check:
    """The commands of a check, and what came of its steps."""

    def __init__(self, args):
        self.binary, self.data, self.quick = args.binary, args.data, args.quick
        self.net = SMALL if args.quick else NET
        self.short = f"{self.net} epochs=1 batch={20 if args.quick else 100}"
        self.reports = tempfile.mkdtemp(prefix="res2lab-gpu-check-")
        self.steps, self.speeds = [], []
        self.machine = {}
        # Whether trials that share a GPU are faster with NVIDIA's Multi-Process Service.
        self.mps = False

    def run(self, words, fails=False, timeout=200, **settings):
        """The output of `res2lab WORDS`; raises Failed if it ends otherwise than wanted."""
        env = {
            **os.environ,
            "RES2LAB_DATA": self.data,
            **{name: str(value) for name, value in settings.items()},
        }
        try:
            done = subprocess.run(
                [self.binary, *words.split()],
                cwd=ROOT,
                env=env,
                capture_output=True,
                text=True,
                timeout=timeout,
            )
        except subprocess.TimeoutExpired:
            raise Failed(f"no end after {timeout} s: res2lab {words}")
        if (done.returncode != 0) != fails:
            raise Failed(f"res2lab {words}\n{done.stderr.strip()[-1500:]}")
        return done.stdout

    def sweep(self, name, words, device="cuda", **settings):
        """Trains, and returns the last metrics of each trial in the order of ids."""
        self.run(
            f"sweep {words} --device {device} --reports {self.reports} --name {name}", **settings
        )
        return self.points(name)

    def points(self, name):
        paths = sorted(glob.glob(f"{self.reports}/{name}/runs/*/metrics.jsonl"))
        points = [json.loads(open(path).read().splitlines()[-1]) for path in paths]
        for point in points:
            point.pop("checksum", None)
        return points

    def results(self, name):
        return [
            json.load(open(path))
            for path in sorted(glob.glob(f"{self.reports}/{name}/runs/*/result.json"))
        ]

    def step(self, title, work):
        """Runs one step, tells it, and goes on whatever comes of it."""
        if time.time() - BEGUN > LIMIT_S:
            self.steps.append((title, "left out", "ten minutes are over", 0.0))
            print(f"left out  {title}: ten minutes are over", flush=True)
            return False
        print(f"...       {title}", end="\r", flush=True)
        begun = time.time()
        try:
            detail, state = work() or "", "ok"
        except Skipped as e:
            detail, state = str(e), "left out"
        except Failed as e:
            detail, state = str(e), "FAILED"
        except Exception as e:
            detail, state = f"{type(e).__name__}: {e}", "FAILED"
        seconds = time.time() - begun
        self.steps.append((title, state, detail, seconds))
        print(
            f"{state:8}  {title} ({seconds:.0f} s){': ' + detail.splitlines()[0] if detail else ''}",
            flush=True,
        )
        if state == "FAILED":
            print("\n".join("          " + line for line in detail.splitlines()[1:12]), flush=True)
        return state == "ok"


def near(ours, theirs, tolerance, keys=None):
    """Raises Failed where metrics differ by more than `tolerance`, relative to their size or
    to 1."""
    if len(ours) != len(theirs) or not ours:
        raise Failed(f"{len(ours)} trials and {len(theirs)}")
    largest = 0.0
    for a, b in zip(ours, theirs):
        for key in keys or sorted(a):
            distance = abs(a[key] - b[key]) / max(1.0, abs(b[key]))
            if not distance <= tolerance:
                raise Failed(f"{key} is {a[key]}, and {b[key]} was expected")
            largest = max(largest, distance)
    return f"largest relative difference {largest:.1e}"


def machine(check):
    said = subprocess.run(
        [
            "nvidia-smi",
            "--query-gpu=name,driver_version,compute_cap,memory.total",
            "--format=csv,noheader",
        ],
        capture_output=True,
        text=True,
        timeout=60,
    )
    env = json.loads(check.run("env --json"))
    check.machine = {
        "gpus": env["gpus"],
        "libtorch": env["libtorch"],
        "cpu": env["cpu"],
        "smi": said.stdout.strip().splitlines(),
    }
    if not env["cuda_linked"] or not env["cuda_devices"]:
        raise Failed("this build sees no GPU: run just setup here, then build again")
    return "; ".join(check.machine["smi"] or env["gpus"])


def golden(check, precision, tolerance):
    """An epoch of networks that differ in their operators, on the GPU and by the CPU's
    operators."""
    words = f"depth=11 {ONE} epochs=1 batch=24 train.precision={precision} train.optimizer.sgd.lr=0.002 data=generated data.size=16 data.images=240"
    largest = []
    for i, network in enumerate(GOLDEN):
        both = [
            check.sweep(
                f"golden-{precision}-{i}-{device}",
                f"{words} {network} {'--plain' if device == 'cpu' else ''}",
                device,
            )
            for device in ("cuda", "cpu")
        ]
        largest.append(near(*both, tolerance, ["train/loss", "val/loss"]).split()[-1])
    return f"{len(GOLDEN)} networks, largest relative differences {', '.join(largest)}"


def precisions(check):
    base = check.sweep("f32", check.short)
    for precision in ("tf32", "bf16", "fp16"):
        near(
            check.sweep(precision, f"{check.short} train.precision={precision}"),
            base,
            0.25,
            ["train/loss"],
        )
    return "tf32, bf16 and fp16 near float32"


def graph(check):
    words = f"{check.short} train.optimizer.sgd.lr=0.01"
    plain, recorded = check.sweep("plain", f"{words} train.cuda_graph=false"), check.sweep(
        "graph", f"{words} train.cuda_graph=true"
    )
    engine = check.results("graph")[0]["engine"]
    if engine != "cuda_graph":
        raise Failed(f"the step was not recorded: the engine is {engine}")
    return near(recorded, plain, 1e-3, ["train/loss", "val/loss"])


def fused(check):
    """Evaluation with folded batch norms and fused convolutions, in float32 and bfloat16."""
    found = []
    for precision, tolerance in (("f32", 1e-3), ("bf16", 0.05)):
        words = f"{check.short} train.optimizer.sgd.lr=0.01 train.precision={precision}"
        both = [
            check.sweep(f"fused-{precision}-{on}", f"{words} train.fused_evaluation={on}")
            for on in ("true", "false")
        ]
        found.append(near(*both, tolerance, ["val/loss"]).split()[-1])
    return f"largest relative differences {', '.join(found)}"


def segments(check):
    """The allocator's expandable segments, which need the driver's virtual memory."""
    words = f"{check.short} train.optimizer.sgd.lr=0.01 train.cuda_graph=false"
    plain = check.sweep("segments-off", words, PYTORCH_ALLOC_CONF="expandable_segments:False")
    grown = check.sweep("segments-on", words, PYTORCH_ALLOC_CONF="expandable_segments:True")
    return near(grown, plain, 1e-3, ["train/loss", "val/loss"])


def sharing(check):
    """Trials that share a GPU, with and without NVIDIA's Multi-Process Service."""
    words = f"{check.net.replace('seed=0', 'seed=0..3')} epochs=2 batch=50 --per-device 4 --slots 4"
    seconds = {}
    for on in ("off", "on"):
        if on == "on" and not shutil.which("nvidia-cuda-mps-control"):
            return "without the service, which is not installed"
        begun = time.time()
        check.sweep(f"share-{on}", f"{words} --mps {on}")
        seconds[on] = time.time() - begun
    check.mps = seconds["on"] < 0.95 * seconds["off"]
    return f"four trials: {seconds['off']:.1f} s, with the service {seconds['on']:.1f} s"


def several(check):
    devices = len(check.machine.get("gpus", []))
    if devices < 2:
        raise Skipped("there is one GPU")
    exact = f"{check.short} train.precision=f64 train.optimizer.sgd.lr=0.02"
    whole = check.sweep("one", exact)
    parts = 4 if devices >= 4 else 2
    shared = check.sweep("parts", f"{exact} devices_per_trial={parts} sync_bn=true")
    near(shared, whole, 1e-6, ["train/loss", "val/loss"])
    check.sweep("parts-bf16", f"{check.short} devices_per_trial={parts} train.precision=bf16")
    return f"{parts} of {devices} GPUs, with and without synchronized batch norm"


def several_recorded(check):
    """A step on several GPUs as a CUDA graph, with NCCL's sums in it."""
    devices = len(check.machine.get("gpus", []))
    if devices < 2:
        raise Skipped("there is one GPU")
    parts = 4 if devices >= 4 else 2
    words = f"{check.short} train.precision=f64 train.optimizer.sgd.lr=0.02 devices_per_trial={parts}"
    both = [
        check.sweep(f"parts-graph-{on}", f"{words} train.cuda_graph={on}")
        for on in ("true", "false")
    ]
    engine = check.results("parts-graph-true")[0]["engine"]
    if engine != "cuda_graph":
        raise Failed(f"the step was not recorded: the engine is {engine}")
    return near(*both, 1e-6, ["train/loss", "val/loss"])


def killed_rank(check):
    if len(check.machine.get("gpus", [])) < 2:
        raise Skipped("there is one GPU")
    words = f"{check.net} epochs=2000 batch=100 devices_per_trial=2 --retries 0 --device cuda --reports {check.reports} --name rank"
    runner = subprocess.Popen(
        [check.binary, "sweep", *words.split()],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_for(f"{check.reports}/rank/runs/*/checkpoints/last.safetensors", runner)
    members = [
        int(path.split("/")[2])
        for path in glob.glob("/proc/[0-9]*/environ")
        if b"RANK=1\0" in read(path) and b"/rank\0" in read(path.replace("environ", "cmdline"))
    ]
    begun = time.time()
    for member in members:
        os.kill(member, signal.SIGKILL)
    runner.wait(timeout=90)
    if not members or runner.returncode == 0:
        raise Failed("the trial did not notice that one of its processes was killed")
    return f"the trial ended after {time.time() - begun:.1f} s"


def read(path):
    try:
        return open(path, "rb").read()
    except OSError:
        return b""


def wait_for(pattern, process, seconds=90):
    begun = time.time()
    while not glob.glob(pattern) and process.poll() is None and time.time() - begun < seconds:
        time.sleep(0.02)


def resume(check):
    words = f"{check.net} epochs={40 if check.quick else 6} batch=100 train.optimizer.sgd.lr=0.01 train.cuda_graph=false"
    whole = check.sweep("whole", words)
    command = f"sweep {words} --device cuda --reports {check.reports} --name cut".split()
    runner = subprocess.Popen(
        [check.binary, *command], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    wait_for(f"{check.reports}/cut/runs/*/checkpoints/last.safetensors", runner)
    for path in glob.glob(f"{check.reports}/cut/runs/*/attempt-1/env.json"):
        os.kill(json.load(open(path))["process"], signal.SIGKILL)
    runner.wait(timeout=90)
    cut = check.sweep("cut", words)
    attempts = check.results("cut")[0]["attempts"]
    return f"{near(cut, whole, 1e-3, ['train/loss', 'val/loss'])}, {attempts} attempts"


def memory(check):
    """Too large a batch fails with what would fit, and --on-oom halve goes on."""
    if any("Pretend" in gpu for gpu in check.machine.get("gpus", [])):
        limit, words = {"RES2LAB_PRETEND_GPU_BYTES": 12 << 20}, f"{NET} epochs=1 batch=200"
    else:
        # More than any card has: 224 px in one batch of 60,000 generated images.
        limit = {}
        words = f"{ONE} epochs=1 batch=4096 data=generated data.size=224 data.images=4096 zoo=res2net50_26w_4s scale=4"
    check.run(
        f"sweep {words} --device cuda --retries 0 --reports {check.reports} --name oom",
        fails=True,
        **limit,
    )
    said = "".join(
        open(path).read() for path in glob.glob(f"{check.reports}/oom/runs/*/console.txt")
    )
    if "out of memory" not in said:
        raise Failed(f"the trial failed otherwise: {said[-500:]}")
    if limit:
        check.run(
            f"sweep {words} --device cuda --on-oom halve --reports {check.reports} --name halved",
            **limit,
        )
    return said.strip().splitlines()[0][:150]


def sources(check):
    words = f"{NET} epochs=1 batch=20 data=generated data.size=32 data.images=200 train.optimizer.sgd.lr=0.01"
    for name, more in [
        ("resident", "data.augment.crop_pad=2 data.augment.flip=true"),
        ("streamed", "data.augment.random_resized_crop=true"),
    ]:
        both = [
            check.sweep(
                f"{name}-{device}", f"{words} {more} {'--plain' if device == 'cpu' else ''}", device
            )
            for device in ("cuda", "cpu")
        ]
        near(*both, 0.02, ["train/loss"])
    return "resident and streamed images train as on the CPU"


def commands(check):
    [trial] = glob.glob(f"{check.reports}/f32/runs/*")
    ours, theirs = (
        json.loads(check.run(f"eval {trial} --device {device} --json"))
        for device in ("cuda", "cpu")
    )
    if not abs(ours["loss"] - theirs["loss"]) < 1e-3:
        raise Failed(f"eval: loss {ours['loss']} on the GPU, {theirs['loss']} on the CPU")
    check.run(f"rf f32 --measure --images 8 --reports {check.reports} --device cuda")
    return "eval and rf --measure"


FLAGS = {
    "": "",
    "graph": "--cuda-graph",
    "fused": "--fused",
    "contiguous": "--layout contiguous",
    "channels_last": "--layout channels_last",
}


def times(check, title, words, peer, what, mode):
    flags = FLAGS[mode[1]]
    steps = 2 if check.quick else 20
    flags += " --threads 1" if check.quick else ""
    line = (
        f"speed {what} {words} --device cuda --steps {steps} --json --precision {mode[0]} {flags}"
    )
    ours = json.loads(check.run(line))
    theirs = None
    python = os.environ.get("RES2LAB_PYTHON")
    if python and peer and not mode[1]:
        done = subprocess.run(
            [
                python,
                f"{ROOT}/crates/bench/peers/bench.py",
                what,
                *peer.split(),
                "--device",
                "cuda",
                "--precision",
                mode[0],
                "--steps",
                str(steps),
            ],
            capture_output=True,
            text=True,
            timeout=200,
        )
        theirs = json.loads(done.stdout)["images_per_s"] if done.returncode == 0 else None
    row = {
        "gpu": ", ".join(check.machine.get("gpus", [])[:1]),
        "network": title,
        "what": what,
        "precision": mode[0],
        "mode": mode[1],
        "images_per_s": round(ours["images_per_s"], 1),
        "pytorch_images_per_s": theirs and round(theirs, 1),
        "gpu_memory_mib": ours.get("gpu_memory_mib") and round(ours["gpu_memory_mib"]),
    }
    check.speeds.append(row)
    return f"{row['images_per_s']} images/s" + (f", PyTorch {theirs:.1f}" if theirs else "")


def fused_is_faster(speeds):
    """Whether no network is evaluated slower by fused convolutions than without."""
    rates = {(s["network"], s["precision"], s["mode"]): s["images_per_s"] for s in speeds if s["what"] == "infer"}
    pairs = [(rate, rates.get((network, precision, "")))
             for (network, precision, mode), rate in rates.items() if mode == "fused"]
    return bool(pairs) and all(plain and rate > plain for rate, plain in pairs)


def keep(check):
    """Notes what passed on this card, for what is `auto`."""
    passed = {title for title, state, *_ in check.steps if state == "ok"}
    path = os.path.join(check.data, ".cache/gpu-check.json")
    try:
        record = json.load(open(path))
    except (OSError, ValueError):
        record = {}
    for gpu in set(check.machine.get("gpus", [])):
        record[f"{gpu}, libtorch {check.machine['libtorch']}"] = {
            "cuda_graph": "CUDA graph" in passed,
            "graph_of_several": "CUDA graph on several GPUs" in passed,
            "fused_evaluation": "fused evaluation" in passed and fused_is_faster(check.speeds),
            "expandable_segments": "expandable segments" in passed,
            "mps": check.mps,
            "date": datetime.date.today().isoformat(),
        }
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(f"{path}.new", "w") as f:
        json.dump(record, f, indent=1)
    os.replace(f"{path}.new", path)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--reports", default=os.path.join(ROOT, "reports"))
    parser.add_argument(
        "--data", default=os.environ.get("RES2LAB_DATA") or os.path.join(ROOT, "data")
    )
    parser.add_argument("--binary", default=os.path.join(ROOT, "target/release/res2lab"))
    args = parser.parse_args()
    args.data, args.binary, args.reports = map(
        os.path.abspath, (args.data, args.binary, args.reports)
    )
    if not shutil.which("nvidia-smi") and not os.path.exists("/proc/driver/nvidia"):
        print(
            "gpu-check: skipped, there is no NVIDIA GPU here; just gpu-pretend takes these paths without one"
        )
        return 0
    check = Check(args)
    try:
        if not check.step("driver, card and libtorch", lambda: machine(check)):
            return 1
        check.step("float64 against the CPU", lambda: golden(check, "f64", 1e-8))
        check.step("float32 against the CPU", lambda: golden(check, "f32", 1e-3))
        check.step("lower precisions", lambda: precisions(check))
        check.step("CUDA graph", lambda: graph(check))
        check.step("fused evaluation", lambda: fused(check))
        check.step("expandable segments", lambda: segments(check))
        check.step("resume after SIGKILL", lambda: resume(check))
        check.step("images", lambda: sources(check))
        check.step("evaluation and explanations", lambda: commands(check))
        check.step("too little memory", lambda: memory(check))
        check.step("trials that share a GPU", lambda: sharing(check))
        check.step("several GPUs", lambda: several(check))
        check.step("CUDA graph on several GPUs", lambda: several_recorded(check))
        check.step("a killed process", lambda: killed_rank(check))
        for title, words, peer in QUICK if check.quick else TIMED:
            modes = (
                [("f32", ""), ("bf16", "graph")]
                if check.quick
                else [(p, g) for p in ("f32", "tf32", "bf16", "fp16") for g in ("", "graph")]
            )
            for mode in modes:
                check.step(
                    f"train {title}, {mode[0]} {mode[1]}".strip(),
                    lambda: times(check, title, words, peer, "train", mode),
                )
            modes = [(p, m) for p in ("f32", "bf16") for m in ("", "fused")]
            for mode in modes[:2] if check.quick else modes:
                check.step(
                    f"evaluate {title}, {mode[0]} {mode[1]}".strip(),
                    lambda: times(check, title, words, peer, "infer", mode),
                )
        # Grouped convolutions: which layout is faster is a rule that has not been measured.
        title, words = LAYOUTS[check.quick]
        for mode in [(p, m) for p in ("f32", "bf16") for m in ("contiguous", "channels_last")]:
            if not check.quick or mode[0] == "bf16":
                check.step(
                    f"train {title}, {mode[0]} {mode[1]}",
                    lambda: times(check, title, words, None, "train", mode),
                )
        keep(check)
        folder = os.path.join(args.reports, "gpu-check")
        os.makedirs(folder, exist_ok=True)
        write_speeds(f"{folder}/speed.csv", check.speeds)
        write_page(f"{folder}/index.html", check.machine, check.steps, check.speeds)
        failed = sum(state == "FAILED" for _, state, *_ in check.steps)
        print(
            f"gpu-check: {len(check.steps)} steps, {failed} failed, {time.time() - BEGUN:.0f} s; {folder}/index.html"
        )
        return int(failed > 0)
    finally:
        shutil.rmtree(check.reports, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
