#!/usr/bin/env python3
"""Checks that TensorBoard shows curves named by arm when it is opened on a sweep of 88 runs.

    verify-tensorboard-many.py SWEEP_FOLDER [PICTURE.png]     needs playwright and Chromium

The sweep of 88 runs is made of the runs of SWEEP_FOLDER, copied under the names of 44 arms with two
seeds each. `just tensorboard` opens it; the page is looked at in Chromium as a person first sees it.
"""

import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

ARMS = 44
SEEDS = 2
WAIT_S = 60
failures = 0

# The colored pixels of the charts: lines are colored, and axes, grids and text are gray.
COLORED = """async (picture) => {
  const image = new Image();
  await new Promise((done) => { image.onload = done; image.src = 'data:image/png;base64,' + picture; });
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [image.width, image.height];
  const context = canvas.getContext('2d');
  context.drawImage(image, 0, 0);
  const pixels = context.getImageData(0, 0, image.width, image.height).data;
  let colored = 0;
  for (let i = 0; i < pixels.length; i += 4)
    colored += Math.max(pixels[i], pixels[i + 1], pixels[i + 2]) - Math.min(pixels[i], pixels[i + 1], pixels[i + 2]) > 60;
  return colored;
}"""


def check(ok, what):
    global failures
    failures += not ok
    print(f"{'ok' if ok else 'FAILED'}: {what}", flush=True)


def multiplied(sweep, folder):
    """A sweep of 88 trials from the finished ones of another."""
    plan = json.loads((sweep / "plan.json").read_text())
    done = [trial for trial in plan["trials"] if (sweep / "runs" / trial["id"] / "result.json").exists()]
    trials = []
    for number in range(ARMS * SEEDS):
        arm, seed = divmod(number, SEEDS)
        source = done[number % len(done)]
        label = f"scale={2 * (arm % 4 + 1)} width={8 + 2 * (arm // 4)}"
        trial = {**source, "id": f"run-{number}", "arm": f"arm-{arm}", "label": label, "seed": seed}
        shutil.copytree(sweep / "runs" / source["id"], folder / "runs" / trial["id"])
        trials.append(trial)
    (folder / "plan.json").write_text(json.dumps({**plan, "trials": trials, "earlier": []}))
    return {trial["label"] for trial in trials}


def address(process):
    """The address that TensorBoard states on its standard error."""
    for line in process.stderr:
        found = re.search(r"http://127\.0\.0\.1:\d+", line)
        if found:
            return found.group()
    raise SystemExit("TensorBoard did not start")


def looked_at(browser, url, labels, picture):
    page = browser.new_page(viewport={"width": 1400, "height": 900})
    page.goto(url + "/#timeseries")
    page.wait_for_selector("scalar-card", timeout=1000 * WAIT_S)
    card = page.locator("scalar-card line-chart, scalar-card scalar-card-line-chart").first
    card.wait_for(timeout=1000 * WAIT_S)
    colored = 0
    for _ in range(WAIT_S):
        shot = card.screenshot()
        colored = page.evaluate(COLORED, __import__("base64").b64encode(shot).decode())
        if colored > 200:
            break
        time.sleep(1)
    check(colored > 200, f"the first chart has curves when it is opened: {colored} colored pixels")
    text = page.locator("runs-data-table, runs-table").first.inner_text()
    named = {label for label in labels if label in text}
    check(len(named) >= 5, f"the list of runs names arms: {sorted(named)[:3]}")
    page.screenshot(path=picture)
    page.close()


def main(sweep, picture):
    with tempfile.TemporaryDirectory() as reports:
        folder = Path(reports) / "many"
        labels = multiplied(sweep, folder)
        command = [".tools/tensorboard/bin/python", "scripts/tensorboard-view.py", reports, "many", "--port", "0"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            url = address(process)
            with sync_playwright() as p:
                chromium = shutil.which("chromium") or shutil.which("google-chrome")
                browser = p.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
                looked_at(browser, url, labels, picture)
                browser.close()
        finally:
            process.terminate()
            process.wait()
    return failures > 0


if __name__ == "__main__":
    if len(sys.argv) < 2 or not (Path(sys.argv[1]) / "plan.json").is_file():
        sys.exit("usage: verify-tensorboard-many.py SWEEP_FOLDER (a folder with a plan.json) [PICTURE.png]")
    sys.exit(main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else "target/tensorboard.png"))
