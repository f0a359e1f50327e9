"""Coding in stages, so that a page shows a picture before its file is written.

The picture depends on the symbols alone, and a file holds those symbols or is refused: so a
picture made from the encoder's symbols is the one its file decodes to, once the file has been
read back and found to hold the same.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from PIL import Image

import hfx
from dashboard.work import png_of
from hfx import bitstream, classical, image
from hfx.bitstream import Header
from hfx.classical import Ladder
from hfx.codec import Analysis
from hfx.image import Picture
from hfx.quality import search


def no_tick() -> None:
    """Do nothing between two steps."""


@dataclass(frozen=True, eq=False)
class Analysed:
    """A picture behind E and h_a, and the seconds that took."""

    analysis: Analysis
    seconds: float

    @property
    def nbytes(self) -> int:
        picture = self.analysis.picture
        alpha = 0 if picture.alpha is None else picture.alpha.nbytes
        return int(4 * (self.analysis.y.numel() + self.analysis.z.numel())) + (
            picture.rgb.nbytes + alpha
        )


@dataclass(frozen=True, eq=False)
class View:
    """The picture that a quality level's symbols decode to.

    Attributes:
        png: The picture.
        level: The quality level.
        crc: Of the symbols.
        seconds: What G took.
    """

    png: bytes
    level: int
    crc: int
    seconds: float

    @property
    def nbytes(self) -> int:
        return len(self.png)


@dataclass(frozen=True, eq=False)
class Coded:
    """A file, what it was coded with, and how long that took.

    Attributes:
        data: The file.
        setting: What it was made with, in words.
        encode_seconds: From pixels to the file; the search for a size is not counted.
        decode_seconds: From the file back to symbols, or to pixels where no View is wanted.
        level: Our quality level, or a classical codec's rung.
        crc: Of our symbols, as the file gives them back.
        png: The picture a classical file decodes to; ours is a View.
    """

    data: bytes
    setting: str
    encode_seconds: float
    decode_seconds: float
    level: int
    crc: int = 0
    png: bytes = b""

    @property
    def nbytes(self) -> int:
        return len(self.data) + len(self.png)


# --- ours


def analyse(codec: hfx.Codec, picture: Picture) -> Analysed:
    """Run E and h_a, which every quality shares."""
    begun = time.perf_counter()
    analysis = codec.analyse(picture)
    return Analysed(analysis, time.perf_counter() - begun)


def view(codec: hfx.Codec, analysed: Analysed, level: int, realism: float | None = None) -> View:
    """Run G on a quality's symbols, at a realism that its weights have; None: the usual one."""
    picture = analysed.analysis.picture
    latents = codec.quantize(analysed.analysis, level)
    header = Header(
        width=picture.width,
        height=picture.height,
        level=level,
        fingerprint=codec.weights.fingerprint,
        neighbours="none",
        grey=picture.grey,
        symbols_crc=latents.crc,
    )
    begun = time.perf_counter()
    decoded = codec.synthesise(latents, header, realism)
    seconds = time.perf_counter() - begun
    png = png_of(image.to_pil(Picture(decoded.rgb, picture.alpha, picture.grey)))
    return View(png, level, latents.crc, seconds)


def write(codec: hfx.Codec, analysed: Analysed, level: int, neighbours: str) -> Coded:
    """Write a quality's file, and read its symbols back."""
    codec.models.choose(neighbours)  # loaded once: not part of the time
    begun = time.perf_counter()
    data = codec.write(analysed.analysis, codec.quantize(analysed.analysis, level), neighbours)
    return read_back(codec, data, analysed.seconds + time.perf_counter() - begun)


def fit(
    codec: hfx.Codec,
    analysed: Analysed,
    most: int,
    neighbours: str,
    tick: Callable[[], None] = no_tick,
) -> Coded:
    """Write the largest file of at most so many bytes.

    Args:
        codec: The codec.
        analysed: The picture.
        most: Bytes allowed.
        neighbours: What codes the symbols.
        tick: Called before every try; it may raise to give up.

    Raises:
        HfxError: the smallest file is larger.
    """

    codec.models.choose(neighbours)
    seconds: dict[bytes, float] = {}

    def attempt(level: int) -> bytes:
        tick()
        begun = time.perf_counter()
        latents = codec.quantize(analysed.analysis, level)
        data = codec.write(analysed.analysis, latents, neighbours)
        seconds[data] = time.perf_counter() - begun
        return data

    data = search(attempt, most, never_above=True)
    return read_back(codec, data, analysed.seconds + seconds[data])


def read_back(codec: hfx.Codec, data: bytes, encode_seconds: float) -> Coded:
    """Decode a file's symbols, as anyone who receives it will."""
    begun = time.perf_counter()
    latents = codec.read(bitstream.read(data))
    seconds = time.perf_counter() - begun
    setting = f"quality {round(hfx.info(data)['quality'], 1) + 0:g}"
    return Coded(data, setting, encode_seconds, seconds, latents.level, latents.crc)


def check(view: View, coded: Coded) -> None:
    """Make sure that a file holds the picture shown.

    Raises:
        BitstreamError: it does not.
    """
    if (view.level, view.crc) != (coded.level, coded.crc):
        raise hfx.BitstreamError("the file holds other symbols than the picture shown")


# --- theirs


@dataclass
class Steps(Ladder):
    """A ladder that knows its size, and says each step before it takes it.

    Attributes:
        tick: Called before every encoding; it may raise to give up.
    """

    tick: Callable[[], None] = field(default=no_tick)

    @property
    def nbytes(self) -> int:
        return int(self.rgb.nbytes) + sum(len(data) for data, _ in list(self.files.values()))

    def at(self, rung: int) -> tuple[bytes, float]:
        """Return a rung's file and the seconds it took."""
        if rung not in self.files:
            self.tick()
        return super().at(rung)


def step(ladder: Ladder, rung: int) -> Coded:
    """Encode and decode at one setting of a classical codec."""
    data, encode_seconds = ladder.at(rung)
    begun = time.perf_counter()
    rgb = classical.decode(data)
    seconds = time.perf_counter() - begun
    setting = ladder.codec.describe(rung)
    png = png_of(Image.fromarray(rgb))
    return Coded(data, setting, encode_seconds, seconds, rung, png=png)


def largest_within(ladder: Ladder, most: int) -> Coded:
    """Encode as well as a number of bytes allows, or where none does as small as can be."""
    rung = ladder.largest_within(most)
    return step(ladder, rung or 0)
