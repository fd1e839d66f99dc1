"""What a check of GPUs leaves to be read: a page, and a table of speeds."""

import csv
import datetime
import html

# Columns of the table; the page calls them as HEADS does.
NAMES = [
    "gpu",
    "network",
    "what",
    "precision",
    "mode",
    "images_per_s",
    "pytorch_images_per_s",
    "gpu_memory_mib",
]
HEADS = [
    "network",
    "what",
    "precision",
    "mode",
    "images/s",
    "PyTorch, images/s",
    "GPU memory, MiB",
]
STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; margin: 1rem 0 }
td, th { border-bottom: 1px solid #ccc; padding: .3rem .7rem; text-align: left }
td, th { vertical-align: top; white-space: pre-wrap }
td:nth-child(2), td:nth-child(3) { white-space: nowrap }
"""


def write_speeds(path, speeds):
    """One row per measurement, each a dictionary with NAMES."""
    with open(path, "w", newline="") as f:
        writer = csv.DictWriter(f, NAMES)
        writer.writeheader()
        writer.writerows(speeds)


def write_page(path, machine, steps, speeds):
    """`steps` are tuples of title, state, detail and seconds."""
    facts = [
        ("GPUs", ", ".join(machine.get("gpus", []))),
        ("nvidia-smi", "; ".join(machine.get("smi", []))),
        ("libtorch", machine.get("libtorch")),
        ("processor", machine.get("cpu")),
        ("date", datetime.datetime.now().isoformat(" ", "minutes")),
    ]
    rows = [(title, state, f"{seconds:.1f} s", detail) for title, state, detail, seconds in steps]
    measured = [[speed[name] for name in NAMES[1:]] for speed in speeds]
    with open(path, "w") as f:
        f.write(f"""<!doctype html><html lang="en"><meta charset="utf-8"><title>GPU check</title>
<style>{STYLE}</style>
<h1>GPU check</h1>
{table(["", ""], facts)}
<h2>Checks</h2>
{table(["step", "result", "time", "detail"], rows)}
<h2>Speed</h2>
<p>Medians of three rounds. Memory is that of tensors. PyTorch is plain PyTorch in the same
precision, without a graph, in the faster of two memory formats; an empty cell was not measured.</p>
{table(HEADS, measured)}
</html>
""")


def table(heads, rows):
    body = "".join(f"<tr>{cells(row, 'td')}</tr>" for row in rows)
    return f"<table><tr>{cells(heads, 'th')}</tr>{body}</table>"


def cells(row, tag):
    text = lambda cell: "" if cell is None else html.escape(str(cell))
    return "".join(f"<{tag}>{text(cell)}</{tag}>" for cell in row)
