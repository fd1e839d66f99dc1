"""The inputs that fuzzing starts from, as real programs write them: small files of every kind that is read.

    python crates/fuzz/seeds.py FOLDER        # torch 2.13, safetensors, pyarrow, numpy and Pillow

Writes FOLDER/TARGET/NAME. What corpus/ holds was found from these, and kept by `scripts/fuzz.sh`.
"""
import argparse
import collections
import gzip
import io
import json
import pathlib
import pickle
import struct
import sys
import tarfile

import numpy
import pyarrow as pa
import pyarrow.parquet as pq
import safetensors.torch
import torch
from PIL import Image

OUT = pathlib.Path(sys.argv[1])
ROOT = pathlib.Path(__file__).parents[2]


def put(target, name, content):
    path = OUT / target / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def state(classes=2, channels=3):
    """The network of src/weights.rs."""
    norm = ("weight", "bias", "running_mean", "running_var")
    shapes = {"conv1.weight": (2, channels, 3, 3), **{f"bn1.{part}": (2,) for part in norm}}
    layers = {"conv1": (2, 2, 1, 1), "conv2": (2, 2, 3, 3), "conv3": (8, 2, 1, 1), "downsample.0": (8, 2, 1, 1)}
    for name, shape in layers.items():
        shapes[f"layer1.0.{name}.weight"] = shape
        of = "downsample.1" if name == "downsample.0" else name.replace("conv", "bn")
        shapes.update({f"layer1.0.{of}.{part}": (shape[0],) for part in norm})
    shapes |= {"fc.weight": (classes, 8), "fc.bias": (classes,)}
    return collections.OrderedDict((name, torch.rand(shape).half()) for name, shape in shapes.items())


def saved(value, **options):
    out = io.BytesIO()
    torch.save(value, out, **options)
    return out.getvalue()


def data_pkl(value):
    """The pickle inside of today's format."""
    import zipfile
    with zipfile.ZipFile(io.BytesIO(saved(value))) as archive:
        return archive.read(next(name for name in archive.namelist() if name.endswith("data.pkl")))


def weights():
    some = {"conv1.weight": torch.rand(2, 3, 3, 3), "fc.bias": torch.rand(2)}
    args = argparse.Namespace(lr=0.1, data=pathlib.Path("x"))
    values = {
        "whole": state(),
        "nested": {"epoch": 3, "state_dict": some, "state_dict_ema": some, "args": args, "best": numpy.float64(1.5)},
        "prefixed": {"model": {f"module.{name}": tensor for name, tensor in some.items()}, "mean": (0.5, 1, None)},
        "strided": {"conv1.weight": torch.rand(3, 3, 3, 2).permute(3, 2, 0, 1), "x": torch.ones(1).expand(2, 3)},
        "types": {"a": torch.zeros(2, dtype=torch.int64), "b": torch.zeros(1, dtype=torch.bfloat16), "c": {1, 2}},
        "array": {"fc.weight": numpy.ones((2, 8), "float32"), "fc.bias": numpy.ones(2, "float64")},
        "parameter": {"fc.bias": torch.nn.Parameter(torch.rand(2)), "module": torch.nn.Linear(1, 1)},
        "channels": state(5, 1),
    }
    for name, value in values.items():
        put("pth", name, saved(value, _use_new_zipfile_serialization=False))
        put("zip", name, data_pkl(value))
    put("pth", "zipped", saved(some))
    for protocol in range(6):
        plain = {"a": [1, 2.5, None, True, "é", b"x", (1,), {3}, 1 << 70], "b": args, "c": collections.Counter("ab")}
        put("pickle", f"protocol{protocol}", pickle.dumps(plain, protocol))
    small = {name: tensor.float() for name, tensor in some.items()}
    put("safetensors", "some", safetensors.torch.save(small, {"format": "pt"}))
    put("safetensors", "whole", safetensors.torch.save(dict(state())))
    put("safetensors", "index", json.dumps({"weight_map": {"conv1.weight": "a.safetensors"}}).encode())
    put("safetensors", "types", safetensors.torch.save({"a": torch.zeros(2, dtype=torch.complex64)}))


def pictures():
    for mode in ("RGB", "L", "P", "RGBA", "CMYK", "1", "I;16"):
        image = Image.new("RGB", (9, 7))
        image.putdata([(x * 28, y * 30, x * y) for y in range(7) for x in range(9)])
        image = Image.new(mode, (9, 7), 4000) if mode == "I;16" else image.convert(mode)
        for kind in ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM"):
            out = io.BytesIO()
            try:
                image.save(out, kind, **({"progressive": True} if mode == "L" and kind == "JPEG" else {}))
            except (OSError, KeyError, ValueError):
                continue
            put("picture", f"{mode.replace(';', '')}.{kind.lower()}", out.getvalue())
    for name, options in (("lzw", dict(compression="tiff_lzw")), ("deflate", dict(compression="tiff_adobe_deflate"))):
        out = io.BytesIO()
        Image.new("RGB", (9, 7), (9, 8, 7)).save(out, "TIFF", **options)
        put("picture", f"{name}.tiff", out.getvalue())
    # Large enough to be decoded at a part of its size.
    out = io.BytesIO()
    Image.new("RGB", (1000, 760), (90, 8, 7)).save(out, "JPEG", quality=30, optimize=True)
    put("picture", "large.jpeg", out.getvalue())
    out = io.BytesIO()
    Image.new("RGB", (3, 2), (9, 8, 7)).save(out, "PNG")
    return out.getvalue()


