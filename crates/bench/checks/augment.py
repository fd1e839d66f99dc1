"""Operations of timm's automatic augmentation on small pictures, and the arguments that it draws: writes the fixture of
crates/data/src/auto/tests.rs.

    python crates/bench/checks/augment.py > crates/data/tests/augment.json    # timm 1.0.31, torchvision and Pillow
    python crates/bench/checks/augment.py --check                             # 100 pictures of varied content instead

With --check, each operation changes each of 100 pictures with an argument of its own, the test compares (through cargo),
and the table of errors is printed. Exit status 1 if an error is above the test's bounds.

Pictures of the fixture follow the rule of crates/nn/tests/golden.md; each is coarse noise that was enlarged, so that it has edges and
smooth parts. Results are hexadecimal.
"""
import io
import json
import os
import random
import subprocess
import sys
import tempfile

# This folder has a statistics.py, which torch would import in place of Python's.
sys.path.pop(0)

import numpy as np
import timm.data.auto_augment as aa
import torch
from PIL import Image, ImageDraw
from torchvision.transforms import TrivialAugmentWide, functional

WIDTH, HEIGHT = 18, 14
FILL = (120, 110, 90)


def fnv1a64(name):
    h = 0xCBF29CE484222325
    for byte in name.encode():
        h = ((h ^ byte) * 0x0100000001B3) & ((1 << 64) - 1)
    return h


def fill(name, n):
    z = np.arange(n, dtype=np.uint64) + np.uint64(fnv1a64(name)) + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((z ^ (z >> np.uint64(31))) >> np.uint64(40)).astype(np.float64) / (1 << 24)


