"""The paper's Table 3: FID, KID, LPIPS, PSNR, MSE and SSIM, picture by picture and tier by tier.

FID and KID compare sets. Of one picture the set is its patches, eight for Kodak's 768x512, so
their covariances are singular and the numbers say something only beside each other, down a column.
The features are `inception`'s 768, so no number here compares with a published FID. The picture
is the same with any neighbour model, so there is one row a tier.
"""

import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from functools import cache
from pathlib import Path
from statistics import mean
from typing import Any

from rich.table import Table

from hfx import distribution, image
from hfx.bench import Step, Tell, model_of, note_of, silent
from hfx.codec import Codec
from hfx.errors import HfxError, ImageError
from hfx.evaluate import Wish
from hfx.inception import Inception
from hfx.panel import Pixels, measure
from hfx.results import as_written, write

COLUMNS = {"fid": ".2f", "kid": ".4f", "lpips": ".3f", "psnr": ".2f", "mse": ".1f", "ssim": ".3f"}
PUBLISHED = Path(__file__).parent.parent / "data" / "results" / "published_table3.csv"


@dataclass(frozen=True)
class Quality:
    """One picture at one tier: a line of Table 3.

    Attributes:
        image: Name of the picture.
        tier: Name of the tier; the paper's A is low, B medium, C high.
        fid: FID-768 over the picture's patches; None with the reason in `note`.
        kid: KID-768 likewise.
        lpips: LPIPS (AlexNet).
        psnr: In dB.
        mse: On the 0 to 255 scale.
        ssim: Structural similarity.
        note: Why something is missing.
        model: Digest of the weights: rows of others are made again.
    """

    image: str
    tier: str
    fid: float | None
    kid: float | None
    lpips: float | None
    psnr: float | None
    mse: float | None
    ssim: float | None
    note: str
    model: str

    def __post_init__(self) -> None:
        """Hold the numbers of the CSV, and not a digit more."""
        as_written(self)

    @property
    def whole(self) -> bool:
        """Whether nothing is missing."""
        return None not in (getattr(self, name) for name in COLUMNS)


def table3(
    codec: Codec,
    pictures: dict[str, Path],
    path: Path,
    tell: Tell = silent,
    step: Step = silent,
) -> list[Quality]:
    """Measure what Table 3's CSV does not hold yet, writing it after every picture.

    Args:
        codec: Ours.
        pictures: Paths by name, see `bench.pictures_of`.
        path: The CSV.
        tell: Receives a line for everything left out or blank, with its reason, once.
        step: Called after each picture.

    Raises:
        HfxError: the CSV cannot be read or written.
    """
    model, tiers, told = model_of(codec), codec.weights.arch.tiers, cache(tell)
    network, reason = inception()
    rows = {
        (row.image, row.tier): row
        for row in load(path)
        if row.model == model and (row.whole or row.note and network is None)
    }
    for name, source in pictures.items():
        wanted = [tier for tier in tiers if (name, tier) not in rows]
        try:
            rgb = image.load(source).rgb if wanted else None
            for tier in wanted:
                assert rgb is not None
                wish = Wish(tier)
                x_hat = wish.decompress(codec, wish.compress(codec, rgb, neighbours="none"))
                row = compared(name, tier, rgb, x_hat, network, reason, model)
                rows[name, tier] = row
                for line in filter(None, row.note.split(" | ")):
                    told(f"left blank: {line}")
            if wanted:
                save(path, in_order(list(rows.values()), tiers))
        except ImageError as error:
            tell(f"{name} is left out: {error}")
        step()
    return in_order([row for row in rows.values() if row.image in pictures], tiers)


def inception() -> tuple[Inception | None, str]:
    """Return the network of FID, or why there is none."""
    try:
        return Inception(), ""
    except HfxError as error:
        return None, str(error)


def compared(
    name: str, tier: str, x: Pixels, x_hat: Pixels, network: Inception | None, reason: str,
    model: str,
) -> Quality:  # fmt: skip
    """Return the row of a picture and its decoded copy."""
    values, reasons = measure(x, x_hat, ("lpips", "psnr", "mse", "ssim"))
    fid = kid = None
    if network is None:
        reasons["fid and kid"] = reason
    else:
        try:
            before, after = distribution.Features(network), distribution.Features(network)
            before.add(x)
            after.add(x_hat)
            fid = distribution.fid768(before, after)
            kid, _ = distribution.kid768(before, after)
        except HfxError as error:
            reasons["fid and kid" if fid is None else "kid"] = str(error)
    return Quality(
        image=name, tier=tier, fid=fid, kid=kid, **values, note=note_of(reasons), model=model
    )


# --- the table


def in_order(rows: list[Quality], tiers: Sequence[str]) -> list[Quality]:
    """Sort rows by tier, as the paper's A to C, and picture."""
    return sorted(rows, key=lambda row: (list(tiers).index(row.tier), row.image))


def load(path: Path) -> list[Quality]:
    """Read a CSV that `save` wrote; no rows where there is no file; raises HfxError otherwise."""
    if not path.exists():
        return []
    try:
        with open(path, newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            if reader.fieldnames != [f.name for f in fields(Quality)]:
                raise ValueError("other columns")
            return [Quality(**{**row, **numbers(row)}) for row in reader]
    except (OSError, ValueError, TypeError) as error:
        raise HfxError(f"{path} is no Table 3 of ours ({error}); choose another folder") from error


def numbers(row: dict[Any, Any]) -> dict[str, Any]:
    """Return the columns of numbers; None where one is blank."""
    return {name: float(row[name]) if row[name] else None for name in COLUMNS}


def save(path: Path, rows: Sequence[Quality]) -> None:
    """Write all rows, whole or not at all."""
    write(path, [f.name for f in fields(Quality)], [asdict(row) for row in rows])


def published() -> list[dict[str, Any]]:
    """Return the rows that the paper prints, of its own 7 pictures."""
    if not PUBLISHED.exists():
        return []
    with open(PUBLISHED, newline="", encoding="utf-8") as file:
        return [{**row, **numbers(row)} for row in csv.DictReader(file)]


def summary(rows: Sequence[Quality]) -> Table:
    """Lay out means over pictures, the paper's below; a measure that any row lacks is blank."""
    table = Table(title="Table 3: means over pictures", box=None)
    table.caption = "printed: the paper's own 7 pictures and features, not these"
    for name in ("tier", "pictures", ""):
        table.add_column(name)
    for name in COLUMNS:
        table.add_column(name.upper(), justify="right")
    for tier in dict.fromkeys(row.tier for row in rows):
        ours: list[dict[str, Any]] = [asdict(row) for row in rows if row.tier == tier]
        theirs = [row for row in published() if row["tier"] == tier]
        for whose, members in (("measured", ours), ("printed", theirs)):
            if not members:
                continue
            cells = []
            for name, digits in COLUMNS.items():
                values = [member[name] for member in members]
                cells.append("" if None in values else f"{mean(values):{digits}}")
            shown = tier if whose == "measured" else ""
            table.add_row(shown, str(len(members)), whose, *cells)
    return table
