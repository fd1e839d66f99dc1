"""The paths that only GPUs take, by the real program on pretend GPUs: numbers, devices, counts,
accidents, refusals.

    scripts/verify-gpu.py [GROUP ...]     all groups, or those that are named

Needs target/pretend (crates/libtorch/pretend/build.sh). Ends with status 1 if one check failed.
"""

import glob
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pretend_gpu as gpu
from pretend_gpu import (
    RES2LAB,
    check,
    counted,
    differences,
    folder,
    on_cpu,
    results,
    run,
    sweep,
    sweep_words,
    trials,
)

NET = (
    "depth=11 planes=4 width=26 scale=2 data=generated data.size=12 data.images=300 data.classes=5"
)
SHORT = f"{NET} seed=0 epochs=1 batch=20"
# The two networks whose operators are counted, as `speed` takes them.
DIGITS = "block=res2 stem=cifar depth=11 planes=8 width=26 scale=4 stem_stride=2 --size 28 --channels 1 --classes 10"
LARGE = "res2net50_26w_4s --size 64 --classes 10"


def last_line(done):
    return (done.stderr or done.stdout).strip().splitlines()[-1:]


def numbers():
    """The same numbers as the CPU's operators, whatever the way."""
    on_cpu("cpu", SHORT)
    for name, words, settings in [
        ("gpu", SHORT, {}),
        ("graph", f"{SHORT} train.cuda_graph=true", {}),
    ]:
        done = sweep(name, f"{words} --device cuda", **settings)
        far = differences("cpu", name)
        check(
            done.returncode == 0 and not far,
            f"one epoch, {name}: the CPU's numbers",
            far or done.stderr,
        )
    check(
        results("graph") and results("graph")[0]["engine"] == "cuda_graph",
        "the graph was recorded and replayed",
    )
    check(
        results("gpu")[0]["engine"] == "autograd" and results("gpu")[0]["gpu_memory_mib"] > 0,
        "the result tells the engine and the memory of the GPU",
    )
    check(results("gpu")[0]["device"] == "cuda:0", "the result tells the device")
    for precision in ("bf16", "fp16", "tf32", "f64"):
        done = sweep(precision, f"{SHORT} train.precision={precision} --device cuda")
        far = differences("gpu", precision, 0.2)
        check(
            done.returncode == 0 and not far,
            f"one epoch in {precision}, near float32",
            far or done.stderr,
        )
    for precision, tolerance in (("f32", 1e-4), ("bf16", 0.05)):
        words = f"{SHORT} train.precision={precision} train.fused_evaluation=true --device cuda"
        done = sweep(f"fused-{precision}", words)
        plain = "gpu" if precision == "f32" else precision
        far = differences(plain, f"fused-{precision}", tolerance)
        check(
            done.returncode == 0 and not far,
            f"fused evaluation in {precision}: the numbers of the plain one",
            far or done.stderr,
        )
    for words in ("cardinality=4", "se=true downsample=avg", "block=bottleneck scale=1"):
        net = f"{NET} seed=0 epochs=1 batch=20"
        if "scale" in words:
            net = net.replace("scale=2", "")
        for name, more in [("fold-off", "false"), ("fold-on", "true")]:
            shutil.rmtree(f"{folder}/{name}", ignore_errors=True)
            done = sweep(name, f"{net} {words} train.fused_evaluation={more} --device cuda")
        far = differences("fold-off", "fold-on", 1e-4)
        check(
            done.returncode == 0 and not far,
            f"fused evaluation of {words}: the numbers of the plain one",
            far or done.stderr,
        )
    rich = f"{SHORT} train.accumulate=2 train.ema=0.9 train.clip_norm=1"
    on_cpu("rich-cpu", rich)
    done = sweep("rich", f"{rich} --device cuda")
    far = differences("rich-cpu", "rich")
    check(
        done.returncode == 0 and not far,
        "accumulation, moving average and clipping: the CPU's numbers",
        far or done.stderr,
    )


