"""BD-rate and BD-measure of every codec of a benchmark against one of them, for every measure."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from math import isfinite
from pathlib import Path
from typing import Any

from rich.table import Table

from hfx.bdrate import Point, delta
from hfx.errors import HfxError
from hfx.panel import PANEL
from hfx.results import write

Lines = Sequence[dict[str, Any]]
"""Means over pictures, see `results.summarise`."""


@dataclass(frozen=True)
class Against:
    """One codec against the anchor by one measure: a line of `*_bd.csv`.

    Attributes:
        codec: Whose curve is tested.
        anchor: Whose curve it is compared with.
        measure: Name of the measure.
        points: Points of the codec's curve.
        rate: Percent of rate more at equal quality; None where no quality is reached by both.
        difference: Of the measure at equal rate; None where the rates do not meet.
        overlap: Share of the two curves' qualities that both reach.
    """

    codec: str
    anchor: str
    measure: str
    points: int
    rate: float | None
    difference: float | None
    overlap: float


def curves(lines: Lines, measure: str) -> dict[str, list[Point]]:
    """Return every codec's points (bpp, measure), by rising rate.

    A sweep is the curve where there is one, for its settings are the same for all pictures;
    else the tiers are. Points without the measure are left out.
    """
    found: dict[str, list[Point]] = {}
    for codec in dict.fromkeys(line["codec"] for line in lines):
        mine = [line for line in lines if line["codec"] == codec]
        swept = [line for line in mine if not line["tier"]]
        values = [(line["bpp"], line.get(measure)) for line in (swept or mine)]
        points = sorted((bpp, value) for bpp, value in values if value is not None)
        found[codec] = [(bpp, value) for bpp, value in points if isfinite(value)]
    return {codec: points for codec, points in found.items() if points}


def against(lines: Lines, anchor: str) -> list[Against]:
    """Compare every codec with the anchor, by every measure that both have.

    Raises:
        HfxError: no such codec was measured.
    """
    known = list(dict.fromkeys(line["codec"] for line in lines))
    if anchor not in known:
        raise HfxError(f"no codec {anchor!r} to compare with; there are {', '.join(known)}")
    found = []
    for name, measure in PANEL.items():
        points = curves(lines, name)
        for codec in known:
            if codec == anchor or min(len(points.get(c, ())) for c in (codec, anchor)) < 2:
                continue
            try:
                one = delta(points[anchor], points[codec], measure.higher)
            except HfxError:  # two points at the same rate
                continue
            found.append(
                Against(
                    codec, anchor, name, len(points[codec]), one.rate, one.measure, one.overlap
                )
            )
    return found


def save(path: Path, found: Sequence[Against]) -> None:
    """Write the CSV."""
    write(path, [f.name for f in fields(Against)], [asdict(one) for one in found])


def summary(found: Sequence[Against]) -> Table:
    """Lay BD-rates out for a terminal, a row a codec, a column a measure."""
    measures = list(dict.fromkeys(one.measure for one in found))
    table = Table(title=f"BD-rate against {found[0].anchor}" if found else "BD-rate", box=None)
    table.add_column("codec", no_wrap=True)
    for name in measures:
        table.add_column(PANEL[name].title.partition(" /")[0], justify="right")
    for codec in dict.fromkeys(one.codec for one in found):
        cells = {one.measure: one.rate for one in found if one.codec == codec}
        shown = (cells.get(name) for name in measures)
        table.add_row(codec, *("" if rate is None else f"{rate:+.1f} %" for rate in shown))
    table.caption = "rate needed at equal quality; less is better; blank: no quality in common"
    return table
