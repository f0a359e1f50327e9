"""What a run leaves to read: log.csv, evaluations.csv and sample strips."""

import csv
import io
from pathlib import Path

from hfx.errors import HfxError
from hfx.files import atomic_write
from hfx.folders import make_room
from hfx.perceptual import LPIPS
from hfx.run import Run
from hfx.validate import aliveness, validate, wholes

EVALUATED = [
    "step", "minutes", "tier", "bpp", "psnr", "lpips", "grid_4", "grid_8", "grid_16",
    "alive_e", "alive_g",
]  # fmt: skip


def columns_of(run: Run) -> list[str]:
    """Return the names of what one step may report, sorted."""
    names = ["loss", "mse", "lpips", "uneven", "grid", "grad_norm"]
    names += [f"{what}_{tier}" for what in ("bpp", "zeta") for tier in run.model.arch.tiers]
    if run.discriminator is not None:
        names += ["loss_d", "d_real", "d_fake", "grad_norm_d"]
    return sorted(names)


class Log:
    """log.csv of a run: means over the steps since the last row.

    A value that no step reported (the rate of a tier that had no crop) is left empty.

    Attributes:
        path: The file.
        columns: What stands behind step and minutes.
    """

    def __init__(self, out: Path, columns: list[str], keep: int) -> None:
        """Open the log, dropping rows after step `keep`, which a resumed run will do again."""
        self.path = out / "log.csv"
        self.columns = columns
        self.totals: dict[str, float] = {}
        self.counts: dict[str, int] = {}
        rows = trim(self.path, keep)
        if len(rows) > 1:
            self.columns = rows[0][2:]
        else:
            _write_rows(self.path, [["step", "minutes", *columns]])

    def add(self, row: dict[str, float]) -> None:
        """Take in one step."""
        for key, value in row.items():
            self.totals[key] = self.totals.get(key, 0.0) + value
            self.counts[key] = self.counts.get(key, 0) + 1

    def write(self, step: int, seconds: float) -> None:
        """Append one row."""
        cells = [
            f"{self.totals[key] / self.counts[key]:.9g}" if key in self.totals else ""
            for key in self.columns
        ]
        self.totals, self.counts = {}, {}
        _append(self.path, [[str(step), f"{seconds / 60:.3f}", *cells]])


def trim(path: Path, keep: int) -> list[list[str]]:
    """Drop rows after step `keep` and a last row that was cut off; return what is left."""
    if not path.exists():
        return []
    text = path.read_text("utf-8")
    whole = text[: text.rfind("\n") + 1]
    rows = [row for row in csv.reader(io.StringIO(whole)) if row]
    kept = rows[:1] + [row for row in rows[1:] if int(row[0]) <= keep]
    if kept != rows or whole != text:
        _write_rows(path, kept)
    return kept


def _write_rows(path: Path, rows: list[list[str]]) -> None:
    make_room(path)
    file = io.StringIO(newline="")
    csv.writer(file).writerows(rows)
    atomic_write(path, file.getvalue().encode())


def _append(path: Path, rows: list[list[str]]) -> None:
    """Add rows; what a full disk or a kill cuts off is dropped by `trim`."""
    try:
        with open(path, "a", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(rows)
    except OSError as error:
        raise HfxError(f"cannot write {path}: {error.strerror or error}") from error


def log_evaluation(out: Path, run: Run, folder: Path, lpips: LPIPS | None) -> str:
    """Append the averaged weights' mean rate and quality on whole pictures; return it as text.

    Of a ladder it is also said how much its blocks do.
    """
    path = out / "evaluations.csv"
    if not path.exists():
        _write_rows(path, [EVALUATED])
    pictures = wholes(folder, next(run.average.parameters()).device)
    alive = aliveness(run.average, pictures) if run.average.arch.ladder else None
    rows, lines = [], []
    for m in validate(run.average, pictures, lpips):
        numbers = [f"{m.bpp:.4f}", f"{m.psnr:.3f}", f"{m.lpips:.4f}"]
        dots = [f"{share:.4f}" for share in m.grids]
        blocks = [f"{alive.e:.4f}", f"{alive.g:.4f}"] if alive else ["", ""]
        rows.append([f"{run.step}", f"{run.seconds / 60:.2f}", m.tier, *numbers, *dots, *blocks])
        lines.append(
            f"{m.tier}: {numbers[0]} bpp, {numbers[1]} dB, LPIPS {numbers[2]}, "
            f"grids {' '.join(dots)}"
        )
    _append(path, rows)
    if alive:
        lines.append(f"blocks change y by {alive.e:.3f} and x_hat by {alive.g:.3f} of itself")
    return "; ".join(lines)
