#!/usr/bin/env python3
"""Names the functions that wait for the device: sites.py REPORT.json, of a run with SITES=1."""

import collections
import json
import subprocess
import sys


def names(program, addresses):
    """The function of each address, without the hash that Rust adds."""
    command = ["addr2line", "-fCe", program, *addresses]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return {at: name.split("::h")[0] for at, name in zip(addresses, lines[::2])}


def main():
    with open(sys.argv[1]) as file:
        report = json.load(file)
    split = [(text.split(" 0x"), count) for text, count in report["sites"].items()]
    addresses = sorted({f"0x{at}" for parts, _ in split for at in parts[1:]})
    known = names(report["command"][0], addresses) if addresses else {}
    total = collections.Counter()
    for parts, count in split:
        path = [known[f"0x{at}"] for at in parts[1:]]
        # The shim and the bindings are the same for all.
        path = [name for name in path if "::" in name and not name.startswith(("tch::", "at::"))]
        total[f"{parts[0]}: {' < '.join(path[:3])}"] += count
    for text, count in total.most_common():
        print(f"{count:6} {text}")


main()
