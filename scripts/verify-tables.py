"""Reads the tables of a sweep with pandas, DuckDB, pyarrow and Polars. All read equal values, each
file documents its columns, and results computed from the tables agree with those of res2lab.

    verify-tables.py SWEEP_FOLDER
"""
import json
import math
import os
import subprocess
import sys

import duckdb
import pandas
import polars
import pyarrow.parquet as parquet

sweep = sys.argv[1].rstrip("/")
failures = 0


def check(ok, what):
    global failures
    failures += not ok
    print(f"{'ok' if ok else 'FAILED'}: {what}", flush=True)


def same(a, b):
    missing = [x is None or (isinstance(x, float) and math.isnan(x)) or x is pandas.NA for x in (a, b)]
    return all(missing) or (not any(missing) and a == b)


for name in ("trials", "metrics"):
    path = f"{sweep}/{name}.parquet"
    arrow = parquet.read_table(path)
    meanings = json.loads(parquet.read_metadata(path).metadata[b"res2lab.columns"])
    check(list(meanings) == arrow.column_names and all(meanings.values()), f"{name}: each of {len(meanings)} columns says what it is")
    frame = pandas.read_parquet(path)
    duck = duckdb.sql(f"SELECT * FROM '{path}'")
    polar = polars.read_parquet(path)
    check(list(frame.columns) == list(duck.columns) == polar.columns == arrow.column_names, f"{name}: the same columns in all of them")
    rows = arrow.to_pylist()
    others = [frame.astype(object).values.tolist(), duck.fetchall(), polar.rows()]
    agree = all(len(other) == len(rows) and all(same(value, other[i][j]) for i, row in enumerate(rows) for j, value in enumerate(row.values())) for other in others)
    check(rows and agree, f"{name}: the same {len(rows)} rows in all of them")

means = dict(duckdb.sql(f"SELECT label, avg(val_acc1) FROM '{sweep}/trials.parquet' WHERE status = 'done' GROUP BY label").fetchall())
last = pandas.read_parquet(f"{sweep}/metrics.parquet").query("metric == 'val/acc1'").sort_values("step").groupby("id").last()
by_curve = pandas.read_parquet(f"{sweep}/trials.parquet").set_index("id").val_acc1
check((last.value == by_curve.loc[last.index]).all(), "the last logged accuracy of each trial is that in the table of trials")
command = ["target/release/res2lab", "table", os.path.basename(sweep), "--reports", os.path.dirname(sweep), "--arms", "--format", "json"]
arms = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
check(len(arms) == len(means) and all(abs(arm["mean"] - means[arm["label"]]) < 1e-9 for arm in arms), "DuckDB's means are those of res2lab table")
sys.exit(failures > 0)
