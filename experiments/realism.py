r"""What the GAN stage buys and what it costs: the realism dial against AVIF and JPEG XL.

Every picture becomes one file a tier. The file is decoded at each realism, 0 the generator of
stage 1 (Eq. 5), 1 that of stage 2 (Eq. 6); AVIF and JPEG XL get no more bytes than the file has.

    python experiments/realism.py --kodak DIR --data SHARD.tar... --out data/results

writes `realism.csv`, a row a picture, and `realism_sets.csv`, a row a set of pictures: means, and
how far the decoded pictures are from the originals as a set (FID-768 and KID-768, HiFiC's
patches). The second set, "held-out", is the photographs of the training shards that training
never sees (`hfx.data.held_out`). A measure that is not to be had is blank, its reason is said.
"""

import argparse
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, fields
from multiprocessing import get_context
from pathlib import Path
from statistics import mean

import numpy as np
import torch
from numpy.typing import NDArray

from hfx import image, metrics
from hfx.bench import pictures_of
from hfx.classical import CODECS, Ladder, decode
from hfx.codec import Codec, load
from hfx.console import complain, progress
from hfx.data import load_pictures
from hfx.distribution import Features, fid768, kid768
from hfx.errors import HfxError, WeightsError
from hfx.inception import Inception
from hfx.results import write

Pixels = NDArray[np.uint8]

DIAL = {"kodak": (0.0, 0.25, 0.5, 0.75, 1.0), "held-out": (0.0, 0.5, 1.0)}
OTHERS = ("AVIF", "JPEG XL")
LEAST = 256  # pixels: a patch


@dataclass(frozen=True)
class Row:
    """One decoded picture."""

    set: str
    image: str
    codec: str
    tier: str
    realism: float | None
    bytes: int
    bpp: float
    psnr: float
    lpips: float | None
    lpips_squeeze: float | None
    dists: float | None


@dataclass(frozen=True)
class SetRow:
    """All pictures of a set, decoded in one way."""

    set: str
    codec: str
    tier: str
    realism: float | None
    pictures: int
    patches: int
    bpp: float
    psnr: float
    lpips: float | None
    lpips_squeeze: float | None
    dists: float | None
    fid768: float
    kid768: float
    kid768_std: float


def main() -> None:
    """Measure, and write both CSVs."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kodak", type=Path, required=True, metavar="DIR")
    parser.add_argument("--data", type=Path, nargs="+", required=True, metavar="SHARD.tar")
    parser.add_argument("--weights", type=Path, help="an export with both generators")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    given = parser.parse_args()
    if load(given.weights).dial.second is None:
        parser.error("these weights have no second generator; name an export made with --gan")
    sources = {"kodak": [given.kodak], "held-out": given.data}
    rows: list[Row] = []
    sums: list[SetRow] = []
    # a process a set, with its share of the cores: threads of one network wait for each other
    with ProcessPoolExecutor(len(DIAL), get_context("spawn")) as pool:
        parts = [pool.submit(of_set, given.weights, name, sources[name]) for name in DIAL]
        with progress("sets of pictures", len(parts)) as step:
            for part in parts:
                one, whole = part.result()
                rows += one
                sums += whole
                step()
    for file, kind, lines in (("realism.csv", Row, rows), ("realism_sets.csv", SetRow, sums)):
        names = [f.name for f in fields(kind)]
        write(given.out / file, names, [asdict(line) for line in lines])


def of_set(weights: Path | None, name: str, sources: list[Path]) -> tuple[list[Row], list[SetRow]]:
    """Load what a set needs, and measure it."""
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // len(DIAL)))
    pictures = (
        {n: image.load(p).rgb for n, p in pictures_of(sources[0]).items()}
        if name == "kodak"
        else {f"{n:03}": x for n, x in enumerate(load_pictures(sources, held=True, least=LEAST))}
    )
    return measure(load(weights), Inception(), name, pictures)


def measure(
    codec: Codec, network: Inception, name: str, pictures: dict[str, Pixels]
) -> tuple[list[Row], list[SetRow]]:
    """Return the rows of every picture of a set, and of the set."""
    originals = Features(network)
    seen: dict[tuple[str, str, float | None], Features] = {}
    rows: list[Row] = []
    for picture, x in pictures.items():
        originals.add(x)
        for tier in codec.weights.arch.tiers:
            for how, size, realism, x_hat in decoded(codec, x, tier, DIAL[name]):
                seen.setdefault((how, tier, realism), Features(network)).add(x_hat)
                rows.append(
                    Row(
                        set=name, image=picture, codec=how, tier=tier, realism=realism,
                        bytes=size, bpp=8 * size / (x.shape[0] * x.shape[1]),
                        psnr=metrics.psnr(x, x_hat), lpips=had(metrics.lpips, x, x_hat),
                        lpips_squeeze=had(metrics.lpips_squeeze, x, x_hat),
                        dists=had(metrics.dists, x, x_hat),
                    )
                )  # fmt: skip
    sums = []
    for (how, tier, realism), features in seen.items():
        own = [r for r in rows if (r.codec, r.tier, r.realism) == (how, tier, realism)]
        kid, spread = kid768(originals, features)
        sums.append(
            SetRow(
                set=name, codec=how, tier=tier, realism=realism, pictures=len(own),
                patches=len(features), bpp=mean(r.bpp for r in own),
                psnr=mean(r.psnr for r in own), lpips=mean_of([r.lpips for r in own]),
                lpips_squeeze=mean_of([r.lpips_squeeze for r in own]),
                dists=mean_of([r.dists for r in own]),
                fid768=fid768(originals, features), kid768=kid, kid768_std=spread,
            )
        )  # fmt: skip
    return rows, sums


def decoded(
    codec: Codec, x: Pixels, tier: str, dial: tuple[float, ...]
) -> Iterator[tuple[str, int, float | None, Pixels]]:
    """Yield (codec, bytes, realism, picture): ours at each realism, the others at our bytes."""
    data = codec.compress(x, tier)
    for realism in dial:
        yield "hfx", len(data), realism, np.asarray(codec.decompress(data, realism=realism))
    for classical in CODECS:
        if classical.name not in OTHERS:
            continue
        if reason := classical.missing():
            tell(f"{classical.name} is left out: {reason}")
            continue
        ladder = Ladder(classical, x)
        theirs, _ = ladder.at(ladder.largest_within(len(data)) or 0)
        yield classical.name, len(theirs), None, decode(theirs)


_told: set[str] = set()
_gone: set[str] = set()


def tell(line: str) -> None:
    """Say it once."""
    if line not in _told:
        _told.add(line)
        complain(line)


def had(measure: Callable[[Pixels, Pixels], float | None], x: Pixels, y: Pixels) -> float | None:
    """Return a measure; None where it is not to be had, which is asked only once."""
    if measure.__name__ in _gone:
        return None
    try:
        return measure(x, y)
    except (WeightsError, HfxError) as error:
        _gone.add(measure.__name__)
        tell(f"{measure.__name__} is left blank: {error}")
        return None


def mean_of(values: list[float | None]) -> float | None:
    """Return the mean, None where a value is missing."""
    known = [v for v in values if v is not None]
    return mean(known) if len(known) == len(values) else None


if __name__ == "__main__":
    main()
