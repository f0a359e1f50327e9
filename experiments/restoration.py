r"""The paper's XGBoost block read as a restoration of pixels: does it pay?

Boosted trees look at a decoded pixel, the 7x7 pixels around it and where it lies, and predict what
is missing towards the original. They are fitted with squared error (Eq. 3 of the paper) on decoded
training pictures, stopped early on held-out ones, and judged on pictures seen by neither:

    python experiments/restoration.py --data TAR... --test FOLDER --out CSV

Each colour channel is a row of its own, so that one model serves all three:

    7x7 pixels of the channel, less the centre   48   contrasts; brightness alone changes nothing
    the pixel's three colours, its own first      3
    row and column, in 1/1000 of the picture      2   the paper's s, comparable across sizes
    tier, channel                                 2

Trees predict the mean of what could have been there, which squared error rewards and the eye does
not: compare what happens to PSNR with what happens to LPIPS.
"""

import argparse
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from statistics import mean

import numpy as np
import xgboost as xgb
from numpy.typing import NDArray

import hfx
from hfx import image, metrics
from hfx.bench import pictures_of
from hfx.codec import Codec
from hfx.console import progress
from hfx.data import load_pictures
from hfx.entropy.fixedpoint import LEVELS
from hfx.results import write

Pixels = NDArray[np.uint8]
Rows = tuple[NDArray[np.int16], NDArray[np.float32]]  # features (N, 55), corrections (N,)

SIDE = 7  # of the window
CENTRE = SIDE**2 // 2
PIXELS = 1000  # sampled from each picture, tier and channel
LEAST = 256  # pixels; the hyperprior is not at home in smaller pictures
TREES = {
    "objective": "reg:squarederror",
    "tree_method": "hist",
    "max_depth": 7,
    "eta": 0.15,
    "max_bin": 64,  # grey levels are coarse enough
    "min_child_weight": 100,
    "subsample": 0.7,
    "colsample_bynode": 0.5,
    "seed": 0,
}
ROUNDS = 200  # more trees go on gaining a little, and cost their time in every picture
PATIENCE = 15  # rounds without gain on the held-out pictures


@dataclass(frozen=True)
class Row:
    """One picture at one tier: a line of the CSV."""

    image: str
    tier: str
    psnr_before: float
    psnr_after: float
    lpips_before: float | None
    lpips_after: float | None
    seconds: float  # to restore the picture, beside decoding it


# --- what the trees see


