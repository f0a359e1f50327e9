"""What every measurement of files shares: the pictures, the row of a file, the CSV of rows."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from torch import nn

from hfx import image
from hfx.codec import Codec
from hfx.errors import HfxError
from hfx.folders import PICTURES, files_in
from hfx.panel import Pixels, available, measure
from hfx.results import Key, Row, load, save
from hfx.stopwatch import WHY_NO_MEMORY, Spent

Tell = Callable[[str], None]
Step = Callable[[], None]
Done = Mapping[Key, Row]
Work = Callable[[str, Pixels, Done], Iterable[Row]]
"""From a picture's name, its pixels and the finished rows to the rows that lack."""
CLOSE = 0.03  # by as much a file may be smaller and still count as one of the same bytes


def silent(*_: object) -> None:
    """Tell nobody."""


def pictures_of(folder: Path) -> dict[str, Path]:
    """Return a folder's pictures by name; raises HfxError where there is none."""
    if not folder.is_dir():
        raise HfxError(f"{folder} is not a folder; give a folder of pictures")
    found = {p.relative_to(folder).as_posix(): p for p in files_in(folder, PICTURES)}
    if not found:
        raise HfxError(f"no pictures in {folder}")
    return found


def model_of(codec: Codec) -> str:
    """Return a digest of all weights: the fingerprint of files leaves E and G free to change."""
    sha = hashlib.sha256(codec.weights.fingerprint)
    kind = codec.models.preferred
    if kind != "none":
        sha.update(codec.models.get(kind)[2])
    # first what a decoder uses that is told nothing, then, of two generators, the dial's ends
    modules: list[nn.Module] = [
        codec.weights.encoder,
        codec.weights.hyper_analysis,
        codec.dial.at(),
    ]
    if codec.weights.gan is not None:
        modules += [codec.weights.generator, codec.weights.gan]
    for module in modules:
        for value in module.state_dict().values():
            sha.update(value.contiguous().numpy().tobytes())
    sha.update(codec.weights.log2_degain.numpy().tobytes())
    return sha.hexdigest()[:16]


def row_of(
    name: str, codec: str, setting: str, tier: str, x: Pixels, made: Spent[bytes],
    seen: Spent[Pixels], model: str, bound: int | None = None,
) -> Row:  # fmt: skip
    """Return the row of a file.

    Args:
        name: The picture's.
        codec: Of the codec.
        setting: Of the codec, in words.
        tier: Whose bytes are to be matched, if any.
        x: The picture before.
        made: The file.
        seen: The picture in it.
        model: Digest of our weights.
        bound: Bytes that were to be matched, where it is not our file.
    """
    values, reasons = measure(x, seen.result)
    size, memory = len(made.result), [made.memory_mb, seen.memory_mb]
    peak = None if None in memory else max(m for m in memory if m is not None)
    if peak is None:
        reasons["memory_mb"] = WHY_NO_MEMORY
    return Row(
        image=name, codec=codec, setting=setting, tier=tier, matched=matched(size, bound),
        bytes=size, bpp=8 * size / (x.shape[0] * x.shape[1]), **values,
        encode_s=made.seconds, decode_s=seen.seconds, memory_mb=peak,
        note=note_of(reasons), model=model,
    )  # fmt: skip


def note_of(reasons: Mapping[str, str]) -> str:
    """Return reasons in one line: the gist of each, without advice and what the system said."""
    return " | ".join(f"{what}: {why.partition(' (')[0]}" for what, why in reasons.items())


def matched(size: int, bound: int | None) -> str:
    """Say whether a file has the same bytes: never more, and at most 3 % less."""
    if bound is None:
        return ""
    if size > bound:
        return "larger"
    return "yes" if size >= (1 - CLOSE) * bound else "smaller"


def over(
    pictures: dict[str, Path],
    path: Path,
    model: str,
    work: Work,
    tell: Tell = silent,
    step: Step = silent,
) -> list[Row]:
    """Do some work on every picture, one after the other, and keep the rows in a CSV."""
    table = Rows(path, model, tell)
    for name, source in pictures.items():
        with table.leaving_out(name):
            table.add(work(name, image.load(source).rgb, table.rows))
        step()
    return table.of(pictures)


class Rows:
    """The rows of one CSV while they are measured.

    Args:
        path: The CSV; its rows of other weights, or with blanks that could be had now, go.
        model: Digest of the weights.
        tell: Receives a line for every blank and omission, each once.
    """

    def __init__(self, path: Path, model: str, tell: Tell = silent) -> None:
        self.path, self.tell = path, cache(tell)
        kept = [row for row in load(path) if row.model == model]
        able = available() if kept else set()
        self.rows = {row.key: row for row in kept if not able & row.lacks}

    def add(self, rows: Iterable[Row]) -> None:
        """Take in rows and write the CSV, if there are any."""
        new = list(rows)
        for row in new:
            self.rows[row.key] = row
            for reason in row.reasons:
                self.tell(f"left blank: {reason}")
        if new:
            save(self.path, list(self.rows.values()))

    @contextmanager
    def leaving_out(self, name: str) -> Iterator[None]:
        """Go on past a picture that cannot be measured, and say why."""
        try:
            yield
        except HfxError as error:
            self.tell(f"{name} is left out: {error}")

    def of(self, pictures: Iterable[str]) -> list[Row]:
        """Return the rows of some pictures, picture by picture."""
        names = list(pictures)
        return [row for row in self.rows.values() if row.image in names]
