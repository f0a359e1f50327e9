"""FID-768 and KID-768 of whole sets: for each codec and tier, all decoded pictures together.

Per-image rows say which files were measured; here each is made once more and its picture goes
into the crowd. Files are reproducible, so nothing but the rows needs to be kept in between.
"""

import csv
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cache
from pathlib import Path

from rich.table import Table

from hfx import distribution, image
from hfx.bench import Step, Tell, silent
from hfx.classical import CODECS, decode
from hfx.codec import Codec
from hfx.errors import HfxError
from hfx.evaluate import Wish
from hfx.inception import Inception
from hfx.panel import Pixels
from hfx.results import Row, write

Crowd = tuple[distribution.Features, int]
"""Features of a set, and how many pictures they are of."""


@dataclass(frozen=True)
class SetRow:
    """One codec at one tier or setting over a set of pictures: a line of `*_sets.csv`.

    Attributes:
        codec: As in the per-image rows.
        setting: The tier, or else the setting.
        images: Pictures in the set, those without a whole patch left out.
        patches: Patches in the set.
        fid768: Frechet distance to the originals, see `distribution`.
        kid768: Kernel distance to the originals.
        kid768_std: Its standard deviation over subsets.
        note: Why something is missing.
        of: Digest of the per-image rows: if they change, this is measured anew.
    """

    codec: str
    setting: str
    images: int
    patches: int
    fid768: float | None
    kid768: float | None
    kid768_std: float | None
    note: str
    of: str

    @property
    def key(self) -> tuple[str, str]:
        """What there is one row of."""
        return self.codec, self.setting


def run(
    codec: Codec,
    pictures: dict[str, Path],
    rows: Sequence[Row],
    path: Path,
    *,
    tell: Tell = silent,
    step: Step = silent,
) -> list[SetRow]:
    """Measure the sets that `rows` make up; those the CSV at `path` holds already are kept.

    Args:
        codec: Ours, with the weights that the rows were measured with.
        pictures: Paths by name.
        rows: Per-image rows; each codec and tier, or setting, is a set.
        path: The CSV, written after every set.
        tell: Receives a line for everything that is left out, with its reason.
        step: Called after each set.

    Raises:
        HfxError: the CSV cannot be read or written.
    """
    groups, told = grouped(rows), cache(tell)
    kept = {row.key: row for row in load(path) if row.fid768 is not None}
    done: dict[tuple[str, str], SetRow] = {}
    network: Inception | None = None
    originals: dict[tuple[str, ...], Crowd] = {}
    for (name, setting), members in groups.items():
        digest = digest_of(members)
        row = kept.get((name, setting))
        if row is None or row.of != digest:
            try:
                network = network or Inception()
                names = tuple(sorted(member.image for member in members))
                if names not in originals:
                    originals[names] = crowd(network, (image.load(pictures[n]).rgb for n in names))
                theirs = crowd(network, decoded(codec, pictures, members))
                row = compared(name, setting, digest, originals[names], theirs)
            except HfxError as error:
                reason = str(error)
                row = SetRow(name, setting, 0, 0, None, None, None, reason, digest)
                told(f"FID-768 and KID-768 are left blank: {reason}")
        done[row.key] = row
        save(path, list(done.values()))
        step()
    return list(done.values())


def grouped(rows: Sequence[Row]) -> dict[tuple[str, str], list[Row]]:
    """Return rows by codec and tier, or setting where there is no tier."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault(row.key[1:], []).append(row)
    return groups


def crowd(network: Inception, pictures: Iterator[Pixels]) -> Crowd:
    """Return the features of pictures and how many of them hold a whole patch."""
    features, count = distribution.Features(network), 0
    for rgb in pictures:
        if min(rgb.shape[:2]) >= distribution.PATCH:
            features.add(rgb)
            count += 1
    return features, count


def compared(
    codec: str,
    setting: str,
    of: str,
    before: Crowd,
    after: Crowd,
) -> SetRow:
    """Return the row of a set; raises HfxError where it is too small."""
    (a, _), (b, images) = before, after
    kid, spread = distribution.kid768(a, b)
    return SetRow(codec, setting, images, len(b), distribution.fid768(a, b), kid, spread, "", of)


def decoded(codec: Codec, pictures: dict[str, Path], rows: Sequence[Row]) -> Iterator[Pixels]:
    """Make the files of rows again and yield the pictures in them."""
    for row in sorted(rows, key=lambda row: row.image):
        rgb = image.load(pictures[row.image]).rgb
        small = min(rgb.shape[:2]) < distribution.PATCH  # and will not be looked at
        yield rgb if small else again(codec, rgb, row)


def again(codec: Codec, rgb: Pixels, row: Row) -> Pixels:
    """Make the file of a row again and return the picture in it."""
    for classical in CODECS:
        if classical.name == row.codec:
            return decode(classical.encode(rgb, classical.rung_of(row.setting)))
    wish = Wish.of(row)  # the neighbour model changes bytes, never pixels
    return wish.decompress(codec, wish.compress(codec, rgb, neighbours="none"))


def digest_of(rows: Sequence[Row]) -> str:
    """Return a digest of what decides the pictures in a set."""
    parts = sorted(f"{row.model} {row.image} {row.setting} {row.bytes}" for row in rows)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


# --- the table


def load(path: Path) -> list[SetRow]:
    """Read a CSV that `save` wrote; no rows where there is no file; raises HfxError otherwise."""
    if not path.exists():
        return []

    def number(text: str) -> float | None:
        return float(text) if text else None

    try:
        with open(path, newline="", encoding="utf-8") as file:
            return [
                SetRow(
                    row["codec"], row["setting"], int(row["images"]), int(row["patches"]),
                    number(row["fid768"]), number(row["kid768"]), number(row["kid768_std"]),
                    row["note"], row["of"],
                )
                for row in csv.DictReader(file)
            ]  # fmt: skip
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise HfxError(f"{path} is no table of sets ({error}); move it away") from error


def save(path: Path, rows: Sequence[SetRow]) -> None:
    """Write all rows, whole or not at all."""
    write(path, [f.name for f in fields(SetRow)], [asdict(row) for row in rows])


def summary(rows: Sequence[SetRow]) -> Table:
    """Lay the sets out for a terminal."""
    table = Table(title="sets: all decoded pictures against all originals", box=None)
    for name in ("setting", "codec"):
        table.add_column(name)
    for name in ("pictures", "patches", "FID-768", "KID-768", "spread"):
        table.add_column(name, justify="right")
    settings = list(dict.fromkeys(row.setting for row in rows))
    for row in sorted(rows, key=lambda row: settings.index(row.setting)):
        shown = (row.fid768, "8.2f"), (row.kid768, "8.4f"), (row.kid768_std, "8.4f")
        cells = ("" if value is None else f"{value:{digits}}" for value, digits in shown)
        table.add_row(row.setting, row.codec, str(row.images), str(row.patches), *cells)
    return table
