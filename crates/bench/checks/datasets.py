"""The same folders, Parquet files and tar shards, seen by res2lab and by torchvision, timm, datasets and webdataset's rules:
same number of pictures, same labels, same class names.

    just build && python crates/bench/checks/datasets.py     # a Python with torchvision, timm, datasets, pyarrow, pillow

Exit status 1 if anything differs.
"""
import io
import json
import os
import random
import subprocess
import sys
import tarfile
import tempfile

# This file's own folder comes first, and this file has the name of a library that is wanted.
sys.path.pop(0)

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from timm.data import create_dataset, set_img_extensions
from torchvision.datasets import ImageFolder
from torchvision.datasets.folder import IMG_EXTENSIONS

RES2LAB = os.path.abspath(os.environ.get("RES2LAB", "target/release/res2lab"))
FAILED = []
# timm looks at JPEG and PNG only unless it is told otherwise.
set_img_extensions(IMG_EXTENSIONS)


def res2lab(*args):
    done = subprocess.run([RES2LAB, *args], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"res2lab {' '.join(args)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def same(what, ours, theirs):
    print(f"{what}: {'same' if ours == theirs else 'DIFFERENT'}")
    if ours != theirs:
        print(f"  res2lab {str(ours)[:300]}\n  others  {str(theirs)[:300]}")
        FAILED.append(what)


def trained(data, folder, name):
    """A trial on the data, and what it was told of each test picture: names, labels, names of classes."""
    words = ["scale=2", "depth=11", "stem=cifar", "data.size=32", "batch=4", "epochs=1", "seed=0", "--no-time"]
    places = ["--data", f"{folder}/data", "--reports", f"{folder}/reports"]
    res2lab("sweep", *words, f"data={data}", "--name", name, *places)
    run = next(os.scandir(f"{folder}/reports/{name}/runs")).path
    res2lab("eval", run, "--predictions", f"{folder}/{name}.parquet", *places)
    table = pq.read_table(f"{folder}/{name}.parquet").to_pydict()
    plan = json.loads(res2lab("plan", *words, f"data={data}", "--json", *places))["trials"][0]
    with open(f"{run}/classes.json") as f:
        return plan, table, json.load(f)


def picture(seed, kind="PNG"):
    image = Image.new("RGB", (40, 30), (seed * 37 % 256, seed * 91 % 256, seed * 13 % 256))
    out = io.BytesIO()
    image.save(out, kind)
    return out.getvalue()


def folders(root, seed):
    """Random trees with what torchvision's walk is particular about: depth, order, endings in any case."""
    draw = random.Random(seed)
    names = ["ant", "Bee", "cat-2", "cat 10", "élan", "10", "9"]
    kinds = [("png", "PNG"), ("JPG", "JPEG"), ("jpeg", "JPEG"), ("bmp", "BMP"), ("webp", "WEBP"), ("tiff", "TIFF"), ("PPM", "PPM")]
    for split, least in (("train", 4), ("val", 1)):
        for name in names:
            for i in range(draw.randint(least, least + 4)):
                below = draw.choice(["", "a/", "a-b/", "a/b/", "Z/"])
                ending, kind = draw.choice(kinds)
                path = f"{root}/{split}/{name}/{below}{draw.randint(0, 999)}.{ending}"
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, "wb") as f:
                    f.write(picture(seed * 100 + i, kind))
    with open(f"{root}/train/ant/notes.txt", "w") as f:
        f.write("no picture")


with tempfile.TemporaryDirectory() as folder:
    for seed in range(3):
        root = f"{folder}/tree{seed}"
        folders(root, seed)
        plan, table, names = trained(root, folder, f"tree{seed}")
        theirs = {split: ImageFolder(f"{root}/{split}") for split in ("train", "val")}
        same(f"folder {seed}, torchvision: classes", names, theirs["train"].classes)
        same(f"folder {seed}, torchvision: pictures", plan["train_images"], len(theirs["train"]))
        files = sorted(zip(table["image"], table["label"]))
        same(f"folder {seed}, torchvision: labels", files, sorted(theirs["val"].samples))
        same(f"folder {seed}, torchvision: order", table["image"], [path for path, _ in theirs["val"].samples])
        theirs = create_dataset("", root=root, split="validation")
        same(f"folder {seed}, timm: pictures", len(table["image"]), len(theirs))

    names = ["first", "second", "third"]
    bytes_only = pa.table({"image": [picture(i) for i in range(12)], "label": [i % 3 for i in range(12)]})
    rows = {"image": [{"bytes": picture(i), "path": f"{i}.png"} for i in range(12)], "label": [i * 7 % 3 for i in range(12)]}
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=names)})
    hub = pa.table(rows, schema=features.arrow_schema)
    for layout in ("one", "split", "configuration"):
        root = f"{folder}/{layout}"
        where = {"one": "{split}.parquet", "split": "{split}/0000.parquet", "configuration": "plain_text/{split}-00000-of-00001.parquet"}
        for split in ("train", "test"):
            path = f"{root}/{where[layout].format(split=split)}"
            os.makedirs(os.path.dirname(path), exist_ok=True)
            pq.write_table(hub, path)
        plan, table, ours = trained(root, folder, layout)
        at = f"{root}/plain_text" if layout == "configuration" else root
        theirs = datasets.load_dataset(at, cache_dir=f"{folder}/hub-{layout}")
        same(f"Parquet ({layout}), datasets: classes", ours, theirs["train"].features["label"].names)
        same(f"Parquet ({layout}), datasets: pictures", plan["train_images"], theirs["train"].num_rows)
        same(f"Parquet ({layout}), datasets: labels", table["label"], theirs["test"]["label"][:])

    texts = bytes_only.set_column(1, "label", pa.array([names[i % 3] for i in range(12)]).dictionary_encode())
    for split in ("train", "test"):
        os.makedirs(f"{folder}/texts", exist_ok=True)
        pq.write_table(texts, f"{folder}/texts/{split}.parquet")
    _, table, ours = trained(f"{folder}/texts", folder, "texts")
    same("Parquet, dictionary of texts: classes", ours, sorted(names))
    same("Parquet, dictionary of texts: labels", table["label"], [i % 3 for i in range(12)])

    os.makedirs(f"{folder}/tars")
    with open(f"{folder}/tars/classnames.txt", "w") as f:
        f.write("\n".join(names))
    for split in ("train", "val"):
        for shard in range(2):
            with tarfile.open(f"{folder}/tars/set-{split}-{shard:06}.tar", "w") as tar:
                for i in range(shard * 6, shard * 6 + 6):
                    for ending, content in (("png", picture(i)), ("cls", str(i % 3).encode())):
                        member = tarfile.TarInfo(f"{i:04}.{ending}")
                        member.size = len(content)
                        tar.addfile(member, io.BytesIO(content))
    plan, table, ours = trained(f"{folder}/tars", folder, "tars")
    theirs = datasets.load_dataset("webdataset", data_files={"val": f"{folder}/tars/set-val-*.tar"}, cache_dir=f"{folder}/hub-tars")
    same("tar shards, datasets: pictures", len(table["image"]), theirs["val"].num_rows)
    same("tar shards, datasets: labels", table["label"], theirs["val"]["cls"][:])
    same("tar shards: classes", ours, names)

sys.exit(bool(FAILED))
