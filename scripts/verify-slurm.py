"""Checks sweeps on a SLURM cluster of two virtual nodes: preemption by an urgent job, a time limit,
cancellation, a detached sweep whose results are collected later, several trials in one job, and a
trial on two nodes. Results of a preempted sweep and of the trial on two nodes must be bit-identical
to those of the local executor.

    scripts/slurm-up.sh 2 1 && scripts/verify-slurm.py      # nodes of one core
    scripts/slurm-up.sh 2 2 && scripts/verify-slurm.py 2    # nodes of two cores: the trial on two nodes
"""
import csv
import glob
import json
import os
import re
import subprocess
import sys
import tempfile
import time

RES2LAB = os.path.abspath("target/release/res2lab")
reports = tempfile.mkdtemp()
failures = 0


def check(ok, what):
    global failures
    failures += not ok
    print(f"{'ok' if ok else 'FAILED'}: {what}", flush=True)


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def command(name, words, *flags):
    return [RES2LAB, "sweep", *words.split(), "--name", name, "--reports", reports, *flags]


def start(name, words, *flags):
    log = open(f"{reports}/{name}.log", "a")
    return subprocess.Popen(command(name, words, *flags), stdout=log, stderr=log)


def said(name):
    with open(f"{reports}/{name}.log") as f:
        return f.read()


def wait_for(what, ready, seconds=150):
    end = time.time() + seconds
    while time.time() < end:
        found = ready()
        if found:
            return found
        time.sleep(0.3)
    print(said_all())
    sys.exit(f"FAILED: {what} did not come within {seconds} s")


def said_all():
    logs = glob.glob(f"{reports}/*.log") + glob.glob(f"{reports}/*/slurm/*.out")
    return "\n".join(f"--- {log}\n" + open(log).read()[-2000:] for log in logs)


def rows(name):
    with open(f"{reports}/{name}/trials.csv") as f:
        return {row["id"]: row for row in csv.DictReader(f)}


def events(name):
    lines = [line for path in sorted(glob.glob(f"{reports}/{name}/slurm/*.jsonl")) for line in open(path)]
    return [json.loads(line) for line in lines]


def epochs_of(name, running):
    """The epochs of the trials that have reported progress; None if fewer than `running` have."""
    told = [json.load(open(path))["epoch"] for path in glob.glob(f"{reports}/{name}/runs/*/progress.json")]
    return told if len(told) >= running else None


def queue(job):
    return output("squeue", "--noheader", "--array", "--format=%F %i %T %K", "--jobs", job).split("\n")


def job_of(name):
    return wait_for("the job", lambda: glob.glob(f"{reports}/{name}/slurm/submission-1.json") and json.load(open(f"{reports}/{name}/slurm/submission-1.json"))["job"])


pending_since = {}


def hurry(job):
    """Shortens the two minutes for which SLURM holds a requeued job. During the first seconds after
    a requeue, SLURM still revokes the job's old credential, and would kill a job that starts
    meanwhile. Each requeued task is therefore released after eight seconds."""
    pending = [line.split()[1] for line in queue(job) if "PENDING" in line]
    for task in [task for task in pending_since if task not in pending]:
        del pending_since[task]
    for task in pending:
        if time.time() - pending_since.setdefault(task, time.time()) > 8:
            subprocess.run(["scontrol", "update", f"JobId={task}", "StartTime=now"], capture_output=True)


def finish(name, sweep, job, seconds=240):
    def over():
        hurry(job)
        return sweep.poll() is not None

    wait_for(f"the end of {name}", over, seconds)
    return sweep.returncode


def same(one, other):
    """Whether two sweeps have bit-identical checkpoints, best weights and metrics."""
    files = ["checkpoints/last.safetensors", "checkpoints/best.safetensors", "metrics.jsonl"]
    ids = sorted(os.listdir(f"{reports}/{one}/runs"))
    if ids != sorted(os.listdir(f"{reports}/{other}/runs")):
        return False
    paths = [(f"{reports}/{sweep}/runs/{id}/{file}" for sweep in (one, other)) for id in ids for file in files]
    return all(open(a, "rb").read() == open(b, "rb").read() for a, b in paths)


