"""What the pages compute: from bytes to bytes, with no word of how it is shown."""

import hashlib
import io
import time
import warnings
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from PIL import Image

import hfx
from hfx import bitstream, image, metrics
from hfx.image import Picture
from hfx.perceptual import LPIPS

MAX_PIXELS = 50_000_000  # a server shares its memory; the command line takes more
TYPES = ("png", "jpg", "jpeg", "webp", "avif", "tif", "tiff", "bmp")
# Photographs without known restrictions (public domain, CC0) that come with scikit-image.
SAMPLES = {
    "Astronaut": "astronaut.png",
    "Cup of coffee": "coffee.png",
    "Cat": "chelsea.png",
    "Rocket": "rocket.jpg",
}


@dataclass(frozen=True)
class Wish:
    """How large or how good the file is to be: one of the three."""

    tier: str | None = None
    quality: float | None = None
    target_bytes: int | None = None


@dataclass(frozen=True, eq=False)
class Original:
    """A picture to compress, in its canonical form: upright, 8-bit sRGB."""

    name: str
    file_bytes: int  # of the file it came in
    digest: str  # of that file
    width: int
    height: int
    png: bytes
    notes: tuple[str, ...]  # what reading it had to leave out
    fresh: list[Picture] = field(default_factory=list)  # as it was read, until someone takes it

    @property
    def picture(self) -> Picture:
        """Its pixels: at hand for whoever asks first, and read from the PNG again after that."""
        try:
            return self.fresh.pop()
        except IndexError:
            return image.load(self.png)

    @property
    def nbytes(self) -> int:
        return len(self.png) + sum(picture.rgb.nbytes for picture in self.fresh)


@dataclass(frozen=True, eq=False)
class Result:
    """A file, and the picture that was decoded from its very bytes."""

    data: bytes
    png: bytes
    decode_seconds: float

    @cached_property
    def info(self) -> dict[str, Any]:
        """Say what the file holds; see `hfx.info`."""
        return hfx.info(self.data)

    @property
    def nbytes(self) -> int:
        return len(self.data) + len(self.png)


def digest_of(data: bytes) -> str:
    """Return what identifies a file's contents."""
    return hashlib.sha256(data).hexdigest()


def is_hfx(name: str, data: bytes) -> bool:
    """Tell a `.hfx` file, even a damaged or a renamed one, from a photograph."""
    return name.lower().endswith(".hfx") or data.startswith(bitstream.MAGIC)


def sample_path(name: str) -> Path:
    """Return where the file of one of SAMPLES lies."""
    from skimage import data

    return Path(data.data_dir) / SAMPLES[name]


def open_picture(name: str, data: bytes) -> Original:
    """Read a photograph's file.

    Raises:
        ImageError: it is no picture, or one of more than MAX_PIXELS.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        try:
            picture = image.load(data, MAX_PIXELS)
        except hfx.ImageError as error:  # said for a caller; a visitor has other ways out
            line = str(error).replace("the image", name, 1)
            line = line.replace("raise max_pixels", "run `hfx compress`, which takes larger ones")
            raise hfx.ImageError(line) from error
    notes = tuple(str(w.message) for w in caught if issubclass(w.category, UserWarning))
    png = png_of(image.to_pil(picture))
    size = (picture.width, picture.height)
    return Original(name, len(data), digest_of(data), *size, png, notes, [picture])


def decode(codec: hfx.Codec, data: bytes, realism: float | None = None) -> Result:
    """Decode a `.hfx` file, at a realism where the weights have several.

    Raises:
        BitstreamError: the file is bad, or of other weights.
    """
    start = time.perf_counter()
    decoded = codec.decompress(data, MAX_PIXELS, realism=realism)
    seconds = time.perf_counter() - start
    return Result(data, png_of(decoded), seconds)


def distance(
    name: str, original: Original, png: bytes, network: Callable[[], LPIPS | hfx.WeightsError]
) -> float | None:
    """Measure how far a picture is from its original; None where the measure is not defined.

    Args:
        name: PSNR, SSIM or LPIPS.
        original: The original.
        png: The picture.
        network: Returns LPIPS's network, or why there is none.

    Raises:
        WeightsError: LPIPS has no network.
    """
    x, x_hat = original.picture.rgb, image.load(png).rgb
    if name != "LPIPS":
        return {"PSNR": metrics.psnr, "SSIM": metrics.ssim}[name](x, x_hat)
    loaded = network()
    if isinstance(loaded, hfx.WeightsError):
        raise loaded
    return metrics.lpips(x, x_hat, loaded)


def png_of(picture: Image.Image) -> bytes:
    """Write a PNG, quickly rather than densely: of repetitions, only runs of a byte are sought."""
    out = io.BytesIO()
    picture.save(out, format="PNG", compress_level=1, compress_type=zlib.Z_RLE)
    return out.getvalue()
