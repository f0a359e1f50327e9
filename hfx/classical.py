"""Classical codecs behind one interface, and the search for a file as large as ours.

Each codec is a ladder of settings, rung 0 the smallest file. Bytes are matched per picture, not
on average: a codec that may spend more where it pays would otherwise be flattered.
"""

import io
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, features

from hfx.errors import HfxError

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Classical:
    """One codec of Pillow's.

    Attributes:
        name: Name to read.
        format: Pillow's name.
        fixed: Options that never change: what one would choose offline, never AVIF at speed 0.
        ladder: The values of the dial, from the smallest file to the largest.
        options: From a value to what Pillow is told.
        label: From a value to text.
        swept: Values of the fixed sweep, for curves.
        fine: So many values in a row differ in a finer dial; sizes grow from the first of such a
            row to the next first, and within a row.
    """

    name: str
    format: str
    fixed: dict[str, Any]
    ladder: tuple[Any, ...]
    options: Callable[[Any], dict[str, Any]]
    label: str
    swept: tuple[Any, ...]
    fine: int = 1

    def missing(self) -> str | None:
        """Return why the codec cannot be used here, or None."""
        if self.format == "JXL":
            try:
                import pillow_jxl  # noqa: F401  # its import registers the format
            except ImportError:
                return "needs `pip install pillow-jxl-plugin`"
        feature = {"AVIF": "avif", "WEBP": "webp", "JPEG2000": "jpg_2000"}.get(self.format)
        if feature is not None and not features.check(feature):
            return "this build of Pillow lacks it"
        return None

    def encode(self, rgb: Pixels, rung: int) -> bytes:
        """Return the file of a (H, W, 3) uint8 picture."""
        file, options = io.BytesIO(), self.options(self.ladder[rung])
        Image.fromarray(rgb).save(file, format=self.format, **self.fixed, **options)
        return file.getvalue()

    def describe(self, rung: int) -> str:
        """Return a rung's setting as text, another for every rung."""
        value = self.ladder[rung]
        return self.label.format(*(value if isinstance(value, tuple) else (value,)))

    def rung_of(self, setting: str) -> int:
        """Return the rung that `describe` calls so; raises HfxError where there is none."""
        for rung in range(len(self.ladder)):
            if self.describe(rung) == setting:
                return rung
        raise HfxError(f"{self.name} has no setting {setting!r}; measure it anew")

    def sweep(self) -> list[int]:
        """Return the rungs of the fixed sweep."""
        return [self.ladder.index(value) for value in self.swept]


def decode(data: bytes) -> Pixels:
    """Return the pixels (H, W, 3) uint8 of a picture file."""
    return np.array(Image.open(io.BytesIO(data)).convert("RGB"))


# --- ladders: whole qualities lie up to 30 % of the bytes apart, so the dials go finer


@cache
def _tables_at_50() -> list[NDArray[np.int64]]:
    """Return JPEG's luma and chroma tables, which every quality scales, from a file at 50."""
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, format="JPEG", quality=50)
    tables = Image.open(file).quantization  # type: ignore[attr-defined]
    return [np.array(tables[i]) for i in (0, 1)]


def _jpeg(quality: float) -> dict[str, Any]:
    """Scale the tables as libjpeg does for a whole quality, for those between as well."""
    percent = 5000 // quality if quality < 50 else 200 - 2 * quality
    scaled = (np.floor((table * percent + 50) / 100) for table in _tables_at_50())
    return {"qtables": [np.clip(table, 1, 255).astype(int).tolist() for table in scaled]}


def _webp() -> Iterator[float]:
    """Qualities half a step of its quantiser apart; it has 128, the cube of a line."""
    for v in np.linspace(0, 1, 255):
        cube = v**3
        yield round(float(150 * cube if cube < 0.5 else 50 + 50 * cube), 4)


