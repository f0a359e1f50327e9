"""What the page "Where the bits go" computes: the symbols of a file and what each one costs."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import hfx
from dashboard import work
from dashboard.work import Original
from hfx import bitstream, image
from hfx.bitstream import Header
from hfx.codec import Codec, Latents
from hfx.neighbours.explain import BitMap, Symbol, bits_of, one_symbol
from hfx.neighbours.interval import Cut, cuts_of

MAX_PIXELS = 1_500_000  # a mark on the map for every place: more are slow to draw
PLACE = 16  # pixels along the side of a place of y
LONGEST = 1024  # pixels of the picture under a map
WIDE = 4  # places of y along the side of a place of z
ORDINARY = 8.0  # bits of a symbol that is no freak
NAMES = {"none": "the hyperprior alone", "knn": "KNN", "xgb": "XGBoost"}


@dataclass(frozen=True)
class Box:
    """A rectangle of places, counted from 0; the ends do not belong to it."""

    top: int
    bottom: int
    left: int
    right: int

    @classmethod
    def over(cls, edges: Sequence[int], grid: tuple[int, int]) -> "Box":
        """Return a box within a grid, of one place at least, from any top, bottom, left, right."""
        (h, w), (top, bottom, left, right) = grid, edges
        top, left = (min(max(0, v), size - 1) for v, size in ((top, h), (left, w)))
        return cls(top, min(max(top + 1, bottom), h), left, min(max(left + 1, right), w))

    @property
    def edges(self) -> tuple[int, int, int, int]:
        """Top, bottom, left, right."""
        return self.top, self.bottom, self.left, self.right

    @property
    def slices(self) -> tuple[slice, slice]:
        return slice(self.top, self.bottom), slice(self.left, self.right)

    @property
    def places(self) -> int:
        return (self.bottom - self.top) * (self.right - self.left)


@dataclass(frozen=True)
class Place:
    """One symbol of y."""

    channel: int
    row: int
    column: int

    @property
    def index(self) -> tuple[int, int, int]:
        return self.channel, self.row, self.column


@dataclass(frozen=True, eq=False)
class Anatomy:
    """A file opened.

    Attributes:
        data: The file.
        header: What stands at its front.
        latents: The symbols, as the file's decoder found them.
        bits: What they cost by "none", by `kind` and by the kind that is preferred.
        kind: The kind the file was written with.
        decoded: The picture in it.
    """

    data: bytes
    header: Header
    latents: Latents
    bits: dict[str, BitMap]
    kind: str
    decoded: Image.Image

    @property
    def nbytes(self) -> int:
        one = self.latents.y.size * (4 + 4 + 1 + 8 * len(self.bits))  # y, mu, index, bits
        return one + 4 * self.header.width * self.header.height

    @cached_property
    def info(self) -> dict[str, Any]:
        """Say what the file holds; see `hfx.info`."""
        return hfx.info(self.data)

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of places; those beyond the picture's edge are padding."""
        h, w = self.latents.y.shape[1:]
        return h, w

    @cached_property
    def y(self) -> NDArray[np.float64]:
        """Bits of y at each place, (h, w)."""
        return self.bits[self.kind].y.sum(0)

    @cached_property
    def z(self) -> NDArray[np.float64]:
        """Bits of z at each place, (h, w): those of a place of z shared out among its 16."""
        z = self.bits[self.kind].z.sum(0) / WIDE**2
        return z.repeat(WIDE, 0).repeat(WIDE, 1)

    @cached_property
    def saved(self) -> NDArray[np.float64]:
        """Bits that neighbours save at each place, (h, w); negative where they mislead."""
        before, after = self.saving_kinds
        return self.bits[before].y.sum(0) - self.bits[after].y.sum(0)

    @property
    def saving_kinds(self) -> tuple[str, str]:
        """The kinds that `saved` compares: none, and the file's own or else the preferred."""
        return "none", self.kind if self.kind != "none" else list(self.bits)[-1]

    @property
    def coded(self) -> int:
        """Bytes that the file spends on symbols."""
        chunks = self.info["chunks"]
        return int(chunks["y"] + chunks["z"] + chunks["escapes"])

    @cached_property
    def backdrop(self) -> str:
        """The picture as a data URL, in greys, so that the colours over it are the map's."""
        grey = self.decoded.convert("L")
        grey.thumbnail((LONGEST, LONGEST))
        out = io.BytesIO()
        grey.save(out, format="WEBP", quality=85)
        return "data:image/webp;base64," + base64.b64encode(out.getvalue()).decode()

    def share(self, box: Box) -> tuple[float, float, float]:
        """Return the bytes of a box's symbols, their share of all, and the area's share."""
        inside = self.y + self.z
        bits = float(inside[box.slices].sum())
        h, w = self.grid
        return bits / 8, bits / float(inside.sum()), box.places / (h * w)


# --- from a picture or a file to its anatomy