def devices():
    """Which trial gets which device."""
    reports = os.path.join(folder, "devices-reports")
    os.makedirs(reports)
    done = sweep(
        "four", f"{NET} seed=0..3 epochs=1 batch=100", gpus=4, RES2LAB_PRETEND_REPORT=reports
    )
    used = sorted(
        json.load(open(path))["devices"][0]["physical"] for path in glob.glob(f"{reports}/*.json")
    )
    check(
        done.returncode == 0 and used == [0, 1, 2, 3],
        "four trials on four GPUs, each on its own",
        (used, done.stderr),
    )
    first = next((line for line in done.stdout.splitlines() if line.startswith("running on")), "")
    check(
        "gpu 0, gpu 1, gpu 2, gpu 3" in first, "the sweep says what it runs on", done.stdout[:300]
    )
    for what, names, expected in [
        ("numbers", "3,1", [1, 3]),
        ("UUIDs", "GPU-pretend-2,GPU-pretend-0", [0, 2]),
        ("MIG instances", "MIG-pretend-0,MIG-pretend-3", [0, 3]),
    ]:
        shutil.rmtree(reports)
        os.makedirs(reports)
        name = f"visible-{what[:3].lower()}"
        done = sweep(
            name,
            f"{NET} seed=0,1 epochs=1 batch=100",
            gpus=4,
            CUDA_VISIBLE_DEVICES=names,
            RES2LAB_PRETEND_REPORT=reports,
        )
        used = sorted(
            json.load(open(path))["devices"][0]["physical"]
            for path in glob.glob(f"{reports}/*.json")
        )
        check(
            done.returncode == 0 and used == expected,
            f"slots by CUDA_VISIBLE_DEVICES with {what}",
            (used, done.stderr),
        )
    words = f"{NET} seed=0,1 epochs=1 batch=100 --per-device 2"
    log = os.path.join(folder, "mps-calls")
    done = sweep("shared", words, RES2LAB_PRETEND_MPS_LOG=log)
    check(
        done.returncode == 0 and not os.path.exists(log), "two trials share a GPU", done.stderr
    )
    done = sweep("shared-mps", f"{words} --mps on", RES2LAB_PRETEND_MPS_LOG=log)
    calls = [line.split() for line in open(log)] if os.path.exists(log) else []
    check(
        done.returncode == 0
        and [call[0] for call in calls] == ["-d", "quit"]
        and calls[0][1] == calls[1][1],
        "--mps on starts and ends the Multi-Process Service",
        (calls, done.stderr),
    )


def several():
    """One trial on two devices is one process's trial. In float64, since training multiplies the
    last bits of float32."""
    exact = f"{SHORT} train.precision=f64 train.optimizer.sgd.lr=0.02"
    on_cpu("parts-cpu", f"{exact} train.accumulate=2")
    done = sweep("parts", f"{exact} devices_per_trial=2 --device cuda", gpus=2)
    # Running statistics are those of the first process's images, so evaluation differs.
    far = [text for text in differences("parts-cpu", "parts") if not text.startswith("val/")]
    check(
        done.returncode == 0 and not far,
        "a trial on two GPUs: the numbers of one process with two parts",
        far or done.stderr,
    )
    on_cpu("sync-cpu", exact)
    done = sweep("sync", f"{exact} devices_per_trial=2 sync_bn=true --device cuda", gpus=2)
    far = differences("sync-cpu", "sync")
    check(
        done.returncode == 0 and not far,
        "with synchronized batch norm: the numbers of one process",
        far or done.stderr,
    )


    recorded = f"{exact} devices_per_trial=2 train.cuda_graph=true --device cuda"
    for name, plain, more in [("parts-graph", "parts", ""), ("sync-graph", "sync", " sync_bn=true")]:
        done = sweep(name, recorded + more, gpus=2)
        far = differences(plain, name, 1e-9)
        check(
            done.returncode == 0 and not far and results(name)[0]["engine"] == "cuda_graph",
            f"{name}: a recorded step with NCCL's sums in it, the numbers of the plain one",
            far or done.stderr,
        )


def streams():
    """Pictures that are decoded on the way, and a data set that stays on the device."""
    words = f"{SHORT} train.optimizer.sgd.lr=0.01"
    for name, more in [
        ("resident", "data.augment.crop_pad=2 data.augment.flip=true"),
        (
            "streamed",
            "data.augment.random_resized_crop=true data.augment.flip=true data.augment.color_jitter=0.2",
        ),
    ]:
        on_cpu(f"{name}-cpu", f"{words} {more}")
        done = sweep(name, f"{words} {more} --device cuda")
        # The two round the pixels differently: the CPU reads a table, the GPU multiplies.
        far = differences(f"{name}-cpu", name, 1e-3)
        check(
            done.returncode == 0 and not far,
            f"{name} images: the CPU's numbers",
            far or done.stderr,
        )


