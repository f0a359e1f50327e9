"""Curves of one visitor's picture: files of many settings, made and measured in the background."""

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import sqrt

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from PIL import Image

import hfx
from dashboard import stages, work
from dashboard.panes import CLASSICAL
from dashboard.resources import Shelf
from dashboard.tradeoffs import OURS
from dashboard.work import Original
from hfx import classical, image, panel
from hfx.classical import Ladder
from hfx.errors import HfxError
from hfx.quality import level_of_quality

MEASURES = ("psnr", "ms_ssim", "lpips")
QUALITIES = (20, 50, 80, 0, 35, 65, 100)  # the tiers first
PIXELS = 600_000  # a larger picture is reduced: every point takes a second as it is
BEYOND = 1.2  # a codec's curve ends where it is past so many times our largest file
LARGEST = 0.6  # bpp of that file, where ours are not asked for
CROP = 160  # pixels
MANY = 6  # surveys on one server at a time
AWAY = 60.0  # seconds after which nobody seems to look any more


class Stopped(Exception):
    """Nobody wants the rest."""


@dataclass(frozen=True, eq=False)
class Point:
    """One file, measured.

    Attributes:
        codec: Whose; with the realism, where there are several.
        setting: What it was told.
        data: The file.
        bpp: Its size over the picture's.
        values: Of MEASURES; None for what could not be had.
        reasons: Why not.
        png: The decoded picture of our file; a classical file is decoded when it is looked at.
    """

    codec: str
    setting: str
    data: bytes
    bpp: float
    values: dict[str, float | None]
    reasons: dict[str, str]
    png: bytes = b""

    @property
    def nbytes(self) -> int:
        return len(self.data) + len(self.png)

    @property
    def rgb(self) -> NDArray[np.uint8]:
        """The decoded picture."""
        return image.load(self.png).rgb if self.png else classical.decode(self.data)

    @property
    def row(self) -> dict[str, object]:
        """A line of the CSV."""
        return {"codec": self.codec, "setting": self.setting, "bytes": len(self.data),
                "bpp": self.bpp, **self.values}  # fmt: skip


def fitting(original: Original) -> Original:
    """Return a picture reduced to PIXELS, with a note of it; the same one where it fits."""
    ratio = sqrt(PIXELS / (original.width * original.height))
    if ratio >= 1:
        return original
    size = max(1, int(original.width * ratio)), max(1, int(original.height * ratio))
    picture = image.to_pil(original.picture).resize(size, Image.Resampling.LANCZOS)
    note = f"Reduced from {original.width} × {original.height} to {size[0]} × {size[1]} pixels."
    return replace(
        original, width=size[0], height=size[1], png=work.png_of(picture),
        notes=(*original.notes, note),
    )  # fmt: skip


