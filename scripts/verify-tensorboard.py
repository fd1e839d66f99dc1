#!/usr/bin/env python3
"""Checks that TensorBoard reads a whole sweep.

    verify-tensorboard.py SWEEP_FOLDER      needs a Python with tensorboard and Pillow

Starts TensorBoard on the sweep's runs, and requests the scalars of every trial of the plan and the
HPARAMS table through its HTTP API. Reads each event file, including pictures, with TensorBoard's
EventAccumulator, and the Parquet tables if pyarrow is installed. Prints one line per check; exit
status 1 if any check failed.
"""

import gzip
import io
import json
import math
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

CHECKS = {True: 0, False: 0}
WAIT_S = 60


def check(ok, what):
    CHECKS[bool(ok)] += 1
    print(("ok      " if ok else "FAILED  ") + what)


def close(a, b):
    """Whether two values are equal within single precision, or both are NaN."""
    return math.isclose(a, b, rel_tol=1e-5, abs_tol=1e-6) or (math.isnan(a) and math.isnan(b))


def get(url, body=None):
    request = urllib.request.Request(url, data=body, headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def start(logdir, log):
    """Starts TensorBoard on a free port of the loopback address. Its messages go to `log`."""
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(logdir), "--host", "127.0.0.1", "--port", "0"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=log)


def address(process, log):
    """Waits until TensorBoard has logged its address, and returns the address."""
    for _ in range(10 * WAIT_S):
        said = Path(log.name).read_text()
        found = re.search(r"http://127\.0\.0\.1:\d+", said)
        if found:
            return found.group()
        if process.poll() is not None:
            break
        time.sleep(0.1)
    raise SystemExit(f"TensorBoard did not start:\n{said}")


def end(process):
    process.terminate()
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def session_groups(url):
    """The HPARAMS table as the web page requests it: the names of its columns, and rows by name."""
    experiment = get(url + "/data/plugin/hparams/experiment", b"{}")
    body = {
        "experimentName": "",
        "allowedStatuses": ["STATUS_UNKNOWN", "STATUS_SUCCESS", "STATUS_FAILURE", "STATUS_RUNNING"],
        "colParams": [{"metric": metric["name"]} for metric in experiment.get("metricInfos", [])],
        "startIndex": 0,
        "sliceSize": 100000,
        "aggregationType": "AGGREGATION_AVG",
    }
    answer = get(url + "/data/plugin/hparams/session_groups", json.dumps(body).encode())
    names = {info["name"] for info in experiment.get("hparamInfos", [])}
    return names, {group["name"]: group for group in answer.get("sessionGroups", [])}


def session(rows, arm, run):
    found = [s for s in rows.get(arm, {}).get("sessions", []) if s["name"] == run]
    return found[0] if found else {}


def read_sweep(sweep):
    """The trials of the plan, the available results, and the last attempt's run of each result."""
    trials = {trial["id"]: trial for trial in json.loads((sweep / "plan.json").read_text())["trials"]}
    paths = {t: sweep / "runs" / t / "result.json" for t in trials}
    results = {t: json.loads(path.read_text()) for t, path in paths.items() if path.exists()}
    return trials, results, {t: f"{t}/attempt-{result['attempts']}" for t, result in results.items()}


def check_server(url, trials, results, last):
    # TensorBoard loads runs in the background. The end of its session is the last event of a run.
    for _ in range(WAIT_S):
        names, rows = session_groups(url)
        if all(session(rows, trials[t]["arm"], run).get("status") in ("STATUS_SUCCESS", "STATUS_FAILURE") for t, run in last.items()):
            break
        time.sleep(1)
    runs, tags = get(url + "/data/runs"), get(url + "/data/plugin/scalars/tags")
    check(set(last.values()) <= set(runs), f"TensorBoard lists {len(runs)} runs, every trial's last attempt among them")
    # A diverged trial may have ended before its first value.
    done = {t for t in last if results[t]["status"] == "done"}
    for tag in ["train/loss", "train/lr", "val/acc1", "val/loss", "zz_final/val/acc1"]:
        have = sum(tag in tags.get(last[t], {}) for t in done)
        check(have == len(done), f"{have} of {len(done)} finished trials have the scalar {tag}")

    layout = get(url + "/data/plugin/custom_scalars/layout")
    charts = [chart["title"] for category in layout.get("category", []) for chart in category["chart"]]
    check(charts == ["loss", "accuracy", "learning rate"], f"the custom-scalars page has the charts of tags that exist: {charts}")
    for plugin, tag in [("images", "confusion"), ("images", "receptive_field"), ("histograms", "weights/stem"), ("text", "spec")]:
        tags = get(url + f"/data/plugin/{plugin}/tags")
        have = sum(tag in tags.get(last[t], {}) for t in done)
        check(have == len(done), f"{have} of {len(done)} finished trials have the {plugin} {tag}")

    wanted = {"scale", "width", "depth", "blocks", "lr", "batch_size", "epochs", "parameters", "macs"}
    if all(trial["model"]["family"] == "dla" for trial in trials.values()):
        wanted.remove("depth")
    check(wanted <= names, f"HPARAMS has {len(names)} hyper-parameters, missing: {sorted(wanted - names) or 'none'}")
    arms = {trial["arm"] for trial in trials.values()}
    check(arms == set(rows), f"HPARAMS shows {len(rows)} rows, one for each arm of the plan")
    for arm in sorted(arms & set(rows)):
        of_arm = [t for t in sorted(results) if trials[t]["arm"] == arm]
        check_row(arm, [trials[t] for t in of_arm], [results[t] for t in of_arm], rows[arm], [session(rows, arm, last[t]) for t in of_arm])


