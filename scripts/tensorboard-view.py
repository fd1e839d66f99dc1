#!/usr/bin/env python3
"""Opens TensorBoard on a sweep, or on all, with runs that are named by arm.

    tensorboard-view.py REPORTS [NAME] [--trials] [OPTION OF TENSORBOARD ...]

A run's name begins with its arm's label: `scale=2/seed=0` is a trial, `scale=2/mean-of-3` the mean
over the seeds that are over, with the standard deviation in the tags below `with_spread`. The runs
lie in a folder of their own, which is removed at the end: links to the folders of trials, and the
files of means. It follows a running sweep.

TensorBoard unticks all runs where there are more than 40, so that every chart is empty. Above 40
runs only the means are shown; --trials shows the trials all the same.
"""

import contextlib
import json
import math
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.types_pb2 import DT_STRING
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.summary.writer.record_writer import RecordWriter

# Of TensorBoard: more runs than these are unticked.
MOST = 40
EVERY_S = 10
SPREAD = "with_spread"


def trials_by_arm(sweep):
    """The trials that have been started, by the arm's label as a folder's name."""
    plan = json.loads((sweep / "plan.json").read_text())
    planned = plan["trials"] + plan.get("earlier", [])
    trials = [trial for trial in planned if (sweep / "runs" / trial["id"]).is_dir()]
    arms_of = {}
    for trial in trials:
        arms_of.setdefault(trial["label"], set()).add(trial["arm"])
    found = {}
    for trial in trials:
        label = trial["label"].replace("/", "_")
        # Arms of earlier commands may have the same label.
        name = f"{label} ({trial['arm'][-8:]})" if len(arms_of[trial["label"]]) > 1 else label
        found.setdefault(name, []).append(trial)
    return found


def points(run):
    """Values by tag and step, from metrics.jsonl."""
    found = {}
    with contextlib.suppress(OSError):
        for line in (run / "metrics.jsonl").read_text().splitlines():
            with contextlib.suppress(ValueError):
                point = json.loads(line)
                for tag in point.keys() - {"step", "epoch", "checksum"}:
                    if isinstance(point[tag], (int, float)):
                        found.setdefault(tag, {})[point["step"]] = float(point[tag])
    return found


def over(sweep, trials):
    """The folders of the trials that are done."""
    done = []
    for trial in trials:
        run = sweep / "runs" / trial["id"]
        with contextlib.suppress(OSError, ValueError):
            if json.loads((run / "result.json").read_text())["status"] == "done":
                done.append(run)
    return done


def write_mean(folder, runs):
    """An event file of the means over runs, at the steps that all of them have."""
    curves = [points(run) for run in runs]
    tags = sorted(set.intersection(*(set(curve) for curve in curves)))
    events = [Event(file_version="brain.Event:2")]
    with_spread = []
    for tag in tags:
        for step in sorted(set.intersection(*(set(curve[tag]) for curve in curves))):
            values = [curve[tag][step] for curve in curves]
            mean = statistics.fmean(values)
            named = {tag: mean}
            if len(values) > 1:
                deviation = statistics.stdev(values)
                named[f"{SPREAD}/{tag}/lower"] = mean - deviation
                named[f"{SPREAD}/{tag}/upper"] = mean + deviation
            summary = [Summary.Value(tag=name, simple_value=value) for name, value in named.items()]
            events.append(Event(step=step, summary=Summary(value=summary)))
        with_spread += [tag] if len(curves) > 1 else []
    if with_spread:
        events.append(Event(summary=layout_summary(layout(with_spread))))
    now = time.time()
    with open(folder / f"events.out.tfevents.{now:.0f}.mean", "wb") as file:
        for event in events:
            event.wall_time = now
            RecordWriter(file).write(event.SerializeToString())


def layout_summary(charts):
    """The value in which the plugin of custom scalars looks for a layout."""
    tensor = TensorProto(dtype=DT_STRING, string_val=[charts.SerializeToString()])
    plugin = SummaryMetadata.PluginData(plugin_name="custom_scalars")
    value = Summary.Value(
        tag="custom_scalars__config__", tensor=tensor, metadata=SummaryMetadata(plugin_data=plugin)
    )
    return Summary(value=[value])


def layout(tags):
    """Charts of the custom-scalars page: each tag with a band of one standard deviation."""
    ordered = sorted(tags, key=lambda tag: (not tag.startswith("val/"), tag))

    def chart(tag):
        series = layout_pb2.MarginChartContent.Series(
            value=tag, lower=f"{SPREAD}/{tag}/lower", upper=f"{SPREAD}/{tag}/upper"
        )
        return layout_pb2.Chart(title=tag, margin=layout_pb2.MarginChartContent(series=[series]))

    title = "mean and standard deviation over seeds"
    return layout_pb2.Layout(
        category=[layout_pb2.Category(title=title, chart=[chart(tag) for tag in ordered])]
    )


