#!/usr/bin/env python3
"""Does a real TensorBoard see a whole sweep?  verify-tensorboard.py SWEEP_FOLDER, run by a Python that has tensorboard.

Starts TensorBoard on the sweep's runs, asks its HTTP API for the scalars of every trial and for the HPARAMS table, and
reads each event file with TensorBoard's own EventAccumulator. Prints one line per check; exit status 1 if any failed.
"""

import json
import re
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

CHECKS = {True: 0, False: 0}


def check(ok, what):
    CHECKS[bool(ok)] += 1
    print(("ok      " if ok else "FAILED  ") + what)


def get(url, body=None):
    request = urllib.request.Request(url, data=body, headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def start(logdir):
    """TensorBoard on a free port of the loopback address, and its URL."""
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(logdir), "--host", "127.0.0.1", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    for line in process.stderr:
        found = re.search(r"http://127\.0\.0\.1:\d+", line)
        if found:
            return process, found.group()
    raise SystemExit("TensorBoard did not start")


def wait_for_runs(url, wanted):
    for _ in range(60):
        runs = get(url + "/data/runs")
        if wanted <= set(runs):
            return runs
        time.sleep(1)
    return runs


def session_groups(url):
    """The HPARAMS table as the web page asks for it."""
    experiment = get(url + "/data/plugin/hparams/experiment", b"{}")
    columns = [{"metric": metric["name"]} for metric in experiment["metricInfos"]]
    body = {
        "experimentName": "",
        "allowedStatuses": ["STATUS_UNKNOWN", "STATUS_SUCCESS", "STATUS_FAILURE", "STATUS_RUNNING"],
        "colParams": columns,
        "startIndex": 0,
        "sliceSize": 1000,
        "aggregationType": "AGGREGATION_AVG",
    }
    answer = get(url + "/data/plugin/hparams/session_groups", json.dumps(body).encode())
    return experiment, answer["sessionGroups"]


def main(sweep):
    plan = json.loads((sweep / "plan.json").read_text())
    trials = {trial["id"]: trial for trial in plan["trials"]}
    done = {t for t in trials if (sweep / "runs" / t / "result.json").exists()}
    last = {t: f"attempt-{json.loads((sweep / 'runs' / t / 'result.json').read_text())['attempts']}" for t in done}
    check(done, f"{len(done)} of {len(trials)} trials are done")

    process, url = start(sweep / "runs")
    try:
        runs = wait_for_runs(url, {f"{t}/{last[t]}" for t in done})
        check({f"{t}/{last[t]}" for t in done} <= set(runs), f"TensorBoard lists {len(runs)} runs")
        tags = get(url + "/data/plugin/scalars/tags")
        for tag in ["train/loss", "train/lr", "val/acc1", "val/loss", "final/val/acc1"]:
            check(all(tag in tags[f"{t}/{last[t]}"] for t in done), f"every trial has the scalar {tag}")

        experiment, groups = session_groups(url)
        names = {info["name"] for info in experiment["hparamInfos"]}
        check({"scale", "seed", "lr", "width", "depth" if "depth" in names else "blocks"} <= names, f"HPARAMS has {len(names)} hyper-parameters")
        rows = {group["name"]: group for group in groups}
        check(done <= set(rows), f"HPARAMS shows {len(rows)} rows, every trial among them")
        for trial in sorted(done):
            hparams, metrics = rows[trial]["hparams"], {m["name"]["tag"]: m["value"] for m in rows[trial]["metricValues"]}
            result = json.loads((sweep / "runs" / trial / "result.json").read_text())
            same = hparams["scale"] == trials[trial]["model"]["scale"] and hparams["seed"] == trials[trial]["seed"]
            value = metrics.get("final/val/acc1", float("nan"))
            close = abs(value - result["metrics"]["val/acc1"]) < 1e-3
            check(same and close, f"row {trial}: scale {hparams['scale']:.0f}, seed {hparams['seed']:.0f}, final/val/acc1 {value:.2f}")
    finally:
        process.terminate()
        process.wait(timeout=30)

    for trial in sorted(done):
        events = EventAccumulator(str(sweep / "runs" / trial / last[trial]), size_guidance={"scalars": 0})
        events.Reload()
        read = [(e.step, e.value) for e in events.Scalars("val/acc1")]
        lines = [json.loads(line) for line in (sweep / "runs" / trial / "metrics.jsonl").read_text().splitlines()]
        logged = [(line["step"], line["val/acc1"]) for line in lines if "val/acc1" in line]
        # A resumed attempt's file holds the rest of the curve.
        tail = logged[len(logged) - len(read):]
        same = read and all(a == c and abs(b - d) < 1e-3 for (a, b), (c, d) in zip(read, tail))
        check(same, f"events of {trial} are those of metrics.jsonl ({len(read)} evaluations)")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
    print(f"{CHECKS[True]} passed, {CHECKS[False]} failed")
    sys.exit(1 if CHECKS[False] else 0)
