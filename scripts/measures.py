"""Measures of the code with upper bounds: import cycles, packed bindings, allowed lints, lengths.

    scripts/measures.py         prints each measure with its bound; exit status 1 if one exceeds it
"""
import collections
import os
import re
import subprocess
import sys

FILES = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.rs"], check=True, capture_output=True, text=True).stdout.split()
FILES = [path for path in FILES if os.path.exists(path)]
TEXTS = {path: open(path).read() for path in FILES}


def without_comments(text):
    return "\n".join(re.sub(r"^\s*//.*$|\s//[^\"]*$", "", line) for line in text.split("\n"))


def without_tests(text):
    return text.split("#[cfg(test)]\nmod tests")[0]


def modules(crate):
    """The files of a crate by module path; the path of the crate root is empty."""
    found = {}
    for path in FILES:
        if path.startswith(f"crates/{crate}/src/"):
            parts = path[len(f"crates/{crate}/src/"):-3].split("/")
            parts = parts[:-1] if parts[-1] in ("mod", "lib", "main") else parts
            found[tuple(parts)] = path
    return found


def paths_in(code, own):
    """Every module path in the code: in use lists, and after `crate::`, `super::` and `self::`."""
    def spread(prefix, text):
        text = text.strip()
        opened = text.find("{")
        if opened < 0:
            yield prefix + [part for part in text.split(" as ")[0].split("::") if part]
            return
        head = [part for part in text[:opened].split("::") if part.strip()]
        depth, piece = 0, ""
        for c in text[opened + 1:text.rfind("}")] + ",":
            depth += (c == "{") - (c == "}")
            if c == "," and depth == 0:
                if piece.strip():
                    yield from spread(prefix + head, piece)
                piece = ""
            else:
                piece += c

    named = [p for use in re.findall(r"\buse\s+([^;]+);", code) for p in spread([], use)]
    named += [p.split("::") for p in re.findall(r"\b(?:crate|super|self)(?:::\w+)+(?!\w|::)", code)]
    for parts in named:
        parts = [part.strip() for part in parts]
        if parts[0] == "crate":
            yield tuple(parts[1:])
        elif parts[0] in ("super", "self"):
            base = list(own)
            while parts and parts[0] in ("super", "self"):
                base = base[:-1] if parts[0] == "super" else base
                parts = parts[1:]
            yield tuple(base + parts)
        else:
            # A path without a keyword starts at a child module.
            yield tuple(list(own) + parts)


def imports(crate):
    """For each file of a crate, the files whose items it uses."""
    known = modules(crate)
    # Paths of re-exported items are resolved to the file that defines them.
    exported = {}
    for own, path in known.items():
        for use in re.findall(r"\bpub(?:\([\w: ]+\))? use ([^;]+);", without_comments(TEXTS[path])):
            for parts in paths_in(f"use {use};", own):
                exported[own + (parts[-1],)] = parts
    edges = collections.defaultdict(set)
    for own, path in known.items():
        for parts in paths_in(without_tests(without_comments(TEXTS[path])), own):
            for _ in range(3):
                parts = next((exported[parts[:n]] + parts[n:] for n in range(len(parts), 0, -1) if parts[:n] in exported), parts)
            target = next((parts[:n] for n in range(len(parts), 0, -1) if parts[:n] in known), None)
            if target is None and parts and len(parts) == 1:
                # An item that the crate root defines.
                target = () if re.search(rf"\b(fn|struct|enum|const|static|type)\s+{re.escape(parts[0])}\b", TEXTS.get(known.get(()), "")) else None
            if target is not None and target != own:
                edges[path].add(known[target])
    return edges


def circles(edges):
    """Import cycles: the strongly connected components of several files (Tarjan)."""
    order, low, stack, found = {}, {}, [], []

    def visit(node):
        order[node] = low[node] = len(order)
        stack.append(node)
        for other in sorted(edges.get(node, ())):
            if other not in order:
                visit(other)
            if other in stack:
                low[node] = min(low[node], low[other])
        if low[node] == order[node]:
            group = []
            while not group or group[-1] != node:
                group.append(stack.pop())
            if len(group) > 1:
                found.append(sorted(group))

    for node in sorted(edges):
        if node not in order:
            visit(node)
    return found


def functions(text):
    """The length in lines and the name of each function, as formatted by rustfmt."""
    lines = text.split("\n")
    start = re.compile(r"^(\s*)(?:pub(?:\([\w: ]+\))? )?(?:const )?(?:unsafe )?(?:extern \"C\" )?fn (\w+)")
    for i, line in enumerate(lines):
        found = start.match(line)
        if found and not line.rstrip().endswith(";") and not line.rstrip().endswith("}"):
            # The declaration of a foreign function has no body.
            opened = next((j for j in range(i, len(lines)) if lines[j].rstrip().endswith(("{", ";"))), i)
            if lines[opened].rstrip().endswith(";"):
                continue
            end = next((j for j in range(opened, len(lines)) if lines[j] == found[1] + "}"), i)
            yield end - i + 1, found[2]


def split_group(text, start):
    """The comma-separated parts of the group in brackets at `start`, and the index after it."""
    depth, parts, piece = 0, [], ""
    for i in range(start, len(text)):
        c = text[i]
        depth += (c in "([{") - (c in ")]}")
        if depth == 0:
            return [part for part in parts + [piece] if part.strip()], i + 1
        if c == "," and depth == 1:
            parts, piece = parts + [piece], ""
        elif i > start:
            piece += c
    return [], len(text)


def tuple_bindings(text):
    """The number of statements `let (a, b) = (x, y);`, which pack several bindings."""
    packed = 0
    for found in re.finditer(r"\blet \(", text):
        names, end = split_group(text, found.end() - 1)
        equals = re.match(r"\s*=\s*\(", text[end:])
        if equals:
            values, end = split_group(text, end + equals.end() - 1)
            packed += len(names) > 1 and len(names) == len(values) and text[end:].lstrip().startswith(";")
    return packed


failed = False


def bar(what, value, most, detail=""):
    global failed
    failed |= value > most
    print(f"{'ok' if value <= most else 'BEYOND'}: {what}: {value:g}, at most {most:g}{detail}")


in_circles = [group for crate in ("cli", "lab", "planned", "kernels") for group in circles(imports(crate))]
for group in in_circles:
    print("  circle:", ", ".join(group))
bar("circles of imports in cli, lab, planned and kernels", len(in_circles), 0)
upward = [(path, to) for path, all in imports("cli").items() for to in all
          if "/commands/" in to and "/commands/" not in path and not path.endswith("src/main.rs")]
bar("imports upward out of commands/", len(upward), 0, "".join(f"\n  {path} <- {to}" for path, to in upward))
code = {path: without_comments(text) for path, text in TEXTS.items()}
count = sum(1 for text in code.values() for line in text.split("\n") if line.strip())
bar("packed bindings per 1000 lines", 1000 * sum(map(tuple_bindings, code.values())) / count, 1)
bar("allowed lints", sum(len(re.findall(r"#!?\[(?:allow|expect)\(", text)) for text in code.values()), 25)
bar("words of README.md", len(open("README.md").read().split()), 900)
length, name, where = max((n, name, path) for path, text in code.items() for n, name in functions(text))
bar("lines of the longest function", length, 80, f" ({name} in {where})")
widths = sorted(len(line) for text in TEXTS.values() for line in text.split("\n") if line)
bar("90th percentile of line length", widths[len(widths) * 9 // 10], 96)
sys.exit(failed)
