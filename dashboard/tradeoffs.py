"""What the page "Trade-offs" computes: measured and published curves, and how they differ."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hfx import deltas, results, sets
from hfx.bdrate import Point, delta
from hfx.deltas import Lines
from hfx.errors import HfxError
from hfx.panel import PANEL
from hfx.results import Row

FOLDER = results.PUBLISHED.parent
MEASURE = "`hfx benchmark KODAK -o data/results/kodak.csv` measures them"
TURN = (
    "`python experiments/realism.py --kodak KODAK --data TRAIN --out data/results` measures it, "
    "once there are weights with a second generator"
)
OURS, PUBLISHED = "hfx", "published"


@dataclass(frozen=True)
class Axis:
    """A measure as a chart shows it.

    Attributes:
        title: Name to read, with its unit.
        digits: Decimals worth showing.
        higher: Higher is better.
    """

    title: str
    digits: int
    higher: bool

    @property
    def name(self) -> str:
        """The title without its unit."""
        return self.title.partition(" /")[0]

    @property
    def hint(self) -> str:
        """The title, and which end is good."""
        return f"{self.title}, {'higher' if self.higher else 'lower'} is better"


AXES = {name: Axis(one.title, one.digits, one.higher) for name, one in PANEL.items()} | {
    "fid768": Axis("FID-768", 3, False),
    "kid768": Axis("KID-768", 5, False),
}


# --- curves


@dataclass(frozen=True, eq=False)
class Benchmark:
    """What was measured on Kodak.

    Attributes:
        rows: A row a file.
        lines: Means over all pictures, and the published ones; with FID-768 and KID-768, which
            are of all pictures together.
    """

    rows: Sequence[Row]
    lines: Lines

    @property
    def pictures(self) -> list[str]:
        """Names of the pictures."""
        return list(dict.fromkeys(Path(row.image).stem for row in self.rows))

    def of(self, picture: str | None) -> Lines:
        """Return the lines of one picture; of all for None, or for a name that is none of them."""
        if picture not in self.pictures:
            return self.lines
        return [asdict(row) for row in self.rows if Path(row.image).stem == picture]


def benchmark(folder: Path = FOLDER) -> Benchmark:
    """Read the benchmark.

    Raises:
        HfxError: there is none, or its tables are damaged.
    """
    rows = results.load(folder / "kodak.csv")
    if not rows:
        raise HfxError(f"there are no measured curves here; {MEASURE}")
    lines = results.means(rows)
    crowds = {row.key: row for row in sets.load(folder / "kodak_sets.csv")}
    for line in lines:
        crowd = crowds.get((line["codec"], line["tier"] or line["setting"]))
        line["fid768"] = crowd.fid768 if crowd else None
        line["kid768"] = crowd.kid768 if crowd else None
    return Benchmark(rows, lines)


def codecs(lines: Lines) -> list[str]:
    """Return the codecs of some lines, ours first."""
    return sorted(dict.fromkeys(line["codec"] for line in lines), key=lambda name: name != OURS)


def published(lines: Lines) -> set[str]:
    """Return the codecs whose numbers are other people's."""
    return {line["codec"] for line in lines if line["setting"] == PUBLISHED}


def measures(lines: Lines) -> list[str]:
    """Return the names of the measures that any of the lines has."""
    return [name for name in AXES if any(line.get(name) is not None for line in lines)]


def curves(lines: Lines, measure: str, chosen: Iterable[str]) -> dict[str, list[Point]]:
    """Return the points (bpp, measure) of the chosen codecs, by rising rate."""
    found = deltas.curves(lines, measure)
    return {codec: found[codec] for codec in chosen if codec in found}


# --- how far apart


@dataclass(frozen=True)
class Compared:
    """A codec's curve against the anchor's.

    Attributes:
        codec: Whose curve.
        rate: Percent of rate more at equal quality; None where no quality is reached by both.
        difference: Of the measure at equal rate; None where the rates do not meet.
        qualities, rates: What was averaged over, or why nothing was.
        overlap: Share of the two curves' qualities that both reach.
    """

    codec: str
    rate: float | None
    difference: float | None
    qualities: str
    rates: str
    overlap: float


def compare(
    points: Mapping[str, Sequence[Point]], chosen: Iterable[str], anchor: str, axis: Axis
) -> list[Compared]:
    """Compare the chosen codecs with the anchor: BD-rates, and where they come from."""
    return [
        _compared(codec, points.get(codec, ()), anchor, points.get(anchor, ()), axis)
        for codec in chosen
        if codec != anchor
    ]


def _compared(
    codec: str, test: Sequence[Point], anchor: str, base: Sequence[Point], axis: Axis
) -> Compared:
    for name, points in ((anchor, base), (codec, test)):
        if len(points) < 2:
            count = "only one" if points else "no"
            why = f"{name} has {count} {axis.name}"
            return Compared(codec, None, None, why, why, 0.0)
    try:
        one = delta(base, test, axis.higher)
    except HfxError as error:
        return Compared(codec, None, None, str(error), str(error), 0.0)
    spans = []
    for found, at, digits in ((one.rate, 1, axis.digits), (one.measure, 0, 3)):
        mine, other = ((min(v), max(v)) for v in ([p[at] for p in c] for c in (test, base)))
        if found is None:
            text = f"none: {_span(mine, digits)}, {anchor} {_span(other, digits)}"
        else:
            text = _span((max(mine[0], other[0]), min(mine[1], other[1])), digits)
        spans.append(text)
    return Compared(codec, one.rate, one.measure, spans[0], spans[1], one.overlap)


def _span(ends: tuple[float, float], digits: int) -> str:
    return f"{ends[0]:.{digits}f} to {ends[1]:.{digits}f}"


def table(found: Sequence[Compared], axis: Axis) -> list[dict[str, str]]:
    """Lay a comparison out to read."""
    return [
        {
            "codec": one.codec,
            f"bits at equal {axis.name}": signed(one.rate, 1, " %"),
            f"over {axis.name}": one.qualities
            + (f" ({one.overlap:.0%})" if one.rate is not None else ""),
            f"{axis.name} at equal bits": signed(one.difference, axis.digits),
            "over bpp": one.rates,
        }
        for one in found
    ]


def signed(value: float | None, digits: int, unit: str = "") -> str:
    """Write a difference; a dash where there is none."""
    return "–" if value is None else f"{value:+.{digits}f}{unit}".replace("-", "−")


# --- the realism dial


def turns(folder: Path = FOLDER) -> list[dict[str, Any]]:
    """Return what the realism dial does to whole sets of pictures; nothing where not measured.

    Raises:
        HfxError: the table is something else.
    """
    path = folder / "realism_sets.csv"
    if not path.exists():
        return []
    words = {"set", "codec", "tier"}
    try:
        with open(path, newline="", encoding="utf-8") as file:
            rows = [
                {k: v if k in words else float(v) if v else None for k, v in row.items()}
                for row in csv.DictReader(file)
            ]
        if not all({*words, "realism", "psnr", "fid768"} <= set(row) for row in rows):
            raise ValueError("other columns")
    except (OSError, ValueError, TypeError) as error:
        raise HfxError(f"{path} is no table of the realism dial ({error}); {TURN}") from error
    return rows


# --- to take away


def csv_of(lines: Iterable[Mapping[str, Any]], names: Sequence[str]) -> bytes:
    """Write lines as a CSV."""
    out = io.StringIO()
    writer = csv.DictWriter(out, names, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for line in lines:
        writer.writerow({k: f"{v:.6g}" if isinstance(v, float) else v for k, v in line.items()})
    return out.getvalue().encode()