def data_sets(png):
    images = struct.pack(">4I", 0x803, 3, 2, 2) + bytes(range(12))
    labels = struct.pack(">2I", 0x801, 3) + bytes([0, 1, 1])
    for name, (a, b) in {"plain": (labels, images), "gzip": (gzip.compress(labels), gzip.compress(images))}.items():
        put("idx", name, struct.pack("<H", len(a)) + a + b)
    batch = {b"data": numpy.arange(24, dtype="uint8").reshape(2, 12), b"labels": [0, 1], b"batch_label": b"x"}
    for protocol in (0, 2, 4):
        put("cifar", f"protocol{protocol}", pickle.dumps(batch, protocol))
        put("cifar", f"names{protocol}", pickle.dumps({"label_names": ["a", "b"], "num": 2}, protocol))
    cells = {"bytes": pa.array([{"bytes": png, "path": "a.png"}] * 2), "plain": pa.array([png] * 2)}
    marks = {"numbers": pa.array([0, 1]), "texts": pa.array(["a", "b"]), "keys": pa.array(["a", "b"]).dictionary_encode(),
             "reals": pa.array([0.5, 1.0]), "nulls": pa.array([None, 1])}
    features = {"image": {"_type": "Image"}, "label": {"names": ["a", "b"], "_type": "ClassLabel"}}
    for cell, image in cells.items():
        for mark, label in marks.items():
            table = pa.table({"image": image, "label": label})
            table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
            out = io.BytesIO()
            pq.write_table(table, out, compression="snappy" if cell == "plain" else "none", store_schema=False)
            put("parquet", f"{cell}-{mark}", out.getvalue())
    for name, form in (("gnu", tarfile.GNU_FORMAT), ("pax", tarfile.PAX_FORMAT), ("ustar", tarfile.USTAR_FORMAT)):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=form) as tar:
            long = "n" * (120 if form == tarfile.GNU_FORMAT else 90) + ".png"
            for key, content in (("a.png", png), ("a.cls", b"0"), ("é.png", png), ("é.json", b'{"label": 1}'), (long, png)):
                info = tarfile.TarInfo(key)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
        # Without the zeros that fill the last record.
        end = len(out.getvalue().rstrip(b"\0"))
        put("tar", name, out.getvalue()[:end + 512 - end % 512 + 1024])


def words():
    lines = ["scale=2,4,6,8", "depth=20..56:9", "seed=0..4", "scale+width=2+48,4+26", "blocks=[1,1],[2,2]", "lr=0.1,5e-2",
             "width=match:params@resnet50", "weights=none,'./a, b.pth'", "data=./x", "train.ema=0.9", "zoo=res2net50_26w_4s",
             "family=dla", "stem=cifar", "train.schedule={cosine: {warmup: 1}}", "slurm:partition=gpu,time=4:00:00",
             "data.augment.crop={scale: [0.3, 1], ratio: [0.75, 1.33]}", "init.weights=\"x#ema\"", "planes=0x10", "plain=true"]
    for i, line in enumerate(lines):
        put("axes", f"line{i}", line.encode())
        put("axes", f"lines{i}", "\n".join(lines[i:i + 3]).encode())
    for path in (ROOT / "experiments").glob("*.yaml"):
        put("yaml", path.stem, path.read_bytes())
    put("yaml", "odd", b"\xef\xbb\xbfname: 'a'\r\nbase: &e {epochs: 2}\r\ntrain: {<<: *e, lr: !x 1}\r\narms: {2: {}, 1e5: {scale: 4}}\r\n")


def folders():
    features = [{"name": "label", "dtype": {"class_label": {"names": {"0": "a", "1": "b"}}}}]
    info = {"config_name": "a", "features": features}
    listed = {"label": {"names": ["a", "b"], "_type": "ClassLabel"}}
    layouts = {
        "hub": "train-00000-of-00002.parquet data/train-00001-of-00002.parquet test.parquet README.md",
        "configurations": "a/train/0000.parquet a/test/0000.parquet b/train.parquet b/test.parquet dataset_infos.json",
        "shards": "imagenet-train-000000.tar imagenet-train-000002.tar imagenet-val-000000.tar classes.txt",
        "pictures": "train/cat/a.jpg train/dog/deep/b.PNG val/cat/c.webp val/dog/.DS_Store __MACOSX/x.jpg",
        "other": "training/a/1.bmp valid/a/2.gif test/a/3.tiff train-images-idx3-ubyte.gz Thumbs.db",
        "cifar": "cifar-10-batches-py/data_batch_1 cifar-10-batches-py/test_batch data_batch_1.bin batches.meta.txt",
    }
    contents = {
        "hub": "---\ndataset_info:\n" + "".join(f"  {line}\n" for line in json.dumps(info, indent=1).splitlines()) + "---\n",
        "configurations": json.dumps({"a": {"features": listed}, "b": info}),
    }
    for name, layout in layouts.items():
        text = "\n".join(layout.split()) + "\n\n" + contents.get(name, "a\nb\n")
        put("folder", name, text.encode())


weights()
folders()
data_sets(pictures())
words()
