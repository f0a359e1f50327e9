"""How far from the published codecs, and how far more training would go by what it did so far.

    python experiments/distance.py --results data/results --weights data/weights

From tables that other commands measured (`kodak_summary.csv`, `kodak_sets.csv`, `speed.csv`,
`published.csv`, the runs' `evaluations.csv`) it writes `distance.csv`: LPIPS and PSNR of ours,
AVIF, HiFiC and MS-ILLM at three rates, interpolated along each codec's curve in log(bpp); FID-768
at the tiers; seconds and parameters where there are any. And `learning.csv` and `learning.png`:
LPIPS at those rates against training steps, the power law

    LPIPS = a * steps ** -b

fitted to them by least squares of the logarithms, and where it would lead.
"""

import argparse
import csv
import math
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import matplotlib
import numpy as np

from hfx.compressor import Compressor
from hfx.results import write
from hfx.weights import load

RATES = (0.15, 0.30, 0.45)  # bits per pixel
TIERS = ("low", "medium", "high")
OURS, OTHERS = "hfx", ("AVIF", "HiFiC", "MS-ILLM")
PARAMETERS = {"HiFiC": 181_400_000, "MS-ILLM": 181_400_000}  # E, G and hyperprior of that shape
SETTLED = 2000  # steps; before, the rate constraint moves more than learning does
FAR = 1_000_000  # steps: what HiFiC's paper gives one stage
Row = dict[str, object]


def table(path: Path) -> list[dict[str, str]]:
    """Read a CSV."""
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def along(rates: Sequence[float], values: Sequence[float], rate: float) -> float:
    """Return a value at a rate, linear in log(rate) between neighbours, and beyond the ends."""
    points = sorted(zip(map(math.log, rates), values, strict=True))
    here = math.log(rate)
    i = min(max(sum(x < here for x, _ in points), 1), len(points) - 1)
    (a, left), (b, right) = points[i - 1], points[i]
    return left + (right - left) * (here - a) / (b - a)


def at_rates(rows: Sequence[dict[str, str]], measure: str) -> list[float]:
    """Return a measure at the three rates; LPIPS, which falls by ratios, in its logarithm."""
    bpp = [float(row["bpp"]) for row in rows]
    values = [float(row[measure]) for row in rows]
    if measure != "lpips":
        return [along(bpp, values, rate) for rate in RATES]
    return [math.exp(along(bpp, list(map(math.log, values)), rate)) for rate in RATES]


def distances(results: Path, weights: Path) -> list[Row]:
    """Return a row for each codec."""
    summary, sets = table(results / "kodak_summary.csv"), table(results / "kodak_sets.csv")
    speed = {(row["system"], row["part"]): row for row in table(results / "speed.csv")}
    rows = []
    for codec in (OURS, *OTHERS):
        mine = [row for row in summary if row["codec"] == codec and row["tier"] in TIERS]
        row: Row = {"codec": codec, "source": mine[0]["source"]}
        for measure in ("lpips", "psnr"):
            for rate, value in zip(RATES, at_rates(mine, measure), strict=True):
                row[f"{measure}_{rate:.2f}"] = value
        fids = {s["setting"]: float(s["fid768"]) for s in sets if s["codec"] == codec}
        row |= {f"fid768_{tier}": fids.get(tier) for tier in TIERS}
        if codec == OURS:
            took = [float(speed[OURS, part]["seconds"]) for part in ("encode", "decode")]
            row |= {"parameters": parameters(weights), "weights_mb": weights.stat().st_size / 1e6}
            row["generators"] = 1 if load(weights).gan is None else 2
        elif codec in PARAMETERS:  # E and G alone, and of HiFiC's size for both
            took = [float(speed["HiFiC's size", part]["seconds"]) for part in ("E", "G")]
            row |= {"parameters": PARAMETERS[codec], "weights_mb": None, "generators": 1}
        else:
            medium = next(row for row in mine if row["tier"] == "medium")
            took = [float(medium["encode_s"]), float(medium["decode_s"])]
            row |= {"parameters": 0, "weights_mb": 0.0, "generators": 0}
        row |= {"encode": took[0], "decode": took[1]}
        rows.append(row)
    return rows


