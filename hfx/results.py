"""The benchmark's tables: a row a file, and means to read; CSV both."""

import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from rich.table import Table

from hfx.errors import HfxError
from hfx.files import atomic

PUBLISHED = Path(__file__).parent.parent / "data" / "results" / "published.csv"
QUALITY = ("mse", "psnr", "ssim", "ms_ssim", "lpips", "lpips_squeeze", "dists")  # as in `panel`
MEANS = ("bytes", "bpp", *QUALITY, "encode_s", "decode_s", "memory_mb")
SUMMARY = ("codec", "tier", "setting", "images", "unmatched", *MEANS, "source")
FLOAT = "{:.6g}"
UNDEFINED = "not defined for"  # begins the reason of a blank that stays
Key = tuple[str, str, str]
KODAK = {f"kodim{i:02}" for i in range(1, 25)}


@dataclass(frozen=True)
class Row:
    """One file of one picture: a line of the CSV; empty text is a measure that is missing.

    Attributes:
        image: Name of the picture.
        codec: Name of the codec, with what is not as usual.
        setting: Of the codec, in words.
        tier: Whose bytes were to be matched; empty in a sweep.
        matched: Whether they were, see `bench.matched`; empty where it was not asked.
        bytes: Of the file.
        bpp: The same as bits per pixel.
        mse: The first of the measures in `panel.PANEL`, and so on to `dists`.
        encode_s: Seconds from pixels to bytes.
        decode_s: Seconds from bytes to pixels.
        memory_mb: See `stopwatch.Spent`; the larger of encoding and decoding.
        note: Why what is missing is missing.
        model: Digest of our weights: rows of others are measured again.
    """

    image: str
    codec: str
    setting: str
    tier: str
    matched: str
    bytes: int
    bpp: float
    mse: float | None
    psnr: float | None
    ssim: float | None
    ms_ssim: float | None
    lpips: float | None
    lpips_squeeze: float | None
    dists: float | None
    encode_s: float
    decode_s: float
    memory_mb: float | None
    note: str
    model: str

    def __post_init__(self) -> None:
        """Hold the numbers of the CSV, and not a digit more; see `as_written`."""
        as_written(self)

    @property
    def key(self) -> Key:
        """What there is one row of: picture, codec, and tier or setting."""
        return self.image, self.codec, self.tier or self.setting

    @property
    def reasons(self) -> list[str]:
        """What is missing and why, a line each."""
        return self.note.split(" | ") if self.note else []

    @property
    def lacks(self) -> set[str]:
        """Names of the measures that are missing, though defined for the picture."""
        missing = (name for name in QUALITY if getattr(self, name) is None)
        return {name for name in missing if f"{name}: {UNDEFINED}" not in self.note}


YOUNGER = {"matched", "mse", "lpips_squeeze", "dists", "memory_mb", "note"}  # not in old tables


def load(path: Path) -> list[Row]:
    """Read a CSV that `save` wrote; no rows where there is no file.

    Raises:
        HfxError: it is something else.
    """
    if not path.exists():
        return []
    names = {f.name for f in fields(Row)}
    try:
        with open(path, newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            if not names - YOUNGER <= set(reader.fieldnames or ()) <= names:
                raise ValueError("other columns")
            return [_row(dict.fromkeys(YOUNGER, "") | values) for values in reader]
    except (OSError, ValueError, TypeError) as error:
        raise HfxError(
            f"{path} is no table of this benchmark ({error}); choose another"
        ) from error


def as_written(row: Any) -> None:  # noqa: ANN401 (a dataclass of any table)
    """Round a row's floats to what `write` keeps: a run that goes on has the means of one that
    never stopped."""
    for f in fields(row):
        value = getattr(row, f.name)
        if isinstance(value, float):
            object.__setattr__(row, f.name, float(FLOAT.format(value)))


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
            writer.writerow(
                {k: FLOAT.format(v) if isinstance(v, float) else v for k, v in row.items()}
            )


def summarise(rows: Sequence[Row], path: Path) -> list[dict[str, Any]]:
    """Write `means` as `*_summary.csv` beside the table, and return its lines."""
    lines = means(rows)
    write(path.with_name(f"{path.stem}_summary.csv"), SUMMARY, lines)
    return lines


def means(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Average over pictures: a line a codec and tier, or setting.

    A measure that any picture lacks is blank: a mean over the others would flatter or blame.
    Over all Kodak photographs, and no others, the published numbers stand below ours.
    """
    groups: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.codec, row.tier, "" if row.tier else row.setting), []).append(row)
    lines = []
    for (codec, tier, setting), members in groups.items():
        line: dict[str, Any] = {"codec": codec, "tier": tier, "setting": setting}
        line["images"], line["source"] = len(members), "measured"
        line["unmatched"] = sum(row.matched not in ("", "yes") for row in members)
        for name in MEANS:
            values = [getattr(row, name) for row in members]
            line[name] = None if None in values else sum(values) / len(values)
        lines.append(line)
    if {Path(row.image).stem for row in rows} == KODAK:
        lines += published("kodak")
    tiers = [*dict.fromkeys(row.tier for row in rows if row.tier), ""]
    lines.sort(key=lambda line: tiers.index(line["tier"]) if line["tier"] in tiers else -1)
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


SHOWN = {  # in a terminal: column, head, digits
    "bpp": ("bpp", ".3f"),
    "psnr": ("PSNR", ".2f"),
    "ssim": ("SSIM", ".3f"),
    "ms_ssim": ("MS-SSIM", ".3f"),
    "lpips": ("LPIPS", ".3f"),
    "dists": ("DISTS", ".3f"),
    "encode_s": ("enc s", ".2f"),
    "decode_s": ("dec s", ".2f"),
    "unmatched": ("off", "d"),
}


def summary_table(lines: Sequence[dict[str, Any]]) -> Table:
    """Lay the means out for a terminal; a codec's sweep is left to the CSV."""
    table = Table(title="means over pictures", box=None, header_style="bold")
    for head in ("tier", "codec"):
        table.add_column(head, no_wrap=True)
    shown = [line for line in lines if line["tier"] or line["codec"].startswith("hfx")]
    columns = {k: v for k, v in SHOWN.items() if any(line.get(k) is not None for line in shown)}
    for head, _ in columns.values():
        table.add_column(head, justify="right")
    table.caption = "off: pictures whose bytes are not within 3 % below ours; *: as published"
    before = None
    for line in shown:
        name = line["codec"] + ("*" if line["setting"] == "published" else "")
        values = ((line.get(column), digits) for column, (_, digits) in columns.items())
        cells = ("" if v is None else f"{v:{digits}}" for v, digits in values)
        tier = line["tier"] or line["setting"]
        style = "bold" if line["codec"].startswith("hfx") else ""
        table.add_row("" if tier == before else tier, name, *cells, style=style)
        before = tier
    return table
