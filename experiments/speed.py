r"""Encoding and decoding against E and G of HiFiC's size, in one run on one machine.

    python experiments/speed.py --picture data/kodak/kodim01.png --out data/results/speed.csv

Ours is whole: a picture's pixels become a file, and the file's bytes become pixels, with warm
weights and no neighbour model. Of the `paper` preset (Figure 1 with HiFiC's widths) only E and G
run, with random weights in float32: coding and the hyperprior would come on top. Everything takes
turns, repetition by repetition, so that whatever else the machine does strikes both.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from statistics import median

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

import hfx
from hfx import image
from hfx.codec import Codec
from hfx.config import PAPER
from hfx.console import progress
from hfx.networks import Encoder, Generator
from hfx.results import write
from hfx.tiles import padded_latents


@dataclass(frozen=True)
class Row:
    """One part of one system: a line of the CSV; seconds over repetitions."""

    system: str
    part: str
    seconds: float  # median
    fastest: float
    slowest: float
    repetitions: int
    threads: int
    width: int
    height: int
    parameters: int


def parameters(*modules: nn.Module) -> int:
    """Count parameters."""
    return sum(p.numel() for module in modules for p in module.parameters())


Part = Callable[[], object]


def ours(codec: Codec, rgb: NDArray[np.uint8]) -> dict[str, Part]:
    """Return what encodes and what decodes; the file is made once beforehand."""
    data = codec.compress(rgb, neighbours="none")
    return {
        "encode": lambda: codec.compress(rgb, neighbours="none"),
        "decode": lambda: codec.decompress(data),
    }


def theirs(encoder: Encoder, generator: Generator, size: tuple[int, int]) -> dict[str, Part]:
    """Return what runs E and what runs G on a picture of (height, width)."""
    h, w = padded_latents(*size)
    x, y = torch.rand(1, 3, 16 * h, 16 * w), torch.randn(1, PAPER.latent, h, w)
    x, y = (t.contiguous(memory_format=torch.channels_last) for t in (x, y))
    return {"E": lambda: encoder(x), "G": lambda: generator(y, torch.zeros(1))}


@torch.inference_mode()
def timed(
    parts: dict[tuple[str, str], Part], repetitions: int
) -> dict[tuple[str, str], list[float]]:
    """Run every part once to warm up, then all in turn; return seconds."""
    seconds: dict[tuple[str, str], list[float]] = {part: [] for part in parts}
    with progress("timing", repetitions + 1) as step:
        for repetition in range(repetitions + 1):
            for part, run in parts.items():
                begun = time.perf_counter()
                run()
                if repetition:
                    seconds[part].append(time.perf_counter() - begun)
            step()
    return seconds


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--picture", type=Path, required=True, help="768x512, as Kodak's")
    parser.add_argument("--out", type=Path, required=True, help="the CSV to write")
    parser.add_argument("--weights", type=Path, help="ours, by default those shipped")
    parser.add_argument("--repetitions", type=int, default=9)
    parser.add_argument("--threads", type=int, default=2)
    return parser.parse_args()


def main() -> None:
    """Time both systems, write the CSV, print the ratio."""
    args = arguments()
    torch.set_num_threads(args.threads)
    codec = hfx.load(args.weights, "none")
    rgb = image.load(args.picture).rgb
    height, width = rgb.shape[:2]
    encoder, generator = Encoder(PAPER).eval(), Generator(PAPER).eval()
    for network in (encoder, generator):
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    counts = {
        "hfx": parameters(
            codec.weights.encoder, codec.weights.generator, codec.weights.hyper_analysis
        ),
        "HiFiC's size": parameters(encoder, generator),
    }
    systems = {
        "hfx": ours(codec, rgb),
        "HiFiC's size": theirs(encoder, generator, (height, width)),
    }
    parts = {(name, part): run for name, runs in systems.items() for part, run in runs.items()}
    rows = [
        Row(
            name, part, median(seconds), min(seconds), max(seconds), len(seconds), args.threads,
            width, height, counts[name],
        )
        for (name, part), seconds in timed(parts, args.repetitions).items()
    ]  # fmt: skip
    write(args.out, [f.name for f in fields(Row)], [asdict(row) for row in rows])
    totals = {name: sum(r.seconds for r in rows if r.system == name) for name in systems}
    for row in rows:
        print(f"{row.system:13} {row.part:7} {row.seconds:7.3f} s  ({row.fastest:.3f} to "
              f"{row.slowest:.3f})")  # fmt: skip
    ours_s, theirs_s = totals.values()
    print(
        f"{width} x {height}, {args.threads} threads: hfx {ours_s:.3f} s, whole; E and G of "
        f"HiFiC's size {theirs_s:.3f} s, {theirs_s / ours_s:.1f} times as long"
    )


if __name__ == "__main__":
    main()
