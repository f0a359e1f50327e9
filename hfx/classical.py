"""Classical codecs behind one interface, and the search for a file as large as ours.

Each codec is a ladder of settings, rung 0 the smallest file. Bytes are matched per picture, not
on average: a codec that may spend more where it pays would otherwise be flattered.
"""

import io
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image, features

from hfx.errors import HfxError

Pixels = np.ndarray


@dataclass(frozen=True)
class Classical:
    """One codec of Pillow's.

    Attributes:
        name: Name to read.
        format: Pillow's name.
        options: Fixed options: what one would choose offline, never AVIF at speed 0.
        rungs: How many settings there are.
        setting: From a rung to what varies.
        swept: Rungs of the fixed sweep.
    """

    name: str
    format: str
    options: dict[str, Any]
    rungs: int
    setting: Callable[[int], dict[str, Any]]
    swept: tuple[int, ...]

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
        file = io.BytesIO()
        Image.fromarray(rgb).save(file, format=self.format, **self.options, **self.setting(rung))
        return file.getvalue()

    def describe(self, rung: int) -> str:
        """Return a rung's setting as text."""
        (value,) = self.setting(rung).values()
        return f"rate {value[0]:.4g}" if isinstance(value, list) else f"quality {value}"


def decode(data: bytes) -> Pixels:
    """Return the pixels (H, W, 3) uint8 of a picture file."""
    return np.array(Image.open(io.BytesIO(data)).convert("RGB"))


def _quality(rung: int) -> dict[str, Any]:
    return {"quality": rung}


def _from_one(rung: int) -> dict[str, Any]:
    return {"quality": rung + 1}


def _ratio(rung: int) -> dict[str, Any]:
    """Compression ratios from 1200:1 (0.02 bpp) down, 32 to the octave: about 2 % apart."""
    return {"quality_layers": [1200 * 2 ** (-rung / 32)]}


CODECS = (
    Classical(
        "JPEG", "JPEG", {"optimize": True, "progressive": True}, 95, _from_one,
        (4, 9, 14, 19, 29, 39, 49, 59, 69, 79, 89),
    ),
    Classical("WebP", "WEBP", {"method": 6}, 101, _quality, (0, 5, 10, 20, 35, 50, 65, 80, 90)),
    Classical("AVIF", "AVIF", {"speed": 6}, 101, _quality, (10, 20, 30, 40, 50, 60, 70, 80)),
    Classical(
        "JPEG 2000", "JPEG2000", {"quality_mode": "rates", "irreversible": True}, 290, _ratio,
        (64, 96, 112, 128, 144, 160, 176, 192),
    ),
    Classical("JPEG XL", "JXL", {}, 100, _quality, (0, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90)),
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
        within, above = 0, self.codec.rungs
        while above - within > 1:
            middle = (within + above) // 2
            if len(self.at(middle)[0]) <= bound:
                within = middle
            else:
                above = middle
        return within
