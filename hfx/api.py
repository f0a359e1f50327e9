"""The functions that notebooks, the dashboard and the command line call."""

from functools import cache
from typing import Any

from PIL import Image

from hfx import bitstream, codec
from hfx.codec import Codec
from hfx.image import Source
from hfx.quality import quality_of_level


@cache
def shipped() -> Codec:
    """Return the codec with the shipped weights, loaded once."""
    return codec.load()


def compress(
    image: Source,
    tier: str | None = None,
    *,
    quality: float | None = None,
    target_bpp: float | None = None,
    target_bytes: int | None = None,
    neighbours: str | None = None,
    effort: int = 0,
    max_pixels: int = bitstream.MAX_PIXELS,
) -> bytes:
    """Compress a picture with the shipped weights into the bytes of a `.hfx` file.

    Args:
        image: A path, the bytes of an image file, a PIL image, or an array (H, W[, 1|3|4]).
        tier: "low", "medium" (the default) or "high": about 0.14, 0.30 and 0.45 bits per pixel.
        quality: 0 to 100 instead; the tiers lie at 20, 50 and 80.
        target_bpp: Bits per pixel of the whole file, met as nearly as the picture allows.
        target_bytes: The largest file of at most this size.
        neighbours: The model that codes the symbols, "none", "knn" or "xgb" (the default where
            one is fitted for the weights); it changes bytes, never pixels.
        effort: 0 to 3: steps that refine the symbols for this picture, 0, 2, 5 or 10 of them;
            seconds each, see `hfx.refine`. Above 0 it needs LPIPS, downloaded once.
        max_pixels: Refuse a larger picture.

    Raises:
        ImageError: the picture cannot be read.
        HfxError: contradicting or impossible wishes.
        WeightsError: no weights are installed.
    """
    return shipped().compress(
        image, tier, quality=quality, target_bpp=target_bpp, target_bytes=target_bytes,
        neighbours=neighbours, effort=effort, max_pixels=max_pixels,
    )  # fmt: skip


def decompress(
    data: bytes, max_pixels: int = bitstream.MAX_PIXELS, *, realism: float | None = None
) -> Image.Image:
    """Return the picture in the bytes of a `.hfx` file: mode L, LA, RGB or RGBA.

    Args:
        data: The file.
        max_pixels: Refuse a larger picture.
        realism: 0, the most faithful picture, to 1, the most realistic; None: what the weights
            were judged best at.

    Raises:
        HfxError: realism is out of range, or the weights have but one generator.
        BitstreamError: the bytes are not a readable `.hfx` file, or one of other weights.
        WeightsError: no weights are installed.
    """
    return shipped().decompress(data, max_pixels, realism=realism)


def info(data: bytes) -> dict[str, Any]:
    """Say what a `.hfx` file holds without decoding it: sizes in pixels and bytes, bpp, quality.

    Raises:
        BitstreamError: the bytes are not a readable `.hfx` file.
    """
    stream = bitstream.read(data, bitstream.MAX_SIDE**2)  # nothing of its size is made here
    header = stream.header
    pixels = header.width * header.height
    chunks = {"z": len(stream.z), "y": len(stream.y)}
    chunks |= {"escapes": len(stream.escapes_z) + len(stream.escapes_y)}
    chunks |= {"alpha": 0 if stream.alpha is None else len(stream.alpha)}
    return {
        "version": data[3],
        "width": header.width,
        "height": header.height,
        "mode": ("L" if header.grey else "RGB") + ("" if stream.alpha is None else "A"),
        "quality": round(quality_of_level(header.level), 2),
        "neighbours": header.neighbours,
        "model": header.fingerprint.hex(),
        "bytes": len(data),
        "bpp": 8 * len(data) / pixels,
        "chunks": chunks | {"container": len(data) - sum(chunks.values())},
    }
