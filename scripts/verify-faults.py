"""Checks sweeps with trials that crash, exceed memory, hang, or fill the disk. The sweep finishes
the other trials and reports the reason of each failure. The same command with --retry-failed
completes the sweep. The small file system and the memory limit need root. Without root, SIGKILL
replaces the memory limit, and the checks of full disks are skipped."""
import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time

RES2LAB = os.path.abspath("target/release/res2lab")
root = os.geteuid() == 0
folder = tempfile.mkdtemp()
sweep = f"{folder}/faults"
line = ["scale=2", "seed=0..5", "epochs=3", "batch=50", "train.log_every=5", "--name", "faults", "--reports", folder,
        "--slots", "2", "--threads", "1"]
small = f"{folder}/small"
group = "/sys/fs/cgroup/memory/res2lab-verify" if os.path.isdir("/sys/fs/cgroup/memory") else "/sys/fs/cgroup/res2lab-verify"
failures = 0


def check(ok, what):
    global failures
    failures += not ok
    print(f"{'ok' if ok else 'FAILED'}: {what}", flush=True)


def limit_memory(process):
    """Moves the process into a control group whose memory limit is below what the trial needs, so
    that the kernel kills it. Returns False without root or if the group cannot be created."""
    if not root:
        return False
    try:
        os.makedirs(group, exist_ok=True)
        name = "memory.limit_in_bytes" if os.path.exists(f"{group}/memory.limit_in_bytes") else "memory.max"
        with open(f"{group}/{name}", "w") as f:
            f.write(str(40 << 20))
        with open(f"{group}/cgroup.procs", "w") as f:
            f.write(str(process))
        return True
    except OSError as e:
        print(f"no control group ({e}); a SIGKILL plays the kernel")
        return False


def rows():
    with open(f"{sweep}/trials.csv") as f:
        return {int(row["seed"]): row for row in csv.DictReader(f)}


plan = json.loads(subprocess.run([RES2LAB, "plan", *line, "--json", "--no-time"], check=True, capture_output=True).stdout)
ids = {trial["id"]: trial["seed"] for trial in plan["trials"]}
full = next(id for id, seed in ids.items() if seed == 3)
os.makedirs(f"{sweep}/runs")
os.makedirs(small)
if root:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", small], check=True)
    os.symlink(small, f"{sweep}/runs/{full}")
try:
    runner = subprocess.Popen([RES2LAB, "sweep", *line, "--trial-minutes", "0.3"], stderr=subprocess.PIPE, text=True)
    handled = set()
    while runner.poll() is None:
        time.sleep(0.05)
        try:
            events = [json.loads(text) for text in open(f"{sweep}/journal.jsonl")]
        except (OSError, ValueError):
            continue
        for event in events:
            seed = ids.get(event.get("id"))
            if event["event"] != "started" or seed in handled:
                continue
            process = event["process"]
            if seed == 1 and limit_memory(process):
                handled.add(seed)
            # The other faults are injected after the trial has reported its progress.
            if seed in handled or not os.path.exists(f"{sweep}/runs/{event['id']}/progress.json"):
                continue
            handled.add(seed)
            if seed == 0:
                # Rust's handler for stack overflows consumes the first signal and restores the
                # default action. A real fault would recur; a sent signal must be repeated.
                os.kill(process, signal.SIGSEGV)
                time.sleep(0.05)
                os.kill(process, signal.SIGSEGV)
            elif seed == 1:
                os.kill(process, signal.SIGKILL)
            elif seed == 2:
                os.kill(process, signal.SIGSTOP)
    status, said = runner.wait(), runner.stderr.read()
    check(status == 1, f"the sweep ends with status 1 ({status})")
    check("help: " in said, "it says what to do")
    table = rows()
    wanted = {0: "SIGSEGV", 1: "SIGKILL", 2: "the limit of a trial"}
    if root:
        wanted[3] = "No space left"
    for seed, words in wanted.items():
        check(table[seed]["status"] == "failed" and words in table[seed]["reason"], f"seed {seed}: {table[seed]['reason']}")
    rest = [seed for seed in table if seed not in wanted]
    check(all(table[seed]["status"] == "done" for seed in rest), f"the rest is done: {rest}")
finally:
    if root:
        subprocess.run(["umount", small], check=True)
        if os.path.islink(f"{sweep}/runs/{full}"):
            os.unlink(f"{sweep}/runs/{full}")
        if os.path.isdir(group):
            os.rmdir(group)
done = subprocess.run([RES2LAB, "sweep", *line, "--retry-failed"], capture_output=True, text=True)
check(done.returncode == 0, f"the repeated command repairs all of it ({done.stderr.strip()[-200:] if done.returncode else 'status 0'})")
check(all(row["status"] == "done" for row in rows().values()), "every trial is done")


def full_disk(size):
    """Runs a sweep whose folder, including console.txt, is on a disk that fills up. The error names
    the reason, and the same command completes the sweep after the disk was enlarged."""
    tiny = f"{folder}/tiny"
    os.makedirs(tiny, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}k", "tmpfs", tiny], check=True)
    command = [RES2LAB, "sweep", "scale=2", "seed=0", "epochs=3", "batch=50", "--no-time", "--name", "full",
               "--reports", tiny]
    try:
        ended = subprocess.run(command, capture_output=True, text=True)
        said = ended.stderr + ended.stdout
        check(ended.returncode == 1 and "No space left" in said and "101" not in said,
              f"a disk of {size} KiB: {said.strip().splitlines()[-2] if said.strip() else 'nothing is said'}")
        subprocess.run(["mount", "-o", "remount,size=30m", tiny], check=True)
        ended = subprocess.run(command, capture_output=True, text=True)
        check(ended.returncode == 0, f"with room the same command goes on ({ended.stderr.strip()[-200:]})")
    finally:
        subprocess.run(["umount", tiny], check=True)


if root:
    for size in (200, 260, 440):
        full_disk(size)
shutil.rmtree(folder)
sys.exit(failures > 0)
