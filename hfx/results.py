"""The benchmark's tables: a row a file, and means to read; CSV both."""

import csv
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from rich.table import Table

from hfx.errors import HfxError
from hfx.files import atomic

PUBLISHED = Path(__file__).parent.parent / "data" / "results" / "published.csv"
MEANS = ("bytes", "bpp", "psnr", "ssim", "ms_ssim", "lpips", "encode_s", "decode_s")
SUMMARY = ("codec", "tier", "setting", "images", *MEANS, "source")


@dataclass(frozen=True)
class Row:
    """One file of one picture: a line of the CSV; empty text is a measure that is missing."""

    image: str
    codec: str
    setting: str
    tier: str  # whose bytes were to be matched; empty in a sweep
    bytes: int
    bpp: float
    psnr: float | None
    ssim: float | None
    ms_ssim: float | None
    lpips: float | None
    encode_s: float
    decode_s: float
    model: str  # which weights: rows of others are measured again

    @property
    def key(self) -> tuple[str, str, str]:
        """What there is one row of: picture, codec, and tier or setting."""
        return self.image, self.codec, self.tier or self.setting


def load(path: Path) -> list[Row]:
    """Read a CSV that `save` wrote; no rows where there is no file.

    Raises:
        HfxError: it is something else.
    """
    if not path.exists():
        return []
    try:
        with open(path, newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            if reader.fieldnames != [f.name for f in fields(Row)]:
                raise ValueError("other columns")
            return [_row(values) for values in reader]
    except (OSError, ValueError, TypeError) as error:
        raise HfxError(
            f"{path} is no table of this benchmark ({error}); choose another"
        ) from error


def _row(values: dict[str, str]) -> Row:
    numbers: dict[str, Any] = {
        name: float(values[name]) if values[name] else None for name in MEANS if name != "bytes"
    }
    return Row(**{**values, **numbers, "bytes": int(values["bytes"])})


def save(path: Path, rows: Sequence[Row]) -> None:
    """Write all rows, whole or not at all."""
    write(path, [f.name for f in fields(Row)], [asdict(row) for row in rows])


def write(path: Path, names: Sequence[str], rows: Sequence[dict[str, Any]]) -> None:
    """Write rows as a CSV, floats to six digits, whole or not at all."""
    with atomic(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names, lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow({k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()})


def summarise(rows: Sequence[Row], path: Path) -> list[dict[str, Any]]:
    """Average over pictures, write `*_summary.csv` beside the table, and return its lines.

    A measure that any picture lacks is blank: a mean over the others would flatter or blame.
    Over the Kodak photographs the published numbers stand below ours.
    """
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.codec, row.tier, "" if row.tier else row.setting), []).append(row)
    lines = []
    for (codec, tier, setting), members in groups.items():
        line: dict[str, Any] = {"codec": codec, "tier": tier, "setting": setting}
        line["images"], line["source"] = len(members), "measured"
        for name in MEANS:
            values = [getattr(row, name) for row in members]
            line[name] = None if None in values else sum(values) / len(values)
        lines.append(line)
    if rows and all(re.fullmatch(r"kodim\d\d\.\w+", row.image) for row in rows):
        lines += published("kodak")
    tiers = [*dict.fromkeys(row.tier for row in rows if row.tier), ""]
    lines.sort(key=lambda line: tiers.index(line["tier"]) if line["tier"] in tiers else -1)
    write(path.with_name(f"{path.stem}_summary.csv"), SUMMARY, lines)
    return lines


def published(pictures: str) -> list[dict[str, Any]]:
    """Return published means on a set of pictures; none where the file was not installed."""
    if not PUBLISHED.exists():
        return []
    with open(PUBLISHED, newline="", encoding="utf-8") as file:
        known = [row for row in csv.DictReader(file) if row["set"] == pictures]
    numbers = ("bpp", "psnr", "ms_ssim", "lpips")
    return [
        {k: row[k] for k in ("codec", "tier", "source")}
        | {k: float(row[k]) for k in numbers}
        | {"setting": "published"}
        for row in known
    ]


def summary_table(lines: Sequence[dict[str, Any]]) -> Table:
    """Lay the means out for a terminal; sweeps are left to the CSV."""
    table = Table(title="means over pictures", box=None, header_style="bold")
    for name in ("tier", "codec"):
        table.add_column(name)
    shown = {"bpp": ".3f", "psnr": ".2f", "ssim": ".3f", "ms_ssim": ".3f", "lpips": ".3f"}
    shown |= {"encode_s": ".2f", "decode_s": ".2f"}
    for name in shown:
        table.add_column(name, justify="right")
    before = None
    for line in lines:
        if not line["tier"]:
            continue
        name = line["codec"] + (" (published)" if line["setting"] == "published" else "")
        cells = (line.get(column) for column in shown)
        texts = (
            "" if v is None else f"{v:{f}}" for v, f in zip(cells, shown.values(), strict=True)
        )
        tier = "" if line["tier"] == before else line["tier"]
        table.add_row(tier, name, *texts, style="bold" if line["codec"] == "hfx" else "")
        before = line["tier"]
    return table