def parameters(weights: Path) -> int:
    """Count the parameters of E, G and the hyperprior in a file of weights."""
    return sum(p.numel() for p in Compressor(load(weights).arch).parameters())


def evaluations(results: Path) -> list[dict[str, str]]:
    """Return what was measured while the weights were trained, from one run or several in turn."""
    runs = [table(path) for path in results.glob("*/evaluations.csv")]
    runs.sort(key=lambda rows: int(rows[-1]["step"]))
    return [row for run in runs for row in run]


def curve(results: Path) -> list[tuple[int, list[float]]]:
    """Return LPIPS at the three rates after each number of steps that was evaluated."""
    steps = groupby(evaluations(results), lambda row: int(row["step"]))
    # where one run ends, the next begins: measured twice, and the later counts
    return sorted({step: at_rates(list(rows)[-3:], "lpips") for step, rows in steps}.items())


def power_law(steps: Sequence[float], values: Sequence[float]) -> tuple[float, float]:
    """Return a and b of the power law, by least squares of the logarithms."""
    slope, intercept = np.polyfit(np.log(steps), np.log(values), 1)
    return math.exp(intercept), -slope


def laws(points: list[tuple[int, list[float]]], distance: list[Row]) -> list[Row]:
    """Return a row for each rate: the law, where it leads, and what HiFiC's LPIPS would take."""
    settled = [(step, values) for step, values in points if step >= SETTLED]
    rows = []
    for i, rate in enumerate(RATES):
        steps, values = [s for s, _ in settled], [v[i] for _, v in settled]
        a, b = power_law(steps, values)
        halves = [power_law(steps[half], values[half])[1]
                  for half in (slice(None, -2), slice(2, None))]  # fmt: skip
        hific = next(row for row in distance if row["codec"] == "HiFiC")[f"lpips_{rate:.2f}"]
        assert isinstance(hific, float)
        rows.append({
            "rate": rate, "points": len(steps), "a": a, "b": b, "b_least": min(b, *halves),
            "b_most": max(b, *halves), "now": values[-1], "steps": steps[-1],
            "at_far": a * FAR**-b, "hific": hific, "steps_to_hific": (a / hific) ** (1 / b),
        })  # fmt: skip
    return rows


def draw(points: list[tuple[int, list[float]]], fitted: list[Row], path: Path) -> None:
    """Draw measured points, the laws, and HiFiC's levels, log-log."""
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 5), layout="constrained")
    far = np.geomspace(SETTLED, FAR, 50)
    for i, row in enumerate(fitted):
        colour = f"C{i}"
        steps = [step for step, _ in points if step]
        axes.plot(steps, [v[i] for step, v in points if step], "o", color=colour,
                  label=f"hfx at {row['rate']:.2f} bpp, measured")  # fmt: skip
        axes.plot(far, row["a"] * far ** -np.float64(row["b"]), "--", color=colour,
                  label=f"fitted, falls as steps$^{{-{row['b']:.2f}}}$")  # fmt: skip
        axes.plot(FAR, row["hific"], "*", markersize=13, color=colour)
    axes.plot([], [], "k*", markersize=13, label="HiFiC, published, at the same rates")
    axes.set(xscale="log", yscale="log", xlabel="training steps", ylabel="LPIPS, Kodak",
             title="What training brought so far, and where that would lead")  # fmt: skip
    axes.grid(which="both", alpha=0.25)
    axes.legend(fontsize="small")
    figure.savefig(path, dpi=100)
    plt.close(figure)


def main() -> None:
    """Write both tables and the figure."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--results", type=Path, required=True, help="the folder of the tables")
    parser.add_argument("--weights", type=Path, required=True, help="the codec's file of weights")
    given = parser.parse_args()
    found, points = distances(given.results, given.weights), curve(given.results)
    fitted = laws(points, found)
    write(given.results / "distance.csv", list(found[0]), found)
    write(given.results / "learning.csv", list(fitted[0]), fitted)
    draw(points, fitted, given.results / "learning.png")


if __name__ == "__main__":
    main()