def features(
    x_hat: Pixels, tier: int, channel: int, rows: NDArray[np.intp], columns: NDArray[np.intp]
) -> NDArray[np.int16]:
    """Describe some pixels of one channel: (H, W, 3) and N places to (N, 55).

    Beyond the border the picture goes on with its outermost pixels.
    """
    height, width = x_hat.shape[:2]
    padded = np.pad(x_hat[..., channel], SIDE // 2, mode="edge").astype(np.int16)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (SIDE, SIDE))
    around = windows[rows, columns].reshape(-1, SIDE**2)  # (N, 49)
    colours = np.roll(x_hat[rows, columns], -channel, axis=1)  # (N, 3), its own first

    seen = np.empty((len(rows), SIDE**2 - 1 + 7), np.int16)
    seen[:, :48] = np.delete(around, CENTRE, axis=1) - around[:, CENTRE, None]
    seen[:, 48:51] = colours
    seen[:, 51] = rows * 1000 // height
    seen[:, 52] = columns * 1000 // width
    seen[:, 53], seen[:, 54] = tier, channel
    return seen


def decoded(codec: Codec, x: Pixels) -> list[Pixels]:
    """Return the picture as it comes out of the codec, once per tier."""
    analysis = codec.analyse(image.load(x))
    levels = (LEVELS * tier for tier in range(len(codec.weights.arch.tiers)))
    files = (codec.write(analysis, codec.quantize(analysis, level)) for level in levels)
    return [np.asarray(codec.decompress(data)) for data in files]


def sampled(x: Pixels, x_hats: Sequence[Pixels], draw: np.random.Generator) -> Rows:
    """Draw pixels of a picture in every tier and channel, with the corrections they need."""
    seen, missing = [], []
    for tier, x_hat in enumerate(x_hats):
        for channel in range(3):
            rows, columns = (draw.integers(side, size=PIXELS) for side in x.shape[:2])
            seen.append(features(x_hat, tier, channel, rows, columns))
            target = x[rows, columns, channel].astype(np.float32)
            missing.append(target - x_hat[rows, columns, channel])
    return np.concatenate(seen), np.concatenate(missing)


# --- fit and apply


def gathered(codec: Codec, pictures: Sequence[Pixels], what: str) -> Rows:
    """Decode pictures and sample each of them."""
    draw = np.random.default_rng(0)
    parts = []
    with progress(f"decoding {what} pictures", len(pictures)) as step:
        for x in pictures:
            parts.append(sampled(x, decoded(codec, x), draw))
            step()
    seen, missing = zip(*parts, strict=True)
    return np.concatenate(seen), np.concatenate(missing)


def fit(train: Rows, held: Rows, threads: int) -> xgb.Booster:
    """Boost trees on some pictures' pixels for as long as others' profit."""
    bins = TREES["max_bin"]
    fitted = xgb.QuantileDMatrix(*train, max_bin=bins, nthread=threads)
    watched = xgb.QuantileDMatrix(*held, ref=fitted, max_bin=bins, nthread=threads)
    booster = xgb.train(
        TREES | {"nthread": threads},
        fitted,
        ROUNDS,
        evals=[(watched, "held_out")],
        early_stopping_rounds=PATIENCE,
        verbose_eval=25,
    )
    best = booster[: booster.best_iteration + 1]
    best.set_param({"nthread": threads})
    return best


def restored(booster: xgb.Booster, x_hat: Pixels, tier: int, strength: float = 1.0) -> Pixels:
    """Add the predicted corrections to a decoded picture, a strip of rows at a time.

    Args:
        booster: What `fit` returned.
        x_hat: A decoded picture.
        tier: Its tier, counted from the lowest rate.
        strength: Share of the correction to add; half of it brings three quarters of its gain
            in squared error.
    """
    height, width = x_hat.shape[:2]
    out = np.empty_like(x_hat)
    strip = max(1, 100_000 // width)
    for top in range(0, height, strip):
        part = x_hat[top : top + strip]
        rows, columns = (i.ravel() for i in np.indices(part.shape[:2]))
        for channel in range(3):
            seen = features(x_hat, tier, channel, rows + top, columns)
            correction = strength * booster.inplace_predict(seen)
            corrected = part[..., channel].ravel() + correction
            corrected = np.rint(corrected).clip(0, 255).reshape(part.shape[:2])
            out[top : top + strip, :, channel] = corrected
    return out


# --- measure


def measured(
    codec: Codec, booster: xgb.Booster, name: str, x: Pixels, strength: float = 1.0
) -> list[Row]:
    """Measure one picture before and after, tier by tier."""
    rows = []
    for tier, x_hat in enumerate(decoded(codec, x)):
        begun = time.perf_counter()
        better = restored(booster, x_hat, tier, strength)
        seconds = time.perf_counter() - begun
        rows.append(
            Row(
                image=name,
                tier=codec.weights.arch.tiers[tier],
                psnr_before=metrics.psnr(x, x_hat),
                psnr_after=metrics.psnr(x, better),
                lpips_before=metrics.lpips(x, x_hat),
                lpips_after=metrics.lpips(x, better),
                seconds=seconds,
            )
        )
    return rows


def save(path: Path, rows: Iterable[Row]) -> None:
    """Write all rows, whole or not at all."""
    write(path, [f.name for f in fields(Row)], [asdict(row) for row in rows])


def summary(rows: Sequence[Row]) -> str:
    """Return the means over pictures, a line a tier."""
    lines = []
    for tier in dict.fromkeys(row.tier for row in rows):
        members = [row for row in rows if row.tier == tier]
        line = f"{tier:8} {len(members)} pictures"
        for measure, style in (("psnr", ".2f"), ("lpips", ".4f")):
            for when in ("before", "after"):
                values = [getattr(row, f"{measure}_{when}") for row in members]
                shown = "-" if None in values else f"{mean(values):{style}}"
                line += f"  {measure} {when} {shown}"
        lines.append(f"{line}  {mean(row.seconds for row in members):.2f} s")
    return "\n".join(lines)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="training pictures")
    parser.add_argument("--test", type=Path, required=True, help="a folder of other pictures")
    parser.add_argument("--out", type=Path, required=True, help="the CSV to write")
    parser.add_argument("--weights", type=Path, help="the codec's, by default those shipped")
    parser.add_argument("--train", type=int, default=150, help="how many pictures to fit to")
    parser.add_argument("--held", type=int, default=40, help="how many tell when to stop")
    parser.add_argument("--threads", type=int, default=2, help="of the trees")
    parser.add_argument("--strength", type=float, default=1.0, help="share of the correction")
    return parser.parse_args()


def main() -> None:
    """Fit on training pictures, measure on the others."""
    args = arguments()
    codec = hfx.load(args.weights)
    tests = pictures_of(args.test)

    pictures = load_pictures(args.data, least=LEAST, limit=args.train)
    train = gathered(codec, pictures, "training")
    pictures = load_pictures(args.data, held=True, least=LEAST, limit=args.held)
    held = gathered(codec, pictures, "held-out")

    begun = time.perf_counter()
    booster = fit(train, held, args.threads)
    print(
        f"{booster.num_boosted_rounds()} trees, {len(booster.save_raw('ubj')) / 1e6:.2f} MB, "
        f"from {len(train[1])} pixels in {time.perf_counter() - begun:.0f} s"
    )
    rows: list[Row] = []
    with progress("measuring", len(tests)) as step:
        for name, path in tests.items():
            rows += measured(codec, booster, name, image.load(path).rgb, args.strength)
            save(args.out, rows)
            step()
    print(summary(rows))


if __name__ == "__main__":
    main()