def accuracy(sweep, trials):
    """The mean of an arm's accuracies; the least for an arm that has none."""
    results = [json.loads((run / "result.json").read_text()) for run in over(sweep, trials)]
    found = [result["metrics"].get("val/acc1") for result in results]
    found = [value for value in found if value is not None]
    return statistics.fmean(found) if found else -math.inf


def link(path, target):
    """A link that follows a trial which gets another attempt."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_symlink() and path.readlink() != target:
        path.unlink()
    if not path.is_symlink():
        path.symlink_to(target)


def show_trial(arm, sweep, trial):
    run = (sweep / "runs" / trial["id"]).resolve()
    attempts = sorted(run.glob("attempt-*"))
    # The folder of a single attempt spares a part of the name.
    link(arm / f"seed={trial['seed']}", attempts[0] if len(attempts) == 1 else run)


def show_mean(arm, sweep, trials):
    done = over(sweep, trials)
    if not done:
        return
    folder = arm / f"mean-of-{len(done)}"
    if folder.exists():
        return
    for older in arm.glob("mean-of-*"):
        shutil.rmtree(older)
    folder.mkdir(parents=True)
    write_mean(folder, done)


def update(view, sweeps, wants_trials):
    """Brings the view up to date. Returns the numbers of trials, of arms and of arms shown, and
    whether trials are shown."""
    arms = []
    for sweep in sweeps:
        several = f" of {sweep.name}" if len(sweeps) > 1 else ""
        of_sweep = trials_by_arm(sweep).items()
        arms += [(f"{label}{several}", sweep, trials) for label, trials in of_sweep]
    count = sum(len(trials) for _, _, trials in arms)
    has_trials = wants_trials or count + len(arms) <= MOST
    shown = arms
    if len(arms) > MOST and not wants_trials:
        shown = sorted(arms, key=lambda arm: accuracy(arm[1], arm[2]), reverse=True)[:MOST]
    names = {label for label, _, _ in shown}
    for folder in view.iterdir():
        if folder.name not in names:
            shutil.rmtree(folder)
    for label, sweep, trials in shown:
        for trial in trials if has_trials else []:
            show_trial(view / label, sweep, trial)
        show_mean(view / label, sweep, trials)
        for path in [] if has_trials else (view / label).glob("seed=*"):
            path.unlink()
    return count, len(arms), len(shown), has_trials


def follow(view, sweeps, wants_trials, is_over):
    while not is_over.wait(EVERY_S):
        # A file that is being replaced is read the next time.
        with contextlib.suppress(OSError, ValueError, KeyError):
            update(view, sweeps, wants_trials)


def main(words):
    wants_trials = "--trials" in words
    words = [word for word in words if word != "--trials"]
    reports = Path(words[0] if words else "reports")
    named = words[1:2] if words[1:] and not words[1].startswith("-") else []
    options = words[1 + len(named) :]
    folders = [reports / named[0]] if named else sorted(reports.glob("*"))
    sweeps = [folder for folder in folders if (folder / "plan.json").is_file()]
    if not sweeps:
        where = folders[0] if named else reports
        sys.exit(f"error: there is no sweep in {where}\nhelp: start one with: just sweep")
    with tempfile.TemporaryDirectory(prefix="tensorboard-") as folder:
        view = Path(folder)
        count, arms, shown, has_trials = update(view, sweeps, wants_trials)
        print(f"{count} trials of {arms} arms; run names begin with the arm's label")
        if not has_trials:
            print(f"more than {MOST} runs: means over seeds alone; --trials shows all, unticked")
        if shown < arms:
            print(f"the {shown} arms with the highest accuracy of {arms}")
        how = "in the list of runs, the palette, group by regex, ^[^/]+"
        print(f"one color per arm: {how}", flush=True)
        is_over = threading.Event()
        thread = threading.Thread(target=follow, args=(view, sweeps, wants_trials, is_over))
        thread.start()
        command = [sys.executable, "-m", "tensorboard.main", "--logdir", folder]
        command += ["--host", "127.0.0.1"]
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        process = subprocess.Popen([*command, *options])
        try:
            return process.wait()
        except KeyboardInterrupt:
            return 0
        finally:
            process.terminate()
            process.wait()
            is_over.set()
            thread.join()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