def _avif(dials: tuple[int, int]) -> dict[str, Any]:
    quality, strength = dials
    return {"quality": quality, "advanced": {"deltaq-strength": str(strength)}}


JPEG = sorted({round(1.02**i, 2) for i in range(198)} | {i / 4 for i in range(4, 381)})
WEBP = sorted({*_webp(), *map(float, range(101))})
# AVIF has 64 quantisers, 6 to 15 % apart. How far aom lets them vary over a picture (100 % is its
# own choice) fills the gaps: at equal bytes, PSNR and LPIPS of such files are those of the others.
STRENGTHS = (100, 105, 110, 115, 120, 130, 145, 160)
AVIF = [(-(-(100 * i - 50) // 63), strength) for i in range(64) for strength in STRENGTHS]
# Compression ratios from 1200:1 (0.02 bpp) down, 32 to the octave: about 2 % apart.
JPEG2000 = [1200 * 2 ** (-i / 32) for i in range(290)]
JXL = [i / 4 for i in range(400)]  # 100 is lossless

CODECS = (
    Classical(
        "JPEG", "JPEG", {"optimize": True, "progressive": True}, tuple(JPEG), _jpeg,
        "quality {:g}", (5, 10, 15, 20, 30, 40, 50, 60, 70, 80, 90),
    ),
    Classical(
        "WebP", "WEBP", {"method": 6}, tuple(WEBP), lambda value: {"quality": value},
        "quality {:g}", (0, 5, 10, 20, 35, 50, 65, 80, 90),
    ),
    Classical(
        "AVIF", "AVIF", {"speed": 6}, tuple(AVIF), _avif, "quality {} deltaq {} %",
        tuple(AVIF[8 * i] for i in range(6, 52, 6)), fine=len(STRENGTHS),
    ),
    Classical(
        "JPEG 2000", "JPEG2000", {"quality_mode": "rates", "irreversible": True}, tuple(JPEG2000),
        lambda value: {"quality_layers": [value]}, "rate {:.4g}",
        tuple(JPEG2000[i] for i in (64, 96, 112, 128, 144, 160, 176, 192)),
    ),
    Classical(
        "JPEG XL", "JXL", {}, tuple(JXL), lambda value: {"quality": value}, "quality {:g}",
        (0, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90),
    ),
)  # fmt: skip


@dataclass
class Ladder:
    """One picture's files of one codec, each made once and timed.

    Attributes:
        codec: The codec.
        rgb: (H, W, 3) uint8.
        files: (bytes of the file, seconds to encode) by rung.
    """

    codec: Classical
    rgb: Pixels
    files: dict[int, tuple[bytes, float]] = field(default_factory=dict)

    def at(self, rung: int) -> tuple[bytes, float]:
        """Return a rung's file and the seconds it took."""
        if rung not in self.files:
            begun = time.perf_counter()
            try:
                data = self.codec.encode(self.rgb, rung)
            except (OSError, ValueError, RuntimeError) as error:
                raise HfxError(f"{self.codec.name} cannot encode this picture: {error}") from error
            self.files[rung] = data, time.perf_counter() - begun
        return self.files[rung]

    def largest_within(self, bound: int) -> int | None:
        """Return the rung of the largest file of at most `bound` bytes; None if all are larger.

        Bisection takes sizes to grow with the rung. Where they falter by a few bytes, the rung
        found is still within the bound.
        """
        if len(self.at(0)[0]) > bound:
            return None
        fine, end = self.codec.fine, len(self.codec.ladder)
        coarse = self._last_within(bound, range(0, end, fine))
        return self._last_within(bound, range(coarse, coarse + fine))

    def _last_within(self, bound: int, rungs: range) -> int:
        """Bisect rungs of which the first is within the bound."""
        within, above = 0, len(rungs)
        while above - within > 1:
            middle = (within + above) // 2
            if len(self.at(rungs[middle])[0]) <= bound:
                within = middle
            else:
                above = middle
        return rungs[within]