def one_core_a_node():
    """Sweeps whose jobs take a node each."""
    # --- six trials, preempted in the middle ---
    SIX = "scale=2,3,4 seed=0,1 epochs=10 batch=50 train.log_every=5"
    subprocess.run(command("local", SIX, "--slots", "2", "--threads", "1"), check=True, capture_output=True)
    sweep = start("preempted", SIX, "--executor", "slurm:time=10")
    job = job_of("preempted")
    wait_for("the second epoch", lambda: (epochs_of("preempted", 2) or [0])[0] > 1.2)
    urgent = output("sbatch", "--parsable", "--partition=urgent", "--nodes=2", "--output=/dev/null", "--wrap=sleep 3").strip()
    wait_for("the preemption", lambda: any(e["event"] == "signaled" for e in events("preempted")))
    status = finish("preempted", sweep, job)
    check(status == 0, f"a sweep preempted by urgent job {urgent} ends well (exit status {status})")
    stopped = [e for e in events("preempted") if e["event"] == "ended" and e["outcome"] == "preempted"]
    check(len(stopped) >= 1, f"{len(stopped)} trials were stopped with a checkpoint and went on")
    check(same("local", "preempted"), "weights, momentum and metrics are those of the local executor, bit for bit")
    accuracy = lambda name: {id: row["val_acc1"] for id, row in rows(name).items()}
    check(accuracy("local") == accuracy("preempted"), f"so are the accuracies: {sorted(accuracy('preempted').values())}")

    # --- detached, and collected by the same command ---
    TWO = "scale=2 seed=0,1 epochs=2 batch=100"
    begun = time.time()
    subprocess.run(command("left", TWO, "--executor", "slurm:time=10", "--detach"), check=True, capture_output=True)
    check(time.time() - begun < 5, f"--detach returns at once ({time.time() - begun:.1f} s)")
    job = job_of("left")
    status = subprocess.run(command("left", TWO, "--executor", "slurm:time=10"), capture_output=True).returncode
    check(status == 0, "a later call follows and collects")
    check(not os.path.exists(f"{reports}/left/slurm/submission-2.json"), "and submits nothing twice")

    # --- several trials in one job, two side by side ---
    status = subprocess.run(
        command("packed", "scale=2 seed=0..3 epochs=1 batch=100", "--executor", "slurm:time=10,trials_per_job=4"), capture_output=True
    ).returncode
    with open(f"{reports}/packed/slurm/submission-1.json") as f:
        check(status == 0 and len(json.load(f)["tasks"]) == 1, "four short trials run in one job")

    # --- the time limit ---
    # SLURM checks time limits every 30 s and may signal up to 30 s early, here after 5 to 35 s.
    sweep = start("limited", "scale=2 seed=0 epochs=60 batch=25", "--executor", "slurm:time=1,signal_s=25")
    job = job_of("limited")
    wait_for("the signal", lambda: any(e["event"] == "signaled" for e in events("limited")))
    status = finish("limited", sweep, job, 400)
    check(status == 0, "a trial longer than its job's time limit goes on in the same job, queued again")
    reasons = [e["why"] for e in events("limited") if e["event"] == "signaled"]
    check(set(reasons) == {"time limit"}, f"its journal says why it stopped: {reasons}")

    # --- cancelled ---
    sweep = start("cancelled", "scale=2 seed=0 epochs=60 batch=25", "--executor", "slurm:time=10")
    job = job_of("cancelled")
    wait_for("the first epoch", lambda: epochs_of("cancelled", 1))
    subprocess.run(["scancel", job], check=True)
    status = finish("cancelled", sweep, job)
    reason = next(iter(rows("cancelled").values()))["reason"]
    check(status == 1 and "cancelled" in reason, f"a cancelled job is a failed trial with its reason: {reason}")


def two_cores_a_node():
    """A trial that takes both nodes, with two processes on each."""
    # --- one trial on two nodes ---
    wide = "scale=2 seed=0 epochs=1 batch=100 devices_per_trial=4 sync_bn=true"
    subprocess.run(command("here", wide, "--threads", "1"), check=True, capture_output=True)
    done = subprocess.run(command("wide", wide, "--executor", "slurm:time=10,nodes=2"), capture_output=True, text=True)
    check(done.returncode == 0, f"a trial of four processes runs on two nodes by srun, two tasks a node {done.stderr[-300:] if done.returncode else ''}")
    check(done.returncode == 0 and same("here", "wide"), "with the bits of four processes on one machine")


two_cores_a_node() if sys.argv[1:] == ["2"] else one_core_a_node()
if failures:
    print(said_all())
print(f"{failures} failed" if failures else "SLURM: all ok")
sys.exit(failures > 0)
