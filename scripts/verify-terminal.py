#!/usr/bin/env python3
"""Commands on a pseudo-terminal of 80 and of 200 columns: no row wraps, colors follow the rules,
the counter of a sweep names each trial once, and a resized terminal keeps no stale line.

The screens are recorded as text into the folder that is given, if one is.
"""

import codecs
import fcntl
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
import unicodedata
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = str(ROOT / "target/release/res2lab")
ROWS = 50
# Of one command; a sweep takes seconds where nothing else runs.
LONGEST_S = 120
# Two arms whose trials take a second.
TINY = "scale=2,4 epochs=1 batch=500 depth=11 planes=4 width=16".split()


class Screen:
    """A terminal that knows what the program writes, reflows when it is resized, as most do, and
    counts rows that wrap."""

    def __init__(self, columns):
        self.columns = columns
        self.rows = [""]  # all of them, those that have scrolled away too
        self.colors = 0
        self.at = [0, 0]
        self.wrapped = []
        self.pending = ""

    def feed(self, text):
        text = self.pending + text
        self.pending = ""
        at = 0
        while at < len(text):
            found = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])").match(text, at)
            if found:
                self.control(found[2], found[1])
                at = found.end()
            elif text[at] == "\x1b":
                if len(text) - at > 12:
                    raise SystemExit(f"FAILED  unknown sequence {text[at:at + 12]!r}")
                self.pending = text[at:]
                return
            else:
                self.letter(text[at])
                at += 1

    def control(self, kind, values):
        count = int(values.lstrip("?") or 1) if values.lstrip("?").isdigit() or not values else 1
        if kind == "m":
            self.colors += values not in ("", "0")
        elif kind == "A":
            self.at[0] = max(0, self.at[0] - count)
        elif kind == "J" and values in ("", "0"):
            self.rows[self.at[0]] = self.rows[self.at[0]][: self.at[1]]
            del self.rows[self.at[0] + 1 :]
        elif kind == "K" and values in ("", "0"):
            self.rows[self.at[0]] = self.rows[self.at[0]][: self.at[1]]
        elif kind == "K" and values == "2":
            self.rows[self.at[0]] = ""
        elif kind not in "hl":
            raise SystemExit(f"FAILED  unknown sequence ESC[{values}{kind}")

    def letter(self, letter):
        if letter == "\r":
            self.at[1] = 0
        elif letter == "\n":
            self.down()
        else:
            wide = 2 if unicodedata.east_asian_width(letter) in "WF" else 1
            if self.at[1] + wide > self.columns:
                self.wrapped.append(self.rows[self.at[0]])
                self.down()
                self.at[1] = 0
            row = self.rows[self.at[0]].ljust(self.at[1])
            self.rows[self.at[0]] = row[: self.at[1]] + letter + row[self.at[1] + 1 :]
            self.at[1] += wide

    def down(self):
        self.at[0] += 1
        while len(self.rows) <= self.at[0]:
            self.rows.append("")

    def resize(self, columns):
        """Rows that are too long continue on new rows; the cursor stays at its text."""
        before = "\n".join(self.rows[: self.at[0]])
        fold = lambda row: [row[i : i + columns] for i in range(0, len(row), columns)] or [""]
        rows = [part for row in self.rows for part in fold(row)]
        above = [part for row in before.split("\n") for part in fold(row)] if self.at[0] else []
        self.columns, self.rows, self.at[0] = columns, rows, len(above)


def run(words, columns, environment=None, resize=None):
    """Runs a command on a terminal. `resize` is (text, columns): once the text is
    shown, the terminal gets these columns."""
    parent, child = pty.openpty()
    shape = lambda columns: struct.pack("HHHH", ROWS, columns, 0, 0)
    size = lambda columns: fcntl.ioctl(child, termios.TIOCSWINSZ, shape(columns))
    size(columns)
    settings = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    settings |= {"TERM": "xterm-256color"} | (environment or {})
    process = subprocess.Popen(
        [PROGRAM, *words], stdin=child, stdout=child, stderr=child, cwd=ROOT, env=settings
    )
    screen = Screen(columns)
    started = time.monotonic()
    is_over = False
    decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
    while True:
        if resize and any(resize[0] in row for row in screen.rows):
            drain(parent, screen, decoder)
            size(resize[1])
            screen.resize(resize[1])
            resize = None
        ready, _, _ = select.select([parent], [], [], 0.02)
        if ready:
            # The decoder keeps a letter that is cut between two reads.
            screen.feed(decoder.decode(os.read(parent, 65536)))
        elif is_over:
            break
        is_over = process.poll() is not None
        if time.monotonic() - started > LONGEST_S:
            process.send_signal(signal.SIGKILL)
            raise SystemExit(f"FAILED  {' '.join(words)} does not end")
    os.close(parent)
    os.close(child)
    screen.status = process.returncode
    return screen


def drain(parent, screen, decoder):
    """What was written for the old size is shown at the old size."""
    while select.select([parent], [], [], 0.05)[0]:
        screen.feed(decoder.decode(os.read(parent, 65536)))


def check(what, is_so, screen=None):
    if not is_so:
        print(f"FAILED  {what}")
        if screen:
            print("\n".join(screen.rows))
        raise SystemExit(1)
    print(f"ok      {what}")