class Survey:
    """The points of one picture, made one by one in a thread that outlives a run of the page.

    It takes its turn with all other work on the shelf, point by point, and ends when it is told
    to or when no page has looked for a while.

    Args:
        codec: Ours.
        original: The picture, small enough.
        chosen: Names of the codecs.
        shelf: Where points lie for whoever asks for the same.

    Attributes:
        points: What is there so far.
        notes: What was left out, and why.
        done, total: Settings dealt with, and how many there are.
        stopped: It did not get to its end.
    """

    def __init__(
        self, codec: hfx.Codec, original: Original, chosen: Sequence[str], shelf: Shelf
    ) -> None:
        self.original, self.chosen, self.shelf = original, tuple(chosen), shelf
        self.codec, self.key = codec, (original.digest, codec.weights.fingerprint)
        self.points: list[Point] = []
        self.notes: list[str] = []
        self.done, self.stopped = 0, False
        self.levels = (
            [level_of_quality(q) for q in QUALITIES] if len(codec.weights.arch.tiers) > 1 else [0]
        )
        self.total = sum(map(self.planned, self.chosen))
        self._seen, self._end = time.monotonic(), threading.Event()
        self._crops: tuple[object, dict[int, bytes]] = (None, {})
        self._thread = threading.Thread(target=self._run, name="hfx-survey", daemon=True)
        self._thread.start()

    @property
    def realisms(self) -> list[float | None]:
        """The realisms that our files are decoded at."""
        return [None] if self.codec.weights.gan is None else [0.0, 1.0]

    def planned(self, name: str) -> int:
        """Return how many settings of a codec there are."""
        if name == OURS:
            return len(self.levels) * len(self.realisms)
        return len(CLASSICAL[name].swept)

    @property
    def running(self) -> bool:
        """Whether it goes on."""
        return self._thread.is_alive()

    def look(self) -> None:
        """Say that somebody is still interested."""
        self._seen = time.monotonic()

    def stop(self) -> None:
        """Stop after the point that is being made; what is there stays."""
        self._end.set()

    def wait(self, seconds: float | None = None) -> None:
        """Wait until it is over."""
        self._thread.join(seconds)

    def crops(self, box: tuple[int, int, int, int]) -> list[bytes]:
        """Return a cut (left, top, right, bottom) of every point's picture so far, as PNGs."""
        if self._crops[0] != box:
            self._crops = (box, {})
        made = self._crops[1]
        for number, point in enumerate(list(self.points)):
            if number not in made:
                made[number] = cut(point.rgb, box)
        return [made[number] for number in sorted(made)]

    # --- in the thread

    def _run(self) -> None:
        try:
            rgb, largest = self.original.picture.rgb, 0.0
            for name in sorted(self.chosen, key=lambda name: name != OURS):
                after = self.done + self.planned(name)
                try:
                    for point in self._ours(rgb) if name == OURS else self._theirs(name, rgb):
                        self.points.append(point)
                        self.done += 1
                        if name == OURS:
                            largest = max(largest, point.bpp)
                        elif point.bpp > BEYOND * (largest or LARGEST):
                            break
                except HfxError as error:
                    self.notes.append(f"{name} is left out: {error}")
                self.done = after
        except Stopped:
            self.stopped = True
        except MemoryError:
            self.stopped = True
            self.notes.append("This machine has not enough memory for the rest.")

    def _ours(self, rgb: NDArray[np.uint8]) -> Iterator[Point]:
        kind = self.codec.models.preferred
        analysed: list[stages.Analysed] = []

        def make(level: int, realism: float | None) -> Point:
            if not analysed:
                analysed.append(stages.analyse(self.codec, self.original.picture))
            coded = stages.write(self.codec, analysed[0], level, kind)
            view = stages.view(self.codec, analysed[0], level, realism)
            stages.check(view, coded)
            name = OURS if not realism else f"{OURS}, realism {realism:g}"
            return self._point(name, coded.setting, coded.data, rgb, view.png)

        for level in self.levels:
            for realism in self.realisms:
                self._wait()
                key = ("point", *self.key, OURS, kind, level, realism)
                yield self.shelf.get(key, partial(make, level, realism), self._wait)

    def _theirs(self, name: str, rgb: NDArray[np.uint8]) -> Iterator[Point]:
        codec = CLASSICAL[name]
        why = codec.missing()
        if why:
            raise HfxError(why)
        ladder = Ladder(codec, rgb)

        def make(rung: int) -> Point:
            return self._point(name, codec.describe(rung), ladder.at(rung)[0], rgb)

        for rung in codec.sweep():
            self._wait()
            key = ("point", self.original.digest, name, rung)
            yield self.shelf.get(key, partial(make, rung), self._wait)

    def _point(
        self, name: str, setting: str, data: bytes, rgb: NDArray[np.uint8], png: bytes = b""
    ) -> Point:
        x_hat = image.load(png).rgb if png else classical.decode(data)
        values, reasons = panel.measure(rgb, x_hat, MEASURES)
        bpp = 8 * len(data) / (rgb.shape[0] * rgb.shape[1])
        return Point(name, setting, data, bpp, values, reasons, png)

    def _wait(self) -> None:
        """End here if nobody wants more."""
        if self._end.is_set() or time.monotonic() - self._seen > AWAY:
            raise Stopped


class Surveys:
    """All surveys of a server: a bounded number, one at a time of each visitor's."""

    def __init__(self) -> None:
        self.guard = threading.Lock()
        self.all: list[Survey] = []

    def begin(
        self, codec: hfx.Codec, original: Original, chosen: Sequence[str], shelf: Shelf,
        last: Survey | None = None,
    ) -> Survey:  # fmt: skip
        """Begin a survey in the place of a visitor's last one.

        Raises:
            HfxError: there are too many.
        """
        if last is not None:
            last.stop()
        with self.guard:
            self.all = [one for one in self.all if one.running and one is not last]
            if len(self.all) >= MANY:
                raise HfxError(
                    f"{MANY} visitors' pictures are being measured already; try in a minute"
                )
            self.all.append(Survey(codec, original, chosen, shelf))
            return self.all[-1]


@st.cache_resource(show_spinner=False)
def surveys() -> Surveys:
    """Return the surveys of this server."""
    return Surveys()


def box_of(size: tuple[int, int], across: int, down: int) -> tuple[int, int, int, int]:
    """Return a box of CROP pixels within a picture, its place in percent of the way.

    Args:
        size: Width and height of the picture.
        across: 0: at the left edge, 100: at the right one.
        down: 0: at the top, 100: at the bottom.
    """
    w, h = (min(CROP, side) for side in size)
    left, top = round((size[0] - w) * across / 100), round((size[1] - h) * down / 100)
    return left, top, left + w, top + h


def cut(rgb: NDArray[np.uint8], box: tuple[int, int, int, int]) -> bytes:
    """Return a cut (left, top, right, bottom) of a picture as a PNG."""
    left, top, right, bottom = box
    return work.png_of(Image.fromarray(np.ascontiguousarray(rgb[top:bottom, left:right])))
