#!/usr/bin/env python3
"""Measures a large report in Chromium: how long it takes to open, and to follow a selection.

    measure-large.py PAGE.html [TIMES=5]      needs playwright and Chromium

Opening ends when the page has been drawn after its load event. Selections begin half a second later,
as nobody types sooner; each ends when the page has been drawn after the input. Prints each time and the median, in milliseconds. The page of 10,000 trials is
written by `cargo run --release --workspace --example large -- PAGE.html`.
"""

import os
import shutil
import statistics
import sys

from playwright.sync_api import sync_playwright

DRAWN = "new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)))"
SELECT = f"""async (text) => {{
  const field = document.getElementById('where');
  field.value = text;
  const from = performance.now();
  field.dispatchEvent(new Event('input'));
  await {DRAWN};
  return performance.now() - from;
}}"""
SELECTIONS = ("scale=4", "depth=20 lr>0.1", "seed=3", "val_acc1>97", "")


def shown(name, times):
    listed = ", ".join(f"{t:.0f}" for t in times)
    print(f"{name}: median {statistics.median(times):.0f} ms, most {max(times):.0f} ms ({listed})", flush=True)


def main(path, times):
    with sync_playwright() as p:
        chromium = shutil.which("chromium") or shutil.which("google-chrome")
        browser = p.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        opened, selected = [], {text: [] for text in SELECTIONS}
        for _ in range(times):
            page = browser.new_page(viewport={"width": 1400, "height": 900})
            page.goto("file://" + os.path.abspath(path), wait_until="load")
            opened.append(page.evaluate(f"async () => {{ await {DRAWN}; return performance.now(); }}"))
            page.wait_for_timeout(500)
            for text in SELECTIONS:
                selected[text].append(page.evaluate(SELECT, text))
            page.close()
        shown("opening", opened)
        for text, taken in selected.items():
            shown(f"selecting {text or 'everything again'}", taken)
        browser.close()


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("usage: measure-large.py PAGE.html [TIMES]")
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 5)