def resume():
    """SIGKILL in the middle, and the same bits in the end."""
    words = f"{NET} seed=0 epochs=30 batch=50 --device cuda"
    sweep("whole", words)
    for name, more in [("killed", ""), ("killed-graph", " train.cuda_graph=true")]:
        runner = subprocess.Popen(
            [RES2LAB, *sweep_words(name, words + more).split()],
            env=gpu.environment(),
            cwd=gpu.ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_for(f"{folder}/{name}/runs/*/checkpoints/last.safetensors", runner)
        trial = json.load(open(glob.glob(f"{folder}/{name}/runs/*/attempt-1/env.json")[0]))[
            "process"
        ]
        os.kill(trial, signal.SIGKILL)
        runner.wait(timeout=120)
        done = sweep(name, words + more)
        far = differences("whole", name, 0)
        check(
            done.returncode == 0 and not far,
            f"{name} after the first epoch and resumed: equal bits",
            far or done.stderr,
        )
        check(results(name)[0]["attempts"] >= 2, f"{name}: it was really interrupted")


def wait_for(pattern, process, seconds=60):
    begun = time.time()
    while not glob.glob(pattern) and process.poll() is None and time.time() - begun < seconds:
        time.sleep(0.02)


def commands():
    """Commands that work with a trained network."""
    [trial] = glob.glob(f"{folder}/gpu/runs/*")
    for words in (
        f"eval {trial} --device cuda --json",
        f"rf gpu --measure --reports {folder} --device cuda --images 8",
        f"speed infer {DIGITS} --device cuda --steps 2",
        f"speed train {DIGITS} --device cuda --precision bf16 --steps 2",
        f"plan {SHORT} --device cuda",
    ):
        done = run(words)
        check(done.returncode == 0, f"{words.split()[0]} on a GPU", done.stderr)
    on_gpu, on_host = (
        json.loads(run(f"eval {trial} --device {device} --json").stdout)
        for device in ("cuda", "cpu")
    )
    check(
        abs(on_gpu["loss"] - on_host["loss"]) < 1e-4,
        "eval: the same loss on the GPU and on the CPU",
    )


def memory():
    """Too little memory, at every place."""
    words = f"{NET} seed=0 epochs=1 batch=200 --device cuda"
    peak = max(
        r["devices"][0]["peak_bytes"]
        for r in trials(counted("peak", sweep_words("peak", words))[1])
    )
    done = sweep("oom", words, RES2LAB_PRETEND_GPU_BYTES=peak * 3 // 4)
    said = "".join(open(path).read() for path in glob.glob(f"{folder}/oom/runs/*/console.txt"))
    check(
        done.returncode != 0 and "out of memory" in said and "would fit" in said,
        "out of memory: told with what would fit",
        said,
    )
    done = sweep("halved", f"{words} --on-oom halve", RES2LAB_PRETEND_GPU_BYTES=peak * 3 // 4)
    check(
        done.returncode == 0 and "accumulate" in results("halved")[0]["changed"],
        "--on-oom halve goes on, and the result says so",
        done.stderr,
    )


def ranks():
    """A process of a trial that ends, that is told to end, or that stops."""
    words = f"{NET} seed=0 epochs=1000 batch=100 devices_per_trial=2 --device cuda --retries 0"
    for name, how, ends in [
        ("rank-killed", signal.SIGKILL, "killed by signal 9"),
        ("rank-stopped", signal.SIGSTOP, "cannot be reached"),
    ]:
        runner = subprocess.Popen(
            [RES2LAB, *sweep_words(name, words).split()],
            env=gpu.environment(2, RES2LAB_PATIENCE_S=4),
            cwd=gpu.ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        wait_for(f"{folder}/{name}/runs/*/checkpoints/last.safetensors", runner)
        members = members_of(name)
        begun = time.time()
        if members:
            os.kill(members[-1], how)
        _, said = runner.communicate(timeout=120)
        told = said + "".join(
            open(path).read() for path in glob.glob(f"{folder}/{name}/runs/*/console.txt")
        )
        check(
            len(members) == 2
            and runner.returncode != 0
            and time.time() - begun < 30
            and ends in told,
            f"{name}: the trial ends soon, with the reason",
            (members, told),
        )
        check(
            not any(os.path.exists(f"/proc/{member}") for member in members),
            f"{name}: no process is left",
        )


def members_of(name):
    """The processes of a trial, by rank."""
    found = {}
    for path in glob.glob("/proc/[0-9]*/environ"):
        try:
            command = open(path.replace("environ", "cmdline")).read().split("\0")
            env = dict(
                entry.split("=", 1) for entry in open(path).read().split("\0") if "=" in entry
            )
        except OSError:
            continue
        if "trial" in command and any(name in word for word in command) and "RANK" in env:
            found[int(env["RANK"])] = int(path.split("/")[2])
    return [found[rank] for rank in sorted(found)]


def launchers():
    """The environments of torchrun, srun and Kubernetes."""
    words = f"{SHORT} devices_per_trial=2 --device cuda"
    sweep("launch", words, gpus=2)
    [run_folder] = glob.glob(f"{folder}/launch/runs/*")
    trial = os.path.basename(run_folder)
    for what, own in [
        ("torchrun", lambda rank: {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2}),
        (
            "srun",
            lambda rank: {
                "RES2LAB_RANKS": "srun",
                "SLURM_PROCID": rank,
                "SLURM_LOCALID": rank,
                "SLURM_NTASKS": 2,
            },
        ),
    ]:
        for left in glob.glob(f"{run_folder}/*"):
            if not left.endswith("spec.yaml"):
                shutil.rmtree(left, ignore_errors=True) if os.path.isdir(left) else os.remove(left)
        reports = os.path.join(folder, f"launch-{what}")
        os.makedirs(reports)
        processes = [
            subprocess.Popen(
                [RES2LAB, "trial", f"{folder}/launch", trial],
                cwd=gpu.ROOT,
                stderr=subprocess.PIPE,
                text=True,
                env=gpu.environment(
                    2,
                    MASTER_ADDR="127.0.0.1",
                    MASTER_PORT=29617,
                    RES2LAB_PRETEND_REPORT=reports,
                    **own(rank),
                ),
            )
            for rank in range(2)
        ]
        said = [process.communicate(timeout=120)[1] for process in processes]
        used = sorted(
            device["physical"]
            for path in glob.glob(f"{reports}/*.json")
            for device in json.load(open(path))["devices"]
            if device["peak_bytes"]
        )
        check(
            [p.returncode for p in processes] == [0, 0] and used == [0, 1],
            f"two processes as {what} starts them, each on its GPU",
            (used, said),
        )
    done = run(f"trial {folder}/launch {trial}", gpus=2)
    check(
        done.returncode == 0,
        "a trial on two GPUs by hand, as a pod of Kubernetes runs it",
        done.stderr,
    )
    done = run(
        f"trial {folder}/launch {trial}",
        gpus=2,
        RANK=0,
        WORLD_SIZE=2,
        LOCAL_RANK=7,
        MASTER_ADDR="127.0.0.1",
        MASTER_PORT=29618,
    )
    check(
        done.returncode == 2 and "no GPU of its own" in done.stderr,
        "a LOCAL_RANK without a GPU is refused",
        done.stderr,
    )


def counts():
    """How much is launched, and how often anybody waits for a device."""
    for name, words, most in [
        ("digits", f"speed train {DIGITS} --batch 8 --device cuda --steps 4", 165),
        ("large", f"speed train {LARGE} --batch 2 --device cuda --steps 2", 665),
    ]:
        done, reports = counted(name, words)
        steps = [report["last_step"] for report in trials(reports)]
        n = max((step["operators"] for step in steps), default=0)
        flips = max((step["format_flips"] for step in steps), default=0)
        check(
            0 < n <= most,
            f"{n} operators in a step of the {name} net (at most {most})",
            done.stderr,
        )
        check(steps and flips == 0, f"{flips} changes of the memory format in that step")
    for name, words in [
        ("digits", f"speed infer {DIGITS} --batch 8"),
        ("large", f"speed infer {LARGE} --batch 2"),
    ]:
        plain, fused = (operators_of_evaluation(f"{words} {flag}") for flag in ("", "--fused"))
        check(
            0 < fused < 0.75 * plain,
            f"{fused:.0f} operators in a fused evaluation of the {name} net ({plain:.0f} in a plain one)",
        )
    words = sweep_words(
        "waits", f"{NET} seed=0 epochs=1 batch=32 train.log_every=1000 --device cuda"
    )
    done, reports = counted("waits", words, RES2LAB_PRETEND_SITES=1)
    median = [report["median_step"]["syncs"] for report in trials(reports)]
    check(
        done.returncode == 0 and median and max(median) == 0,
        f"{median} waits of the host for the device per step between log lines",
        done.stderr,
    )
    plain = trials(reports)[0]["whole"]["device_to_host"]
    words = f"{NET} seed=0 epochs=1 batch=100 train.log_every=1000 --device cuda"
    _, often = counted("saves", sweep_words("saves", words), RES2LAB_CHECKPOINT_S=0)
    _, seldom = counted("saves-not", sweep_words("saves-not", words))
    steps = trials(often)[0]["steps"]
    copies = (
        trials(often)[0]["whole"]["device_to_host"] - trials(seldom)[0]["whole"]["device_to_host"]
    ) / max(1, steps - 1)
    check(
        0 < copies <= 4,
        f"{copies:.1f} copies from the device for each checkpoint (at most 4)",
        plain,
    )


# Parts of recipes of today: a field for each, and the optimizer. Each begins with a small rate.
RECIPES = {
    "lamb": "{train.optimizer: {lamb: {lr: 2e-3, weight_decay: 0.02}}, train.loss: {bce: {threshold: 0.2}}}",
    "adamw": "{train.optimizer: {adamw: {lr: 5e-4, weight_decay: 0.05}}, train.mixup: 0.2, train.cutmix: 1.0, "
    "train.drop_path: 0.1, train.ema: 0.9, data.augment.erase: 0.25, train.sizes: [8, 12]}",
}


def recipes():
    """Optimizers, mixing, drop path and sizes: the CPU's numbers, and what their steps wait for."""
    file = os.path.join(folder, "recipes.yaml")
    for name, fields in RECIPES.items():
        with open(file, "w") as out:
            out.write(f"name: recipes\nmodel: {{stem: cifar}}\narms: {{{name}: {fields}}}\n")
        words = f"{file} {NET} seed=0 epochs=2 batch=20"
        on_cpu(f"{name}-cpu", words)
        done = sweep(name, f"{words} --device cuda")
        far = differences(f"{name}-cpu", name)
        check(
            done.returncode == 0 and not far, f"{name}: the CPU's numbers", far or done.stderr
        )
        # Values of erased boxes are copied from ordinary memory, for which the host waits.
        words = f"{file} {NET} seed=0 epochs=2 train.log_every=1000"
        waits = waits_of_steps(name, f"{words} data.augment.erase=0")
        check(waits == 0, f"{name}: {waits} waits of the host in 30 steps more")


def waits_of_steps(name, words):
    """How much more often the host waits in 60 steps than in 30. Steps are told by their number of
    images, for the device knows only those that end with SGD."""
    waits = []
    for batch in (20, 10):
        line = sweep_words(f"{name}-{batch}", f"{words} batch={batch} --device cuda")
        done, reports = counted(name, line)
        waits.append(sum(report["whole"]["syncs"] for report in reports))
        if done.returncode != 0:
            return done.stderr
    return waits[1] - waits[0]


def operators_of_evaluation(words):
    """What 10 evaluations more in each of three rounds launch, divided by their number."""
    launched = []
    for steps in (2, 12):
        _, reports = counted("evaluation", f"{words} --device cuda --steps {steps}")
        launched.append(sum(report["whole"]["operators"] for report in reports))
    return (launched[1] - launched[0]) / 30


def refusals():
    """Machines on which nothing can run on a GPU: two lines, with the remedy."""
    words = f"{SHORT} --name none --reports {folder} --no-time"
    for what, line, cause, remedy, settings in [
        (
            "--device cuda without a GPU",
            f"sweep {words} --device cuda",
            "no NVIDIA GPU",
            "--device cpu",
            dict(gpus=0),
        ),
        (
            "trials that share a GPU for one process",
            f"sweep {words} --device cuda --per-device 2",
            "Exclusive_Process",
            "--compute-mode=DEFAULT",
            dict(gpus=1, RES2LAB_PRETEND_MODE="Exclusive_Process"),
        ),
        (
            "a driver that is too old",
            f"sweep {words}",
            "535",
            "580",
            dict(gpus=0, RES2LAB_PRETEND_DRIVER="535.183.01", RES2LAB_PRETEND_SMI_GPUS=2),
        ),
        (
            "a build for CPUs with GPUs beside it",
            f"sweep {words}",
            "no CUDA",
            "just setup",
            dict(gpus=2, LD_PRELOAD=None),
        ),
        (
            "the same, in eval",
            "eval resnet50 weights=none.pth data=generated",
            "no CUDA",
            "just setup",
            dict(gpus=2, LD_PRELOAD=None),
        ),
    ]:
        done = run(line, **settings)
        lines = done.stderr.strip().splitlines()
        good = (
            done.returncode == 2
            and len(lines) == 2
            and lines[0].startswith("error: ")
            and lines[1].startswith("help: ")
        )
        check(
            good and cause in lines[0] and remedy in lines[1],
            f"{what}: told with the remedy",
            (done.returncode, done.stderr),
        )
    done = run(f"sweep {words} --device cpu", gpus=2, LD_PRELOAD=None)
    check(done.returncode == 0, "--device cpu insists", done.stderr)


def accidents():
    """A recording that fails goes on without."""
    done = sweep(
        "unrecorded",
        f"{SHORT} train.cuda_graph=true --device cuda",
        RES2LAB_PRETEND_REFUSE_GRAPHS=1,
    )
    log = "".join(
        open(path).read() for path in glob.glob(f"{folder}/unrecorded/runs/*/attempt-1/log.txt")
    )
    check(
        done.returncode == 0
        and "could not be recorded" in log
        and results("unrecorded")[0]["engine"] == "autograd",
        "a step that cannot be recorded goes on plainly, and says so",
        log[-400:] or done.stderr,
    )


def gpu_check():
    """The check for machines with a GPU, and what train.cuda_graph=auto makes of it."""
    data = os.path.join(folder, "data")
    os.makedirs(data)
    os.symlink(os.path.join(gpu.ROOT, "data/mnist5k"), os.path.join(data, "mnist5k"))
    before = run(f"plan {SHORT} --device cuda --no-time --data {data}")
    command = [
        sys.executable,
        f"{gpu.ROOT}/scripts/gpu-check.py",
        "--quick",
        "--reports",
        folder,
        "--data",
        data,
    ]
    begun = time.time()
    done = subprocess.run(command, env=gpu.environment(2), capture_output=True, text=True)
    check(
        done.returncode == 0,
        f"gpu-check passes ({time.time() - begun:.0f} s)",
        done.stdout + done.stderr,
    )
    page, speeds = f"{folder}/gpu-check/index.html", f"{folder}/gpu-check/speed.csv"
    good = (
        os.path.exists(page)
        and "Pretend GPU" in open(page).read()
        and open(speeds).read().count("Pretend GPU") >= 6
    )
    check(good, "gpu-check writes its page and its table")
    after = run(f"plan {SHORT} --device cuda --no-time --data {data}")
    check(
        "engine: autograd" in before.stdout and "engine: cuda_graph" in after.stdout,
        "train.cuda_graph=auto records after gpu-check has passed",
        before.stdout + after.stdout + after.stderr,
    )


GROUPS = [
    numbers,
    devices,
    several,
    streams,
    resume,
    commands,
    memory,
    ranks,
    launchers,
    counts,
    recipes,
    refusals,
    accidents,
    gpu_check,
]

if __name__ == "__main__":
    wanted = sys.argv[1:]
    try:
        for group in GROUPS:
            # Some groups compare with what the first one trained.
            if not wanted or group.__name__ in wanted:
                begun = time.time()
                group()
                print(f"       ({group.__name__}: {time.time() - begun:.0f} s)", flush=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(gpu.failures > 0)
