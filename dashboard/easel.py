"""Makes what the panes show of one picture: each thing once, and quick things first."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeVar

import hfx
from dashboard import resources, stages, work
from dashboard.desk import Desk
from dashboard.panes import CLASSICAL, ORIGINAL, OURS, Choice, Frame, follower
from dashboard.stages import Analysed, Coded, Steps, View
from dashboard.work import Original
from hfx.quality import level_of

T = TypeVar("T", bound=resources.Sized)
KEEP_PIXELS = 8_000_000  # a larger picture's latents would push all else off the shelf


class Make(IntEnum):
    """How much of what is missing is to be made."""

    QUICK = 0  # our pictures, where that takes but a moment
    PICTURES = 1  # all our pictures
    ALL = 2  # files too, and classical codecs' pictures with them


@dataclass(frozen=True)
class Value:
    """A distance, or why there is none."""

    value: float | None
    why: str | None = None
    nbytes: int = 0


class Easel:
    """A picture and all that is made of it.

    Args:
        codec: Ours.
        original: The picture.
        desk: Keeps what is made.
    """

    def __init__(self, codec: hfx.Codec, original: Original, desk: Desk) -> None:
        self.codec, self.original, self.desk = codec, original, desk
        self.key = (original.digest, codec.weights.fingerprint)

    def frames(self, choices: list[Choice], lock: bool, make: Make) -> list[Frame | None]:
        """Return what the panes show; None for one that is not there and not to be made.

        Our picture comes before its file, unless the file's size decides on the quality.

        Args:
            choices: The left pane's and the right one's.
            lock: A classical codec's file may be no larger than the other pane's.
            make: How far to go.

        Raises:
            HfxError: a wish cannot be met.
        """
        led = follower(*(choice.codec for choice in choices)) if lock else None
        frames: list[Frame | None] = [None, None]
        for i in sorted(range(2), key=lambda i: i == led):  # the one that follows comes last
            choice, other = choices[i], frames[1 - i]
            if choice.codec == ORIGINAL:
                frames[i] = Frame(choice, self.original.png, self.original.file_bytes)
            elif choice.codec == OURS:
                frames[i] = self.ours(choice, make)
            elif i != led:
                frames[i] = self.theirs(choice, None, make)
            elif other is not None and other.file_bytes is not None:
                frames[i] = self.theirs(choice, other.file_bytes, make)
        return frames

    def measure(self, name: str, frame: Frame) -> Value:
        """Return a pane's distance from the original."""
        assert frame.coded is not None
        choice = frame.choice
        key = (*self.key, name, choice.codec, choice.realism, frame.coded.level)
        return self.desk.get(key, lambda: self._measure(name, frame), f"Measuring {name}")

    def _measure(self, name: str, frame: Frame) -> Value:
        try:
            return Value(work.distance(name, self.original, frame.png, resources.lpips_network))
        except hfx.WeightsError as error:
            return Value(None, str(error))

    def tick(self, doing: str) -> Callable[[], None]:
        """Return what counts the steps of a search; here a search ends that no one waits for."""
        steps = 0

        def step() -> None:
            nonlocal steps
            steps += 1
            self.desk.say(f"{doing}: file {steps}")

        return step

    # --- ours

    def ours(self, choice: Choice, make: Make) -> Frame | None:
        """Return our picture, and its file, as far as they are there or to be made."""
        wish, tiers = choice.wish, self.codec.weights.arch.tiers
        level = level_of(tiers, wish.tier, wish.quality, target_bytes=wish.target_bytes)
        if level is None:
            coded = self.fitted(choice, make)
            if coded is None:
                return None
            level = coded.level
        else:
            coded = self.file(level, choice, make)
        seen = self.view(level, choice.realism, make)
        if seen is None:
            return None
        if coded is None:
            return Frame(choice, seen.png)
        stages.check(seen, coded)
        seconds = coded.decode_seconds + seen.seconds
        return Frame(choice, seen.png, len(coded.data), coded, seconds)

    @property
    def small(self) -> bool:
        """Say whether a page need not be afraid of the picture's size."""
        return self.original.width * self.original.height <= KEEP_PIXELS

    def analysed(self) -> Analysed:
        """Return the picture behind E."""

        def analyse() -> Analysed:
            return stages.analyse(self.codec, self.original.picture)

        return self.desk.get((*self.key, "E"), analyse, "Analysing", share=self.small)

    def rest(self) -> None:
        """Put away what is heavy, once all is made."""
        if not self.small:
            self.desk.clear((*self.key, "E"))

    def view(self, level: int, realism: float | None, make: Make) -> View | None:
        """Return the picture at a quality level and a realism."""
        key = (*self.key, "G", level, realism)

        def paint() -> View:
            return stages.view(self.codec, self.analysed(), level, realism)

        wanted = self.small or make >= Make.PICTURES
        return self.of_latents(key, paint, "Quantising, and decoding", wanted)

    def of_latents(
        self, key: Hashable, make: Callable[[], T], doing: str, wanted: bool
    ) -> T | None:
        """Return what is known under a key, or wanted; what it is made of is made before."""
        found: T | None = self.desk.find(key)
        if found is not None or not wanted:
            return found
        self.analysed()
        return self.desk.get(key, make, doing)

    def file(self, level: int, choice: Choice, make: Make) -> Coded | None:
        """Return our file of a quality level."""
        kind = choice.neighbours
        key = (*self.key, "file", kind, level)

        def write() -> Coded:
            return stages.write(self.codec, self.analysed(), level, kind)

        doing = f"Writing the file (neighbour model: {kind})"
        return self.of_latents(key, write, doing, make == Make.ALL)

    def fitted(self, choice: Choice, make: Make) -> Coded | None:
        """Return our largest file of at most the bytes wished for."""
        kind, most = choice.neighbours, choice.wish.target_bytes or 0
        doing = f"Searching for the best file of at most {most:,} bytes"

        def search() -> Coded:
            return stages.fit(self.codec, self.analysed(), most, kind, self.tick(doing))

        key = (*self.key, "fitted", kind, most)
        return self.of_latents(key, search, doing, make >= Make.PICTURES)

    # --- theirs

    def theirs(self, choice: Choice, most: int | None, make: Make) -> Frame | None:
        """Return a classical codec's picture: at its own setting, or of at most `most` bytes."""
        name = choice.codec
        doing = f"{name}: encoding"
        key: tuple[str | int, ...] = (self.original.digest, name, "rung", choice.rung)
        if most is not None:
            doing = f"{name}: searching for the largest file of at most {most:,} bytes"
            key = (self.original.digest, name, "most", most)

        def encode() -> Coded:
            ladder = self.ladder(name, self.tick(doing))
            if most is None:
                return stages.step(ladder, choice.rung)
            return stages.largest_within(ladder, most)

        coded: Coded | None = self.desk.find(key)
        if coded is None and make == Make.ALL:
            coded = self.desk.get(key, encode, doing)
        if coded is None:
            return None
        size = len(coded.data)
        over = most is not None and size > most
        return Frame(choice, coded.png, size, coded, coded.decode_seconds, over)

    def ladder(self, name: str, tick: Callable[[], None]) -> Steps:
        """Return the files of a classical codec that were made of this picture so far.

        Raises:
            HfxError: the codec cannot be used here.
        """
        why = CLASSICAL[name].missing()
        if why:
            raise hfx.HfxError(f"{name} is not available here: {why}")
        ladder = self.desk.shelf.get(
            (self.original.digest, name, "ladder"),
            lambda: Steps(CLASSICAL[name], self.original.picture.rgb),
        )
        ladder.tick = tick
        return ladder
