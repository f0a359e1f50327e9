r"""Symbols refined for one picture at encode time: does it pay, and how many steps?

`hfx.refine` says how. LPIPS is what it descends, and it can be deceived: `--views plain` descends
it as it stands, `--views moved` on pictures shifted, mirrored and scaled at random in each step.
What counts are measures that it does not descend: LPIPS through SqueezeNet, MS-SSIM, PSNR. Each is
compared with what the codec gives in as many bytes without refinement, between files of other
qualities.

    python experiments/refinement.py --data TAR... --held --out CSV
    python experiments/refinement.py --data FOLDER --out CSV --steps 10 --views moved

Seconds are of processor time, so a busy machine does not show. A picture is one tile here.
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from itertools import islice, product
from pathlib import Path
from statistics import mean

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

import hfx
from hfx import bitstream, image, metrics
from hfx.codec import Analysis, Codec, Latents
from hfx.console import progress
from hfx.data import files_in, held_out
from hfx.entropy.fixedpoint import LEVELS
from hfx.image import to_tensor
from hfx.losses import unevenness
from hfx.refine import RATE, Objective, Refiner
from hfx.results import write
from hfx.tiles import Span

Pixels = NDArray[np.uint8]

AROUND = (-120, -60, 0, 60)  # levels at which the codec is measured without refinement
MEASURES = ("psnr", "ms_ssim", "lpips", "squeeze", "uneven")


@dataclass(frozen=True)
class Row:
    """One refinement of one picture: a line of the CSV."""

    image: str
    tier: str
    views: str  # of LPIPS: plain, or moved
    lr: float  # a of the first step, in symbols
    steps: int
    seconds: float  # of processor time, one thread
    start: float  # the objective before
    end: float  # and after
    bytes_before: int
    bytes_after: int
    psnr: float  # after
    ms_ssim: float
    lpips: float
    squeeze: float
    uneven: float
    psnr_equal: float  # without refinement, in as many bytes as after
    ms_ssim_equal: float
    lpips_equal: float
    squeeze_equal: float
    uneven_equal: float
    weights: str


def descend(
    objective: Objective, lr: float, stops: Sequence[int], moved: bool
) -> Iterator[tuple[int, Tensor, float]]:
    """Descend, and yield (steps, symbols, seconds) at every stop."""
    spent, begun = 0.0, time.process_time()
    steps = islice(objective.descend(lr, moved), max(stops))
    for count, symbols in enumerate(steps, 1):
        if count in stops:
            spent += time.process_time() - begun
            yield count, symbols, spent
            begun = time.process_time()


# --- measure


def measured(
    codec: Codec, analysis: Analysis, latents: Latents, neighbours: str, save: Path | None = None
) -> dict[str, float]:
    """Write a file, decode it, compare; `save` keeps the picture."""
    data = codec.write(analysis, latents, neighbours)
    header = bitstream.read(data).header
    x, x_hat = analysis.picture.rgb, codec.synthesise(latents, header).rgb
    if save is not None:
        Image.fromarray(x_hat).save(save)
    found = {
        "psnr": metrics.psnr(x, x_hat),
        "ms_ssim": metrics.ms_ssim(x, x_hat),
        "lpips": metrics.lpips(x, x_hat),
        "squeeze": metrics.lpips_squeeze(x, x_hat),
        "uneven": float(unevenness(to_tensor(x), to_tensor(x_hat))),
    }
    return {"bytes": len(data)} | {k: float("nan") if v is None else v for k, v in found.items()}


def equal(curve: list[dict[str, float]], size: float) -> dict[str, float]:
    """Return what the codec gives in `size` bytes, in straight lines over the logarithm."""
    at = np.log([point["bytes"] for point in curve])
    return {
        f"{k}_equal": float(np.interp(np.log(size), at, [point[k] for point in curve]))
        for k in MEASURES
    }


def rows_of(
    codec: Codec, refiner: Refiner, name: str, analysis: Analysis, args: argparse.Namespace
) -> Iterator[Row]:
    """Refine one picture in every way that was asked for."""
    for tier in args.tiers:
        level = codec.weights.arch.tiers.index(tier) * LEVELS
        curve = [
            measured(codec, analysis, codec.quantize(analysis, level + by), args.neighbours)
            for by in AROUND
        ]
        start = codec.quantize(analysis, level)
        whole = [Span(0, length, 0, length) for length in start.y.shape[1:]]
        for views, lr in product(args.views, args.lr):
            objective = Objective(
                refiner, analysis.picture.rgb, analysis.y, start.side, start.y, *whole
            )
            before = objective.whole(objective.symbols)
            for steps, symbols, seconds in descend(objective, lr, args.steps, views == "moved"):
                begun = time.process_time()
                end = objective.whole(symbols)
                seconds += time.process_time() - begun
                y = symbols[0].numpy().astype(np.int32) if end < before else start.y
                refined = Latents(level, start.z, start.mu, start.index, y)
                save = args.save and args.save / f"{name}_{tier}_{views}_{lr:g}_{steps}.png"
                after = measured(codec, analysis, refined, args.neighbours, save)
                size = int(after.pop("bytes"))
                yield Row(
                    name, tier, views, lr, steps, seconds, before, min(before, end),
                    int(curve[AROUND.index(0)]["bytes"]), size, **after, **equal(curve, size),
                    weights=codec.weights.fingerprint.hex(),
                )  # fmt: skip


def summary(rows: Sequence[Row]) -> str:
    """Return the means over pictures: bytes, then all else at equal bytes."""
    lines = []
    keys = sorted({(r.tier, r.views, r.lr, r.steps) for r in rows})
    for key in keys:
        of = [r for r in rows if (r.tier, r.views, r.lr, r.steps) == key]
        tier, views, lr, steps = key
        share = {
            name: mean(getattr(r, name) / getattr(r, f"{name}_equal") - 1 for r in of)
            for name in ("lpips", "squeeze", "uneven")
        }
        lines.append(
            f"{tier:7} {views:6} {lr:4g} {steps:3} steps {len(of):3} pictures"
            f" {mean(r.seconds for r in of):6.1f} s"
            f"  bytes {mean(r.bytes_after / r.bytes_before - 1 for r in of):+.1%}"
            + "".join(f"  {name} {value:+.1%}" for name, value in share.items())
            + f"  PSNR {mean(r.psnr - r.psnr_equal for r in of):+.2f} dB"
            f"  MS-SSIM {mean(r.ms_ssim - r.ms_ssim_equal for r in of):+.4f}"
        )
    return "\n".join(lines)


def pictures(args: argparse.Namespace) -> dict[str, Pixels]:
    """Return the pictures asked for, by name."""
    found: dict[str, Pixels] = {}
    for name, data in (item for source in args.data for item in files_in(source)):
        if args.held and not held_out(name):
            continue
        rgb = image.load(data).rgb
        if min(rgb.shape[:2]) >= args.least and Path(name).stem not in args.without:
            found[Path(name).stem] = rgb
        if len(found) == args.pictures:
            break
    return found


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    add = parser.add_argument
    add("--data", type=Path, nargs="+", required=True, help="folders of pictures, or tar shards")
    add("--held", action="store_true", help="only pictures that training never sees")
    add("--out", type=Path, required=True, help="the CSV to write")
    add("--weights", type=Path, help="the codec's, by default those shipped")
    add("--pictures", type=int, default=6, help="how many")
    add("--least", type=int, default=512, help="leave out pictures with a shorter side")
    add("--without", nargs="*", default=[], help="names of pictures to leave out")
    add("--tiers", nargs="+", default=["low", "medium"])
    add("--steps", type=int, nargs="+", default=[2, 5, 10, 20], help="where to stop and measure")
    add("--lr", type=float, nargs="+", default=[RATE], help="of the first step")
    add("--views", nargs="+", choices=("plain", "moved"), default=["plain", "moved"])
    add("--neighbours", default="none", help="what codes the symbols")
    add("--save", type=Path, help="a folder for the refined pictures")
    return parser.parse_args()


def main() -> None:
    """Refine and measure."""
    args = arguments()
    codec = hfx.load(args.weights)
    refiner = codec.refiner(1)
    assert refiner is not None
    chosen = pictures(args)
    rows: list[Row] = []
    with progress("refining", len(chosen)) as step:
        for name, rgb in chosen.items():
            analysis = codec.analyse(image.load(rgb))
            for row in rows_of(codec, refiner, name, analysis, args):
                rows.append(row)
                write(args.out, [f.name for f in fields(Row)], [asdict(r) for r in rows])
            step()
    print(summary(rows))


if __name__ == "__main__":
    main()