def compress(codec: Codec, original: Original, quality: float, kind: str) -> bytes:
    """Return a picture's `.hfx` file, coded with a kind of neighbour model."""
    source = image.to_pil(original.picture)
    return codec.compress(source, quality=quality, neighbours=kind)


def fitting(original: Original) -> Original:
    """Return a picture reduced to `MAX_PIXELS`, with a note of it; the same one where it fits."""
    if original.width * original.height <= MAX_PIXELS:
        return original
    ratio = sqrt(MAX_PIXELS / (original.width * original.height))
    size = max(1, int(original.width * ratio)), max(1, int(original.height * ratio))
    picture = image.to_pil(original.picture).resize(size, Image.Resampling.LANCZOS)
    note = f"Reduced from {original.width} × {original.height} to {size[0]} × {size[1]} pixels."
    return replace(
        original,
        width=size[0],
        height=size[1],
        png=work.png_of(picture),
        notes=(*original.notes, note),
    )


def dissect(codec: Codec, data: bytes) -> Anatomy:
    """Open a file and price its symbols.

    Raises:
        BitstreamError: the file is bad, of other weights, or too large for the page.
    """
    stream = bitstream.read(data, work.MAX_PIXELS)
    header = stream.header
    if header.width * header.height > MAX_PIXELS:
        raise hfx.BitstreamError(
            f"the picture in this file has {header.width} x {header.height} pixels; this page "
            f"opens files of up to {MAX_PIXELS / 1e6:g} megapixels: upload the photo itself, and "
            "it is reduced"
        )
    latents = codec.read(stream)
    kinds = dict.fromkeys(["none", header.neighbours, codec.models.preferred])
    bits = {kind: bits_of(codec, latents, kind) for kind in kinds}
    decoded = image.to_pil(codec.synthesise(latents, header))
    return Anatomy(data, header, latents, bits, header.neighbours, decoded)


# --- what to look at first


def dearest_box(anatomy: Anatomy) -> Box:
    """Return the box of a quarter of the area that takes most bits."""
    h, w = anatomy.grid
    height, width = max(1, h // 2), max(1, w // 2)
    sums = np.pad((anatomy.y + anatomy.z).cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    totals = (
        sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width]
        + sums[:-height, :-width]
    )  # fmt: skip
    top, left = map(int, np.unravel_index(totals.argmax(), totals.shape))
    return Box(top, top + height, left, left + width)


def worth_a_look(anatomy: Anatomy) -> Place:
    """Return the symbol that neighbours made cheaper by most bits, freaks left out."""
    before, after = (anatomy.bits[kind].y for kind in anatomy.saving_kinds)
    return _place(np.where(before < ORDINARY, before - after, -np.inf))


def saved_most(anatomy: Anatomy) -> Place:
    """Return the symbol that neighbours made cheaper by most bits."""
    before, after = (anatomy.bits[kind].y for kind in anatomy.saving_kinds)
    return _place(before - after)


def misled_most(anatomy: Anatomy) -> Place:
    """Return the symbol that neighbours made dearer by most bits."""
    before, after = (anatomy.bits[kind].y for kind in anatomy.saving_kinds)
    return _place(after - before)


def dearest(anatomy: Anatomy) -> Place:
    """Return the symbol that costs most bits."""
    return _place(anatomy.bits[anatomy.kind].y)


def dearest_channel(anatomy: Anatomy, row: int, column: int) -> int:
    """Return the channel that costs most bits at a place."""
    return int(anatomy.bits[anatomy.kind].y[:, row, column].argmax())


def _place(values: NDArray[np.float64]) -> Place:
    return Place(*map(int, np.unravel_index(values.argmax(), values.shape)))


# --- one symbol


@dataclass(frozen=True, eq=False)
class Story:
    """One symbol, from what was known of it to its interval.

    Attributes:
        place: Which symbol.
        symbol: Everything about it; see `explain.Symbol`.
        truth: The window's symbols, known or not; nan beyond the picture's edge.
        cuts: How the range coder's interval was cut.
        kind: The neighbour model that tells it.
    """

    place: Place
    symbol: Symbol
    truth: NDArray[np.float64]
    cuts: list[Cut]
    kind: str

    @property
    def asked(self) -> bool:
        """Whether neighbours were asked."""
        return self.symbol.row is not None


def story(codec: Codec, anatomy: Anatomy, place: Place) -> Story:
    """Tell how one symbol was coded."""
    kind, latents = anatomy.kind, anatomy.latents
    symbol = one_symbol(codec, latents, kind, *place.index)
    reach = len(symbol.window) // 2
    wide = np.pad(latents.y[place.channel].astype(float), reach, constant_values=np.nan)
    side = 2 * reach + 1
    truth = wide[place.row : place.row + side, place.column : place.column + side]
    cuts = cuts_of(codec, latents, kind, place.index, symbol)
    return Story(place, symbol, truth, cuts, kind)
