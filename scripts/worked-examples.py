#!/usr/bin/env python3
"""Applies each worked example of CONTRIBUTING.md to a copy of the tree and runs its tests.

    scripts/worked-examples.py        one line per example; exit status 1 if one fails
    scripts/worked-examples.py a b    only those with these letters
    scripts/worked-examples.py --apply    whether each can be applied to this tree, and no more

The copy includes uncommitted changes of the checkout. Its path is always
target/worked-examples/tree, so that cargo builds only what differs from the last run. The copy is
removed at the end. Dependencies are those of the ordinary target folder (cargo 1.91 or later; an
older cargo builds them again). Binaries are written to target/worked-examples, so that a running
sweep never starts one that was built from an example.
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
    # The path is that of the checkout, because cargo builds torch-sys again if it changes.
    "LIBTORCH": os.environ.get("LIBTORCH", os.path.join(ROOT, ".libtorch/link")),
    # Without this, git would treat the copy as a part of the enclosing checkout.
    "GIT_CEILING_DIRECTORIES": OWN,
}


def run(command, **options):
    """Returns standard output and error as one text. The exception of a failure contains it."""
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
    """Updates the modification times of files that an example changes, now or in an earlier run.
    Cargo compares modification times. The copy has those of the checkout, which are older than
    what was built from an example."""
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


def check_all_apply(examples):
    """Exits with status 1 if a diff does not fit the checkout, which it leaves as it is."""
    failed = False
    for title, diff, _ in examples:
        done = subprocess.run(["git", "apply", "--check", "--whitespace=error", "-"], cwd=ROOT,
                              input=diff, text=True, capture_output=True)
        if done.returncode != 0:
            failed = True
            print(f"failed: CONTRIBUTING.md, {title}: {done.stderr.strip()}")
    sys.exit(1 if failed else 0)


def main():
    text = open(os.path.join(ROOT, "CONTRIBUTING.md")).read()
    examples = EXAMPLE.findall(text)
    fences = text.count("\n```diff\n")
    if len(examples) != fences or not examples:
        sys.exit(f"error: CONTRIBUTING.md has {fences} diffs, but {len(examples)} worked examples with a title and a test")
    if sys.argv[1:] == ["--apply"]:
        return check_all_apply(examples)
    if chosen := sys.argv[1:]:
        if unknown := [letter for letter in chosen if not any(e[0].startswith(f"({letter})") for e in examples)]:
            sys.exit(f"error: there is no example {', '.join(unknown)}")
        examples = [example for example in examples if example[0][1] in chosen]
    os.makedirs(OWN, exist_ok=True)
    # SIGTERM raises an exception like Ctrl-C, so that the copy is removed in any case.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    failed = False
    try:
        copy_tree()
        touch_changed(examples)
        # In reverse order, because the first examples change crates on which most others depend.
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
