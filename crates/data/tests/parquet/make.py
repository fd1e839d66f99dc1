"""Writes small Parquet files with images in the form that Hugging Face's `datasets` writes.

    python make.py      needs pyarrow and Pillow
"""
import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image


def picture(i):
    image = Image.new("RGB", (32, 32))
    image.putdata([(i * 10, x * 8, y * 8) for y in range(32) for x in range(32)])
    out = io.BytesIO()
    image.save(out, "PNG")
    return {"bytes": out.getvalue(), "path": f"{i}.png"}


names = ["first", "second", "third"]
features = {"img": {"_type": "Image"}, "fine_label": {"names": names, "_type": "ClassLabel"}}
for split, count in (("train", 12), ("test", 6)):
    table = pa.table({"img": [picture(i) for i in range(count)], "fine_label": [i % 3 for i in range(count)]})
    table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    pq.write_table(table, f"{split}-00000-of-00001.parquet", compression="snappy", row_group_size=5)

# Columns of other types, as pyarrow writes them, in kinds/.
pictures = [picture(i) for i in range(8)]
of_bytes = [p["bytes"] for p in pictures]
numbers = pa.array([i % 2 for i in range(8)])
words = pa.array([["cat", "dog"][i % 2] for i in range(8)])
kinds = {
    "binary": (pa.array(of_bytes, pa.binary()), numbers),
    "large_binary": (pa.array(of_bytes, pa.large_binary()), numbers),
    "text": (pictures, words),
    "large_text": (of_bytes, words.cast(pa.large_string())),
    "dictionary": (pictures, words.dictionary_encode()),
    "real": (pictures, pa.array([0.5] * 8)),
    "no_bytes": ([{"bytes": None, "path": "a.png"}] * 8, numbers),
    "unlabeled": (pictures, pa.array([-1] * 8)),
}
for name, (image, label) in kinds.items():
    pq.write_table(pa.table({"image": image, "label": label}), f"kinds/{name}.parquet", compression="snappy")
