r"""Weights on the way: a run's checkpoints, and exported weights, on photographs and on drawings.

    python experiments/evaluate_run.py --kodak data/kodak --out data/results/ladder.csv \
        --drawings data/results/drawings.csv runs/a/checkpoint.safetensors data/weights/compact...

Files are made, their bytes counted (no neighbour model), and decoded again. Of a run the averaged
weights are measured. `grid_4`, `grid_8`, `grid_16`: how far the decoded pictures depend on the
place in a grid of so many pixels, see `hfx.validate.grids`; the originals' own are printed.
`alive_e`, `alive_g`: what the residual blocks change, see `hfx.validate.aliveness`. Rows of files
that are in the CSV already are kept.
"""

import argparse
import csv
import sys
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from statistics import mean

import numpy as np
import torch
from numpy.typing import NDArray

from hfx import checkpoint, export, weights
from hfx.bench import pictures_of
from hfx.codec import Codec
from hfx.compressor import Compressor
from hfx.graphics import evaluation_set
from hfx.image import load as load_image
from hfx.image import to_tensor
from hfx.panel import measure
from hfx.results import write
from hfx.validate import aliveness, grids

Pixels = NDArray[np.uint8]
MEASURES = ("psnr", "ms_ssim", "lpips", "lpips_squeeze")


@dataclass(frozen=True)
class Row:
    """One tier of one set of weights: a line of the CSV, means over pictures."""

    weights: str
    step: int
    minutes: float
    tier: str
    bpp: float
    psnr: float
    ms_ssim: float
    lpips: float
    lpips_squeeze: float
    grid_4: float
    grid_8: float
    grid_16: float
    alive_e: float | None
    alive_g: float | None


@dataclass(frozen=True)
class Drawing:
    """One drawing at one tier of one set of weights: a line of the CSV of drawings."""

    weights: str
    drawing: str
    tier: str
    bytes: int
    psnr: float


def opened(path: Path) -> tuple[Codec, Compressor | None, int, float]:
    """Return the codec, the model where there is one, and the steps and minutes of training."""
    if "settings" in checkpoint.read_meta(path):
        model, about = export.read(path)
        frozen = export.freeze(model, about)
        return Codec(frozen), model, int(about["step"]), float(about["minutes"])
    loaded = weights.load(path)
    about = loaded.about
    return Codec(loaded), None, int(about.get("step", 0)), float(about.get("minutes", 0))


def evaluate(path: Path, pictures: dict[str, Pixels]) -> list[Row]:
    """Measure one set of weights on photographs."""
    codec, model, step, minutes = opened(path)
    alive_e = alive_g = None
    if model is not None and model.arch.ladder:
        cut = [p[: p.shape[0] // 64 * 64, : p.shape[1] // 64 * 64] for p in pictures.values()]
        alive = aliveness(model, [to_tensor(p) for p in cut])
        alive_e, alive_g = alive.e, alive.g
    rows = []
    for tier in codec.weights.arch.tiers:
        found: dict[str, list[float]] = {name: [] for name in ("bpp", *MEASURES)}
        dots = []
        for rgb in pictures.values():
            data = codec.compress(rgb, tier, neighbours="none")
            made = np.asarray(codec.decompress(data).convert("RGB"))
            found["bpp"].append(8 * len(data) / (rgb.shape[0] * rgb.shape[1]))
            values, _ = measure(rgb, made, MEASURES)
            for name in MEASURES:
                value = values[name]
                found[name].append(float("nan") if value is None else value)
            h, w = made.shape[0] // 16 * 16, made.shape[1] // 16 * 16
            dots.append(grids([to_tensor(made[:h, :w])]))
        means = {name: mean(values) for name, values in found.items()}
        four, eight, sixteen = (float(v) for v in np.mean(dots, axis=0))
        rows.append(Row(path.stem, step, minutes, tier, **means, grid_4=four, grid_8=eight,
                        grid_16=sixteen, alive_e=alive_e, alive_g=alive_g))  # fmt: skip
        print(rows[-1], flush=True)
    return rows


def draw(path: Path) -> list[Drawing]:
    """Measure one set of weights on the drawings."""
    codec, *_ = opened(path)
    rows = []
    for name, rgb in evaluation_set().items():
        for tier in codec.weights.arch.tiers:
            data = codec.compress(rgb, tier, neighbours="none")
            made = np.asarray(codec.decompress(data).convert("RGB"))
            psnr = measure(rgb, made, ("psnr",))[0]["psnr"]
            rows.append(Drawing(path.stem, name, tier, len(data), min(99.0, psnr or 0.0)))
    return rows


def kept(path: Path | None) -> list[dict[str, str]]:
    """Return the lines that a CSV holds already."""
    if path is None or not path.exists():
        return []
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def main() -> int:
    """Measure everything that has no row yet."""
    p = argparse.ArgumentParser(description=__doc__,
                                formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    p.add_argument("weights", nargs="+", type=Path, help="checkpoints and exported weights")
    p.add_argument("--kodak", type=Path, metavar="FOLDER", help="photographs")
    p.add_argument("--out", type=Path, metavar="CSV", help="of the photographs")
    p.add_argument("--drawings", type=Path, metavar="CSV", help="measure the drawings, too")
    a = p.parse_args()
    torch.manual_seed(0)
    if a.kodak:
        paths = pictures_of(a.kodak)
        pictures = {name: np.asarray(load_image(path).rgb) for name, path in paths.items()}
        own = grids([to_tensor(v[: v.shape[0] // 16 * 16, : v.shape[1] // 16 * 16])
                     for v in pictures.values()])  # fmt: skip
        print("the originals' grids:", *(f"{share:.4f}" for share in own))
        lines = kept(a.out)
        for path in a.weights:
            if all(line["weights"] != path.stem for line in lines):
                lines += [asdict(row) for row in evaluate(path, pictures)]
                if a.out:
                    write(a.out, [f.name for f in fields(Row)], lines)
    if a.drawings:
        lines = kept(a.drawings)
        for path in a.weights:
            if all(line["weights"] != path.stem for line in lines):
                lines += [asdict(row) for row in draw(path)]
                write(a.drawings, [f.name for f in fields(Drawing)], lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