def counters(screen, trials):
    found = [int(n) for n in re.findall(rf"^\[(\d+)/{trials}\]", "\n".join(screen.rows), re.M)]
    is_each = found == list(range(1, trials + 1))
    check(f"each of {trials} trials is counted once: {found}", is_each, screen)


def record(folder, name, screen):
    if folder:
        text = "\n".join(screen.rows).rstrip() + "\n"
        (folder / f"{name}.txt").write_text(text)


def grid(reports):
    """A plan of 24 arms: what a terminal shows of many."""
    words = "scale=1,2,4 width=16,20,24,28 lr=0.05,0.1 seed=0,1".split()
    return ["plan", *words, "--no-time", "--name", "grid", "--reports", reports]


def sweeps(reports, folder):
    """A sweep at either width, and one that is resized while it runs."""
    for columns, seeds, resize in [(80, 4, None), (200, 2, None), (120, 2, ("[1/4]", 60))]:
        name = f"sweep{columns}"
        words = ["sweep", *TINY, f"seed=0..{seeds - 1}", "--no-time", "--name", name]
        words += ["--slots", "2", "--threads", "1"]
        screen = run([*words, "--reports", reports], columns, resize=resize)
        record(folder, name if not resize else f"{name}-resized-to-{resize[1]}", screen)
        check(f"{name}: ends well", screen.status == 0, screen)
        check(f"{name}: no row wraps: {screen.wrapped[:1]}", not screen.wrapped, screen)
        check(f"{name}: no stale row of a running trial", not stale(screen), screen)
        check(f"{name}: was resized", not resize or screen.columns == resize[1], screen)
        counters(screen, 2 * seeds)
        text = " ".join(" ".join(screen.rows).split())
        has_means = "± " in text and "best so far" in text
        check(f"{name}: running means and the best arm", has_means, screen)


def stale(screen):
    return [row for row in screen.rows if "█" in row or "░" in row or row.startswith("core ")]


def commands(reports, folder):
    """Commands whose result is a table or prose, at 80 and at 200 columns."""
    short = os.path.relpath(reports, ROOT)
    lines = {
        "plan": ["plan", *TINY, "--reports", reports],
        "plan-many": grid(reports),
        "plan-all-rows": [*grid(reports), "--rows", "all"],
        "table": ["table", "sweep80", "--reports", reports],
        "table-arms": ["table", "sweep80", "--arms", "--reports", reports],
        "table-all": ["table", "sweep80", "--columns", "all", "--reports", reports],
        "table-describe": ["table", "sweep80", "--arms", "--describe", "--reports", reports],
        "report": ["report", "sweep80", "--rows", "2", "--reports", short],
        "rf": ["rf", "res2net50_26w_4s", "--page", f"{reports}/rf.html"],
        "rf-axes": ["rf", "scale=2,4,6,8", "--page", f"{reports}/rf.html"],
        "model": ["model", "res2net50_26w_4s"],
        "model-list": ["model", "--list"],
        "env": ["env"],
        "help": ["--help"],
        "help-sweep": ["sweep", "--help"],
        "help-plan": ["plan", "-h"],
        "help-rf": ["rf", "--help"],
        "help-table": ["table", "--help"],
    }
    # Help is never wider than 100 columns.
    sizes = lambda name: (80,) if name.startswith("help") else (80, 200)
    cases = [(name, words, columns) for name, words in lines.items() for columns in sizes(name)]
    with ThreadPoolExecutor(2) as pool:
        screens = list(pool.map(lambda case: run(case[1], case[2]), cases))
    for (name, _, columns), screen in zip(cases, screens):
        record(folder, f"{name}-{columns}", screen)
        # A single word that is longer than the terminal stays whole, such as a compiler's flag.
        wrapped = [row for row in screen.wrapped if re.search(r"\S\s+\S", row)]
        is_well = screen.status == 0 and not wrapped
        check(f"{name} at {columns}: no row wraps {wrapped[:1]}", is_well, screen)


def colors(reports):
    words = ["table", "sweep80", "--reports", reports]
    check("a terminal gets colors", run(words, 80).colors > 0)
    check("NO_COLOR: none", run(words, 80, {"NO_COLOR": "1"}).colors == 0)
    check("TERM=dumb: none", run(words, 80, {"TERM": "dumb"}).colors == 0)
    check("--color never: none", run([*words, "--color", "never"], 80).colors == 0)
    asked = [*words, "--color", "always"]
    check("--color always beats NO_COLOR", run(asked, 80, {"NO_COLOR": "1"}).colors > 0)
    pipe = lambda *more: subprocess.check_output([PROGRAM, *words, *more], cwd=ROOT)
    check("a pipe gets no colors", b"\x1b" not in pipe())
    check("a pipe gets colors with --color always", b"\x1b[" in pipe("--color", "always"))
    check("help follows the flag", run(["plan", "--help", "--color", "never"], 80).colors == 0)
    wrong = run(["table", "nowhere", "--reports", reports], 80)
    check("an error is in color", wrong.colors >= 2 and wrong.rows[0].startswith("error: "), wrong)


def main():
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else None
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    reports = tempfile.mkdtemp(prefix="r", dir="/tmp")
    try:
        sweeps(reports, folder)
        commands(reports, folder)
        colors(reports)
    finally:
        shutil.rmtree(reports)
    print(f"terminal: {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
