"""The paper's tables, measured anew with what these weights do.

Table 1: one set of symbols coded three ways, "HiFi" by the hyperprior alone, "HiFi + KNN" and
"HiFi + XGBoost" with the help of their neighbours. The picture is the same to the bit, so bytes
are all there is to compare: true bytes of the file, header included.
"""

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from statistics import mean

import numpy as np
from rich.table import Table

from hfx import bitstream, image
from hfx.bench import model_of
from hfx.codec import Analysis, Codec, Latents
from hfx.entropy.fixedpoint import LEVELS
from hfx.errors import HfxError, ImageError
from hfx.results import write

KINDS = {"none": "HiFi", "knn": "HiFi + KNN", "xgb": "HiFi + XGBoost"}
"""The paper's names of the neighbour models."""

PUBLISHED = Path(__file__).parent.parent / "data" / "results" / "published_table1.csv"


@dataclass(frozen=True)
class Size:
    """One file of one picture: a line of Table 1."""

    image: str
    tier: str
    kind: str  # one of the values of KINDS
    bytes: int
    bpp: float
    model: str  # digest of the weights and of the neighbour model: rows of others are made again

    @property
    def key(self) -> tuple[str, str, str]:
        """What there is one row of."""
        return self.image, self.tier, self.kind


def table1(
    codec: Codec,
    pictures: dict[str, Path],
    path: Path,
    tell: Callable[[str], None] = lambda line: None,
    step: Callable[[], None] = lambda: None,
) -> list[Size]:
    """Measure what Table 1's CSV does not hold yet, writing it after every picture.

    Args:
        codec: The weights and their neighbour models.
        pictures: Paths by name, see `bench.pictures_of`.
        path: The CSV.
        tell: Receives a line for everything left out, with its reason.
        step: Called after each picture.

    Raises:
        HfxError: the CSV cannot be read or written, a neighbour model is damaged, or a file does
            not decode to the symbols that it was made of.
    """
    models, tiers = models_of(codec, tell), codec.weights.arch.tiers
    rows = {row.key: row for row in load(path) if row.model in models.values()}
    for name, source in pictures.items():
        wanted = [
            (tier, kind)
            for tier in tiers
            for kind in models
            if (name, tier, KINDS[kind]) not in rows
        ]
        try:
            if wanted:
                rows |= {row.key: row for row in sizes(codec, name, source, wanted, models)}
                save(path, in_order(rows.values(), tiers))
        except ImageError as error:
            tell(f"{name} is left out: {error}")
        step()
    return in_order((row for row in rows.values() if row.image in pictures), tiers)


def sizes(
    codec: Codec,
    name: str,
    source: Path,
    wanted: Sequence[tuple[str, str]],
    models: dict[str, str],
) -> Iterator[Size]:
    """Code one picture as wanted: it is analysed once, and quantised once a tier."""
    analysis = codec.analyse(image.load(source))
    pixels = analysis.picture.height * analysis.picture.width
    for tier in dict.fromkeys(tier for tier, _ in wanted):
        latents = codec.quantize(analysis, codec.weights.arch.tiers.index(tier) * LEVELS)
        for kind in (kind for other, kind in wanted if other == tier):
            size = len(coded(codec, analysis, latents, kind))
            yield Size(name, tier, KINDS[kind], size, 8 * size / pixels, models[kind])


def models_of(codec: Codec, tell: Callable[[str], None]) -> dict[str, str]:
    """Return the kinds there are, each with a digest of everything that decides its bytes."""
    found, weights = {}, model_of(codec)
    for kind, name in KINDS.items():
        if kind not in codec.models.kinds():
            tell(
                f"{name} is left out: no {kind} neighbour model for these weights; "
                f"`hfx fit-neighbours --kind {kind}` makes one"
            )
            continue
        own = b"" if kind == "none" else codec.models.get(kind)[2]
        found[kind] = weights + own.hex()
    return found


def coded(codec: Codec, analysis: Analysis, latents: Latents, kind: str) -> bytes:
    """Return the file of some symbols, having made sure that it holds them."""
    data = codec.write(analysis, latents, kind)
    decoded = codec.read(bitstream.read(data))
    if not (np.array_equal(decoded.y, latents.y) and np.array_equal(decoded.z, latents.z)):
        raise HfxError(f"the {KINDS[kind]} file decodes to other symbols than it was made of")
    return data


def in_order(rows: Iterable[Size], tiers: Sequence[str]) -> list[Size]:
    """Sort rows by picture, tier and kind."""
    kinds = list(KINDS.values())
    return sorted(
        rows, key=lambda row: (row.image, [*tiers].index(row.tier), kinds.index(row.kind))
    )


def load(path: Path) -> list[Size]:
    """Read a CSV that `save` wrote; no rows where there is no file.

    Raises:
        HfxError: it is something else.
    """
    if not path.exists():
        return []
    try:
        with open(path, newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            if reader.fieldnames != [f.name for f in fields(Size)]:
                raise ValueError("other columns")
            return [
                Size(
                    row["image"], row["tier"], row["kind"], int(row["bytes"]), float(row["bpp"]),
                    row["model"],
                )
                for row in reader
            ]  # fmt: skip
    except (OSError, ValueError, TypeError) as error:
        raise HfxError(f"{path} is no Table 1 of ours ({error}); choose another folder") from error


def save(path: Path, rows: Sequence[Size]) -> None:
    """Write all rows, whole or not at all."""
    write(path, [f.name for f in fields(Size)], [asdict(row) for row in rows])


def published() -> dict[tuple[str, str], float]:
    """Return the means that the paper prints, in MB, by tier and kind; of its own 7 pictures."""
    if not PUBLISHED.exists():
        return {}
    sizes: dict[tuple[str, str], list[float]] = {}
    with open(PUBLISHED, newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            sizes.setdefault((row["tier"], row["kind"]), []).append(float(row["megabytes"]))
    return {key: mean(values) for key, values in sizes.items()}


def summary(rows: Sequence[Size]) -> Table:
    """Lay out the means over pictures, the ratio to HiFi, and what the paper prints."""
    table = Table(title="Table 1: the same symbols, coded three ways", box=None)
    printed = published()
    for name in ("tier", "coded by"):
        table.add_column(name)
    for name in ("pictures", "bytes", "bpp", "to HiFi"):
        table.add_column(name, justify="right")
    if printed:
        table.caption = "printed: means over the paper's own 7 pictures, not these"
        for name in ("printed MB", "to HiFi"):
            table.add_column(name, justify="right")
    for tier in dict.fromkeys(row.tier for row in rows):
        shown = tier
        for kind in KINDS.values():
            members = {row.image: row for row in rows if (row.tier, row.kind) == (tier, kind)}
            if not members:
                continue
            base = [r.bytes for r in rows if (r.tier, r.kind) == (tier, "HiFi")]
            size = mean(row.bytes for row in members.values())
            cells = [f"{size:,.0f}", f"{mean(row.bpp for row in members.values()):.4f}"]
            cells.append(f"{size / mean(base):.3f}")
            if (tier, kind) in printed:
                theirs = printed[tier, kind]
                cells += [f"{theirs:.2f}", f"{theirs / printed[tier, 'HiFi']:.3f}"]
            table.add_row(shown, kind, str(len(members)), *cells)
            shown = ""
    return table
