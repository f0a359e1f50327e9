"""Our codec measured on pictures: true files, decoded from their bytes.

A row is one file of one picture. Rows go into a CSV after every picture, and a second run
measures only what is missing there.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from hfx import image, spread
from hfx.bench import Done, Rows, Step, Tell, model_of, over, row_of, silent
from hfx.codec import Codec
from hfx.errors import HfxError
from hfx.files import read
from hfx.neighbours.models import Models
from hfx.panel import Pixels
from hfx.quality import level_of
from hfx.results import Row
from hfx.stopwatch import Spent, spent
from hfx.weights import Weights


@dataclass(frozen=True)
class Wish:
    """One of our files: at a tier or a quality, decoded at some realism or as usual."""

    tier: str = ""
    quality: float | None = None
    realism: float | None = None

    @property
    def codec(self) -> str:
        """The name of the system in tables."""
        return "hfx" if self.realism is None else f"hfx, realism {self.realism:g}"

    @property
    def setting(self) -> str:
        """The setting in tables."""
        return self.tier or f"quality {self.quality:g}"

    @classmethod
    def of(cls, row: Row) -> "Wish":
        """Return the wish that a row of ours fulfilled."""
        quality = None if row.tier else float(row.setting.removeprefix("quality "))
        _, _, realism = row.codec.partition("realism ")
        return cls(row.tier, quality, float(realism) if realism else None)

    def compress(self, codec: Codec, rgb: Pixels, neighbours: str | None = None) -> bytes:
        """Return the file."""
        return codec.compress(rgb, self.tier or None, quality=self.quality, neighbours=neighbours)

    def decompress(self, codec: Codec, data: bytes) -> Pixels:
        """Return the picture in a file, (H, W, 3) uint8."""
        how: dict[str, Any] = {} if self.realism is None else {"realism": self.realism}
        return np.asarray(codec.decompress(data, **how).convert("RGB"))


def run(
    codec: Codec,
    pictures: dict[str, Path],
    path: Path,
    wishes: Sequence[Wish],
    *,
    tell: Tell = silent,
    step: Step = silent,
    cluster: str | None = None,
) -> list[Row]:
    """Measure our files of every picture; what the CSV at `path` holds already is kept.

    Args:
        codec: Ours.
        pictures: Paths by name, see `pictures_of`.
        path: The CSV, written after every picture.
        wishes: What is to be measured of each.
        tell: Receives a line for everything left out or blank, with its reason, once.
        step: Called after each picture.
        cluster: Address of a Dask scheduler whose workers share the pictures.

    Raises:
        HfxError: the CSV cannot be read or written, or the cluster fails.
    """
    model = model_of(codec)
    warm(codec)

    def work(name: str, rgb: Pixels, done: Done) -> Iterator[Row]:
        return ours(codec, name, rgb, missing(wishes, name, done), model)

    if cluster is None:
        return over(pictures, path, model, work, tell, step)
    table = Rows(path, model, tell)

    def jobs() -> Iterator[Job]:
        for name, source in pictures.items():
            wanted, file = missing(wishes, name, table.rows), None
            with table.leaving_out(name):
                file = read(source) if wanted else None
            if file is None:
                step()
            else:
                yield Job(name, file, wanted)

    for job, rows in spread.over(cluster, measured, (codec.weights, codec.models, model), jobs()):
        with table.leaving_out(job.name):
            if isinstance(rows, HfxError):
                raise rows
            table.add(rows)
        step()
    return table.of(pictures)


@dataclass(frozen=True)
class Job:
    """One picture's share of the work, as it travels to another machine."""

    name: str
    file: bytes
    wishes: list[Wish]


def measured(weights: Weights, models: Models, model: str, job: Job) -> list[Row]:
    """Do a job; a codec itself does not travel, what it is made of does."""
    codec = Codec(weights, models)
    return list(ours(codec, job.name, image.load(job.file).rgb, job.wishes, model))


def wishes_of(
    codec: Codec,
    tiers: Sequence[str] | None = None,
    qualities: Sequence[float] | None = None,
    realisms: Sequence[float] | None = None,
) -> list[Wish]:
    """Return every tier and quality at every realism; all tiers where neither is given.

    Raises:
        HfxError: an unknown tier, or a quality out of range.
    """
    known = codec.weights.arch.tiers
    for tier in tiers or ():
        level_of(known, tier)
    for quality in qualities or ():
        level_of(known, quality=quality)
    chosen = [Wish(tier) for tier in tiers or (() if qualities else known)]
    chosen += [Wish(quality=quality) for quality in qualities or ()]
    if not realisms:
        return chosen
    return [replace(wish, realism=realism) for wish in chosen for realism in realisms]


def missing(wishes: Sequence[Wish], name: str, done: Done) -> list[Wish]:
    """Return the wishes of which a picture has no row yet."""
    return [w for w in wishes if (name, w.codec, w.setting) not in done]


def ours(
    codec: Codec, name: str, rgb: Pixels, wishes: Sequence[Wish], model: str
) -> Iterator[Row]:
    """Yield a row for each wish: one file made once for all realisms of it."""
    files: dict[tuple[str, float | None], Spent[bytes]] = {}
    for wish in wishes:
        which = wish.tier, wish.quality
        if which not in files:
            files[which] = spent(partial(wish.compress, codec, rgb))
        made = files[which]
        seen = spent(partial(wish.decompress, codec, made.result))
        yield row_of(name, wish.codec, wish.setting, wish.tier, rgb, made, seen, model)


def warm(codec: Codec) -> None:
    """Run once, as in daily use: the first file takes longer."""
    codec.decompress(codec.compress(np.zeros((64, 64, 3), np.uint8)))
