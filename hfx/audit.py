r"""What the numbers of a Table 3 can bear: do its columns say things of their own, do they agree?

FID, KID and LPIPS are three measurements. Where one column is a straight line of another to the
last digit printed, it was computed from it. And PSNR is a function of MSE:

.. math:: \text{PSNR} = 10 \log_{10} \frac{255^2}{\text{MSE}}
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
from rich.table import Table

from hfx.errors import HfxError
from hfx.results import write

Rows = Sequence[Mapping[str, float]]
PAIRS = (("fid", "kid"), ("fid", "lpips"))


@dataclass(frozen=True)
class Finding:
    """One check of one table: a line of the CSV.

    Attributes:
        table: Whose.
        check: What was compared.
        rows: How many rows were.
        slope: Of the straight line; None for PSNR against MSE.
        intercept: Likewise.
        correlation: Of the two columns.
        largest: Largest distance of a row from what the other column says, in the column's unit.
    """

    table: str
    check: str
    rows: int
    slope: float | None
    intercept: float | None
    correlation: float
    largest: float


def audit(name: str, rows: Rows) -> list[Finding]:
    """Check a Table 3: its columns fid, kid, lpips, psnr and mse.

    Raises:
        HfxError: there are fewer than three rows, through which any line would pass.
    """
    if len(rows) < 3:
        raise HfxError(f"{name}: an audit needs three rows or more, not {len(rows)}")
    columns = {
        key: np.array([row[key] for row in rows]) for key in ("fid", "kid", "lpips", "psnr", "mse")
    }
    found = [line(name, columns[x], columns[y], f"{y} against {x}") for x, y in PAIRS]
    implied = 10 * np.log10(255**2 / columns["mse"])
    found.append(
        Finding(
            name, "psnr against mse", len(rows), None, None,
            float(np.corrcoef(columns["psnr"], implied)[0, 1]),
            float(np.abs(columns["psnr"] - implied).max()),
        )
    )  # fmt: skip
    return found


def line(name: str, x: np.ndarray, y: np.ndarray, check: str) -> Finding:
    """Put a straight line through two columns by least squares."""
    slope, intercept = np.polyfit(x, y, 1)
    far = np.abs(y - slope * x - intercept).max()
    correlation = float(np.corrcoef(x, y)[0, 1])
    return Finding(name, check, len(x), float(slope), float(intercept), correlation, float(far))


def save(path: Path, findings: Sequence[Finding]) -> None:
    """Write the CSV."""
    write(path, [f.name for f in fields(Finding)], [asdict(one) for one in findings])


def summary(findings: Sequence[Finding]) -> Table:
    """Lay the findings out for a terminal."""
    table = Table(title="Table 3: what its columns say about each other", box=None)
    for name in ("table", "check"):
        table.add_column(name, no_wrap=True)
    for name in ("rows", "slope", "intercept", "correlation", "farthest"):
        table.add_column(name, justify="right")
    for one in findings:
        table.add_row(
            one.table, one.check, str(one.rows),
            "" if one.slope is None else f"{one.slope:.6f}",
            "" if one.intercept is None else f"{one.intercept:.5f}",
            f"{one.correlation:.9f}", f"{one.largest:.5f}",
        )  # fmt: skip
    return table