def check_row(arm, planned, results, row, ended):
    """Checks a row of the HPARAMS table: the arm's scale, the status of each seed, and the mean of
    the final accuracies."""
    scale, wanted = row["hparams"].get("scale"), planned[0]["model"]["scale"]
    values = {metric["name"]["tag"]: metric["value"] for metric in row["metricValues"]}
    statuses = ["STATUS_SUCCESS" if result["status"] == "done" else "STATUS_FAILURE" for result in results]
    same = scale == wanted and [s.get("status") for s in ended] == statuses
    # JSON cannot represent NaN, which is null in result.json.
    finals = [result["metrics"].get("val/acc1") for result in results]
    final, expected = values.get("zz_final/val/acc1"), None if None in finals or not finals else sum(finals) / len(finals)
    agrees = expected is None or (final is not None and close(float(final), expected))
    check(same and agrees, f"row {arm}: scale {scale}, {len(results)} seeds in {len(row['sessions'])} attempts, mean zz_final/val/acc1 {final}")


def check_view(sweep, trials):
    """The runs of `just tensorboard`: names that begin with the arm's label, and means over seeds."""
    view = Path(__file__).with_name("tensorboard-view.py")
    command = [sys.executable, str(view), str(sweep.parent), sweep.name, "--port", "0"]
    with tempfile.NamedTemporaryFile() as log:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=log)
        try:
            url = address(process, log)
            labels = {trial["label"].replace("/", "_") for trial in trials.values()}
            for _ in range(WAIT_S):
                tags = get(url + "/data/plugin/scalars/tags")
                means = [run for run in tags if "/mean-of-" in run and "val/acc1" in tags[run]]
                if len(means) == len(labels):
                    break
                time.sleep(1)
        finally:
            end(process)
    check({run.split("/")[0] for run in tags} == labels, f"run names begin with the arms' labels: {sorted(tags)[:3]}")
    check({run.split("/")[0] for run in means} == labels, f"{len(means)} of {len(labels)} arms have a mean over seeds")
    spread = all("with_spread/val/acc1/lower" in tags[run] for run in means if not run.endswith("-1"))
    check(spread, "means over several seeds have a spread")


def check_events(sweep, trial, run):
    """Compares the logged scalars in the last attempt's event file with metrics.jsonl."""
    events = EventAccumulator(str(sweep / "runs" / run), size_guidance={"scalars": 0})
    events.Reload()
    lines = [json.loads(line) for line in (sweep / "runs" / trial / "metrics.jsonl").read_text().splitlines()]
    compared, same = 0, True
    for tag in events.Tags()["scalars"]:
        if tag.startswith("zz_final/"):
            continue
        read = [(e.step, e.value) for e in events.Scalars(tag)]
        logged = [(line["step"], math.nan if line[tag] is None else line[tag]) for line in lines if tag in line]
        # The event file of a resumed attempt has only the rest of the curve.
        tail = logged[len(logged) - len(read):]
        same &= len(read) <= len(logged) and all(a == c and close(b, d) for (a, b), (c, d) in zip(read, tail))
        compared += len(read)
    check(same and (compared or not lines), f"events of {trial} are those of metrics.jsonl ({compared} values)")


def test_digits(count):
    """The first test images of data/mnist5k, as rows of bytes."""
    with gzip.open("data/mnist5k/t10k-images-idx3-ubyte.gz") as f:
        raw = f.read()
    return [[raw[16 + 784 * i + 28 * row:][:28] for row in range(28)] for i in range(count)]


