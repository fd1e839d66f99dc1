"""What the report finds against statsmodels and SciPy, on random sweeps: grids, single axes, pairs, arms against a baseline,
complete or with trials missing.

    python statistics.py                   # makes sweeps, lets res2lab report on them, compares with their trials.csv
    python statistics.py --fixture FILE    # writes sweeps with statsmodels' answers, for crates/report/tests/statsmodels.rs

Needs numpy, scipy, pandas and statsmodels.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.formula.api import ols
from statsmodels.stats.anova import anova_lm
from statsmodels.stats.multitest import multipletests

RES2LAB = pathlib.Path(__file__).parents[3] / "target/release/res2lab"
MARGIN = 0.5


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--fixture")
    parser.add_argument("--sweeps", type=int, default=200)
    args = parser.parse_args()
    random = np.random.default_rng(20261126)
    sweeps = [draw(random, i) for i in range(args.sweeps)]
    if args.fixture:
        lines = [json.dumps({**sweep, "expected": expected(frame_of(sweep), sweep)}) for sweep in sweeps]
        pathlib.Path(args.fixture).write_text("\n".join(lines) + "\n")
        return
    with tempfile.TemporaryDirectory() as folder:
        checked = sum(check(sweep, pathlib.Path(folder)) for sweep in sweeps)
    print(f"statistics: {len(sweeps)} random sweeps, {checked} findings agree with statsmodels and SciPy to 1e-9")


# ---- random sweeps

def draw(random, i):
    """Axes, seeds and an accuracy for each trial; None where a trial is missing."""
    kind = ["grid", "line", "pairs", "baseline"][i % 4]
    if kind == "grid":
        axes = random.permutation(list(GRID_AXES)).tolist()[: random.integers(2, 4)]
        axes = {axis: random.permutation(GRID_AXES[axis])[: random.integers(2, len(GRID_AXES[axis]) + 1)].tolist() for axis in axes}
        axes = {axis: sorted(values, key=key) for axis, values in axes.items()}
    elif kind == "line":
        axes = {"scale": sorted(random.permutation(["2", "3", "4", "5", "6", "8"])[: random.integers(3, 7)].tolist(), key=key)}
    else:
        axes = {"zoo": NETS[: random.integers(3, len(NETS) + 1)]}
    seeds = list(range(random.integers(2, 6)))
    cells = [[]]
    for values in axes.values():
        cells = [cell + [value] for cell in cells for value in values]
    spread, common = random.uniform(0.05, 0.6), random.normal(0, 0.5, len(seeds))
    size = random.choice([0.0, 0.3, 1.0])
    effects = {axis: random.normal(0, size, len(values)) for axis, values in axes.items()}
    crossed = random.normal(0, random.choice([0.0, size]), len(cells))
    is_missing = random.random() < 0.4
    trials = []
    for c, cell in enumerate(cells):
        mean = 90 + sum(effects[axis][axes[axis].index(value)] for axis, value in zip(axes, cell)) + crossed[c]
        for s in seeds:
            gone = is_missing and s > 0 and random.random() < 0.15
            trials.append(None if gone else round(float(mean + common[s] + random.normal(0, spread)), 4))
    sweep = {"kind": kind, "axes": axes, "seeds": len(seeds), "values": trials}
    if kind == "pairs":
        order = random.permutation(len(cells)).tolist()
        sweep["pairs"] = [[cells[a][0], cells[b][0]] for a, b in zip(order[::2], order[1::2])]
    return sweep


GRID_AXES = {
    "depth": ["11", "20"],
    "scale": ["2", "3", "4", "8"],
    "train.schedule": ["constant", "one_cycle", "cosine"],
    "train.epochs": ["4", "6", "8"],
}
NETS = ["resnet50", "res2net50_26w_4s", "res2net50_48w_2s", "res2net50_14w_8s", "res2next50", "seresnet50"]


def key(value):
    return (0, float(value), "") if value.replace(".", "").isdigit() else (1, 0.0, value)


def frame_of(sweep):
    cells = [[]]
    for values in sweep["axes"].values():
        cells = [cell + [value] for cell in cells for value in values]
    rows = [
        {**dict(zip(sweep["axes"], cell)), "seed": s, "y": sweep["values"][c * sweep["seeds"] + s]}
        for c, cell in enumerate(cells)
        for s in range(sweep["seeds"])
    ]
    return pd.DataFrame(rows).dropna()


# ---- statsmodels' answers

def expected(frame, sweep):
    if sweep["kind"] in ("pairs", "baseline"):
        return of_pairs(frame, sweep)
    return of_axes(frame, sweep)


def of_pairs(frame, sweep):
    values = {cell: group.set_index("seed")["y"] for cell, group in frame.groupby("zoo", sort=False)}
    names = sweep["axes"]["zoo"]
    pairs = sweep.get("pairs") or [[name, names[0]] for name in names[1:]]
    family = []
    for a, b in pairs:
        both = pd.concat([values[a], values[b]], axis=1, join="inner")
        d = (both.iloc[:, 0] - both.iloc[:, 1]).to_numpy()
        if len(d) < 2 or np.ptp(d) < 1e-9:
            continue
        test = stats.ttest_rel(both.iloc[:, 0], both.iloc[:, 1])
        low, high = test.confidence_interval()
        p_equal = max(
            stats.ttest_1samp(d, -MARGIN, alternative="greater").pvalue,
            stats.ttest_1samp(d, MARGIN, alternative="less").pvalue,
        )
        family.append({"kind": "pair", "of": [f"zoo={a}", f"zoo={b}"], "estimate": d.mean(), "low": low, "high": high,
                       "p": test.pvalue, "p_equal": p_equal})
    return decided(family)


def of_axes(frame, sweep):
    axes = {axis: values for axis, values in sweep["axes"].items()}
    frame = frame.copy()
    short = {axis: f"x{i}" for i, axis in enumerate(axes)}
    frame = frame.rename(columns=short)
    frame["cell"] = frame[list(short.values())].agg("/".join, axis=1)
    # Contrasts of cell means, seeds as blocks.
    cells = ["/".join(cell) for cell in product(list(axes.values()))]
    frame["cell"] = pd.Categorical(frame["cell"], cells)
    fit = ols("y ~ 0 + cell + C(seed)", frame).fit()
    # Type III needs sum-to-zero coding.
    terms = " * ".join(f"C({x}, Sum)" for x in short.values())
    table = anova_lm(ols(f"y ~ {terms} + C(seed, Sum)", frame).fit(), typ=3)
    grid = [cell.split("/") for cell in cells]

    def contrast(weight):
        row = np.array([weight(cell) for cell in grid])
        return np.concatenate([row, np.zeros(len(fit.params) - len(row))])

    def value_weight(axis, value):
        at = list(axes).index(axis)
        count = len(grid) / len(axes[axis])
        return lambda cell: (cell[at] == value) / count

    def test(weights):
        found = fit.t_test(weights)
        low, high = found.conf_int()[0]
        return float(found.effect[0]), float(low), float(high), float(found.pvalue), float(found.sd[0, 0])

    def p_equal(contrasts):
        worst = 0.0
        for weights in contrasts:
            effect, _, _, _, error = test(weights)
            t = stats.t(fit.df_resid)
            worst = max(worst, t.sf((effect + MARGIN) / error), t.sf((MARGIN - effect) / error))
        return worst

    family = []
    for axis, values in axes.items():
        differences = [contrast(value_weight(axis, b)) - contrast(value_weight(axis, a)) for a, b in couples(values)]
        row = table.loc[f"C({short[axis]}, Sum)"]
        numbers = [float(v) for v in values] if all(v.replace(".", "").isdigit() for v in values) else None
        if numbers and len(values) > 2:
            per_doubling = numbers[0] > 0 and numbers[-1] >= 4 * numbers[0]
            x = np.log2(numbers) if per_doubling else np.array(numbers)
            weights = (x - x.mean()) / ((x - x.mean()) ** 2).sum()
            slope = sum(w * contrast(value_weight(axis, v)) for w, v in zip(weights, values))
            estimate, low, high, p, _ = test(slope)
            family.append({"kind": "trend", "of": [axis], "estimate": estimate, "low": low, "high": high, "p": p,
                           "p_equal": p_equal(differences)})
            # What a line leaves over: the means against powers of x above the first.
            basis = np.linalg.qr(np.vander(x / x.max(), increasing=True))[0][:, 2:]
            leave = [sum(w * contrast(value_weight(axis, v)) for w, v in zip(column, values)) for column in basis.T]
            found = fit.f_test(np.array(leave))
            family.append({"kind": "shape", "of": [axis], "f": float(np.squeeze(found.fvalue)), "p": float(found.pvalue)})
        else:
            entry = {"kind": "axis", "of": [axis], "f": row["F"], "p": row["PR(>F)"], "p_equal": p_equal(differences)}
            if len(values) == 2:
                entry["estimate"], entry["low"], entry["high"], _, _ = test(differences[0])
            family.append(entry)
    names = list(axes)
    for i, a in enumerate(names):
        for b in names[i + 1:]:
            row = table.loc[f"C({short[a]}, Sum):C({short[b]}, Sum)"]
            at_a, at_b = names.index(a), names.index(b)
            rest = len(grid) / len(axes[a]) / len(axes[b])
            corner = lambda va, vb: contrast(lambda cell: (cell[at_a] == va and cell[at_b] == vb) / rest)
            crossed = [
                corner(a2, b2) - corner(a1, b2) - corner(a2, b1) + corner(a1, b1)
                for a1, a2 in couples(axes[a])
                for b1, b2 in couples(axes[b])
            ]
            family.append({"kind": "interaction", "of": [a, b], "f": row["F"], "p": row["PR(>F)"], "p_equal": p_equal(crossed)})
    return decided(family)


def product(lists):
    found = [[]]
    for values in lists:
        found = [head + [value] for head in found for value in values]
    return found


def couples(values):
    return [(a, b) for i, a in enumerate(values) for b in values[i + 1:]]


def decided(family):
    """Holm over claims of a difference, Holm over claims of equality, and the verdicts."""
    for name in ("p", "p_equal"):
        members = [f for f in family if name in f]
        if members:
            adjusted = multipletests([f[name] for f in members], method="holm")[1]
            for member, p in zip(members, adjusted):
                member[f"{name}_holm"] = float(p)
    for f in family:
        if f["p_holm"] < 0.05:
            has_direction = f["kind"] in ("pair", "trend", "axis") and "estimate" in f
            f["verdict"] = ("better" if f["estimate"] > 0 else "worse") if has_direction else "differs"
        else:
            f["verdict"] = "equal" if f.get("p_equal_holm", 1.0) < 0.05 else "not resolved"
    return [{k: v if isinstance(v, (str, list)) else float(v) for k, v in f.items()} for f in family]


# ---- res2lab's answers

def check(sweep, folder):
    """Lets res2lab report on the sweep; returns how many findings agree."""
    name = f"s{len(list(folder.iterdir()))}"
    words = [f"{axis}={','.join(values)}" for axis, values in sweep["axes"].items()]
    words += ["seed=" + ",".join(map(str, range(sweep["seeds"])))]
    compare = [word for a, b in sweep.get("pairs", []) for word in ("--compare", f"zoo={a}", f"zoo={b}")]
    reports = ["--reports", str(folder)]
    run = lambda *args: subprocess.run([RES2LAB, *args], check=True, capture_output=True, text=True).stdout
    run("plan", *words, *compare, "--name", name, "--write", "--no-time", *reports)
    plan = json.loads((folder / name / "plan.json").read_text())
    cells = product(list(sweep["axes"].values()))
    for trial in plan["trials"]:
        place = [dict(map(tuple, trial["coordinates"]))[axis] for axis in sweep["axes"]]
        value = sweep["values"][cells.index(place) * sweep["seeds"] + trial["seed"]]
        if value is not None:
            run_folder = folder / name / "runs" / trial["id"]
            run_folder.mkdir(parents=True)
            (run_folder / "result.json").write_text(json.dumps({**RESULT, "metrics": {"val/acc1": value}}))
    found = json.loads(run("report", name, "--json", *compare, *reports))["family"]["findings"]
    trials = pd.read_csv(folder / name / "trials.csv")
    wanted = expected(frame_of_csv(trials, sweep), sweep)
    key_of = lambda f: (f["kind"], tuple(f["of"]))
    found = {key_of(f): f for f in found if f["p"] is not None}
    assert set(found) == {key_of(f) for f in wanted}, (name, words, set(found), [key_of(f) for f in wanted])
    for f in wanted:
        ours = found[key_of(f)]
        for field, theirs in f.items():
            if isinstance(theirs, float):
                assert abs(ours[field] - theirs) <= 1e-9 * max(1.0, abs(theirs)), (words, field, ours[field], theirs)
            else:
                assert ours[field] == theirs, (words, field, ours[field], theirs)
    return len(wanted)


def frame_of_csv(trials, sweep):
    places = [dict(word.split("=", 1) for word in label.split()) for label in trials["label"]]
    frame = pd.DataFrame({axis: [place[axis] for place in places] for axis in sweep["axes"]})
    frame["seed"], frame["y"] = trials["seed"], trials["val_acc1"]
    return frame.dropna()


RESULT = {
    "status": "done", "reason": "", "metrics": {}, "steps": 1, "wall_s": 1.0, "peak_memory_mib": 1.0, "device": "cpu",
    "threads": 1, "layout": "", "code": {"version": "0", "commit": ""}, "attempts": 1, "finished_s": 0.0,
}

if __name__ == "__main__":
    sys.exit(main())
