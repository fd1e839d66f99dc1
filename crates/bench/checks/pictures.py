"""A folder of generated JPEGs: train/ and val/ with ten classes each.

    python pictures.py OUT TRAIN VAL [--mixed]     # needs numpy and Pillow

Even pictures are 500 x 375 at quality 90. Mixed ones are 180 to 900 pixels a side, of several qualities and chroma
subsamplings, some gray, some progressive.
"""
import argparse
import os

import numpy as np
from PIL import Image

p = argparse.ArgumentParser()
p.add_argument("out")
p.add_argument("train", type=int)
p.add_argument("val", type=int)
p.add_argument("--mixed", action="store_true")
a = p.parse_args()
random = np.random.default_rng(0)


def picture(kind, w, h):
    """A pattern of the class under a random one and noise."""
    y, x = np.mgrid[0:h, 0:w]
    own = np.random.default_rng(100 + kind)
    image = np.zeros((h, w, 3))
    for c in range(3):
        fx, fy, phase, level = own.uniform(1, 6), own.uniform(1, 6), own.uniform(0, 6), own.uniform(60, 190)
        image[..., c] = level + 50 * np.sin(2 * np.pi * (fx * x / w + fy * y / h) + phase)
    coarse = Image.fromarray(random.integers(0, 255, (12, 16, 3), dtype=np.uint8)).resize((w, h), Image.BICUBIC)
    image += 0.5 * (np.asarray(coarse, float) - 128) + random.normal(0, 12, (h, w, 1))
    return Image.fromarray(image.clip(0, 255).astype(np.uint8))


for split, count in (("train", a.train), ("val", a.val)):
    for i in range(count):
        folder = f"{a.out}/{split}/class{i % 10}"
        os.makedirs(folder, exist_ok=True)
        options = {"quality": 90, "subsampling": 2}
        w, h = 500, 375
        if a.mixed:
            w, h = (int(n) for n in random.integers(180, 900, 2))
            options = {"quality": int(random.integers(75, 96)), "subsampling": int(random.integers(0, 3))}
            options["progressive"] = i % 17 == 3
        image = picture(i % 10, w, h)
        if a.mixed and i % 11 == 5:
            image = image.convert("L")
        image.save(f"{folder}/{i:04}.jpg", **options)