def check_pictures(sweep, trial, result, planned):
    """Compares pictures, histograms and texts of a trial's attempts with their sources."""
    attempts = [f"attempt-{i}" for i in range(1, result["attempts"] + 1)]
    events = [EventAccumulator(str(sweep / "runs" / trial / a), size_guidance={"images": 0, "histograms": 0, "tensors": 0}) for a in attempts]
    for e in events:
        e.Reload()
    picture = lambda e, tag: Image.open(io.BytesIO(e.Images(tag)[-1].encoded_image_string)).convert("RGB")
    if planned["data"]["name"] == "mnist5k":
        sheet, digits = picture(events[0], "samples/test"), test_digits(16)
        seen = [[bytes(sheet.getpixel((28 * (i % 4) + x, 28 * (i // 4) + y))[0] for x in range(28)) for y in range(28)] for i in range(16)]
        worst = max(abs(a - b) for image, digit in zip(seen, digits) for r, s in zip(image, digit) for a, b in zip(r, s))
        check(worst <= 1, f"{trial}: the sheet of test images is that of the data set, off by {worst} of 255 at most")
    # The color of a diagonal cell encodes the share of a class that was recognized. All classes
    # have equally many test images, so the mean share is the accuracy.
    confusion, classes = picture(events[-1], "confusion"), planned["classes"]
    # Names of classes stand at the left and above.
    cell = min(24, max(3, 240 // classes))
    left = confusion.width - cell * classes
    share = sum((255 - confusion.getpixel((left + i * cell + 1, left + i * cell + 1))[0]) / 255 for i in range(classes)) / classes
    expected = result["metrics"]["val/acc1"]
    check(abs(100 * share - expected) < 1, f"{trial}: the confusion's diagonal says {100 * share:.1f} %, val/acc1 is {expected:.1f} %")
    tags = events[-1].Tags()["histograms"]
    kinds = {tag.split("/")[0] for tag in tags}
    whole = all(math.isclose(sum(h.histogram_value.bucket), h.histogram_value.num) for tag in tags for h in events[-1].Histograms(tag))
    weights = sum(events[-1].Histograms(tag)[-1].histogram_value.num for tag in tags if tag.startswith("weights/"))
    check(kinds == {"weights", "gradients"} and whole and 0 < weights < planned["parameters"], f"{trial}: {len(tags)} histograms, {weights:.0f} weights in the last ones, each in one bucket")
    text = events[0].Tensors("spec")[0].tensor_proto.string_val[0].decode()
    check(trial in text and f"scale: {planned['model']['scale']}" in text, f"{trial}: the spec is there as text")


def check_tables(sweep, trials, results):
    try:
        import pyarrow.parquet as parquet
    except ImportError:
        print("        (trials.parquet and metrics.parquet are not read: this Python has no pyarrow)")
        return
    files = [sweep / "trials.parquet", sweep / "metrics.parquet"]
    if not all(file.exists() for file in files):
        check(False, "there are trials.parquet and metrics.parquet")
        return
    table, metrics = (parquet.read_table(file) for file in files)
    rows = {row["id"]: row for row in table.to_pylist()}
    same = all(rows.get(t, {}).get("val_acc1") == r["metrics"].get("val/acc1") for t, r in results.items())
    check(set(trials) <= set(rows) and same, f"trials.parquet has {len(rows)} trials and their accuracies")
    logged = 0
    for path in (sweep / "runs" / trial / "metrics.jsonl" for trial in rows):
        lines = path.read_text().splitlines() if path.exists() else []
        logged += sum(len(json.loads(line).keys() - {"step", "epoch", "checksum"}) for line in lines)
    check(metrics.num_rows == logged, f"metrics.parquet has {metrics.num_rows} of {logged} logged values")


def main(sweep):
    trials, results, last = read_sweep(sweep)
    check(trials and len(results) == len(trials), f"{len(results)} of {len(trials)} trials of the plan are over")
    with tempfile.NamedTemporaryFile() as log:
        process = start(sweep / "runs", log)
        try:
            check_server(address(process, log), trials, results, last)
        finally:
            end(process)
    check_view(sweep, trials)
    for trial in sorted(results):
        check_events(sweep, trial, last[trial])
        if results[trial]["status"] == "done":
            check_pictures(sweep, trial, results[trial], trials[trial])
    check_tables(sweep, trials, results)
    print(f"{CHECKS[True]} passed, {CHECKS[False]} failed")
    return 1 if CHECKS[False] else 0


if __name__ == "__main__":
    if len(sys.argv) != 2 or not (Path(sys.argv[1]) / "plan.json").is_file():
        sys.exit("usage: verify-tensorboard.py SWEEP_FOLDER (a folder with a plan.json)")
    sys.exit(main(Path(sys.argv[1])))