def picture(i):
    coarse = (fill(f"picture {i}", 4 * 5 * 3) * 256).astype(np.uint8).reshape(4, 5, 3)
    # Dark, so that stretching the range changes it.
    return Image.fromarray(coarse).resize((WIDTH, HEIGHT), Image.BILINEAR).point(lambda v: 20 + v * 3 // 4)


def geometric(f, resample):
    return lambda image, x: f(image, x, fillcolor=FILL, resample=resample)


OPERATIONS = {
    "auto_contrast": (lambda image, _: aa.auto_contrast(image), [0]),
    "equalize": (lambda image, _: aa.equalize(image), [0]),
    "invert": (lambda image, _: aa.invert(image), [0]),
    "posterize": (aa.posterize, [1, 3, 4, 7, 8]),
    "solarize": (aa.solarize, [0, 77, 128, 256]),
    "solarize_add": (aa.solarize_add, [0, 60, 110]),
    "color": (aa.color, [0.0, 0.1, 0.7, 1.0, 1.9]),
    "contrast": (aa.contrast, [0.1, 0.7, 1.0, 1.9]),
    "brightness": (aa.brightness, [0.1, 0.7, 1.9]),
    "sharpness": (aa.sharpness, [0.1, 0.7, 1.9]),
    "blur": (aa.gaussian_blur, [0.1, 0.7, 1.3, 2.0]),
}
for name, resample in (("bilinear", Image.BILINEAR), ("bicubic", Image.BICUBIC)):
    OPERATIONS |= {
        f"shear_x {name}": (geometric(aa.shear_x, resample), [0.3, -0.11]),
        f"shear_y {name}": (geometric(aa.shear_y, resample), [0.3, -0.11]),
        f"translate_x {name}": (geometric(aa.translate_x_abs, resample), [3.4, -5.0]),
        f"translate_y {name}": (geometric(aa.translate_y_abs, resample), [3.4, -5.0]),
        f"rotate {name}": (geometric(aa.rotate, resample), [30.0, -7.5]),
    }


def operations(pictures):
    found = []
    for name, (f, arguments) in OPERATIONS.items():
        for x in arguments:
            for i, image in enumerate(pictures):
                found.append([name, x, i, np.asarray(f(image, x)).tobytes().hex()])
    return found


def drawn(transform, count=10_000):
    """How often each operation is called, and the mean and deviation of its argument."""
    calls = {}

    def recorder(name):
        def record(image, *arguments, **_):
            calls.setdefault(name, []).append(float(arguments[0]) if arguments else 0.0)
            return image
        return record
    for op in transform.ops if hasattr(transform, "ops") else [op for line in transform.policy for op in line]:
        name = aa.NAME_TO_OP[op.name].__name__
        op.aug_fn = recorder(name)
    image = picture(0)
    for _ in range(count):
        transform(image)
    return {name: [len(x) / count, float(np.mean(x)), float(np.std(x))] for name, x in sorted(calls.items())}


def trivial(count=10_000):
    calls = {}

    def record(image, name, magnitude, *_, **__):
        calls.setdefault(name, []).append(float(magnitude))
        return image
    import torchvision.transforms.autoaugment as ta
    ta._apply_op = record
    transform, image = TrivialAugmentWide(), picture(0)
    for _ in range(count):
        transform(image)
    return {name: [len(x) / count, float(np.mean(x)), float(np.std(x))] for name, x in sorted(calls.items())}


def distributions():
    random.seed(0), np.random.seed(0), torch.manual_seed(0)
    hparams = dict(translate_const=100, img_mean=FILL)
    rand = ["rand-m7-mstd0.5-inc1", "rand-m9-n3-mstd1.0", "rand-m6-mstd101-inc1-p1", "rand-m7-n1-p1-inc1-t3a",
            "rand-m7-n2-inc1-t3aw", "rand-m7-n3-mstd0.5-inc1-tweights"]
    found = {text: drawn(aa.rand_augment_transform(text, dict(hparams))) for text in rand}
    for text in ("original-mstd0.5", "originalr", "v0", "v0r-mstd1.0"):
        found[text] = drawn(aa.auto_augment_transform(text, dict(hparams)))
    aa.random = random
    found["trivial"] = trivial()
    return found



# Of each operation with an argument: the range that timm's and torchvision's policies draw from.
RANGES = {
    "posterize": (1, 8), "solarize": (0, 256), "solarize_add": (0, 128), "color": (0.0, 1.99), "contrast": (0.0, 1.99),
    "brightness": (0.0, 1.99), "sharpness": (0.0, 1.99), "blur": (0.1, 2.0), "shear_x": (-0.99, 0.99),
    "shear_y": (-0.99, 0.99), "translate_x": (-32.0, 32.0), "translate_y": (-32.0, 32.0), "rotate": (-135.0, 135.0),
}


def varied(i, width, height):
    """A picture of one of five kinds: slopes of color, noise of one scale, edges, text, or all of them as a JPEG."""
    rng, kind = np.random.default_rng(i), i % 5
    y, x = np.mgrid[0:height, 0:width] / max(width, height)
    slopes = np.stack([128 + rng.uniform(-250, 250) * (x - 0.3) + rng.uniform(-250, 250) * (y - 0.3) for _ in range(3)], 2)
    cells = 2 ** int(rng.integers(1, 7))
    noise = Image.fromarray(rng.integers(0, 256, (cells, cells, 3), dtype=np.uint8)).resize((width, height), Image.BICUBIC)
    shown = {0: slopes, 1: np.asarray(noise, float)}.get(kind, 0.6 * slopes + 0.4 * np.asarray(noise, float))
    image = Image.fromarray(shown.clip(0, 255).astype(np.uint8))
    draw, color = ImageDraw.Draw(image), lambda: tuple(int(v) for v in rng.integers(0, 256, 3))
    if kind in (2, 4):
        for _ in range(6):
            (left, right), (top, bottom) = (sorted(rng.integers(0, size, 2).tolist()) for size in (width, height))
            [draw.rectangle, draw.ellipse][int(rng.integers(2))]([left, top, right, bottom], fill=color())
            draw.line([int(v) for v in rng.integers(0, width, 4)], fill=color(), width=int(rng.integers(1, 4)))
    if kind in (3, 4):
        for _ in range(4):
            at = (int(rng.integers(0, width // 2)), int(rng.integers(0, height - 8)))
            draw.text(at, "".join(chr(int(c)) for c in rng.integers(33, 127, 9)), fill=color())
    if kind == 4:
        file = io.BytesIO()
        image.save(file, "JPEG", quality=int(rng.integers(40, 96)))
        image = Image.open(file).convert("RGB")
    if i % 10 == 9:
        # Low contrast, which stretching and equalizing change most.
        image = image.point(lambda v: 90 + v // 5)
    return image


def many(count=100, width=64, height=48):
    pictures = [varied(i, width, height) for i in range(count)]
    found = []
    for name, (f, _) in OPERATIONS.items():
        low, high = RANGES.get(name.split()[0], (0, 0))
        rng = np.random.default_rng(fnv1a64(name) & 0xFFFF)
        whole = isinstance(high, int)
        for i, image in enumerate(pictures):
            x = int(rng.integers(low, high, endpoint=True)) if whole else float(rng.uniform(low, high))
            found.append([name, x, i, np.asarray(f(image, x)).tobytes().hex()])
    return {"width": width, "fill": FILL, "pictures": [np.asarray(p).tobytes().hex() for p in pictures],
            "operations": found}


def check():
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(many(), file)
        file.flush()
        test = ["cargo", "test", "--release", "--workspace", "--lib", "--quiet", "--", "operations_are_timms", "--nocapture"]
        done = subprocess.run(test, env=dict(os.environ, RES2LAB_AUGMENT=file.name), stdout=subprocess.PIPE, text=True)
    lines = [line for line in done.stdout.splitlines() if "of 255" in line]
    print("\n".join(lines))
    return done.returncode != 0 or len(lines) != len(OPERATIONS)


if "--check" in sys.argv:
    sys.exit(check())
pictures = [picture(i) for i in range(2)]
json.dump({
    "width": WIDTH, "fill": FILL, "pictures": [np.asarray(p).tobytes().hex() for p in pictures],
    "operations": operations(pictures), "distributions": distributions(),
}, sys.stdout, separators=(",", ":"))
