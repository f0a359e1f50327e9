"""What the pages compute: from bytes to bytes, with no word of how it is shown."""

import hashlib
import io
import time
import warnings
from dataclasses import dataclass
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

    @property
    def picture(self) -> Picture:
        return image.load(self.png)

    @property
    def nbytes(self) -> int:
        return len(self.png)


@dataclass(frozen=True, eq=False)
class Result:
    """A file, and the picture that was decoded from its very bytes."""

    data: bytes
    png: bytes
    decode_seconds: float
    encode_seconds: float | None = None  # None: the file came from elsewhere

    @cached_property
    def info(self) -> dict[str, Any]:
        """Say what the file holds; see `hfx.info`."""
        return hfx.info(self.data)

    @property
    def nbytes(self) -> int:
        return len(self.data) + len(self.png)


@dataclass(frozen=True)
class Measures:
    """Distances between original and reconstruction; None where one is not defined."""

    psnr: float
    ssim: float | None
    lpips: float | None
    why_no_lpips: str | None = None
    nbytes: int = 0


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
    return Original(name, len(data), digest_of(data), picture.width, picture.height, png, notes)


def compress(codec: hfx.Codec, original: Original, wish: Wish) -> Result:
    """Compress a picture, and decode the bytes that came out.

    Raises:
        HfxError: the wish cannot be met.
    """
    source = image.to_pil(original.picture)
    start = time.perf_counter()
    data = codec.compress(source, wish.tier, quality=wish.quality, target_bytes=wish.target_bytes)
    return decode(codec, data, time.perf_counter() - start)


def decode(codec: hfx.Codec, data: bytes, encode_seconds: float | None = None) -> Result:
    """Decode a `.hfx` file.

    Raises:
        BitstreamError: the file is bad, or of other weights.
    """
    start = time.perf_counter()
    decoded = codec.decompress(data, MAX_PIXELS)
    seconds = time.perf_counter() - start
    return Result(data, png_of(decoded), seconds, encode_seconds)


def measure(original: Original, result: Result, network: LPIPS | hfx.WeightsError) -> Measures:
    """Compare a reconstruction with its original.

    Args:
        network: LPIPS's, or why there is none.
    """
    x, x_hat = original.picture.rgb, image.load(result.png).rgb
    psnr, ssim = metrics.psnr(x, x_hat), metrics.ssim(x, x_hat)
    if isinstance(network, hfx.WeightsError):
        return Measures(psnr, ssim, None, str(network).removeprefix("LPIPS unavailable: "))
    return Measures(psnr, ssim, metrics.lpips(x, x_hat, network))


def png_of(picture: Image.Image) -> bytes:
    """Write a PNG, quickly rather than densely."""
    out = io.BytesIO()
    picture.save(out, format="PNG", compress_level=1)
    return out.getvalue()
