#!/usr/bin/env python3
"""Applies each worked example of CONTRIBUTING.md to a copy of the tree and runs the tests that it names.

    scripts/worked-examples.py        one line per example; exit status 1 if one fails

The copy has the files of the checkout as they are, with changes that are not committed. It always lies in
target/worked-examples/tree, so that cargo builds only what differs from the last run, and it is removed at the end.
Dependencies are those of the ordinary target folder (cargo 1.91 or later; an older cargo builds them once more), but
programs stay in target/worked-examples, so that no running sweep sees one of an example.
"""
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TARGET = os.path.abspath(os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target")))
OWN = os.path.join(TARGET, "worked-examples")
TREE = os.path.join(OWN, "tree")
# Beside the artifacts that it describes, so that both are removed together.
TOUCHED = os.path.join(TARGET, "worked-examples.txt")
EXAMPLE = re.compile(r"^### (\([a-z]\) [^\n]+)\n(?:(?!^### ).)*?^```diff\n(.*?)^```\n\nTest: `([^`]+)`", re.M | re.S)
ENVIRONMENT = {
    **os.environ,
    "CARGO_TARGET_DIR": OWN,
    "CARGO_BUILD_BUILD_DIR": TARGET,
    # One path for both checkouts: with another one, cargo would build torch-sys again.
    "LIBTORCH": os.environ.get("LIBTORCH", os.path.join(ROOT, ".libtorch/link")),
    # git must not take the copy for a part of the checkout around it.
    "GIT_CEILING_DIRECTORIES": OWN,
}


def run(command, **options):
    """Standard output and errors as one text; fails with that text."""
    done = subprocess.run(command, cwd=TREE, env=ENVIRONMENT, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, **options)
    if done.returncode != 0:
        raise RuntimeError(f"{shlex.join(command)}\n{done.stdout.strip()}")
    return done.stdout


def copy_tree():
    shutil.rmtree(TREE, ignore_errors=True)
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT,
                            check=True, capture_output=True, text=True).stdout
    for path in filter(None, listed.split("\0")):
        source = os.path.join(ROOT, path)
        if os.path.lexists(source):
            os.makedirs(os.path.dirname(os.path.join(TREE, path)), exist_ok=True)
            shutil.copy2(source, os.path.join(TREE, path), follow_symlinks=False)
    os.symlink(os.path.join(ROOT, ".libtorch"), os.path.join(TREE, ".libtorch"))


def touch_changed(examples):
    """Marks as new what an example changes or an earlier run's example changed: cargo compares times, and the copy has
    the times of the checkout, which are older than what was built from an example."""
    paths = {path for _, diff, _ in examples for path in re.findall(r"^\+\+\+ b/(.+)$", diff, re.M)}
    if os.path.exists(TOUCHED):
        paths |= set(open(TOUCHED).read().split("\n")) - {""}
    with open(TOUCHED, "w") as file:
        file.write("\n".join(sorted(paths)) + "\n")
    for path in paths:
        if os.path.exists(os.path.join(TREE, path)):
            os.utime(os.path.join(TREE, path))


def check(diff, test):
    words = shlex.split(test)
    names = words[words.index("--") + 1:] if "--" in words else []
    if words[:2] != ["cargo", "test"] or not names:
        raise RuntimeError(f"not of the form `cargo test ... -- NAME`: {test}")
    if long := [line for line in diff.split("\n") if line.startswith("+") and len(line) > 101]:
        raise RuntimeError(f"longer than 100 columns: {long[0]}")
    run(["git", "apply", "--whitespace=error", "-"], input=diff)
    try:
        run(["cargo", "fmt", "--all", "--check"])
        output = run(words)
    finally:
        run(["git", "apply", "--reverse", "-"], input=diff)
    if missing := [name for name in names if not re.search(rf"^test \S*{name}\S* \.\.\. ok$", output, re.M)]:
        raise RuntimeError(f"there is no test {', '.join(missing)}")


def main():
    text = open(os.path.join(ROOT, "CONTRIBUTING.md")).read()
    examples = EXAMPLE.findall(text)
    fences = text.count("\n```diff\n")
    if len(examples) != fences or not examples:
        sys.exit(f"error: CONTRIBUTING.md has {fences} diffs, but {len(examples)} worked examples with a title and a test")
    os.makedirs(OWN, exist_ok=True)
    # As Ctrl-C does: the copy is removed in any case.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    failed = False
    try:
        copy_tree()
        touch_changed(examples)
        # From the last to the first: the first ones change crates that most others use.
        for title, diff, test in reversed(examples):
            started = time.monotonic()
            try:
                check(diff, test)
                print(f"ok: {title[:4]}{title[4].lower()}{title[5:]} ({time.monotonic() - started:.0f} s)", flush=True)
            except RuntimeError as e:
                failed = True
                print(f"failed: {title}: {e}", flush=True)
    finally:
        shutil.rmtree(TREE, ignore_errors=True)
    sys.exit(1 if failed else 0)


main()
